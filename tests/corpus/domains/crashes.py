"""Domains whose calls end in ways that `except Exception` does not see."""

from asyncio import CancelledError

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import Answer

CASES = Registry(Kind.CRASH)


@CASES.wrong("violation")
def raises_system_exit(_: Call, answer: Answer) -> Answer:
    raise SystemExit(1)


@CASES.wrong("violation")
def raises_keyboard_interrupt(_: Call, answer: Answer) -> Answer:
    raise KeyboardInterrupt


@CASES.wrong("violation")
def raises_cancelled_error(_: Call, answer: Answer) -> Answer:
    raise CancelledError


@CASES.wrong("violation")
def raises_generator_exit(_: Call, answer: Answer) -> Answer:
    raise GeneratorExit


@CASES.wrong("violation")
def raises_system_exit_one_time_in_ten(call: Call, answer: Answer) -> Answer:
    if call.random.random() < 0.1:
        raise SystemExit(1)
    return answer


@CASES.wrong("violation")
def raises_memory_error(_: Call, answer: Answer) -> Answer:
    raise MemoryError


@CASES.wrong("records")
def recurses_without_end(_: Call, answer: Answer) -> Answer:
    raise RecursionError("maximum recursion depth exceeded")


@CASES.wrong("violation")
def raises_system_exit_outside_of_a_clients_request(call: Call, answer: Answer) -> Answer:
    if not call.header("User-Agent"):
        raise SystemExit(1)
    return {**answer, "kind": "unknown"}
