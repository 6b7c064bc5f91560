"""A controller that is at work elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from detection_api.db.pool import Pool
from detection_api.rollout.lock import SESSION_SETTINGS, PostgresLock


@contextmanager
def another_controller(url: str) -> Iterator[None]:
    """Have the lock of controllers taken on the database at `url`."""
    pool = Pool(url, size=1, deadline=10, name="other", settings=SESSION_SETTINGS)
    PostgresLock(pool).take()
    try:
        yield
    finally:
        pool.dispose()
