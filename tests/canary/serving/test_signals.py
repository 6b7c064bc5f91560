"""A signal ends the process; an implementation that raises the same exception does not."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from marshmallow import Schema, fields

from detection_api.canary.contract.encoder import Contract
from detection_api.canary.contract.rules import rules_of
from detection_api.canary.serving.engine import Engine, Route
from detection_api.canary.serving.observation import DeadlinePool, Observation
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.serving.signals import is_from_signal
from detection_api.canary.state.types import Arm


class Item(Schema):
    name = fields.String(required=True)


class GunicornWorker:
    """Ends as gunicorn's workers do, by a bound method."""

    def handle_quit(self, _number: int, _frame: FrameType | None) -> None:
        sys.exit(0)


def quit_process(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


@pytest.fixture(params=[GunicornWorker().handle_quit, quit_process], ids=["method", "function"])
def _handler(request: pytest.FixtureRequest) -> Iterator[None]:
    before = signal.signal(signal.SIGQUIT, request.param)
    yield
    signal.signal(signal.SIGQUIT, before)


def send_quit(**_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGQUIT)
    threading.Event().wait(10)
    return {"name": "new"}


def leave(**_: Any) -> Any:
    sys.exit(0)


def run(domain: Callable[..., Any], deadline: float | None = None) -> Observation:
    route = Route(
        domain=domain,
        legacy=None,
        contract=Contract(Item),
        rule=rules_of(Item()),
        deadline=deadline,
    )
    engine = Engine(CanarySettings(pinned={}), (), DeadlinePool(1))
    return engine.run(Arm.DOMAIN, route, {}, "items.item")


@pytest.mark.usefixtures("_handler")
def test_a_signal_during_a_call_ends_the_process() -> None:
    with pytest.raises(SystemExit):
        run(send_quit)


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize("deadline", [None, 5.0], ids=["in this thread", "with a deadline"])
def test_a_domain_that_exits_does_not(deadline: float | None) -> None:
    assert isinstance(run(leave, deadline).error, SystemExit)


@pytest.mark.usefixtures("_handler")
def test_no_signal_is_handled_in_another_thread() -> None:
    """There even an exception that the handler itself raises is the implementation's."""
    found: list[BaseException] = []

    def call() -> None:
        try:
            quit_process(0, None)
        except SystemExit as error:
            found.append(error)
            found.append(SystemExit(is_from_signal(error)))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert found[1].args == (False,)
