"""Who is logged in to the console, and what they may do."""
