"""What the console shows: read from the store, and made ready for the templates."""
