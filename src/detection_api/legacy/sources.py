"""The sources that the legacy implementations read."""

from pathlib import Path

from detection_api.config import Settings
from detection_api.db import READ_ONLY, Pool
from detection_api.legacy.live import LiveStatistics
from detection_api.telemetry import process_metrics


class Sources:
    """The files, the pool and the subscription that legacy reads; `configure` sets them."""

    events_log: Path
    cameras_file: Path
    pool: Pool
    live: LiveStatistics = LiveStatistics("")


sources = Sources()


def configure(settings: Settings) -> None:
    """Set the sources from `settings`; opens and connects nothing yet.

    Raises ValueError if the Redis URL is invalid.
    """
    sources.events_log = settings.events_log
    sources.cameras_file = settings.cameras_file
    sources.pool = Pool(
        settings.database_url,
        size=settings.legacy_pool_size,
        deadline=settings.legacy_deadline_ms / 1000,
        name="detection-api legacy",
        settings=READ_ONLY,
    )
    process_metrics.watch("legacy", sources.pool)
    sources.live.stop()
    sources.live = LiveStatistics(settings.redis_url)
