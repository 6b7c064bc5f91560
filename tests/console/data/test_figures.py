"""What the console makes of the ledger: every number is the API's, and nothing is left unsaid."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import DEFAULT, LedgerRow, RolloutState, Status, Worker
from detection_api.console.data import figures
from detection_api.console.data.snapshot import ConsoleSnapshot
from detection_api.rollout.overview import overview
from tests.canary.stores import ENDPOINT, heartbeat, latencies

NOON = datetime(2026, 11, 25, 12, 0, 30, tzinfo=UTC)
ACTIVE = RolloutState(endpoint=ENDPOINT, percent=50, epoch=3)
WORKER = Worker(heartbeat=heartbeat(epochs={ENDPOINT: 3}), silent=1)


def row(arm: str, ago: float = 30, endpoint: str = ENDPOINT, **counts: Any) -> LedgerRow:
    """What was counted `ago` seconds before NOON."""
    bucket = NOON - timedelta(seconds=ago)
    return LedgerRow(bucket=bucket, endpoint=endpoint, arm=arm, tally=Tally(**counts))


def snapshot(
    *rows: LedgerRow,
    states: tuple[RolloutState, ...] = (ACTIVE,),
    workers: tuple[Worker, ...] = (WORKER,),
    use_domain: bool = True,
    excused: frozenset[str] = frozenset(),
) -> ConsoleSnapshot:
    stored = {state.endpoint: state for state in states}
    overrides = CanarySettings(pinned={}, use_domain=use_domain)
    return ConsoleSnapshot(
        at=NOON,
        states=stored,
        overview=overview(stored, workers, [ENDPOINT], overrides),
        rows=list(rows),
        events=[],
        run=None,
        is_driven=False,
        excused=excused,
    )


def only(seen: ConsoleSnapshot) -> figures.EndpointRow:
    (found,) = figures.rows(seen)
    return found


def said(seen: ConsoleSnapshot) -> list[tuple[str, bool]]:
    return [(c.text, c.grave) for c in figures.concerns(seen, figures.rows(seen))]


def test_a_fallback_is_a_failure_of_the_domain_and_an_answer_of_legacys() -> None:
    found = only(
        snapshot(row("domain", requests=60, errors=10, timeouts=2), row("legacy", fallbacks=11))
    )
    assert (found.failures, found.fallbacks, found.requests) == (12, 11, 60)
    assert found.causes == {"error": 10, "timeout": 2}
    assert found.share == pytest.approx(49 / 60)
    assert found.per_second == 1


def test_who_answers_is_of_the_last_minute_and_failures_are_of_five() -> None:
    found = only(
        snapshot(
            row("domain", ago=200, requests=100, errors=50),
            row("domain", ago=301, requests=9, errors=9),
            row("legacy", ago=20, requests=10),
        )
    )
    assert (found.share, found.failures) == (0, 50)


def test_where_nothing_was_asked_there_is_no_share_and_no_percentile() -> None:
    found = only(snapshot())
    assert (found.share, found.domain_p95, found.legacy_p95) == (None, None, None)
    assert not found.is_failing
    assert not found.is_slow


@pytest.mark.parametrize(
    ("domain", "legacy", "is_slow"),
    [(0.6, 0.6, True), (0.4, 0.1, True), (0.4, 0.3, False), (0.4, None, False)],
)
def test_the_domain_is_slow_beyond_half_a_second_or_well_beyond_legacy(
    domain: float, legacy: float | None, is_slow: bool
) -> None:
    rows = [row("domain", requests=20, latency=latencies(domain))]
    if legacy:
        rows.append(row("legacy", requests=1, latency=latencies(legacy)))
    assert only(snapshot(*rows)).is_slow is is_slow


@pytest.mark.parametrize(("domain", "is_slow"), [(0.4, False), (0.6, True)])
def test_who_is_accepted_to_be_slower_than_legacy_is_slow_beyond_half_a_second(
    domain: float, is_slow: bool
) -> None:
    rows = (
        row("domain", requests=20, latency=latencies(domain)),
        row("legacy", latency=latencies(0.1)),
    )
    assert only(snapshot(*rows, excused=frozenset({ENDPOINT}))).is_slow is is_slow


def test_a_few_slow_requests_say_nothing() -> None:
    assert not only(snapshot(row("domain", requests=19, latency=latencies(9)))).is_slow


def test_when_all_is_well_nothing_needs_anybody() -> None:
    assert said(snapshot(row("domain", requests=100, errors=1))) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (snapshot(row("domain", requests=10, errors=1)), [("failing", True)]),
        (snapshot(row("domain", requests=10, outages=1)), [("outages", True)]),
        (snapshot(row("legacy", requests=9, compared=9, mismatched=1)), [("mismatched", False)]),
        (
            snapshot(row("domain", requests=20, latency=latencies(0.7))),
            [("slow", False)],
        ),
        (snapshot(use_domain=False), [("kill_switch_on", True)]),
        (snapshot(workers=()), [("no_workers", True)]),
        (snapshot(workers=(replace(WORKER, silent=9),)), [("workers_silent", False)]),
        (snapshot(states=(replace(ACTIVE, epoch=4),)), [("workers_lag", True)]),
        (
            snapshot(states=(replace(ACTIVE, status=Status.ROLLED_BACK),)),
            [("is_rolled_back", False)],
        ),
        (
            snapshot(
                row("domain", requests=10, errors=9, latency=latencies(9)),
                states=(RolloutState(endpoint=DEFAULT, status=Status.ROLLED_BACK),),
            ),
            [("failing", False), ("all_rolled_back", False)],
        ),
        (snapshot(states=(RolloutState(endpoint="gone"),)), [("strays", False)]),
    ],
    ids=lambda value: value[0][0] if isinstance(value, list) else "",
)
def test_what_needs_somebody_is_said(
    seen: ConsoleSnapshot, expected: list[tuple[str, bool]]
) -> None:
    assert said(seen) == expected


def test_the_gravest_is_said_first() -> None:
    seen = snapshot(row("domain", requests=10, compared=10, mismatched=1, outages=1), workers=())
    assert said(seen) == [("no_workers", True), ("outages", True), ("mismatched", False)]


def test_the_chart_has_an_hour_by_minutes_with_gaps_where_nothing_was_asked() -> None:
    seen = snapshot(
        row("domain", ago=90, requests=1, errors=1),
        row("legacy", ago=90, requests=3),
        row("domain", ago=5, requests=1000),
        row("domain", ago=90, requests=500, endpoint="other"),
    )
    minutes = figures.minutes(seen, ENDPOINT)
    assert len(minutes) == 60
    assert f"{minutes[-1].begins:%H:%M}" == "12:00"
    assert [minute.exposure for minute in minutes[-3:]] == [None, 25, None]
    assert dict(zip(figures.CAUSES, minutes[-2].failures, strict=True)) == {
        cause: int(cause == "error") for cause in figures.CAUSES
    }
    assert figures.minutes(seen)[-2].exposure == pytest.approx(100 * 501 / 504)
