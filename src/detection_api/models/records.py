"""Detection records and violations, which detectors write."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Identity, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base

VIOLATION_TYPES = ("no_hairnet", "no_handwash", "no_sanitize")
VIOLATION_STATUSES = ("pending", "confirmed", "false_positive", "resolved")


class DetectionRecord(Base):
    """The detections of one camera in one frame; partitioned by month of `timestamp`."""

    __tablename__ = "detection_records"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    timestamp: Mapped[datetime] = mapped_column(primary_key=True)
    camera_id: Mapped[str] = mapped_column()
    frame_number: Mapped[int | None]
    person_count: Mapped[int] = mapped_column(server_default=text("0"))
    hairnet_violations: Mapped[int] = mapped_column(server_default=text("0"))
    handwash_events: Mapped[int] = mapped_column(server_default=text("0"))
    sanitize_events: Mapped[int] = mapped_column(server_default=text("0"))
    fps: Mapped[float | None]
    processing_time: Mapped[float | None]

    __table_args__ = (
        Index(None, camera_id, timestamp.desc(), id.desc()),
        {"postgresql_partition_by": "RANGE (timestamp)"},
    )


class HourlyRecordCount(Base):
    """The number of one camera's records in the hour from `hour` on; triggers maintain it."""

    __tablename__ = "hourly_record_counts"

    camera_id: Mapped[str] = mapped_column(primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    count: Mapped[int]


class RecordTotal(Base):
    """The number of all records of one camera; triggers keep it equal to the hourly counts."""

    __tablename__ = "record_totals"

    camera_id: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]


class ViolationEvent(Base):
    """A violation of the hygiene rules, and how it was handled.

    `bbox` is null or `{"x", "y", "width", "height"}` in pixels.
    """

    __tablename__ = "violation_events"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    camera_id: Mapped[str] = mapped_column()
    timestamp: Mapped[datetime] = mapped_column()
    violation_type: Mapped[str]
    track_id: Mapped[int | None]
    confidence: Mapped[float | None]
    status: Mapped[str] = mapped_column(server_default="pending")
    snapshot_path: Mapped[str | None]
    bbox: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    handled_at: Mapped[datetime | None]
    handled_by: Mapped[str | None]
    notes: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (
        CheckConstraint(f"violation_type IN {VIOLATION_TYPES}", name="violation_type"),
        CheckConstraint(f"status IN {VIOLATION_STATUSES}", name="status"),
        Index(None, timestamp.desc(), id.desc()),
    )
