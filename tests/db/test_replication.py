"""A replica's lag is what it has not replayed yet, by the clock of the one who asks."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection_api.db.replication import MAX_SEEN, ReplayProgress, Unfit, WalPosition, judge


def seen(*places: tuple[float, int], server: str = "first") -> ReplayProgress:
    progress = ReplayProgress()
    for now, wal in places:
        progress.record(WalPosition(server, False, wal), now)
    return progress


def test_a_replica_that_has_replayed_everything_is_not_behind() -> None:
    assert seen((0, 100), (1, 200)).lag(200, now=5) == 0


def test_a_replica_is_behind_since_the_primary_was_where_it_is() -> None:
    progress = seen((0, 100), (1, 200), (2, 300))
    assert progress.lag(250, now=2.5) == 1.5
    assert progress.lag(300, now=2.6) == 0


def test_an_idle_primary_makes_no_lag() -> None:
    progress = seen(*((now, 100) for now in range(60)))
    assert progress.lag(100, now=60) == 0


def test_a_replica_behind_all_that_is_remembered_is_infinitely_behind() -> None:
    assert seen((0, 100)).lag(99, now=0) == math.inf


def test_a_replica_that_stays_behind_is_remembered_in_bounded_memory() -> None:
    progress = seen(*((now, 100 + now) for now in range(10 * MAX_SEEN)))
    assert progress.lag(100, now=10 * MAX_SEEN) == math.inf
    assert progress.lag(100 + 10 * MAX_SEEN, now=10 * MAX_SEEN) == 0


def test_nothing_is_held_against_a_replica_whose_primary_was_never_seen() -> None:
    assert ReplayProgress().lag(0, now=5) == 0


def test_places_of_one_server_are_not_compared_with_those_of_another() -> None:
    """After a failover the new primary may be at a place that the old one had passed."""
    progress = seen((0, 900))
    progress.record(WalPosition("second", False, 500), 1)
    assert progress.lag(500, now=1) == 0


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=20), st.lists(st.integers(0, 100), max_size=5)
)
def test_the_lag_never_says_less_than_there_is(grown: list[int], replayed: list[int]) -> None:
    """Whatever the primary had written at `now - lag` at the latest has been replayed."""
    progress, written, at = ReplayProgress(), 0, []
    for now, more in enumerate(grown):
        written += more
        at.append(written)
        progress.record(WalPosition("first", False, written), now)
    last = len(grown) - 1
    for wal in sorted(replayed):
        lag = progress.lag(wal, now=last)
        assert lag == math.inf or at[int(last - lag)] <= wal


STREAMING = WalPosition("replica", in_recovery=True, wal=1)
PROMOTED = WalPosition("replica", in_recovery=False, wal=1)
PRIMARY = WalPosition("primary", in_recovery=False, wal=1)


@pytest.mark.parametrize(
    ("replica", "primary", "lag", "unfit"),
    [
        pytest.param(STREAMING, PRIMARY, 2.0, None, id="close behind"),
        pytest.param(STREAMING, PRIMARY, 2.1, Unfit.LAGGING, id="too far behind"),
        pytest.param(STREAMING, None, 0.0, None, id="the primary is away"),
        pytest.param(None, PRIMARY, 0.0, Unfit.AWAY, id="the replica is away"),
        pytest.param(None, None, 0.0, Unfit.AWAY, id="both are away"),
        pytest.param(PROMOTED, PRIMARY, 0.0, Unfit.DIVERGED, id="promoted beside a primary"),
        pytest.param(PROMOTED, None, 0.0, None, id="promoted, for the primary is away"),
        pytest.param(PROMOTED, PROMOTED, 0.0, None, id="promoted, and the primary now"),
    ],
)
def test_a_replica_answers_unless_something_newer_can_be_had(
    replica: WalPosition | None, primary: WalPosition | None, lag: float, unfit: Unfit | None
) -> None:
    assert judge(replica, primary, lag=lag, limit=2.0) is unfit
