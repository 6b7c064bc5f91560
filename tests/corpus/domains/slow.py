"""Domains that are slow, get slower, or leak memory."""

from tests.corpus.case import LEAKED, Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.SLOW)
END_ONLY = "latency is judged over the whole stage: growth within it does not show"
UNMEASURED = "no gate looks at the memory of workers"


@CASES.wrong("violation", stops_by=50.0, ends_at=25.0)
def slow_from_50_percent_on(call: Call, answer: Answer) -> Answer:
    if call.percent >= 50:
        call.sleep(0.05)
    return answer


@CASES.wrong("violation")
def ten_times_as_slow(call: Call, answer: Answer) -> Answer:
    call.sleep(0.05)
    return answer


@CASES.wrong("violation", starts_at=50.0, stops_by=50.0, ends_at=0.0)
def ten_times_as_slow_and_at_50_percent_before(call: Call, answer: Answer) -> Answer:
    call.sleep(0.05)
    return answer


@CASES.wrong("violation", stops_by=100.0, ends_at=50.0)
def one_request_in_five_stalls_at_100_percent(call: Call, answer: Answer) -> Answer:
    if call.percent == 100 and call.number % 5 == 0:
        call.sleep(0.7)
    return answer


@CASES.wrong("violation", stops_by=100.0, ends_at=50.0, ends_from=0.0)
def slower_with_each_call(call: Call, answer: Answer) -> Answer:
    call.sleep(call.number * 20e-6)
    return answer


@CASES.wrong("violation", stops_by=100.0, ends_at=50.0, missed=END_ONLY)
def slower_with_each_call_at_100_percent(call: Call, answer: Answer) -> Answer:
    """From the last stage on each call takes 3 microseconds more than the one before."""
    if call.percent == 100:
        call.memory["slow"] = call.memory.get("slow", 0) + 1
        call.sleep(call.memory["slow"] * 3e-6)
    return answer


@CASES.wrong("violation", stops_by=100.0, ends_at=50.0, ends_from=0.0, missed=UNMEASURED)
def leaks_a_megabyte_with_each_call(call: Call, answer: Answer) -> Answer:
    call.memory[LEAKED] = call.memory.get(LEAKED, 0.0) + 1e6
    return answer


@CASES.wrong("records", stops_by=100.0, ends_at=50.0, ends_from=0.0, missed=UNMEASURED)
def leaks_an_answer_with_each_call(call: Call, answer: Answer) -> Answer:
    call.memory[LEAKED] = call.memory.get(LEAKED, 0.0) + 300e3
    return answer
