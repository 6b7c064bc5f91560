"""The peers: the same seven reads with FastAPI and asyncpg."""
