"""Health is judged check by check, and the ingestion lag by the oldest event."""

from datetime import timedelta
from typing import Any

import pytest

from detection_api.config import Settings
from detection_api.extensions import primary
from detection_api.services import monitoring
from tests.world import NOW, World, event

LIMIT = 60


@pytest.fixture
def settings(world: World, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a world with an ingested event log."""
    monkeypatch.setattr(primary, "pool", world.pool, raising=False)
    world.log_events(event(NOW.timestamp() - 3600))
    return Settings.from_environ(
        {
            "DATABASE_URL": world.database_url,
            "EVENTS_LOG": str(world.log),
            "INGESTION_LAG_LIMIT_S": str(LIMIT),
        }
    )


def _ingestion(settings: Settings, after: float = 0) -> dict[str, Any]:
    checks = monitoring.health(settings, NOW + timedelta(seconds=after))["checks"]
    ingestion: dict[str, Any] = checks["ingestion"]
    return ingestion


def _append(settings: Settings, line: bytes) -> None:
    with settings.events_log.open("ab") as log:
        log.write(line)


LINE = b'{"ts": %r, "type": "A", "camera_id": "cam0"}' % NOW.timestamp()


def test_a_log_that_is_ingested_has_no_lag(settings: Settings) -> None:
    health = monitoring.health(settings, NOW)
    assert health["status"] == "ok"
    assert health["checks"]["ingestion"]["lag_seconds"] == 0.0
    assert health["checks"]["redis"]["status"] == "disabled"


@pytest.mark.parametrize(("after", "status"), [(LIMIT, "ok"), (LIMIT + 0.001, "failing")])
def test_lag_fails_beyond_its_limit(settings: Settings, after: float, status: str) -> None:
    _append(settings, LINE + b"\n")
    check = _ingestion(settings, after)
    assert (check["status"], check["lag_seconds"]) == (status, after)


@pytest.mark.parametrize(
    "line",
    [LINE, b"not JSON\n", b'{"ts": 1}\n', b"x" * (monitoring.MAX_LINE + 9) + LINE + b"\n"],
    ids=["being written", "not JSON", "no names", "too long"],
)
def test_lines_that_are_not_whole_events_cause_no_lag(settings: Settings, line: bytes) -> None:
    _append(settings, line)
    assert _ingestion(settings, 600)["status"] == "ok"


def test_an_event_in_the_future_causes_no_negative_lag(settings: Settings) -> None:
    _append(settings, LINE + b"\n")
    assert _ingestion(settings, -30)["lag_seconds"] == 0.0


def test_a_failing_check_does_not_stop_the_others(settings: Settings) -> None:
    settings.events_log.unlink()
    health = monitoring.health(settings, NOW)
    failing = {name for name, check in health["checks"].items() if check["status"] == "failing"}
    assert (health["status"], failing) == ("failing", {"event_log", "ingestion"})
