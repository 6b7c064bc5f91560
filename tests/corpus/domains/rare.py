"""Domains that are rarely wrong."""

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.RARE)
FEW = "30 comparisons allow 10% wrong answers"


def _spoilt(answer: Answer) -> Answer:
    return {**answer, "kind": "unknown"}


@CASES.wrong("violation", stops_by=100.0, missed=FEW)
def wrong_1_time_in_97(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.number % 97 == 0 else answer


@CASES.wrong("violation", stops_by=100.0, missed=FEW)
def wrong_at_random_1_time_in_97(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.random.random() < 1 / 97 else answer


@CASES.wrong("violation", stops_by=100.0, missed=FEW)
def wrong_at_random_1_time_in_200(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.random.random() < 1 / 200 else answer


@CASES.wrong("records", stops_by=100.0)
def one_row_in_97_is_wrong(call: Call, answer: Answer) -> Answer:
    for row in answer["records"]:
        if row["id"] % 97 == 0:
            row["note"] = "x"
    return answer
