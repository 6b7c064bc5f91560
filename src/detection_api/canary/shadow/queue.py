"""Compares answers after the response: one at a time, bounded, and dropped where there is no room.

A request only ever adds to a queue. What an implementation or a comparison does to the thread that
works the queue off, raise or hang, it does to no request.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from detection_api.canary.comparison import Difference
from detection_api.canary.serving import Observation, Route
from detection_api.canary.state import BUCKET_SECONDS, RolloutState

MAX_WAITING = 32
"""Comparisons that wait for a look; more are dropped."""
NEWS = 330
"""Comparisons of an endpoint that are made as they come, after every change of its state: as many
as a stage of a rollout waits for. Those of the first BUCKET_SECONDS come on top, for the ledger's
bucket that had begun before the change says nothing of the stage."""
REST = 19
"""How many times as long as a later one took nothing but news is compared after it: those take up a
twentieth of the time."""
FORGOTTEN = 60.0
"""Seconds without a comparison after which an endpoint has its turn, whoever else is busier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPass:
    """The result of the first look at a job: legacy's run, and the domain's differences."""

    legacy: Observation
    found: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An answer that a client got, to be compared with the other arm's.

    One that has had its `first` look gets its second as soon as it is `due`, in seconds on the
    monotonic clock.
    """

    endpoint: str
    route: Route
    arguments: Mapping[str, Any]
    answered: Observation
    request_id: str
    state: RolloutState | None = None
    """The endpoint's; a rollout waits for evidence when it has just changed."""
    is_news: bool = True
    """Whether nothing rests for its sake."""
    first: FirstPass | None = None
    due: float = 0.0


Look = Callable[[Job], Job | None]
"""Looks at a job; returns it where it is to be looked at again, when it is due."""


def _start_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="canary-shadow", daemon=True).start()


@dataclass(slots=True)
class _News:
    """How many comparisons of an endpoint in a `state` were taken that count, and since when."""

    state: RolloutState | None
    since: float
    made: int = 0


class Shadow:
    """One worker's comparisons, made one at a time.

    The first NEWS of an endpoint in a state are made as they come. Of the others one at a time is
    taken, and the next when the thread has rested REST times as long; what is offered meanwhile
    is left out, which is no drop: there is evidence already. An endpoint that is FORGOTTEN is not
    left out.
    `per_second` is how many may be begun in a second; `on_drop` is told of each for which there is
    no room, `on_fault` of a look that raised; `context` is entered around every look; `clock` is
    monotonic, in seconds; `start` has a function run in the background for ever.
    """

    def __init__(
        self,
        look: Look,
        *,
        per_second: float,
        on_drop: Callable[[Job], None],
        on_fault: Callable[[str], None],
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = _start_thread,
    ) -> None:
        self._look = look
        self._per_second = per_second
        self._on_drop = on_drop
        self._on_fault = on_fault
        self._context = context
        self._clock = clock
        self._start = start
        self.begin()

    def begin(self) -> None:
        """Be empty and without a thread, as a forked worker has to."""
        self._lock = threading.Lock()
        self._offered = threading.Event()
        self._first: deque[Job] = deque()
        self._second: deque[Job] = deque()
        self._period, self._admitted = -math.inf, 0
        self._news: dict[str, _News] = {}
        self._taken_at: dict[str, float] = {}
        self._is_looking, self._rests_until = False, -math.inf
        self._is_started = False

    def offer(self, job: Job) -> None:
        """Have `job` looked at soon, or dropped where there is no room; never raises or waits."""
        try:
            with self._lock:
                now = self._clock()
                is_news = self._is_news(job, now)
                if not (is_news or self._is_wanted(job, now)):
                    return
                is_taken = self._take(replace(job, is_news=is_news), now)
            if is_taken:
                self._offered.set()
            else:
                self._on_drop(job)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            self._on_fault("shadow")

    def be_eager(self, endpoint: str) -> None:
        """Compare the next NEWS answers of an endpoint as they come: one of them was wrong."""
        with self._lock:
            self._news.pop(endpoint, None)

    def _is_news(self, job: Job, now: float) -> bool:
        """Whether the endpoint's state has changed and not been compared enough since."""
        news = self._news.get(job.endpoint)
        if news is None or news.state != job.state:
            news = self._news[job.endpoint] = _News(job.state, now)
        return news.made < NEWS

    def _is_wanted(self, job: Job, now: float) -> bool:
        """Whether the thread has nothing to do and has rested, or the endpoint was forgotten."""
        if now - self._taken_at.get(job.endpoint, now) >= FORGOTTEN:
            return True
        return not (self._is_looking or self._first) and now >= self._rests_until

    def _take(self, job: Job, now: float) -> bool:
        """Queue `job` if there is room for it, and see that somebody works the queue off."""
        if not self._is_started:
            self._start(self._run)
            self._is_started = True
        if now - self._period >= 1:
            self._period, self._admitted = now, 0
        is_full = len(self._first) + len(self._second) >= MAX_WAITING
        if is_full or self._admitted >= self._per_second:
            return False
        self._admitted += 1
        self._taken_at[job.endpoint] = now
        news = self._news[job.endpoint]
        news.made += now - news.since >= BUCKET_SECONDS
        self._first.append(job)
        return True

    def work(self) -> bool:
        """Look at the next job, if one is due; whether there was one."""
        if self._second and self._second[0].due <= self._clock():
            job = self._second.popleft()
        elif self._first:
            job = self._first.popleft()
        else:
            return False
        self._is_looking, began = True, self._clock()
        try:
            with self._context():
                again = self._look(job)
        except BaseException:  # noqa: BLE001 - a comparison must not end the thread that compares
            self._on_fault("shadow")
        else:
            if again is not None:
                self._second.append(again)
        finally:
            ended, self._is_looking = self._clock(), False
            if not job.is_news:
                self._rests_until = max(self._rests_until, ended) + REST * (ended - began)
        return True

    def _run(self) -> None:
        while True:
            self._offered.clear()
            while self.work():
                pass
            self._offered.wait(self._until_due())

    def _until_due(self) -> float | None:
        return max(0.0, self._second[0].due - self._clock()) if self._second else None
