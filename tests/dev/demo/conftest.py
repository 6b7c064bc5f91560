"""The demo runs in processes of its own, where psycopg2 waits as it does by itself."""

import pytest


@pytest.fixture(autouse=True)
def _in_a_process_of_its_own(unbound_waits: None) -> None:
    """See `unbound_waits`."""
