"""A factory that does not exist: two cameras, a week of history, and a detector that goes on."""
