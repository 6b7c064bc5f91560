"""A browser whose operator is logged in."""

import pytest
from flask.testing import FlaskClient

from tests.console.conftest import LogIn


@pytest.fixture
def client(log_in: LogIn, operator: str) -> FlaskClient:
    """Return a client that keeps the cookie of a session."""
    return log_in(operator)
