"""`rollout run` over gunicorn and PostgreSQL, while the data moves and clients ask."""

import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from detection_api.canary.state.types import (
    AcceptedDifference,
    EventKind,
    RolloutEvent,
    RolloutState,
    Status,
)
from detection_api.rollout.run import Completion, Phase, Run, latest
from tests.e2e.fleet import ENDPOINTS
from tests.e2e.instance import PATH_OF, PATHS, Instance, Load, wait_for
from tests.e2e.test_shadow import UNKNOWN_ONES, UNREACHABLE, WRONG, Factory
from tests.factory import COMMAND, World

pytestmark = pytest.mark.fleet

KILLS = 20
LONG = 600
"""Seconds within which a run of the stages here ends on a busy machine."""
PACE = ("--bake", "12s", "--min-requests", "120", "--min-comparisons", "20", "--patience", "5m")
ROW_PATH = PATHS[0] + "?limit=1000"
"""All records of a camera: those too whose frame has no number."""
ASKED = (*PATHS, *UNKNOWN_ONES, ROW_PATH, PATH_OF["cameras.cameras"])
"""What clients ask for in turn: each endpoint at least twice, as all wait for the rarest."""


@pytest.fixture(scope="module")
def factory(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Factory]:
    factory = Factory(world, tmp_path_factory.mktemp("controller"), name="controller")
    with factory.ingesting(), factory.detecting():
        yield factory


@pytest.fixture(autouse=True)
def _afresh(factory: Factory) -> None:
    """Without history, but for what this world's data never shows and legacy does from memory."""
    factory.forget_comparisons()
    for table in ("rollout_state", "rollout_event", "canary_accepted_difference"):
        factory.sql(f"SET session_replication_role = replica; TRUNCATE {table}")
    excused = [(endpoint, branch, "branch") for endpoint, branch in sorted(UNREACHABLE)]
    excused += [(endpoint, "$", "latency") for endpoint in ENDPOINTS]
    for endpoint, path, kind in excused:
        factory.store.accept(
            AcceptedDifference(
                endpoint=endpoint,
                path=path,
                kind=kind,
                reason="this world",
                by="ann",
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
        )


@contextmanager
def serving(
    factory: Factory, folder: Path, app: str, *, compared: int = 50, pause: float = 0.02
) -> Iterator[Instance]:
    """An instance under load, of which each worker compares so much in a second."""
    environ = {
        **factory.environ,
        "WEB_CONCURRENCY": "2",
        "SHADOW_PERCENT": "50",
        "SHADOW_MAX_PER_SECOND": str(compared),
    }
    with (
        Instance(folder, environ, app=app) as instance,
        Load(instance, clients=4, paths=ASKED, pause=pause) as load,
    ):
        load.more(50)
        yield instance
    assert load.lost == []
    assert {reply.status for reply in load.replies} <= {200, 404}


def controller(factory: Factory, *arguments: str) -> subprocess.Popen[bytes]:
    """A controller, which tells a test that fails what it waited for."""
    return subprocess.Popen(
        [COMMAND, "rollout", "run", *arguments], env={**factory.environ, "ENV_FILE": "none"}
    )


def report(factory: Factory) -> str:
    """What is reported of the latest run, in Markdown."""
    told = subprocess.run(
        [COMMAND, "rollout", "report", "--format", "md"],
        env={**factory.environ, "ENV_FILE": "none"},
        check=True,
        capture_output=True,
        text=True,
    )
    return told.stdout


def ended(factory: Factory) -> Run:
    run = latest(factory.store)
    assert run is not None
    assert run.end is not None
    return run


def percents(factory: Factory, endpoint: str, run: int) -> list[float]:
    events: list[RolloutEvent] = factory.store.events(endpoint, limit=None, run=run)
    return [e.evidence["percent"] for e in reversed(events) if e.kind is EventKind.STAGE]


def states(factory: Factory) -> dict[str, RolloutState]:
    return dict(factory.store.read().states)


def test_seven_subtly_wrong_domains_pass_no_stage_and_are_named(
    factory: Factory, tmp_path: Path
) -> None:
    with serving(factory, tmp_path, "tests.e2e.subtly_wrong_wsgi:app") as instance:
        instance.break_domain("subtly wrong")
        verify = ("--verify-url", f"http://127.0.0.1:{instance.port}")
        assert controller(factory, "--stages", "25,100", *PACE, *verify).wait(LONG) == 1
    run = ended(factory)
    for endpoint, path, kind in WRONG.values():
        assert run.progress[endpoint].phase in (Phase.FAILED, Phase.LEFT)
        told = factory.store.events(endpoint, limit=None, run=run.id)
        assert EventKind.PASS not in {event.kind for event in told}
        found = told[0].evidence["evidence"]["mismatches"]
        rolled_back = told[0].evidence.get("cause") == "rolled_back"
        compared = (path, kind) in {(m["path"], m["kind"]) for m in found}
        assert rolled_back or compared or f"{path} {kind}" in told[0].reason


def test_killed_20_times_a_healthy_run_goes_from_0_to_100_verified_and_whole(
    factory: Factory, tmp_path: Path
) -> None:
    moments = random.Random(20261125)
    stages = (50, 100)
    with serving(factory, tmp_path, "wsgi:app") as instance:
        verify = ("--verify-url", f"http://127.0.0.1:{instance.port}")
        arguments = ("--stages", "50,100", *PACE, *verify)
        for _ in range(KILLS):
            process = controller(factory, *arguments)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1 + 4 * moments.random())
            process.kill()
            process.wait()
            run = latest(factory.store)
            for endpoint, progress in (run.progress if run else {}).items():
                allowed = stages[progress.stage - 1]
                assert states(factory).get(endpoint, RolloutState(endpoint="")).percent <= allowed
        assert controller(factory, *arguments).wait(LONG) == 0
    run = ended(factory)
    assert run.end is not None
    assert run.end.evidence["completion"] == Completion.COMPLETE.value
    for endpoint in ENDPOINTS:
        kinds = [e.kind for e in reversed(factory.store.events(endpoint, limit=None, run=run.id))]
        assert kinds == [EventKind.STAGE, EventKind.PASS] * len(stages)
        assert percents(factory, endpoint, run.id) == list(stages)
        assert states(factory)[endpoint].percent == 100


def test_an_endpoint_that_breaks_at_25_goes_back_alone(factory: Factory, tmp_path: Path) -> None:
    """At 10% the guard asks for 112 good answers, so for over a thousand requests an endpoint."""
    broken = "statistics.daily"

    def state() -> RolloutState:
        return states(factory).get(broken, RolloutState(endpoint=broken))

    app = "tests.e2e.faulty_wsgi:app"
    with serving(factory, tmp_path, app, compared=25, pause=0) as instance:
        arguments = (*PACE, "--bake", "6s", "--stages", "10,25,100", "--without-verification")
        process = controller(factory, *arguments)
        wait_for(lambda: state().percent == 25, "the second stage", LONG)
        instance.break_domain("raises", endpoint=broken)
        wait_for(lambda: state().status is Status.ROLLED_BACK, "the guard's rollback")
        assert process.wait(LONG) == 1
        assert instance.get(PATH_OF[broken]).who == "legacy; reason=rolled_back"
    run = ended(factory)
    assert run.progress[broken].phase in (Phase.FAILED, Phase.LEFT)
    assert percents(factory, broken, run.id) == [10, 25]
    assert state().percent in (10, 25)
    others = set(ENDPOINTS) - {broken}
    assert {run.progress[endpoint].phase for endpoint in others} == {Phase.DONE}
    for endpoint in others:
        assert percents(factory, endpoint, run.id) == [10, 25, 100]
        found = states(factory)[endpoint]
        assert (found.percent, found.status) == (100, Status.ACTIVE)
    opening = report(factory).split("\n## ")[0]
    assert {endpoint for endpoint in ENDPOINTS if endpoint in opening} == {broken}
