"""The old implementations: they read the log file, the camera file, Redis, and raw SQL."""

from detection_api.legacy.sources import configure

__all__ = [
    "configure",
]
