"""Domains that are proven wrong or slow, and where they must end."""

from tests.corpus.case import AFTER, Call, Kind, Service
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.KEPT)
BACK = "a failed stage goes back to the stage before, or to the percentage from before the run"
FEW = "30 comparisons allow 10% wrong answers"
STAYS = "an endpoint out of patience is left where it stands"


def _spoilt(answer: Answer) -> Answer:
    return {**answer, "kind": "unknown"}


@CASES.wrong("violation", starts_at=50.0, stops_by=50.0, missed=BACK)
def always_wrong_and_at_50_percent_before(_: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong("violation", starts_at=20.0, stops_by=25.0, missed=BACK)
def always_wrong_and_at_20_percent_before(_: Call, answer: Answer) -> Answer:
    return _spoilt(answer)


@CASES.wrong("records", stops_by=50.0, missed=BACK)
def wrong_from_50_percent_on_after_two_good_stages(call: Call, answer: Answer) -> Answer:
    return {**answer, "total": 0} if call.percent >= 50 else answer


@CASES.wrong("violation", kind=Kind.SLOW, stops_by=50.0, ends_at=25.0)
def slow_from_50_percent_on(call: Call, answer: Answer) -> Answer:
    if call.percent >= 50:
        call.sleep(0.05)
    return answer


@CASES.wrong("violation", kind=Kind.SLOW)
def ten_times_as_slow(call: Call, answer: Answer) -> Answer:
    call.sleep(0.05)
    return answer


@CASES.wrong(
    "violation",
    kind=Kind.SLOW,
    starts_at=50.0,
    stops_by=50.0,
    ends_at=0.0,
    missed=BACK,
)
def ten_times_as_slow_and_at_50_percent_before(call: Call, answer: Answer) -> Answer:
    call.sleep(0.05)
    return answer


@CASES.wrong("violation", kind=Kind.SLOW, stops_by=100.0, ends_at=50.0)
def one_request_in_five_stalls_at_100_percent(call: Call, answer: Answer) -> Answer:
    if call.percent == 100 and call.number % 5 == 0:
        call.sleep(0.7)
    return answer


@CASES.wrong("violation", kind=Kind.SLOW, stops_by=AFTER, ends_at=100.0, after=20.0)
def a_little_slower_but_within_the_limits(call: Call, answer: Answer) -> Answer:
    call.sleep(0.002)
    return answer


@CASES.wrong(
    "violation",
    kind=Kind.PATIENCE,
    stops_by=100.0,
    ends_at=50.0,
    service=Service(silent_from=100.0),
    missed=STAYS,
)
def clients_ask_one_thing_only_at_100_percent(_: Call, answer: Answer) -> Answer:
    return answer


@CASES.wrong("violation", kind=Kind.PATIENCE, service=Service(silent_from=10.0), missed=STAYS)
def clients_ask_one_thing_only_at_10_percent(_: Call, answer: Answer) -> Answer:
    return answer


@CASES.wrong("violation", kind=Kind.RARE, stops_by=100.0, missed=FEW)
def wrong_1_time_in_97(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.number % 97 == 0 else answer


@CASES.wrong("violation", kind=Kind.RARE, stops_by=100.0, missed=FEW)
def wrong_at_random_1_time_in_97(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.random.random() < 1 / 97 else answer


@CASES.wrong("violation", kind=Kind.RARE, stops_by=100.0, missed=FEW)
def wrong_at_random_1_time_in_200(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.random.random() < 1 / 200 else answer


@CASES.wrong("records", kind=Kind.RARE, stops_by=100.0)
def one_row_in_97_is_wrong(call: Call, answer: Answer) -> Answer:
    for row in answer["records"]:
        if row["id"] % 97 == 0:
            row["note"] = "x"
    return answer
