"""The old implementations (legacy), which read the event log, the camera file, Redis and SQL."""

from detection_api.legacy.sources import configure

__all__ = [
    "configure",
]
