"""Domains that are wrong in every answer with data."""

from datetime import timedelta

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.ALWAYS)


@CASES.wrong("violation")
def null_for_a_text(_: Call, answer: Answer) -> Answer:
    return {**answer, "notes": None}


@CASES.wrong("violation")
def time_of_another_zone(_: Call, answer: Answer) -> Answer:
    return {**answer, "timestamp": answer["timestamp"] + timedelta(hours=8)}


@CASES.wrong("records")
def oldest_rows_first(_: Call, answer: Answer) -> Answer:
    return {**answer, "records": answer["records"][::-1]}


@CASES.wrong("records")
def never_any_rows(_: Call, answer: Answer) -> Answer:
    return {"records": [], "total": 0}


@CASES.wrong("records")
def raises_where_there_are_rows(_: Call, answer: Answer) -> Answer:
    if answer["records"]:
        raise AttributeError("'Row' object has no attribute 'count'")
    return answer


@CASES.wrong("cameras")
def a_member_is_missing(_: Call, answer: Answer) -> Answer:
    for camera in answer["cameras"]:
        del camera["location"]
    return answer


@CASES.wrong("daily")
def empty_days_are_left_out(_: Call, answer: Answer) -> Answer:
    return [day for day in answer if day["counts"]]
