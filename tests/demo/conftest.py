"""The demo runs in processes of its own, where psycopg2 waits as it does by itself."""

from collections.abc import Iterator

import pytest
from psycopg2 import extensions


@pytest.fixture(autouse=True)
def _unbound_waits() -> Iterator[None]:
    callback = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    yield
    extensions.set_wait_callback(callback)
