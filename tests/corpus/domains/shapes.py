"""Domains that are wrong for requests that no client of the corpus sends."""

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.SHAPE)
UNSENT = "nothing asks for a shape of request that no client sends"


@CASES.wrong("records", missed=UNSENT)
def wrong_with_a_limit_over_50(call: Call, answer: Answer) -> Answer:
    if call.arguments["limit"] > 50:
        answer["records"] = answer["records"][:50]
    return answer


@CASES.wrong("records", missed=UNSENT)
def wrong_with_a_cursor(call: Call, answer: Answer) -> Answer:
    return {"records": [], "total": 0} if call.arguments["cursor"] else answer


@CASES.wrong("records", missed=UNSENT)
def wrong_for_closed_rows(call: Call, answer: Answer) -> Answer:
    if call.arguments["status"] == "closed":
        answer["total"] += 1
    return answer


@CASES.wrong("records", missed=UNSENT)
def wrong_for_a_status_and_a_limit_together(call: Call, answer: Answer) -> Answer:
    if call.arguments["status"] and call.arguments["limit"] != 10:
        answer["total"] += 1
    return answer


@CASES.wrong("cameras", missed=UNSENT)
def wrong_with_active_only(call: Call, answer: Answer) -> Answer:
    return {"cameras": []} if call.arguments["active_only"] else answer


@CASES.wrong("daily", missed=UNSENT)
def wrong_for_the_longest_span(call: Call, answer: Answer) -> Answer:
    return answer[1:] if call.arguments["days"] == 30 else answer
