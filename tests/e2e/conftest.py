"""The world that every instance of these tests reads."""

from collections.abc import Iterator

import pytest

from detection_api.dev.embedded import EmbeddedValkey
from tests.clusters import Clusters
from tests.factory import World, build


@pytest.fixture(scope="package")
def world(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two cameras' day, on servers that only these tests use."""
    folder = tmp_path_factory.mktemp("world")
    postgres = clusters.create(folder / "postgres")
    valkey = EmbeddedValkey(folder / "valkey")
    database_url, redis_url = postgres.start(), valkey.start()
    yield World(postgres, valkey, build(folder, database_url, redis_url))
    valkey.stop()
    postgres.stop()
