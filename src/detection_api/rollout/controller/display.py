"""What `detection-api rollout run` shows while it runs."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

import click

from detection_api.canary.state import Status
from detection_api.rollout.controller.controller import Turn
from detection_api.rollout.controller.transitions import EndpointProgress
from detection_api.rollout.gates import bottleneck, eta
from detection_api.rollout.run import Plan, Run, RunProgress
from detection_api.rollout.text import line, measured, moment, span, table

HEADER = ("ENDPOINT", "STAGE", "%", "PHASE", "REQUESTS", "FAILED", "P95 MS")
EVERY = timedelta(minutes=1)
"""How often lines tell of an endpoint that waits."""
UP, CLEAR = "\x1b[{}A", "\x1b[J"
"""What moves a terminal's cursor up some lines, and clears all that is below."""


class Display(Protocol):
    """Shows turns to whoever watches."""

    def show(self, turn: Turn) -> None:
        """Show how the run stands after a turn."""


def plan_in_words(plan: Plan) -> str:
    """A plan in a line."""
    stages = ", ".join(f"{percent:g}" for percent in plan.stages)
    return (
        f"{len(plan.endpoints)} endpoints through {stages}%, each stage at least {span(plan.bake)},"
        f" {plan.min_requests} requests and {plan.min_comparisons} comparisons"
    )


def block(run: Run, standings: Iterable[EndpointProgress]) -> Iterator[str]:
    """A table of the run's endpoints; below each what it waits for, or why it is out."""
    found = {standing.progress.endpoint: standing for standing in standings}
    pairs = [(p, _still(p, found.get(p.endpoint))) for p in run.progress.values()]
    header, *rows = table(HEADER, [_row(run, *pair) for pair in pairs])
    yield header
    for row, pair in zip(rows, pairs, strict=True):
        yield row
        if below := _below(*pair):
            yield f"    {line(below)}"


def _still(progress: RunProgress, standing: EndpointProgress | None) -> EndpointProgress | None:
    """How an endpoint stands, unless it has been moved since."""
    return standing if standing and standing.progress == progress else None


def _row(run: Run, progress: RunProgress, standing: EndpointProgress | None) -> tuple[str, ...]:
    stages = len(run.plan.stages)
    event = progress.event
    percent = event.evidence["percent"] if event else run.plan.endpoints[progress.endpoint]
    stage = f"{min(progress.stage, stages)} of {stages}"
    cells = (progress.endpoint, stage, f"{percent:g}", progress.phase.value)
    if standing is None or standing.measured is None:
        return (*cells, "", "", "")
    domain, legacy = standing.measured.domain, standing.measured.legacy
    p95 = f"{_ms(domain.latency.p95_ms)} / {_ms(legacy.latency.p95_ms)}"
    return (*cells, f"{domain.judged:,}", f"{domain.counts['bad']:,}", p95)


def _below(progress: RunProgress, standing: EndpointProgress | None) -> str:
    if standing is None:
        is_out = progress.event is not None and not progress.phase.is_open
        return progress.event.reason if is_out and progress.event else ""
    if slowest := bottleneck(standing.gates):
        return f"{_wait(standing)}: {slowest.name}: {slowest.said}"
    return standing.waits_for


def _wait(standing: EndpointProgress) -> str:
    """How long an endpoint still has to wait."""
    left = eta(standing.gates) if standing.gates else None
    return "nobody knows how long" if left is None else f"about {span(left)} more"


def outcome_rows(run: Run) -> Iterator[tuple[str, ...]]:
    """A row for each endpoint of a run that is over."""
    assert run.end is not None
    for endpoint, outcome in run.end.evidence["outcomes"].items():
        percent, status = f"{outcome['percent']:g}%", outcome["status"]
        exposed = percent if Status(status).exposes else f"{percent}, {status}"
        yield endpoint, outcome["phase"], exposed, outcome["reason"]


def _ms(value: float | None) -> str:
    return "-" if value is None else measured(value)


class Block:
    """One block of lines that is drawn anew, for a terminal."""

    def __init__(self) -> None:
        self._height = 0

    def show(self, turn: Turn) -> None:
        """See Display."""
        width = shutil.get_terminal_size().columns
        title = f"run {turn.run.id} at {moment(turn.at)}; Ctrl-C leaves everything as it is"
        lines = [title, *block(turn.run, turn.standings)]
        drawn = "\n".join(text[: width - 1] for text in lines)
        back = (UP.format(self._height) if self._height else "") + CLEAR
        click.echo(f"\r{back}{drawn}", color=True)
        self._height = len(lines)


class Lines:
    """A line for whatever happens, and one a minute for each endpoint that waits."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._told_at: dict[str, datetime] = {}

    def show(self, turn: Turn) -> None:
        """See Display."""
        for endpoint, progress in turn.run.progress.items():
            event = progress.event
            if event is not None and self._told.get(endpoint) != event.id:
                self._told[endpoint] = event.id
                self._told_at[endpoint] = turn.at
                percent = event.evidence["percent"]
                click.echo(f"{moment(event.at)}  {endpoint} at {percent:g}%: {line(event.reason)}")
        for standing in turn.standings:
            self._tell(turn, standing)

    def _tell(self, turn: Turn, standing: EndpointProgress) -> None:
        endpoint = standing.progress.endpoint
        is_due = turn.at - self._told_at.get(endpoint, turn.at - EVERY) >= EVERY
        if is_due and standing.waits_for:
            self._told_at[endpoint] = turn.at
            said = f"{endpoint} waits, {_wait(standing)}: {line(standing.waits_for)}"
            click.echo(f"{moment(turn.at)}  {said}")
