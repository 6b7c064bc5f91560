"""Both arms of a case: legacy, and a domain that has its fault."""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from psycopg2 import OperationalError
from werkzeug.exceptions import HTTPException

from detection_api.canary import Arm
from tests.corpus.case import LEAKED, Call, Case
from tests.corpus.simulated import Clock, Store
from tests.corpus.world import READS, Answer, records_in_tail

TAKES = {Arm.DOMAIN: 0.004, Arm.LEGACY: 0.006}
"""Seconds that an arm takes for an answer."""
MEMORY_BYTES = 100e6
"""The memory of a worker that does not leak."""


class Arms:
    """Answers as the arms of a case do, and notes when the domain's answer is wrong.

    `percent` returns the percent of the requests that the domain gets.
    """

    def __init__(
        self, case: Case, clock: Clock, store: Store, random: Random, percent: Callable[[], float]
    ) -> None:
        self._case = case
        self._clock = clock
        self._store = store
        self._random = random
        self._percent = percent
        self._world = case.service.world()
        self._memory: dict[Any, Any] = {}
        self._calls, self._called_at = 0, 0.0
        self.promoted_at: float | None = None
        """The second at which a run has completed."""
        self.is_wrong = False
        """Whether the domain's last answer is wrong."""

    def answer(self, arm: Arm, endpoint: str, arguments: dict[str, Any]) -> Answer:
        """Return what an arm answers."""
        if self._store.is_away:
            raise OperationalError("the database is away")
        self._clock.seconds += TAKES[arm] + self._case.service.pause(self._clock.seconds)
        if arm is Arm.DOMAIN:
            return self._domain(READS[endpoint], arguments)
        has_tail = self._case.service.legacy_tail and endpoint == "records"
        read = records_in_tail if has_tail else READS[endpoint]
        return read(self._world, self._clock.seconds, **arguments)

    def vitals(self) -> dict[str, float]:
        """Return what a worker measures of itself."""
        return {"memory_bytes": MEMORY_BYTES + self._memory.get(LEAKED, 0.0)}

    def _domain(self, read: Callable[..., Answer], arguments: dict[str, Any]) -> Answer:
        call = self._call(arguments)
        right = deepcopy(self._right(read, call))
        self.is_wrong = False
        answer = self._right(read, call)
        if not isinstance(answer, Exception):
            answer = self._case.fault(call, answer)
        self.is_wrong = repr(answer) != repr(right)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _right(self, read: Callable[..., Answer], call: Call) -> Answer:
        """Return the right answer, or the error that is one."""
        try:
            return read(self._world, call.ingested, **call.arguments)
        except HTTPException as error:
            return error

    def _call(self, arguments: dict[str, Any]) -> Call:
        now = self._clock.seconds
        idle, self._called_at = now - self._called_at, now
        self._calls += 1
        return Call(
            world=self._world,
            now=now,
            ingested=self._world.ingested(now),
            arguments=arguments,
            number=self._calls,
            idle=idle,
            percent=self._percent(),
            promoted_for=-1.0 if self.promoted_at is None else now - self.promoted_at,
            random=self._random,
            sleep=self._clock.sleep,
            memory=self._memory,
        )
