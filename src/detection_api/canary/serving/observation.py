"""What came of running one implementation, and threads for one that may take too long."""

import contextvars
import queue
import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from detection_api.canary.contract import Answer, ContractViolationError
from detection_api.canary.state import Arm, RolledBackError


class FailureCause(StrEnum):
    """Why an implementation failed."""

    ERROR = "error"
    """It raised something that is not one of the application's answers."""
    TIMEOUT = "timeout"
    """It, or what it waited for, reached its time limit."""
    CONTRACT = "contract"
    """Its answer does not have the shape that its schema promises."""
    DEATH = "death"
    """Its process died during the call."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm did and the seconds it took: exactly one of `answer` and `error` is set.

    An error without a cause is an answer too (not found, say); with a `cause` there is none.
    """

    arm: Arm
    seconds: float
    answer: Answer | None = None
    error: BaseException | None = None
    cause: FailureCause | None = None
    failure: FailureCause | None = None
    """What it is counted as, if it is a failure: `cause`, or that a reference which is sent all the
    same breaks its contract."""


class DeadlinePool:
    """Threads for implementations that must be left alone when they take too long.

    At most `size` run at once; one that overran goes on, holding its place until it is done.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)

    def call(self, function: Callable[[], Any], seconds: float) -> Any:
        """`function()`, or TimeoutError after `seconds`, or at once when no thread is free."""
        if not self._free.acquire(blocking=False):
            raise TimeoutError("every thread for implementations with a deadline is busy")
        outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put((function(), None))
            except BaseException as error:  # noqa: BLE001 - `call` raises it again
                outcome.put((None, error))
            finally:
                self._free.release()

        self._start(contextvars.copy_context(), run)
        try:
            value, error = outcome.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError(f"no answer within {seconds} s") from None
        if error is not None:
            raise error
        return value

    def _start(self, context: contextvars.Context, run: Callable[[], None]) -> None:
        try:
            threading.Thread(target=context.run, args=(run,), daemon=True).start()
        except RuntimeError:  # the system has no more threads
            self._free.release()
            raise


def cause_of(error: BaseException) -> FailureCause:
    """Why an implementation that raised `error` has failed."""
    if isinstance(error, RolledBackError) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    if isinstance(error, ContractViolationError):
        return FailureCause.CONTRACT
    return FailureCause.TIMEOUT if isinstance(error, TimeoutError) else FailureCause.ERROR
