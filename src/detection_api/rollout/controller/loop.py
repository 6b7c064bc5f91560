"""Has a controller take its turns until its run has ended or somebody wants to stop."""

from threading import Event

import click
import psycopg2

from detection_api.errors import DeadlineExceededError
from detection_api.rollout.controller.controller import Controller
from detection_api.rollout.controller.display import Display
from detection_api.rollout.lock import Lock
from detection_api.rollout.run import Plan, Run
from detection_api.rollout.text import line

LOOKS = 60
"""Turns in a bake time, so that a stage ends soon after it may."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two turns."""


def pause(plan: Plan) -> float:
    """Seconds between two turns in which nothing has moved."""
    return min(max(plan.bake / LOOKS, SHORTEST_PAUSE), LONGEST_PAUSE)


def drive(controller: Controller, lock: Lock, going: Run, display: Display, stop: Event) -> Run:
    """Take turns until the run has ended or `stop` is set; how the run stands then.

    While PostgreSQL is away nothing is done: workers keep the exposure that they know of, or less.
    Raises AnotherControllerError where another one has come up meanwhile.
    """
    while going.end is None and not stop.is_set():
        try:
            lock.take()
            turn = controller.turn()
        except (psycopg2.OperationalError, DeadlineExceededError) as error:
            click.echo(f"PostgreSQL is away, trying again: {line(str(error))}", err=True)
            stop.wait(pause(going.plan))
            continue
        going = turn.run
        display.show(turn)
        if not turn.has_moved:
            stop.wait(pause(going.plan))
    return going
