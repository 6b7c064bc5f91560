"""What operators change, the fleet applies; what cannot be done is refused in one clear line."""

import getpass
import os
import subprocess
import threading
from contextlib import closing

import psycopg2
import pytest

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import DEFAULT, EventKind, RolloutState, Status, effective
from detection_api.cli import store as cli_store
from tests.factory import COMMAND
from tests.ingest.support import query, wait_until
from tests.rollout.conftest import Run

ENDPOINT = "records.violation"
OTHER = "statistics.daily"


def state(store: Store, endpoint: str = ENDPOINT) -> RolloutState:
    """What workers apply to an endpoint."""
    return effective(store.read().states, endpoint)


@pytest.mark.parametrize(
    "command",
    [
        "rollout status",
        "rollout set",
        "rollout rollback",
        "rollout resume",
        "rollout events",
        "rollout mismatches",
        "accepted add",
        "accepted list",
        "accepted remove",
    ],
)
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    assert f"detection-api {command}" in result.output.partition("Example:")[2]


def test_without_an_endpoint_the_default_is_set(changed: Run, store: Store) -> None:
    result = changed("rollout", "set", 25)
    assert result.stdout == "*: 25%, active, epoch 1\n"
    assert state(store, OTHER).percent == 25


def test_endpoints_are_set_one_by_one(changed: Run, store: Store) -> None:
    result = changed("rollout", "set", 12.5, "--endpoint", ENDPOINT, "--endpoint", OTHER)
    assert result.stdout == f"{ENDPOINT}: 12.5%, active, epoch 1\n{OTHER}: 12.5%, active, epoch 1\n"
    assert (state(store).percent, state(store, OTHER).percent) == (12.5, 12.5)
    assert state(store, "cameras.cameras").percent == 0


def test_an_endpoint_that_is_given_twice_is_changed_once(changed: Run, store: Store) -> None:
    changed("rollout", "set", 5, "--endpoint", ENDPOINT, "--endpoint", ENDPOINT)
    assert state(store).epoch == 1


def test_a_change_is_audited_with_who_why_and_what_it_was(changed: Run, store: Store) -> None:
    changed("rollout", "set", 10, "--endpoint", ENDPOINT, "--by", "night shift")
    changed("rollout", "set", 25, "--endpoint", ENDPOINT, "--reason", "stage 2")
    second, first = store.events(ENDPOINT)
    assert (first.kind, first.by, first.reason) == (EventKind.SET, "night shift", "")
    assert (second.by, second.reason, second.epoch) == (getpass.getuser(), "stage 2", 2)
    assert second.evidence == {"percent_before": 10.0, "percent": 25.0}


def test_a_rollback_holds_until_it_is_taken_back(changed: Run, store: Store) -> None:
    changed("rollout", "set", 50, "--endpoint", ENDPOINT)
    result = changed("rollout", "rollback", "--endpoint", ENDPOINT, "--reason", "wrong totals")
    assert result.stdout == f"{ENDPOINT}: 50%, rolled_back, epoch 2\n"
    assert (state(store).status, state(store).reason) == (Status.ROLLED_BACK, "wrong totals")

    result = changed("rollout", "resume", "--endpoint", ENDPOINT, "--reason", "fixed")
    assert result.stdout == f"{ENDPOINT}: 50%, active, epoch 3\n"
    assert (state(store).status, state(store).percent) == (Status.ACTIVE, 50)
    assert state(store).resumed_at is not None
    kinds = [event.kind for event in store.events(ENDPOINT)]
    assert kinds == [EventKind.RESUME, EventKind.ROLLBACK, EventKind.SET]


def test_a_rollback_to_a_percentage_lowers_every_endpoint_that_is_above(
    changed: Run, store: Store
) -> None:
    changed("rollout", "set", 25)
    changed("rollout", "set", 50, "--endpoint", ENDPOINT)
    changed("rollout", "set", 5, "--endpoint", OTHER)
    result = changed("rollout", "rollback", "--to", 10, "--reason", "a big customer")
    assert f"{ENDPOINT}: 10%, active, epoch 2" in result.stdout
    assert f"{OTHER} is already at 5%" in result.stdout
    assert result.stderr == "", "none keeps what it has"
    assert state(store, "cameras.cameras").percent == 10
    assert (state(store).percent, state(store).status) == (10, Status.ACTIVE)
    assert state(store, OTHER).percent == 5
    assert store.events(ENDPOINT)[0].kind is EventKind.SET


def test_a_rollback_to_a_percentage_raises_nothing(changed: Run, store: Store) -> None:
    changed("rollout", "set", 5, "--endpoint", ENDPOINT)
    result = changed("rollout", "rollback", "--to", 10, "--endpoint", ENDPOINT, "--reason", "x")
    assert result.stdout == f"{ENDPOINT} is already at 5%\n"
    assert (state(store).percent, state(store).epoch) == (5, 1)


def test_a_hold_keeps_the_percent_until_it_is_taken_back(changed: Run, store: Store) -> None:
    changed("rollout", "set", 50, "--endpoint", ENDPOINT)
    result = changed("rollout", "hold", "--endpoint", ENDPOINT, "--reason", "release")
    assert result.stdout == f"{ENDPOINT}: 50%, held, epoch 2\n"
    changed("rollout", "resume", "--endpoint", ENDPOINT, "--reason", "released")
    assert (state(store).status, state(store).percent) == (Status.ACTIVE, 50)
    kinds = [event.kind for event in store.events(ENDPOINT)]
    assert kinds == [EventKind.RESUME, EventKind.HOLD, EventKind.SET]


@pytest.mark.parametrize("held", [ENDPOINT, DEFAULT])
def test_what_is_held_is_lowered_by_an_operator_and_not_raised(
    run: Run, changed: Run, store: Store, held: str
) -> None:
    changed("rollout", "set", 50, "--endpoint", ENDPOINT)
    changed("rollout", "hold", "--endpoint", held, "--reason", "release")
    refused = run("rollout", "set", 75, "--endpoint", ENDPOINT)
    assert refused.exit_code == 1
    said = f"{ENDPOINT} is held: it cannot be raised until `resume`"
    assert refused.stderr == f"Error: {said}\n"
    assert state(store).percent == 50
    changed("rollout", "set", 25, "--endpoint", ENDPOINT)
    assert state(store).percent == 25


def test_a_hold_does_not_take_a_rollback_back(changed: Run, store: Store) -> None:
    changed("rollout", "rollback", "--endpoint", ENDPOINT, "--reason", "wrong totals")
    result = changed("rollout", "hold", "--endpoint", ENDPOINT, "--reason", "release")
    assert result.stdout == f"{ENDPOINT} is already rolled_back\n"
    assert state(store).status is Status.ROLLED_BACK


def test_a_rollback_without_an_endpoint_is_of_all(changed: Run, store: Store) -> None:
    changed("rollout", "set", 50, "--endpoint", ENDPOINT)
    changed("rollout", "rollback", "--reason", "the database is being moved")
    assert {state(store, e).status for e in (DEFAULT, ENDPOINT, OTHER)} == {Status.ROLLED_BACK}
    changed("rollout", "resume", "--reason", "it has moved")
    assert {state(store, e).status for e in (DEFAULT, ENDPOINT, OTHER)} == {Status.ACTIVE}
    assert state(store).percent == 50


def test_an_endpoint_that_had_no_state_keeps_the_defaults_percent(
    changed: Run, store: Store
) -> None:
    changed("rollout", "set", 30)
    changed("rollout", "rollback", "--endpoint", ENDPOINT, "--reason", "r")
    changed("rollout", "resume", "--endpoint", ENDPOINT, "--reason", "r")
    assert state(store).percent == 30


def test_what_is_rolled_back_takes_a_percent_and_stays_so(changed: Run, store: Store) -> None:
    changed("rollout", "rollback", "--endpoint", ENDPOINT, "--reason", "r")
    result = changed("rollout", "set", 5, "--endpoint", ENDPOINT)
    assert result.stdout == f"{ENDPOINT}: 5%, rolled_back, epoch 2\n"
    assert f"but {ENDPOINT} is rolled back" in result.stderr
    assert state(store).status is Status.ROLLED_BACK


def test_an_endpoints_percent_is_not_rolled_back_with_the_default(
    changed: Run, store: Store
) -> None:
    """Only as long as the default is: it was the default that was rolled back."""
    changed("rollout", "rollback", "--reason", "r")
    result = changed("rollout", "set", 5, "--endpoint", ENDPOINT)
    assert "but * is rolled back" in result.stderr
    assert state(store).status is Status.ROLLED_BACK
    changed("rollout", "resume", "--reason", "r")
    assert (state(store).status, state(store).percent) == (Status.ACTIVE, 5)


@pytest.mark.parametrize(
    ("before", "command", "says"),
    [("resume", "resume", "active"), ("rollback", "rollback", "rolled_back")],
)
def test_what_is_so_already_is_left_alone(
    changed: Run, store: Store, before: str, command: str, says: str
) -> None:
    changed("rollout", before, "--endpoint", ENDPOINT, "--reason", "first")
    epoch = state(store).epoch
    result = changed("rollout", command, "--endpoint", ENDPOINT, "--reason", "second")
    assert result.stdout == f"{ENDPOINT} is already {says}\n"
    assert state(store).epoch == epoch


def test_resuming_an_endpoint_that_only_the_default_rolls_back_says_so(changed: Run) -> None:
    changed("rollout", "rollback", "--reason", "r")
    result = changed("rollout", "resume", "--endpoint", ENDPOINT, "--reason", "r")
    assert result.stdout == f"{ENDPOINT} is already active\n"
    assert "but * is rolled back" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["rollout", "set", "5", "--endpoint"],
        ["rollout", "rollback", "--reason", "r", "--endpoint", OTHER, "--endpoint"],
        ["rollout", "resume", "--reason", "r", "--endpoint"],
        ["rollout", "events", "--endpoint"],
        ["rollout", "mismatches", "--endpoint"],
    ],
    ids=lambda c: c[1],
)
def test_an_unknown_endpoint_is_refused_with_those_there_are(
    run: Run, store: Store, command: list[str]
) -> None:
    result = run(*command, "records.violations")
    assert result.exit_code == 2
    message = result.stderr.splitlines()[-1]
    assert "there is no records.violations; there are *, cameras.camera_stats, " in message
    assert ENDPOINT in message
    assert store.read().states == {}, "none of several is changed"


@pytest.mark.parametrize("percent", ["101", "100.001", "nan", "inf", "many"])
def test_a_percent_that_is_none_is_refused(run: Run, store: Store, percent: str) -> None:
    assert run("rollout", "set", percent).exit_code == 2
    assert run("rollout", "set", "--", "-1").exit_code == 2
    assert store.read().states == {}


@pytest.mark.parametrize("command", ["rollback", "resume"])
def test_a_reason_is_asked_for(run: Run, command: str) -> None:
    result = run("rollout", command)
    assert result.exit_code == 2
    assert "Missing option '--reason'" in result.stderr


def test_a_percent_that_the_environment_overrules_is_set_with_a_warning(changed: Run) -> None:
    pinned = changed(
        *("rollout", "set", 50, "--endpoint", ENDPOINT), ROLLOUT_PERCENT_RECORDS_VIOLATION="10"
    )
    assert f"but the environment pins {ENDPOINT} to 10%" in pinned.stderr
    other = changed(
        *("rollout", "set", 50, "--endpoint", OTHER), ROLLOUT_PERCENT_RECORDS_VIOLATION="10"
    )
    assert other.stderr == ""
    everywhere = changed("rollout", "set", 50, ROLLOUT_PERCENT="10")
    assert "but the environment pins cameras.cameras to 10%" in everywhere.stderr
    off = changed("rollout", "set", 50, USE_DOMAIN_SERVICE="false")
    assert "kill switch is set" in off.stderr


def test_setting_the_default_names_the_endpoints_that_do_not_follow_it(changed: Run) -> None:
    changed("rollout", "set", 5, "--endpoint", ENDPOINT)
    result = changed("rollout", "set", 50)
    assert f"but these keep a percentage of their own: {ENDPOINT}\n" in result.stderr


def test_a_change_that_comes_between_wins(run: Run, store: Store, database: str) -> None:
    """Another operator's statement is under way when the command has read the state."""
    store.write(RolloutState(endpoint=ENDPOINT, percent=5), EventKind.SET, {})
    with closing(psycopg2.connect(database)) as other:
        other.cursor().execute("UPDATE rollout_state SET percent = 1")
        waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        def commit() -> None:
            wait_until(lambda: bool(query(database, waiting)))
            other.commit()

        thread = threading.Thread(target=commit)
        thread.start()
        result = run("rollout", "set", 50, "--endpoint", ENDPOINT)
        thread.join()
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {ENDPOINT} was changed at the same moment")
    assert result.stderr.count("\n") == 1
    assert state(store).percent == 1


def test_a_database_that_does_not_answer_in_time_is_one_clear_line(
    run: Run, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli_store, "DEADLINE", 1.0)
    with closing(psycopg2.connect(database)) as holder:
        holder.cursor().execute("LOCK TABLE rollout_state")
        result = run("rollout", "status")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PostgreSQL ")
    assert result.stderr.endswith(" in time\n")
    assert result.stderr.count("\n") == 1


def test_a_database_that_is_away_is_one_clear_line(run: Run) -> None:
    result = run("rollout", "status", DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: PostgreSQL: ")
    assert "Connection refused; Is the server running" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--to", 10)], ids=["back", "down"])
def test_who_cannot_roll_back_for_want_of_postgresql_is_shown_the_kill_switch(
    run: Run, options: tuple[object, ...]
) -> None:
    nowhere = "postgresql://127.0.0.1:1/x"
    result = run("rollout", "rollback", *options, "--reason", "x", DATABASE_URL=nowhere)
    assert result.exit_code == 1
    first, *others = result.stderr.splitlines()
    assert first.startswith("Error: PostgreSQL: ")
    assert "USE_DOMAIN_SERVICE=false" in " ".join(others)
    assert "HUP" in " ".join(others)


def test_who_has_no_login_name_is_told_by_number(
    changed: Run, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a user id that a container was started with."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", unknown)
    changed("rollout", "set", 5)
    assert state(store, DEFAULT).by == f"uid {os.getuid()}"


def test_an_unreadable_setting_does_not_keep_an_operator_from_rolling_back(
    changed: Run, store: Store
) -> None:
    changed("rollout", "rollback", "--reason", "r", LEGACY_POOL_SIZE="many")
    assert state(store).status is Status.ROLLED_BACK


def test_the_installed_command_does_it_too(store: Store, database: str) -> None:
    run = subprocess.run(
        [COMMAND, "rollout", "set", "25", "--by", "me", "--endpoint", ENDPOINT],
        env={"DATABASE_URL": database, "ENV_FILE": "none"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert (run.stdout, run.stderr) == (f"{ENDPOINT}: 25%, active, epoch 1\n", "")
    assert state(store).by == "me"
