"""The structured log, as tests read it."""

from typing import Any

import pytest


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the structured log lines of the test so far."""
    return [record.msg for record in caplog.records if isinstance(record.msg, dict)]
