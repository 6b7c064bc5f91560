"""`rollout run` as operators meet it: what it refuses, shows, and leaves when it is stopped."""

import json
import re
import signal
import subprocess
from typing import Any

import pytest

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind, Status, effective
from detection_api.rollout.controller.lifecycle import begin
from detection_api.rollout.run import Completion, OnFailure, Phase, Plan, latest
from tests.factory import COMMAND
from tests.ingest.support import wait_until
from tests.rollout.conftest import Run
from tests.rollout.controllers import another_controller

ENDPOINT, OTHER = "records.violation", "statistics.daily"
AT_ONCE = ("--bake", "0s", "--patience", "0s", "--without-verification")
"""A run that has no patience with an endpoint that has no traffic."""


@pytest.mark.parametrize("command", ["run", "abandon"])
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run("rollout", command, "--help")
    assert f"detection-api rollout {command}" in result.output.partition("Example:")[2]


def test_a_run_shows_what_happens_and_its_exit_code_says_how_it_ended(
    run: Run, store: Store
) -> None:
    result = run("rollout", "run", "--endpoint", ENDPOINT, "--stages", "10,100", *AT_ONCE)
    assert result.exit_code == 1
    first, *lines = result.stdout.splitlines()
    assert re.fullmatch(r"run \d+: 1 endpoints through 10, 100%, each stage at least 0 s,.*", first)
    assert lines[0].endswith(f"{ENDPOINT} at 10%: stage 1 of 2")
    assert "no worker has reported" in lines[1]
    assert "is over, incomplete:" in lines[2]
    assert lines[-1].split()[:3] == [ENDPOINT, "left", "0%"]
    assert effective(store.read().states, ENDPOINT).percent == 0


def test_without_endpoints_a_run_is_of_all_seven_and_by_the_plan_that_is_shown(
    run: Run, store: Store
) -> None:
    run(
        *("rollout", "run", "--by", "ann", "--reason", "release 2", "--on-failure", "zero"),
        *("--min-requests", "5", "--min-comparisons", "3", "--verify-url", "http://127.0.0.1:1"),
        *("--bake", "0", "--patience", "0"),
    )
    begun = latest(store)
    assert begun is not None
    assert (begun.by, begun.reason, len(begun.progress)) == ("ann", "release 2", 7)
    assert begun.plan == Plan(
        endpoints=dict.fromkeys(begun.progress, 0.0),
        bake=0,
        patience=0,
        min_requests=5,
        min_comparisons=3,
        on_failure=OnFailure.ZERO,
        verify_urls=("http://127.0.0.1:1",),
    )


def test_endpoints_may_be_separated_by_commas(run: Run, store: Store) -> None:
    run("rollout", "run", "--endpoints", f"{ENDPOINT},{OTHER}", *AT_ONCE)
    begun = latest(store)
    assert begun is not None
    assert set(begun.progress) == {ENDPOINT, OTHER}


def test_who_verifies_nothing_is_told_at_the_start(run: Run) -> None:
    result = run("rollout", "run", "--endpoint", ENDPOINT, "--bake", "0", "--patience", "0")
    assert "no instance is verified over HTTP" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--stages", "50,10"),
        ("--stages", "10,10"),
        ("--stages", "0,100"),
        ("--stages", "ten"),
        ("--stages", "101"),
        ("--bake", "soon"),
        ("--bake", "-1s"),
        ("--endpoint", "records.nothing"),
        ("--verify-url", "127.0.0.1:8000"),
        ("--min-requests", "0"),
    ],
    ids=" ".join,
)
def test_a_plan_that_is_none_is_refused_and_begins_nothing(
    run: Run, store: Store, arguments: tuple[str, ...]
) -> None:
    result = run("rollout", "run", *arguments)
    assert result.exit_code == 2
    assert "Error: " in result.output
    assert store.events() == []


def test_under_the_kill_switch_nothing_begins(run: Run, store: Store) -> None:
    result = run("rollout", "run", *AT_ONCE, USE_DOMAIN_SERVICE="false")
    assert result.exit_code == 1
    assert "kill switch is set" in result.output
    assert store.events() == []


# One run and one controller at a time


def unfinished(store: Store, **plan: Any) -> int:
    given = {"endpoints": {ENDPOINT: 0.0}, "bake": 0, "patience": 0, **plan}
    return begin(store, Plan(**given), by="ann", reason="").id


def test_an_unfinished_run_is_gone_on_with(run: Run, store: Store) -> None:
    identifier = unfinished(store, stages=(7,))
    result = run("rollout", "run")
    assert result.stdout.startswith(f"continuing run {identifier}: 1 endpoints through 7%")
    ended = latest(store)
    assert ended is not None
    assert ended.id == identifier
    assert ended.end is not None


def test_what_is_asked_for_again_is_no_other_plan(run: Run, store: Store) -> None:
    identifier = unfinished(store, stages=(7,))
    result = run("rollout", "run", "--stages", "7", "--endpoint", ENDPOINT)
    assert f"continuing run {identifier}" in result.stdout


@pytest.mark.parametrize(
    "other", [("--stages", "5"), ("--endpoint", OTHER), ("--on-failure", "zero")], ids=" ".join
)
def test_another_plan_is_refused_while_a_run_is_unfinished_with_the_way_out(
    run: Run, store: Store, other: tuple[str, ...]
) -> None:
    identifier = unfinished(store)
    result = run("rollout", "run", *other)
    assert result.exit_code == 1
    assert f"run {identifier} is unfinished and has another plan (--" in result.output
    assert "rollout abandon" in result.output
    assert len(store.events()) == 1


def test_the_unfinished_run_is_in_the_status_until_it_is_over(run: Run, store: Store) -> None:
    identifier = unfinished(store, endpoints={ENDPOINT: 0.0, OTHER: 25.0})
    shown = run("rollout", "status").stdout
    assert f"run {identifier} by ann since " in shown
    assert re.search(rf"{ENDPOINT} +1 of 4 +waiting", shown)
    assert re.search(rf"{OTHER} +2 of 4 +waiting", shown)
    told = json.loads(run("rollout", "status", "--json").stdout)["run"]
    assert (told["run"], told["is_over"], told["plan"]["bake"]) == (identifier, False, 0)
    run("rollout", "abandon", "--reason", "another plan")
    assert "is unfinished" not in run("rollout", "status").stdout
    assert json.loads(run("rollout", "status", "--json").stdout)["run"]["is_over"]


def test_an_unfinished_run_is_told_to_stand_still_unless_a_controller_is_at_work(
    run: Run, store: Store, database: str
) -> None:
    def is_driven() -> bool:
        told = json.loads(run("rollout", "status", "--json").stdout)
        return bool(told["run"]["is_driven"])

    said = "no controller is running it: `detection-api rollout run` continues it"
    unfinished(store)
    assert said in run("rollout", "status").stdout
    assert not is_driven()
    with another_controller(database):
        assert said not in run("rollout", "status").stdout
        assert is_driven()


def test_an_abandoned_run_is_over_and_makes_room_for_another(run: Run, store: Store) -> None:
    identifier = unfinished(store)
    result = run("rollout", "abandon", "--reason", "another plan", "--by", "bob")
    assert result.stdout.startswith(f"run {identifier} is over, abandoned")
    end = store.events(limit=1)[0]
    assert (end.kind, end.by, end.reason) == (EventKind.END, "bob", "another plan")
    assert end.evidence["completion"] == Completion.ABANDONED.value
    assert end.evidence["outcomes"][ENDPOINT]["phase"] == Phase.WAITING.value
    again = run("rollout", "abandon", "--reason", "twice")
    assert (again.exit_code, again.stderr) == (1, "Error: no run is unfinished\n")


@pytest.mark.parametrize("command", [("run", *AT_ONCE), ("abandon", "--reason", "x")], ids=" ".join)
def test_a_second_controller_is_refused(
    run: Run, store: Store, database: str, command: tuple[str, ...]
) -> None:
    identifier = unfinished(store)
    with another_controller(database):
        result = run("rollout", *command)
    assert result.exit_code == 1
    assert "another controller is running" in result.output
    assert [event.id for event in store.events()] == [identifier]


def test_a_controller_that_is_gone_holds_nobody_up(run: Run, store: Store, database: str) -> None:
    with another_controller(database):
        pass
    assert run("rollout", "run", "--endpoint", ENDPOINT, *AT_ONCE).exit_code == 1
    assert latest(store) is not None


# Stopped and killed


def started(database: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, "rollout", "run", *arguments],
        env={"DATABASE_URL": database, "ENV_FILE": "none", "PATH": "/usr/bin:/bin"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def test_killed_or_stopped_a_run_leaves_exposure_as_it_is_and_is_gone_on_with(
    store: Store, database: str
) -> None:
    def staged() -> int:
        return sum(event.kind is EventKind.STAGE for event in store.events())

    killed = started(database, "--endpoint", ENDPOINT, "--stages", "10,100")
    wait_until(lambda: staged() == 1)
    killed.kill()
    killed.communicate()
    state = effective(store.read().states, ENDPOINT)
    assert (state.percent, state.status) == (10, Status.ACTIVE)

    stopped = started(database)
    assert stopped.stdout is not None
    assert "continuing run" in stopped.stdout.readline()
    stopped.stdout.readline()  # it has taken a turn
    stopped.send_signal(signal.SIGINT)
    told, _ = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert "is unfinished and every endpoint stays as it is" in told
    assert effective(store.read().states, ENDPOINT) == state
    assert staged() == 1
