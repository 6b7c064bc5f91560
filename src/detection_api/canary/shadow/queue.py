"""Queue comparisons after the response: bounded, one at a time, dropped if there is no room.

A request only adds to a queue. An implementation or a comparison that raises or hangs affects the
thread that works the queue off, and no request.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from detection_api.canary.serving import Observation, Route
from detection_api.canary.shadow.history import Look
from detection_api.canary.shadow.judge import Unclear
from detection_api.canary.state import BUCKET_SECONDS, RolloutState

MAX_WAITING = 32
"""Comparisons that wait for a look; more are dropped."""
MAX_WATCHED = 16
"""Questions that wait to be asked again; later ones are left out."""
EAGER_COMPARISONS = 330
"""Comparisons of an endpoint that are made as they come, after every change of its state. Those of
the first BUCKET_SECONDS come on top: the ledger's bucket that began before the change does not
count for the stage."""
IDLE_RATIO = 19
"""The thread idles this many times as long as a later comparison took, so that comparisons take a
twentieth of the time."""
STARVED_AFTER = 60.0
"""Seconds without a comparison after which an endpoint is compared even if the thread idles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An answer that a client got, to be compared with the other arm's.

    After its `first` pass it gets a second one when it is `due`, in seconds on the monotonic clock.
    A job that is `watched` asks legacy again, to learn how the data moved since that look.
    """

    endpoint: str
    route: Route
    arguments: Mapping[str, Any]
    answered: Observation
    request_id: str
    request: str = ""
    """The path and the query that the client sent; the arguments tell requests apart if empty."""
    identity: str = ""
    """The headers that tell clients apart."""
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    """Returns the context of the request, in which both arms run again."""
    sent_at: float | None = None
    """When the answer was sent, on the monotonic clock; None means now."""
    state: RolloutState | None = None
    """The endpoint's state; after a change of it a rollout waits for comparisons."""
    is_eager: bool = True
    """Whether the thread does not idle after it."""
    first: Unclear | None = None
    watched: Look | None = None
    due: float = 0.0


Compare = Callable[[Job], Job | None]
"""Compares a job; returns it if it must be looked at again when it is due, else None."""


def _start_thread(run: Callable[[], None]) -> None:
    threading.Thread(target=run, name="canary-shadow", daemon=True).start()


@dataclass(slots=True)
class _Eager:
    """The number of comparisons that were taken of an endpoint in a `state`, and since when."""

    state: RolloutState | None
    since: float
    made: int = 0


class Shadow:
    """One worker's comparisons, made one at a time.

    The first EAGER_COMPARISONS of an endpoint in a state are made as they come. Of the others one
    at a time is taken, and the next one when the thread has idled. Those offered meanwhile are left
    out, which does not count as dropped. An endpoint that is starved is not left out.

    `per_second` is how many may begin in a second. `on_drop` is called with each job for which
    there is no room, `on_fault` for a comparison that raised. `context` is entered around every
    comparison; `clock` is monotonic, in seconds; `start` runs a function in the background for
    ever.
    """

    def __init__(
        self,
        compare: Compare,
        *,
        per_second: float,
        on_drop: Callable[[Job], None],
        on_fault: Callable[[str], None],
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] = _start_thread,
    ) -> None:
        self._compare = compare
        self._per_second = per_second
        self._on_drop = on_drop
        self._on_fault = on_fault
        self._context = context
        self._clock = clock
        self._start = start
        self.begin()

    def begin(self) -> None:
        """Empty the queue and forget the thread, as a forked worker must."""
        self._lock = threading.Lock()
        self._offered = threading.Event()
        self._first: deque[Job] = deque()
        self._second: deque[Job] = deque()
        self._watched: deque[Job] = deque()
        self._period, self._admitted = -math.inf, 0
        self._eager: dict[str, _Eager] = {}
        self._taken_at: dict[str, float] = {}
        self._is_comparing, self._idles_until = False, -math.inf
        self._is_started = False

    def offer(self, job: Job) -> None:
        """Queue `job`, or drop it if there is no room; never raises or waits."""
        try:
            with self._lock:
                now = self._clock()
                is_eager = self._is_eager(job, now)
                if not (is_eager or self._is_wanted(job, now)):
                    return
                is_taken = self._take(replace(job, is_eager=is_eager), now)
            if is_taken:
                self._offered.set()
            else:
                self._on_drop(job)
        except Exception:  # noqa: BLE001 - its own fault must not become the client's
            self._on_fault("shadow")

    def be_eager(self, endpoint: str) -> None:
        """Compare the next answers of an endpoint as they come, because one was wrong."""
        with self._lock:
            self._eager.pop(endpoint, None)

    def _is_eager(self, job: Job, now: float) -> bool:
        """Return whether the endpoint has had too few comparisons since its state changed."""
        eager = self._eager.get(job.endpoint)
        if eager is None or eager.state != job.state:
            eager = self._eager[job.endpoint] = _Eager(job.state, now)
        return eager.made < EAGER_COMPARISONS

    def _is_wanted(self, job: Job, now: float) -> bool:
        """Return whether the thread has idled and has nothing to do, or the endpoint is starved."""
        if now - self._taken_at.get(job.endpoint, now) >= STARVED_AFTER:
            return True
        return not (self._is_comparing or self._first) and now >= self._idles_until

    def _take(self, job: Job, now: float) -> bool:
        """Queue `job` and start the thread; return False if there is no room."""
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
        eager = self._eager[job.endpoint]
        eager.made += now - eager.since >= BUCKET_SECONDS
        self._first.append(job)
        return True

    def work(self) -> bool:
        """Compare the next job that is due; return whether there was one."""
        job = self._next()
        if job is None:
            return False
        self._is_comparing, began = True, self._clock()
        try:
            with self._context():
                again = self._compare(job)
        except BaseException:  # noqa: BLE001 - a comparison must not end the thread that compares
            self._on_fault("shadow")
        else:
            self._keep(again)
        finally:
            ended, self._is_comparing = self._clock(), False
            if not job.is_eager:
                self._idles_until = max(self._idles_until, ended) + IDLE_RATIO * (ended - began)
        return True

    def _next(self) -> Job | None:
        """Return the next job: a second pass that is due, a first one, or a watched question."""
        now = self._clock()
        if self._second and self._second[0].due <= now:
            return self._second.popleft()
        if self._first:
            return self._first.popleft()
        if self._watched and self._watched[0].due <= now:
            return self._watched.popleft()
        return None

    def _keep(self, again: Job | None) -> None:
        """Keep a job that must be looked at again."""
        if again is None:
            return
        if again.watched is None:
            self._second.append(again)
        elif len(self._watched) < MAX_WATCHED:
            self._watched.append(again)

    def _run(self) -> None:
        while True:
            self._offered.clear()
            while self.work():
                pass
            self._offered.wait(self._until_due())

    def _until_due(self) -> float | None:
        """Return the seconds until the next job is due; None if none waits."""
        due = [waiting[0].due for waiting in (self._second, self._watched) if waiting]
        return max(0.0, min(due) - self._clock()) if due else None
