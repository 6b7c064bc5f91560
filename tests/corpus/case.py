"""A case of the corpus: a domain with a fault, and where its rollout must stop and end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from flask import has_request_context, request

from detection_api.canary.serving import SETTLE
from tests.corpus.world import Answer, World

STAGES = (10.0, 25.0, 50.0, 100.0)
LEAKED = "leaked"
"""The key of `Call.memory` for the bytes that the domain has leaked."""
AFTER = 101.0
"""A wrong domain that may pass every stage, because it turns wrong after the last one."""


class Kind(StrEnum):
    """The kinds of wrong domains; CONTROL is a healthy one."""

    ALWAYS = "always wrong"
    SOME_REQUESTS = "some requests"
    LIVE = "live values"
    SPOILT = "spoilt process"
    LATE = "late"
    KEPT = "kept once proven"
    PATIENCE = "out of patience"
    CRASH = "crash"
    SHAPE = "unsent shape"
    RARE = "rarely wrong"
    SLOW = "slow or leaking"
    CONTROL = "healthy control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the domain, as its fault sees it."""

    world: World
    now: float
    """Seconds; what the domain reads is as of `ingested`."""
    ingested: float
    arguments: dict[str, Any]
    number: int
    """How many calls there were before, of requests and comparisons."""
    idle: float
    """Seconds since the last call."""
    percent: float
    """The percent of the requests that the domain gets."""
    promoted_for: float
    """Seconds since a run completed; negative if none has."""
    random: Random
    sleep: Callable[[float], None]
    memory: dict[Any, Any]
    """What the domain keeps from call to call."""

    @staticmethod
    def header(name: str) -> str:
        """Return a header of the client's request; empty outside of a request."""
        return request.headers.get(name, "") if has_request_context() else ""


Fault = Callable[[Call, Answer], Answer]
"""Returns the domain's answer, made from the right one."""
Shape = Callable[[Random], str]
"""Returns a path and query that a client asks for."""


def no_fault(_: Call, answer: Answer) -> Answer:
    """Return the right answer."""
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What surrounds the domain: traffic and disturbances. Seconds are simulated."""

    rate: int = 20
    """Requests in a second."""
    shape: Shape | None = None
    """What clients ask; the endpoint's usual questions if None."""
    clients: int = 200
    world: Callable[[], World] = World
    pause: Callable[[float], float] = lambda _: 0.0
    """Returns by how many seconds both arms are slower at a second."""
    outage: tuple[float, float] | None = None
    """Between these seconds the store is away and both arms raise."""
    legacy_tail: bool = False
    """Whether legacy reads only the newest rows of its log."""
    silent_from: float | None = None
    """The percent from which on clients ask only one question."""
    settle: float = SETTLE
    """Seconds by which one arm may see a change later than the other, as the canary is told."""
    pinned: Mapping[str, float] = field(default_factory=dict)
    """The percentages that the environment pins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A domain, and what its rollout must come to.

    It must not pass the stage `stops_by` (percent), and must end at `ends_at` percent, or at least
    at `ends_from` percent. Without `runs` there is no rollout; the endpoint stands at `starts_at`.
    """

    kind: Kind
    name: str
    endpoint: str
    stops_by: float = STAGES[0]
    ends_at: float = 0.0
    ends_from: float | None = None
    starts_at: float = 0.0
    fault: Fault = no_fault
    service: Service = Service()
    runs: bool = True
    after: float = 60.0
    """Seconds to watch after the run's end, or in all without a run."""
    missed: str = ""
    """Why the present design does not catch it; empty if it does."""

    @property
    def is_healthy(self) -> bool:
        """Return whether the domain has no fault."""
        return self.kind is Kind.CONTROL


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a case."""

    passed: Sequence[float]
    """The percents of the stages that it passed."""
    kept: float
    """The percent of the requests that the domain gets in the end."""
    caught_by: str
    """The gates or the signal that stopped it, or why the run left it."""
    requests: int
    """Requests until it was stopped, from the first that got a wrong or lost answer; in all if none
    did."""
    wrong: int
    """Wrong answers that clients got."""
    lost: int
    """Requests that got no answer."""
    alarms: Sequence[str] = ()
    """Why the endpoint was held, rolled back, failed or left."""


def complaints(case: Case, outcome: Outcome) -> list[str]:
    """Return how the outcome breaks what the case demands."""
    found = []
    if case.is_healthy:
        found += [f"a healthy domain: {alarm}" for alarm in outcome.alarms]
    passed = [percent for percent in outcome.passed if percent >= case.stops_by]
    if passed and not case.is_healthy:
        found.append(f"passed {', '.join(f'{percent:g}%' for percent in passed)}")
    least = case.ends_at if case.ends_from is None else case.ends_from
    if not least <= outcome.kept <= case.ends_at:
        found.append(f"ends at {outcome.kept:g}%, not at {case.ends_at:g}%")
    return found
