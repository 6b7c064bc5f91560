"""Healthy domains, among disturbances: each must pass every stage, without an alarm."""

from datetime import UTC, datetime, timedelta, timezone

from detection_api.canary.serving import SETTLE
from tests.corpus.case import AFTER, Call, Case, Fault, Kind, Service, no_fault
from tests.corpus.world import Answer, Burst, World

LIMITED = "legacy cannot say how far back it sees"


USUAL = Service()


def _control(
    name: str, endpoint: str, service: Service = USUAL, fault: Fault = no_fault, missed: str = ""
) -> Case:
    return Case(
        kind=Kind.CONTROL,
        name=name,
        endpoint=endpoint,
        stops_by=AFTER,
        ends_at=100.0,
        service=service,
        fault=fault,
        missed=missed,
    )


def _before_midnight(hours_ahead: int) -> World:
    """Return a world in which a zone reaches midnight after 3 minutes."""
    midnight = datetime(2026, 12, 1, tzinfo=timezone(timedelta(hours=hours_ahead)))
    return World(start=midnight.astimezone(UTC) - timedelta(minutes=3))


def _busy(second: float) -> float:
    """Return the seconds that arms take longer on a machine that is busy for 20 seconds."""
    return 0.3 if 90 <= second < 110 else 0.0


def _slower(call: Call, answer: Answer) -> Answer:
    call.sleep(0.002)
    return answer


BEHIND = Service(world=lambda: World(replica_lag=5), settle=SETTLE + 10)
"""A replica 5 seconds behind, where the canary is told that it may be 10 seconds behind."""

CASES = (
    _control("violations", "violation"),
    _control("rows", "records"),
    _control("cameras", "cameras"),
    _control("live counters", "stats"),
    _control("days", "daily"),
    _control("a domain as slow as legacy", "violation", fault=_slower),
    _control("few clients", "stats", Service(clients=20)),
    _control(
        "burst of 50,000 log lines",
        "records",
        Service(world=lambda: World(burst=Burst(at=120)), legacy_tail=True),
        missed=LIMITED,
    ),
    _control("midnight in UTC", "daily", Service(world=lambda: _before_midnight(0))),
    _control("midnight in Shanghai", "daily", Service(world=lambda: _before_midnight(8))),
    _control("midnight in New York", "daily", Service(world=lambda: _before_midnight(-5))),
    _control("PostgreSQL restarts", "records", Service(outage=(90, 100))),
    _control("a machine busy for 20 seconds", "stats", Service(pause=_busy)),
    _control("counters from a replica 5 s behind", "stats", BEHIND),
    _control("rows from a replica 5 s behind", "records", BEHIND),
)
