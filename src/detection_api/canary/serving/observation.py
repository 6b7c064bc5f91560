"""The result of running an implementation, and threads for those with a deadline."""

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
    """The cause why an implementation failed."""

    ERROR = "error"
    """It raised an exception that is not one of the application's answers."""
    TIMEOUT = "timeout"
    """It reached its deadline, or a time limit of its own."""
    CONTRACT = "contract"
    """Its answer violates its schema."""
    DEATH = "death"
    """Its process died during the call."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One run of an arm, and its seconds; exactly one of `answer` and `error` is set.

    An error without a `cause` is an answer, such as "not found". With a cause the arm failed.
    """

    arm: Arm
    seconds: float
    answer: Answer | None = None
    error: BaseException | None = None
    cause: FailureCause | None = None
    failure: FailureCause | None = None
    """The failure that is counted: `cause`, or CONTRACT for an answer of legacy that is sent
    although it violates its contract."""


class DeadlinePool:
    """Threads for implementations with a deadline.

    At most `size` run at once. One that misses its deadline continues, and occupies its thread.
    """

    def __init__(self, size: int) -> None:
        self._free = threading.BoundedSemaphore(size)

    def call(self, function: Callable[[], Any], seconds: float) -> Any:
        """Return `function()`.

        Raises TimeoutError after `seconds`, or at once if no thread is free.
        """
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
    """Return the cause of a failure in which an implementation raised `error`."""
    if isinstance(error, RolledBackError) and error.__cause__ is not None:
        return cause_of(error.__cause__)
    if isinstance(error, ContractViolationError):
        return FailureCause.CONTRACT
    return FailureCause.TIMEOUT if isinstance(error, TimeoutError) else FailureCause.ERROR
