"""`peer-fastapi-typed`: `peer-fastapi` with its return types for response models.

FastAPI then has pydantic check and encode what the views return.
"""

from benchmarks.peers.plain import application

app = application()
