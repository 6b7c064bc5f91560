"""Login, sessions and access rules of the console."""
