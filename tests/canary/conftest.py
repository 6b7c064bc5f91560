"""Both stores, for the promises that each must keep."""

from collections.abc import Iterator

import pytest

from detection_api.canary.state.store import Store
from tests.canary.stores import InMemory, StoreUnderTest, in_postgres


@pytest.fixture(params=["memory", "postgres"])
def under_test(request: pytest.FixtureRequest) -> Iterator[StoreUnderTest]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield InMemory()
    else:
        with in_postgres(request.getfixturevalue("database")) as stored:
            yield stored


@pytest.fixture
def store(under_test: StoreUnderTest) -> Store:
    return under_test.store
