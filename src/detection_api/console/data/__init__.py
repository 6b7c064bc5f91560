"""Reads the console's data from the store and prepares it for the templates."""
