"""A controller outlives PostgreSQL's absences, and gives way to another controller."""

from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

import psycopg2
import pytest

from detection_api.errors import DeadlineExceededError
from detection_api.rollout.controller.controller import Turn
from detection_api.rollout.controller.loop import drive, pause
from detection_api.rollout.lock import AnotherControllerError
from detection_api.rollout.run import Plan
from tests.rollout.support import PLAN, run_of

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUN = run_of(PLAN)


class Stop(Event):
    """Counts how long was waited for, and is set after so many waits."""

    def __init__(self, waits: int = 100) -> None:
        super().__init__()
        self.waited: list[float | None] = []
        self._left = waits

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout)
        if len(self.waited) >= self._left:
            self.set()
        return self.is_set()


class Scripted:
    """A controller, a lock and a display: turns come in this order, errors are raised."""

    def __init__(self, *script: Turn | Exception, lock: Exception | None = None) -> None:
        self._script = list(script)
        self._lock = lock
        self.shown: list[Turn] = []

    def take(self) -> None:
        if self._lock:
            raise self._lock

    def turn(self) -> Turn:
        found = self._script.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    def show(self, turn: Turn) -> None:
        self.shown.append(turn)


def turn(*, has_moved: bool = False, ended: bool = False) -> Turn:
    end: Any = object() if ended else None
    return Turn(run=replace(RUN, end=end), at=NOW, reviews=(), has_moved=has_moved)


def driven(scripted: Any, stop: Stop) -> Any:
    return drive(scripted, scripted, RUN, scripted, stop)


def test_turns_are_taken_until_the_run_has_ended_without_a_wait_after_a_move() -> None:
    turns = [turn(), turn(has_moved=True), turn(has_moved=True, ended=True)]
    scripted, stop = Scripted(*turns), Stop()
    assert driven(scripted, stop).end is not None
    assert scripted.shown == turns
    assert stop.waited == [pause(PLAN)]


def test_who_is_asked_to_stop_takes_no_further_turn() -> None:
    scripted, stop = Scripted(turn(), turn()), Stop(waits=1)
    assert driven(scripted, stop).end is None
    assert len(scripted.shown) == 1


@pytest.mark.parametrize(
    "error", [psycopg2.OperationalError("server\nclosed"), DeadlineExceededError("too late")]
)
def test_while_postgresql_is_away_it_is_tried_again(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    scripted, stop = Scripted(error, turn(ended=True)), Stop()
    assert driven(scripted, stop).end is not None
    told = capsys.readouterr().err
    assert told == f"PostgreSQL is away, trying again: {' '.join(str(error).split())}\n"


def test_a_controller_whose_lock_another_one_has_stops() -> None:
    scripted = Scripted(turn(), lock=AnotherControllerError())
    with pytest.raises(AnotherControllerError):
        driven(scripted, Stop())
    assert scripted.shown == []


@pytest.mark.parametrize(("bake", "seconds"), [(0, 1), (20, 1), (300, 5), (86_400, 10)])
def test_short_stages_are_looked_at_more_often(bake: float, seconds: float) -> None:
    assert pause(Plan(endpoints={}, bake=bake)) == seconds
