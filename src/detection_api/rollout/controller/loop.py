"""Repeat a controller's turns until its run has ended or `stop` is set."""

from threading import Event

import click
import psycopg2

from detection_api.errors import DeadlineExceededError
from detection_api.rollout.controller.controller import Controller
from detection_api.rollout.controller.display import Display
from detection_api.rollout.lock import Lock
from detection_api.rollout.run import Plan, Run
from detection_api.rollout.text import line

TURNS_PER_BAKE = 60
"""Turns in a bake time, so that a stage ends soon after it may."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 10.0
"""Seconds between two turns."""


def pause(plan: Plan) -> float:
    """Return the seconds to wait after a turn that moved no endpoint."""
    return min(max(plan.bake / TURNS_PER_BAKE, SHORTEST_PAUSE), LONGEST_PAUSE)


def drive(controller: Controller, lock: Lock, run: Run, display: Display, stop: Event) -> Run:
    """Take turns until the run has ended or `stop` is set; return the run.

    Retries while PostgreSQL is away; workers then keep the exposure that they know, or less. Raises
    AnotherControllerError if another controller has taken the lock meanwhile.
    """
    while run.end is None and not stop.is_set():
        try:
            lock.take()
            turn = controller.turn()
        except (psycopg2.OperationalError, DeadlineExceededError) as error:
            click.echo(f"PostgreSQL is away, trying again: {line(str(error))}", err=True)
            stop.wait(pause(run.plan))
            continue
        run = turn.run
        display.show(turn)
        if not turn.has_moved:
            stop.wait(pause(run.plan))
    return run
