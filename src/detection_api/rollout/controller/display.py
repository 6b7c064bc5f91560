"""Show the progress of a run on the terminal."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

import click

from detection_api.canary.state import Status
from detection_api.rollout.controller.controller import Turn
from detection_api.rollout.controller.transitions import EndpointReview
from detection_api.rollout.gates import bottleneck, eta
from detection_api.rollout.run import EndpointProgress, Plan, Run
from detection_api.rollout.text import line, measured, moment, span, table

HEADER = ("ENDPOINT", "STAGE", "%", "PHASE", "REQUESTS", "FAILED", "P95 MS")
REMINDER_INTERVAL = timedelta(minutes=1)
"""Time between two lines about an endpoint that waits."""
UP, CLEAR = "\x1b[{}A", "\x1b[J"
"""Terminal codes: move the cursor up some lines; clear everything below it."""


class Display(Protocol):
    """Shows turns to the operator."""

    def show(self, turn: Turn) -> None:
        """Show the run after a turn."""


def plan_in_words(plan: Plan) -> str:
    """Return a plan in one line."""
    stages = ", ".join(f"{percent:g}" for percent in plan.stages)
    return (
        f"{len(plan.endpoints)} endpoints through {stages}%, each stage at least {span(plan.bake)},"
        f" {plan.min_requests} requests and {plan.comparisons} comparisons"
    )


def block(run: Run, reviews: Iterable[EndpointReview]) -> Iterator[str]:
    """Yield a table of the run's endpoints; below each, why it waits or has left the run."""
    by_endpoint = {review.progress.endpoint: review for review in reviews}
    pairs = [(p, _current(p, by_endpoint.get(p.endpoint))) for p in run.progress.values()]
    header, *rows = table(HEADER, [_row(run, *pair) for pair in pairs])
    yield header
    for row, pair in zip(rows, pairs, strict=True):
        yield row
        if below := _below(*pair):
            yield f"    {line(below)}"


def _current(progress: EndpointProgress, review: EndpointReview | None) -> EndpointReview | None:
    """Return the review of an endpoint; None if it has moved since."""
    return review if review and review.progress == progress else None


def _row(run: Run, progress: EndpointProgress, review: EndpointReview | None) -> tuple[str, ...]:
    stages = len(run.plan.stages)
    event = progress.event
    percent = event.evidence["percent"] if event else run.plan.endpoints[progress.endpoint]
    stage = f"{min(progress.stage, stages)} of {stages}"
    cells = (progress.endpoint, stage, f"{percent:g}", progress.phase.value)
    if review is None or review.measured is None:
        return (*cells, "", "", "")
    domain, legacy = review.measured.domain, review.measured.legacy
    p95 = f"{_ms(domain.latency.p95_ms)} / {_ms(legacy.latency.p95_ms)}"
    return (*cells, f"{domain.judged:,}", f"{domain.counts['bad']:,}", p95)


def _below(progress: EndpointProgress, review: EndpointReview | None) -> str:
    if review is None:
        is_out = progress.event is not None and not progress.phase.is_open
        return progress.event.reason if is_out and progress.event else ""
    if slowest := bottleneck(review.gates):
        return f"{_wait(review)}: {slowest.name}: {slowest.message}"
    return review.waits_for


def _wait(review: EndpointReview) -> str:
    """Return the estimated wait of an endpoint."""
    left = eta(review.gates) if review.gates else None
    return "no estimate" if left is None else f"about {span(left)} more"


def outcome_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """Yield a row for each endpoint of a run that has ended."""
    assert run.end is not None
    for endpoint, outcome in run.end.evidence["outcomes"].items():
        percent, status = f"{outcome['percent']:g}%", outcome["status"]
        exposed = percent if Status(status).exposes else f"{percent}, {status}"
        yield endpoint, outcome["phase"], exposed, outcome["reason"]


def _ms(value: float | None) -> str:
    return "-" if value is None else measured(value)


class Block:
    """Redraws one block of lines, for a terminal."""

    def __init__(self) -> None:
        self._height = 0

    def show(self, turn: Turn) -> None:
        """See Display."""
        width = shutil.get_terminal_size().columns
        title = (
            f"run {turn.run.id} at {moment(turn.at)}; Ctrl-C stops and leaves everything as it is"
        )
        lines = [title, *block(turn.run, turn.reviews)]
        drawn = "\n".join(text[: width - 1] for text in lines)
        back = (UP.format(self._height) if self._height else "") + CLEAR
        click.echo(f"\r{back}{drawn}", color=True)
        self._height = len(lines)


class Lines:
    """Prints a line for each event, and one a minute for each endpoint that waits."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}
        self._shown_at: dict[str, datetime] = {}

    def show(self, turn: Turn) -> None:
        """See Display."""
        for endpoint, progress in turn.run.progress.items():
            event = progress.event
            if event is not None and self._shown.get(endpoint) != event.id:
                self._shown[endpoint] = event.id
                self._shown_at[endpoint] = turn.at
                percent = event.evidence["percent"]
                click.echo(f"{moment(event.at)}  {endpoint} at {percent:g}%: {line(event.reason)}")
        for review in turn.reviews:
            self._remind(turn, review)

    def _remind(self, turn: Turn, review: EndpointReview) -> None:
        endpoint = review.progress.endpoint
        is_due = (
            turn.at - self._shown_at.get(endpoint, turn.at - REMINDER_INTERVAL) >= REMINDER_INTERVAL
        )
        if is_due and review.waits_for:
            self._shown_at[endpoint] = turn.at
            text = f"{endpoint} waits, {_wait(review)}: {line(review.waits_for)}"
            click.echo(f"{moment(turn.at)}  {text}")
