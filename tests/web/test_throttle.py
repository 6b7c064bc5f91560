"""Failures are bounded by client, in time and memory, for all processes of an instance at once."""

import errno
import os
from pathlib import Path

import pytest

from detection_api.web.throttle import BURST, SECONDS_EACH, SLOTS, Throttle

ADDRESS = "192.0.2.7"


class Clock:
    """Time that passes when a test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def spend(throttle: Throttle, client: str = ADDRESS) -> None:
    """Fail as often as is allowed at once."""
    assert [throttle.failed(client) for _ in range(BURST)] == [0.0] * BURST


def test_a_burst_is_allowed_and_then_one_failure_every_few_seconds(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    spend(throttle)
    assert throttle.failed(ADDRESS) == SECONDS_EACH
    clock.now += SECONDS_EACH
    assert throttle.failed(ADDRESS) == 0.0
    assert throttle.failed(ADDRESS) == SECONDS_EACH


def test_a_client_that_goes_on_failing_is_not_shut_out_for_longer(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    spend(throttle)
    waits = {throttle.failed(ADDRESS) for _ in range(1000)}
    assert waits == {SECONDS_EACH}


def test_after_a_while_without_failures_the_whole_burst_is_allowed_again(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    spend(throttle)
    clock.now += BURST * SECONDS_EACH
    spend(throttle)


def test_one_client_does_not_use_up_what_another_may(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    spend(throttle)
    spend(throttle, "192.0.2.8")


def test_the_addresses_of_one_ipv6_network_are_one_client(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    for host in range(BURST):
        assert throttle.failed(f"2001:db8:0:1::{host:x}") == 0.0
    assert throttle.failed("2001:db8:0:1:ffff::1") > 0
    assert throttle.failed("2001:db8:0:2::1") == 0.0


def test_a_client_without_an_address_is_one_client_too(clock: Clock) -> None:
    throttle = Throttle(clock=clock)
    spend(throttle, "")
    assert throttle.failed("") > 0


def test_processes_that_map_the_same_file_count_together(tmp_path: Path, clock: Clock) -> None:
    first, second = (Throttle(tmp_path / "throttle", clock) for _ in range(2))
    spend(first)
    assert second.failed(ADDRESS) == SECONDS_EACH


def test_memory_does_not_grow_with_the_clients(tmp_path: Path, clock: Clock) -> None:
    throttle = Throttle(tmp_path / "throttle", clock)
    for n in range(SLOTS * 2):
        throttle.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert (tmp_path / "throttle").stat().st_size == SLOTS * 8


@pytest.mark.parametrize("fault", ["no folder", "full disk"])
def test_where_nothing_can_be_shared_a_process_counts_alone(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "throttle"
    if fault == "full disk":
        monkeypatch.setattr(os, "posix_fallocate", full)
    else:
        path = tmp_path / "gone" / "throttle"
    throttle = Throttle(path, clock)
    spend(throttle)
    assert throttle.failed(ADDRESS) == SECONDS_EACH
