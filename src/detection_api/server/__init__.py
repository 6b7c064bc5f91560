"""What belongs to the processes that serve: the start and end of a worker, signals."""
