"""Domains that spoil what both arms share in one process."""

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import READS, Answer

CASES = Registry(Kind.SPOILT)
SHARED = "both arms are given the same list"


@CASES.wrong("cameras")
def empties_a_list_that_both_arms_are_given(call: Call, answer: Answer) -> Answer:
    if not call.arguments["names"]:
        return answer
    call.arguments["names"].clear()
    return READS["cameras"](call.world, call.ingested, **call.arguments)


@CASES.wrong("cameras", missed=SHARED)
def adds_to_a_list_that_both_arms_are_given(call: Call, answer: Answer) -> Answer:
    if not call.arguments["names"]:
        return answer
    call.arguments["names"].append("cam3")
    return READS["cameras"](call.world, call.ingested, **call.arguments)
