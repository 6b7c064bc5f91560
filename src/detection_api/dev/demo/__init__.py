"""A simulated factory: two cameras, a week of history, and a detector that runs."""
