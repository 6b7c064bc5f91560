"""An implementation with a deadline is left alone in time."""

import threading
from collections.abc import Callable, Iterator

import pytest
import structlog

from detection_api.canary.serving.observation import DeadlinePool


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_one_that_takes_too_long_is_a_timeout(release: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        DeadlinePool(1).call(release.wait, seconds=0.01)


def test_a_full_pool_is_a_timeout_at_once(release: threading.Event) -> None:
    """The overrun call keeps its place, so the next one does not even start."""
    pool = DeadlinePool(1)
    with pytest.raises(TimeoutError):
        pool.call(release.wait, seconds=0.01)
    with pytest.raises(TimeoutError, match="busy"):
        pool.call(lambda: pytest.fail("ran in a full pool"), seconds=60)


def test_a_place_is_free_again_when_the_overrun_call_ends(release: threading.Event) -> None:
    pool = DeadlinePool(1)
    ended = threading.Event()

    def overrun() -> None:
        release.wait()
        ended.set()

    with pytest.raises(TimeoutError):
        pool.call(overrun, seconds=0.01)
    release.set()
    assert ended.wait(10)
    assert _eventually(lambda: pool.call(lambda: "free", seconds=10)) == "free"


def _eventually(function: Callable[[], str]) -> str:
    for _ in range(1000):
        try:
            return function()
        except TimeoutError:
            threading.Event().wait(0.01)
    return pytest.fail("never became free")


def test_values_and_errors_come_back_from_the_pool() -> None:
    pool = DeadlinePool(1)
    assert pool.call(lambda: 7, seconds=10) == 7
    with pytest.raises(ZeroDivisionError):
        pool.call(lambda: 1 / 0, seconds=10)


def test_log_context_reaches_the_pools_threads() -> None:
    """So that a service's own log lines carry the request's id."""
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        seen = DeadlinePool(1).call(structlog.contextvars.get_contextvars, seconds=10)
    assert seen == {"request_id": "r-1"}


def test_a_place_is_free_again_when_no_thread_could_be_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = DeadlinePool(1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(RuntimeError):
            pool.call(lambda: 7, seconds=10)
    assert pool.call(lambda: 7, seconds=10) == 7
