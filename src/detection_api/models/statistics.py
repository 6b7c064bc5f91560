"""Events of the event log, and their hourly counts."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Identity, Index
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class Event(Base):
    """One line of the event log; partitioned by month of `timestamp`.

    `id` grows in the order of the log. `ts` is the epoch seconds of the line, which may be more
    precise than `timestamp`. `evidence` is the JSON of the line, with the order of its keys;
    `confidence` and `region` are taken from it.
    """

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    ts: Mapped[float]
    type: Mapped[str] = mapped_column()
    camera_id: Mapped[str] = mapped_column()
    track_id: Mapped[int | None]
    confidence: Mapped[float]
    region: Mapped[str | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(JSON)

    __table_args__ = (
        Index(None, timestamp.desc(), id.desc()),
        Index(None, camera_id, timestamp.desc(), id.desc()),
        Index(None, type, timestamp.desc(), id.desc()),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )


class HourlyEventCount(Base):
    """The number of one camera's events of one type in the hour from `hour` on."""

    __tablename__ = "hourly_event_counts"

    hour: Mapped[datetime] = mapped_column(primary_key=True)
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class DailyEventCount(Base):
    """The number of one camera's events of one type on a UTC day; triggers maintain it."""

    __tablename__ = "daily_event_counts"

    day: Mapped[date] = mapped_column(primary_key=True)
    camera_id: Mapped[str] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
