"""The client gets an answer that keeps the contract as long as an implementation has one."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from marshmallow import Schema, fields

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.serving.decision import Reason
from detection_api.canary.serving.engine import CanaryRequest, Engine, Result, Route
from detection_api.canary.serving.observation import DeadlinePool, FailureCause
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.types import Arm, RolloutState


class Item(Schema):
    name = fields.String(required=True)


class NotHereError(Exception):
    """An answer."""


def saying(name: Any) -> Callable[..., Any]:
    return lambda **_: {"name": name}


def raising(error: BaseException) -> Callable[..., Any]:
    def implementation(**_: Any) -> Any:
        raise error

    return implementation


def never(**_: Any) -> Any:
    return pytest.fail("this implementation must not run")


FAILURES = [
    pytest.param(raising(RuntimeError("boom")), FailureCause.ERROR, id="error"),
    pytest.param(raising(TimeoutError("late")), FailureCause.TIMEOUT, id="timeout"),
    pytest.param(saying(5), FailureCause.CONTRACT, id="contract"),
    *(
        pytest.param(raising(error), FailureCause.ERROR, id=type(error).__name__)
        for error in (
            SystemExit(1),
            KeyboardInterrupt(),
            asyncio.CancelledError(),
            GeneratorExit(),
            MemoryError(),
        )
    ),
]

RESULTS = [
    pytest.param(saying("new"), id="good"),
    pytest.param(raising(NotHereError("no such item")), id="answer"),
    *(pytest.param(failure.values[0], id=failure.id) for failure in FAILURES),
]


def serve(
    domain: Callable[..., Any],
    legacy: Callable[..., Any] | None,
    *,
    percent: float = 100,
    forced: Arm | None = None,
    clock: Callable[[], float] = time.perf_counter,
    **arguments: Any,
) -> Result:
    engine = Engine(CanarySettings(pinned={}), (NotHereError,), DeadlinePool(1), clock=clock)
    route = Route(domain=domain, legacy=legacy, contract=Contract(Item), rule=rules_of(Item()))
    state = RolloutState(endpoint="items.item", percent=percent)
    ask = CanaryRequest(subject="client-1", named=True, forced=forced, request_id="request-1")
    return engine.serve(route, state, ask, arguments)


def shown(served: Result) -> tuple[Arm | None, Reason, FailureCause | None, bytes | None]:
    answer = served.result.answer
    return served.arm, served.reason, served.cause, answer.body if answer else None


def test_the_domain_answers_alone_when_it_is_decided_on() -> None:
    served = serve(saying("new"), never)
    assert shown(served) == (Arm.DOMAIN, Reason.ROLLOUT, None, b'{"name":"new"}')


def test_legacy_answers_alone_when_it_is_decided_on() -> None:
    served = serve(never, saying("old"), percent=0)
    assert shown(served) == (Arm.LEGACY, Reason.HOLDOUT, None, b'{"name":"old"}')


def test_implementations_get_the_views_arguments() -> None:
    seen: dict[str, Any] = {}

    def domain(**arguments: Any) -> Any:
        seen.update(arguments)
        return {"name": "new"}

    serve(domain, never, limit=5)
    assert seen == {"limit": 5}


@pytest.mark.parametrize("domain", RESULTS)
def test_each_arm_is_timed_by_the_clock_that_is_given(domain: Callable[..., Any]) -> None:
    ticks = iter([10.0, 10.25, 20.0, 20.5])
    served = serve(domain, saying("old"), clock=lambda: next(ticks))
    assert [o.seconds for o in served.observations] == [0.25, 0.5][: len(served.observations)]


@pytest.mark.parametrize(("domain", "cause"), FAILURES)
def test_a_failing_domain_is_answered_by_legacy_and_stays_a_failure(
    domain: Callable[..., Any], cause: FailureCause
) -> None:
    served = serve(domain, saying("old"))
    assert shown(served) == (Arm.LEGACY, Reason.FALLBACK, cause, b'{"name":"old"}')
    assert [(o.arm, o.cause) for o in served.observations] == [
        (Arm.DOMAIN, cause),
        (Arm.LEGACY, None),
    ]


def test_a_forced_domain_that_fails_is_answered_by_legacy_too() -> None:
    served = serve(saying(5), saying("old"), percent=0, forced=Arm.DOMAIN)
    assert shown(served)[:3] == (Arm.LEGACY, Reason.FALLBACK, FailureCause.CONTRACT)


def test_an_error_that_is_an_answer_is_no_failure() -> None:
    served = serve(raising(NotHereError("no such item")), never)
    assert shown(served) == (Arm.DOMAIN, Reason.ROLLOUT, None, None)
    assert isinstance(served.result.error, NotHereError)


@pytest.mark.parametrize(("domain", "cause"), FAILURES)
def test_both_failing_is_an_outage(domain: Callable[..., Any], cause: FailureCause) -> None:
    served = serve(domain, raising(RuntimeError("down")))
    assert shown(served) == (None, Reason.OUTAGE, cause, None)


def test_a_failing_legacy_does_not_expose_the_client_to_the_domain() -> None:
    """Whoever is not in the rollout stays out of it, whatever happens to legacy."""
    served = serve(never, raising(RuntimeError("down")), percent=0)
    assert shown(served) == (None, Reason.OUTAGE, FailureCause.ERROR, None)
    assert [o.arm for o in served.observations] == [Arm.LEGACY], "legacy runs once"


def test_legacys_answer_is_sent_as_it_is_and_its_violation_kept() -> None:
    served = serve(never, saying(5), percent=0)
    assert shown(served) == (Arm.LEGACY, Reason.HOLDOUT, None, b'{"name":5}')
    assert served.result.answer is not None
    assert served.result.answer.violation is not None
    assert served.result.failure is FailureCause.CONTRACT


def test_a_finished_migration_is_answered_by_the_domain_whatever_the_percentage() -> None:
    served = serve(saying("new"), None, percent=0)
    assert shown(served)[:2] == (Arm.DOMAIN, Reason.FINISHED)


def test_a_finished_migration_that_fails_is_an_outage() -> None:
    served = serve(raising(RuntimeError("boom")), None)
    assert shown(served)[:3] == (None, Reason.OUTAGE, FailureCause.ERROR)
