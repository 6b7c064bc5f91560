"""The domain: the new implementations, over PostgreSQL; they know no HTTP."""
