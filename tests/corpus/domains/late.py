"""Domains that turn wrong late: at the last stage, after it, or without a run."""

from tests.corpus.case import AFTER, Call, Kind, Service
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.LATE)
SLOWLY = Service(rate=5)
PINNED = {"ROLLOUT_PERCENT_CORPUS_VIOLATION": 100.0}


def _spoilt(answer: Answer) -> Answer:
    return {**answer, "kind": "unknown"}


@CASES.wrong("violation", stops_by=100.0)
def wrong_only_at_100_percent(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.percent == 100 else answer


@CASES.wrong("violation", stops_by=50.0)
def wrong_from_50_percent_on(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.percent >= 50 else answer


@CASES.wrong("violation", stops_by=AFTER, after=90.0)
def wrong_after_the_run(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.promoted_for > 20 else answer


@CASES.wrong("violation", starts_at=100.0, runs=False, service=SLOWLY, after=90.0)
def wrong_after_half_a_minute_without_a_run(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.now > 30 else answer


@CASES.wrong("records", starts_at=100.0, runs=False, after=300.0)
def wrong_one_time_in_four_without_a_run(call: Call, answer: Answer) -> Answer:
    return {**answer, "total": 0} if call.now > 30 and call.random.random() < 0.25 else answer


@CASES.wrong("stats", starts_at=100.0, runs=False, after=300.0)
def frames_times_ten_without_a_run(call: Call, answer: Answer) -> Answer:
    return {**answer, "frames": answer["frames"] * 10} if call.now > 30 else answer


@CASES.wrong("violation", starts_at=25.0, runs=False, after=120.0)
def wrong_at_25_percent_without_a_run(_: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong(
    "violation",
    starts_at=0.0,
    runs=False,
    service=Service(rate=5, pinned=PINNED),
    after=60.0,
)
def wrong_under_a_pinned_percentage(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong("violation", starts_at=100.0, runs=False, after=60.0)
def raises_after_half_a_minute_without_a_run(call: Call, answer: Answer) -> Answer:
    if call.now > 30:
        raise RuntimeError("the domain is broken")
    return answer
