"""Log lines and metrics of a process: its requests, its memory, its pools."""
