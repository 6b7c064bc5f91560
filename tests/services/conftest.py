from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date

import psycopg2
import pytest
from psycopg2 import extensions

from detection_api.db import partitions
from detection_api.db.pool import READ_ONLY, Pool, bound_waits
from detection_api.db.reader import decode_json_exactly
from tests.services.plans import FILL
from tests.world import world

__all__ = ["world"]


@pytest.fixture(scope="session")
def filled(migrated_database: Callable[[str], str]) -> str:
    """A database with three months of rows, of ten cameras and five types."""
    url = migrated_database("filled")
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        for table in partitions.TABLES:
            for month in (8, 9, 10):
                partitions.create(connection, table, date(2025, month, 1))
        with connection.cursor() as cursor:
            cursor.execute(FILL)
    return url


@pytest.fixture
def pool(filled: str) -> Iterator[Pool]:
    """The services' pool over `filled`."""
    bound_waits()
    decode_json_exactly()
    pool = Pool(filled, size=1, deadline=5, name="plans", settings=READ_ONLY)
    yield pool
    pool.dispose()
    extensions.set_wait_callback(None)
