"""Configured cameras and the latest statistics of each."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from detection_api.models.base import Base


class Camera(Base):
    """One camera of the camera file; `position` is its index in the file."""

    __tablename__ = "cameras"

    id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    name: Mapped[str]
    source: Mapped[str]
    location: Mapped[str | None]
    status: Mapped[str]
    active: Mapped[bool]
    auto_start: Mapped[bool]
    resolution: Mapped[str | None]
    fps: Mapped[float | None]
    region_id: Mapped[str | None]
    regions_file: Mapped[str | None]


class CameraStatistics(Base):
    """The last statistics message that a camera's detector published.

    `avg_fps` is in frames a second, `avg_detection_time` in seconds, the rest are counts.
    """

    __tablename__ = "camera_statistics"

    camera_id: Mapped[str] = mapped_column(primary_key=True)
    timestamp: Mapped[datetime]
    total_frames: Mapped[int]
    processed_frames: Mapped[int]
    detected_persons: Mapped[int]
    detected_hairnets: Mapped[int]
    detected_handwash: Mapped[int]
    avg_fps: Mapped[float]
    avg_detection_time: Mapped[float]
