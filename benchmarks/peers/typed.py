"""`peer-fastapi-typed`: `peer-fastapi` with return types as response models.

So FastAPI checks and encodes the answers with pydantic.
"""

from benchmarks.peers.plain import application

app = application()
