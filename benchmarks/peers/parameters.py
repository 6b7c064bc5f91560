"""Parameters with the bounds of the contract."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

CameraId = Annotated[str, Path(min_length=1, max_length=255)]
Filter = Annotated[str | None, Query(min_length=1, max_length=255)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, lt=2**63)]
Days = Annotated[int, Query(ge=1, le=90)]
Minutes = Annotated[int, Query(ge=1, le=1440)]
Moment = Annotated[datetime | None, Query()]
