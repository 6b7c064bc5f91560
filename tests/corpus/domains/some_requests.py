"""Domains that are wrong for some requests only: a second run of the same call may be right."""

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.SOME_REQUESTS)
OUTSIDE = "a comparison runs the domain outside of the request, where it answers right"


def _spoilt(answer: Answer) -> Answer:
    return {**answer, "kind": "unknown"}


@CASES.wrong("violation", missed=OUTSIDE)
def wrong_for_germans(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.header("Accept-Language") == "de" else answer


@CASES.wrong("violation", missed=OUTSIDE)
def wrong_on_a_phone(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.header("User-Agent") == "phone" else answer


@CASES.wrong("violation", missed=OUTSIDE)
def wrong_for_a_cohort_of_clients(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.header("X-Client-Id").endswith(("3", "7")) else answer


@CASES.wrong("records", missed=OUTSIDE)
def wrong_for_clients_that_give_a_name(call: Call, answer: Answer) -> Answer:
    return {**answer, "total": 0} if call.header("X-Client-Id") else answer


@CASES.wrong("stats", missed=OUTSIDE)
def wrong_live_object_for_a_kiosk(call: Call, answer: Answer) -> Answer:
    return {**answer, "name": ""} if call.header("User-Agent") == "kiosk" else answer


@CASES.wrong("violation")
def wrong_one_time_in_ten(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.random.random() < 0.1 else answer


@CASES.wrong("records")
def a_row_is_lost_one_time_in_ten(call: Call, answer: Answer) -> Answer:
    if call.random.random() < 0.1:
        answer["records"] = answer["records"][:-1]
    return answer


@CASES.wrong("daily")
def wrong_one_time_in_twenty(call: Call, answer: Answer) -> Answer:
    if call.random.random() < 0.05:
        for day in answer:
            day["total"] += 1
    return answer


@CASES.wrong("violation")
def a_race_spoils_every_ninth_call(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.number % 9 == 0 else answer


@CASES.wrong("cameras")
def a_race_mixes_up_two_cameras(call: Call, answer: Answer) -> Answer:
    found = answer["cameras"]
    if call.number % 7 == 0 and len(found) > 1:
        found[0]["name"], found[1]["name"] = found[1]["name"], found[0]["name"]
    return answer


@CASES.wrong("violation")
def wrong_after_a_rest(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.idle > 0.3 else answer


@CASES.wrong("violation")
def wrong_while_the_cache_is_cold(call: Call, answer: Answer) -> Answer:
    """The first answer to a question in 20 seconds is wrong."""
    question, period = answer["id"], call.now // 20
    is_cold = call.memory.get(question) != period
    call.memory[question] = period
    return _spoilt(answer) if is_cold else answer


@CASES.wrong("violation")
def wrong_in_a_tenth_of_each_second(call: Call, answer: Answer) -> Answer:
    return _spoilt(answer) if call.now % 1 < 0.1 else answer


@CASES.wrong("violation")
def the_answer_to_the_question_before(call: Call, answer: Answer) -> Answer:
    """A reused buffer: one time in eight the answer of the last call."""
    last = call.memory.get("last", answer)
    call.memory["last"] = answer
    return last if call.random.random() < 0.125 else answer
