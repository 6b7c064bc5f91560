"""The old implementations, as they always were: log file, camera file, Redis and raw SQL."""

from detection_api.legacy.sources import configure

__all__ = [
    "configure",
]
