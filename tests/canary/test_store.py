"""What every store promises; each implementation runs this suite."""

from dataclasses import replace

import pytest

from detection_api.canary.store import (
    DEFAULT,
    MemoryStore,
    RolloutState,
    StaleEpochError,
    Status,
    Store,
)

ENDPOINT = "records.violation"


@pytest.fixture(params=[MemoryStore])
def store(request: pytest.FixtureRequest) -> Store:
    made: Store = request.param()
    return made


def test_an_endpoint_nobody_wrote_is_at_0_percent(store: Store) -> None:
    assert store.read(ENDPOINT) == RolloutState(endpoint=ENDPOINT, percent=0, epoch=0)


def test_what_is_written_is_read_at_the_next_epoch(store: Store) -> None:
    written = store.write(RolloutState(endpoint=ENDPOINT, percent=25, reason="stage 2"))
    assert written.epoch == 1
    assert store.read(ENDPOINT) == written


def test_an_endpoint_without_a_state_of_its_own_has_the_defaults_percent(store: Store) -> None:
    store.write(RolloutState(endpoint=DEFAULT, percent=10))
    assert store.read(ENDPOINT).percent == 10
    store.write(RolloutState(endpoint=ENDPOINT, percent=50))
    assert store.read(ENDPOINT).percent == 50
    assert store.read("cameras.cameras").percent == 10


def test_a_write_based_on_an_old_state_is_refused(store: Store) -> None:
    first = store.write(RolloutState(endpoint=ENDPOINT, percent=25))
    store.write(replace(first, status=Status.ROLLED_BACK, percent=0))
    with pytest.raises(StaleEpochError):
        store.write(replace(first, percent=50))
    assert store.read(ENDPOINT).status is Status.ROLLED_BACK
