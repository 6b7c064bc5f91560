"""The same seven reads by FastAPI and asyncpg: what detection-api is measured against."""
