"""What a process tells of itself: its log lines, its memory, its pools."""
