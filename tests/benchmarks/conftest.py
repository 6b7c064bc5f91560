"""A small world of the benchmarks, and everything that is compared, served over it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from benchmarks.stage import Server, Stage
from benchmarks.subjects import SUBJECTS, UNDECORATED
from benchmarks.world import World
from psycopg2 import extensions

from detection_api.dev.embedded import EmbeddedPostgres, EmbeddedValkey

ROWS = 7000
PARTS = (
    "canary",
    "undecorated",
    "bare-flask",
    "peer-fastapi",
    "peer-fastapi-typed",
    "peer-fastapi-tuned",
)


@pytest.fixture(scope="package")
def stage(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    """A stage on the suite's own servers."""
    return Stage(tmp_path_factory.mktemp("stage"), postgres, valkey.url)


@pytest.fixture(scope="package")
def small_world(stage: Stage) -> Iterator[World]:
    """A year in a few rows; COPY needs psycopg2 to wait as it does by itself."""
    callback = extensions.get_wait_callback()
    extensions.set_wait_callback(None)
    yield stage.world(ROWS)
    extensions.set_wait_callback(callback)


@pytest.fixture(scope="package")
def servers(stage: Stage, small_world: World) -> Iterator[dict[str, Server]]:
    """Whatever is compared under gunicorn, by its part."""
    with ExitStack() as stack:
        yield {
            subject.part: stack.enter_context(stage.serving(subject, small_world))
            for subject in (*SUBJECTS, UNDECORATED)
            if subject.part in PARTS and subject.server.startswith("gunicorn")
        }
