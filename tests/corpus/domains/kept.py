"""Domains that are proven wrong or slow, and where they must end."""

from tests.corpus.case import Call, Kind, Service
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.KEPT)
FEW = "30 comparisons allow 10% wrong answers"


def _spoilt(answer: Answer) -> Answer:
    return {**answer, "kind": "unknown"}


@CASES.wrong("violation", starts_at=50.0, stops_by=50.0)
def always_wrong_and_at_50_percent_before(_: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong("violation", starts_at=20.0, stops_by=25.0)
def always_wrong_and_at_20_percent_before(_: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong("records", stops_by=50.0)
def wrong_from_50_percent_on_after_two_good_stages(call: Call, answer: Answer) -> Answer:
    return {**answer, "total": 0} if call.percent >= 50 else answer


@CASES.wrong(
    "violation",
    kind=Kind.PATIENCE,
    stops_by=100.0,
    ends_at=50.0,
    service=Service(silent_from=100.0),
)
def clients_ask_one_thing_only_at_100_percent(_: Call, answer: Answer) -> Answer:
    return answer


@CASES.wrong("violation", kind=Kind.PATIENCE, service=Service(silent_from=10.0))
def clients_ask_one_thing_only_at_10_percent(_: Call, answer: Answer) -> Answer:
    return answer
