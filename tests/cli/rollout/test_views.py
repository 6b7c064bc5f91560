"""An operator sees at a glance what applies, who applies it, what happened and what differs."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from detection_api.canary.state.ledger import LedgerBatch, MismatchTally
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind, RolloutEvent, RolloutState, Status
from tests.canary.stores import heartbeat
from tests.rollout.conftest import Run

ENDPOINT = "records.violation"
OTHER = "statistics.daily"
MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"


def rows(output: str) -> dict[str, list[str]]:
    """A table's rows by their first cell."""
    cells = [re.split(r"  +", line) for line in output.splitlines() if line]
    return {first: others for first, *others in cells}


def write(store: Store, endpoint: str, percent: float, **fields: Any) -> RolloutState:
    state = RolloutState(endpoint=endpoint, percent=percent, by="ann", reason="stage 1", **fields)
    return store.write(state, EventKind.SET, {})


def test_every_endpoint_and_the_default_are_shown(changed: Run, store: Store) -> None:
    write(store, ENDPOINT, 25)
    shown = rows(changed("rollout", "status").stdout)
    percent, status, epoch, by, at, reason = shown[ENDPOINT]
    assert (percent, status, epoch, by, reason) == ("25", "active", "1", "ann", "stage 1")
    assert re.fullmatch(MOMENT, at)
    assert shown["*"][:3] == ["0", "active", "0"]
    assert {"cameras.camera_stats", "cameras.cameras", "statistics.events"} < set(shown)


def test_what_follows_the_default_says_so(changed: Run, store: Store) -> None:
    default = write(store, "*", 10)
    assert rows(changed("rollout", "status").stdout)[OTHER] == [
        *("10", "active", "-", "-", "-"),
        "follows *",
    ]
    store.write(replace(default, status=Status.ROLLED_BACK), EventKind.ROLLBACK, {})
    assert rows(changed("rollout", "status").stdout)[OTHER][1] == "rolled_back"


def test_a_pinned_percent_shows_as_pinned(changed: Run, store: Store) -> None:
    write(store, ENDPOINT, 25)
    environ = {"ROLLOUT_PERCENT": "50", "ROLLOUT_PERCENT_STATISTICS_DAILY": "5"}
    shown = rows(changed("rollout", "status", **environ).stdout)
    assert [shown[e][0] for e in ("*", ENDPOINT, OTHER)] == ["50 pinned", "50 pinned", "5 pinned"]
    seen = json.loads(changed("rollout", "status", "--json", **environ).stdout)
    by_endpoint = {endpoint["state"]["endpoint"]: endpoint for endpoint in seen["endpoints"]}
    assert by_endpoint[ENDPOINT]["pinned"] == 50
    assert by_endpoint[ENDPOINT]["state"]["percent"] == 25


@pytest.mark.parametrize(
    "environ",
    [
        {"USE_DOMAIN_SERVICE": "flase"},
        {"ROLLOUT_PERCENT_RECORDS_VIOLATIONS": "0"},
        {"LEGACY_POOL_SIZE": "many"},
    ],
    ids=["switched", "a percentage of no endpoint", "an unreadable setting"],
)
def test_a_kill_switch_comes_first(changed: Run, environ: dict[str, str]) -> None:
    first = changed("rollout", "status", **environ).stdout.splitlines()[0]
    assert first == "the environment's kill switch is set: everything goes to legacy"
    assert "kill switch" not in changed("rollout", "status").stdout


def test_states_of_no_endpoint_are_named(changed: Run, store: Store) -> None:
    write(store, "records.violations", 0)
    output = changed("rollout", "status").stdout
    assert "\nstates of unknown endpoints: records.violations\n" in output


def test_workers_tell_what_they_apply(changed: Run, store: Store) -> None:
    assert "\nno worker has reported" in changed("rollout", "status").stdout
    state = write(store, ENDPOINT, 5)
    store.write(replace(state, percent=10), EventKind.SET, {})
    for worker, epoch in (("a:1", 2), ("b:2", 1)):
        applied = heartbeat(worker, uptime=200.0, epochs={ENDPOINT: epoch, OTHER: 0})
        store.flush(applied, 1, LedgerBatch(0), 0)
    shown = rows(changed("rollout", "status").stdout)
    for worker, applies in (("a:1", "up to date"), ("b:2", f"behind: {ENDPOINT}")):
        up, heard, what = shown[worker]
        assert (up, what) == ("3 min", applies)
        assert re.fullmatch(r"\d+ s ago", heard)
    seen = json.loads(changed("rollout", "status", "--json").stdout)
    assert [worker["behind"] for worker in seen["workers"]] == [[], [ENDPOINT]]
    assert seen["workers"][1]["epochs"] == {ENDPOINT: 1, OTHER: 0}


def alarm(**facts: Any) -> RolloutEvent:
    evidence = {
        "signal": "failing",
        "verdict": "rollback",
        "parameters": {"up": 19, "k": 7},
        "start": 0,
        "batches": [[7, 0]],
        "totals": {"bad": 7, "good": 0},
        "points": 133.0,
        "first_request_id": "r1",
        "last_request_id": None,
        "request_ids": ["r1"],
    }
    return RolloutEvent(
        endpoint=ENDPOINT,
        kind=EventKind.WARN,
        by="guard",
        reason="failing: 7 of 7",
        evidence={**evidence, **facts},
    )


def test_events_are_shown_newest_first_with_their_evidence_in_a_line(
    changed: Run, store: Store
) -> None:
    assert changed("rollout", "events").stdout == "no events\n"
    write(store, OTHER, 5)
    store.append(alarm())
    header, newest, oldest = changed("rollout", "events").stdout.splitlines()
    assert header.split()[:3] == ["AT", "ENDPOINT", "EVENT"]
    assert re.fullmatch(
        rf"{MOMENT}  {ENDPOINT}  warn   0      guard"
        r"  failing: 7 of 7 \| first_request_id=r1 points=133 bad=7 good=0",
        newest,
    )
    assert oldest.endswith(f"{OTHER}   set    1      ann    stage 1")


def test_events_are_of_one_endpoint_and_so_many_where_asked_for(changed: Run, store: Store) -> None:
    write(store, OTHER, 5)
    for number in range(3):
        store.append(alarm(number=number))
    output = changed("rollout", "events", "--endpoint", ENDPOINT, "--limit", 2).stdout
    assert re.findall(r"number=\d", output) == ["number=2", "number=1"]
    seen = json.loads(changed("rollout", "events", "--json").stdout)
    assert [event["endpoint"] for event in seen] == [ENDPOINT] * 3 + [OTHER]
    assert seen[0]["evidence"]["batches"] == [[7, 0]]


def test_a_request_id_cannot_write_to_the_terminal(changed: Run, store: Store) -> None:
    store.append(alarm(first_request_id="\x1b[2J\nforged"))
    assert "first_request_id=?[2J forged" in changed("rollout", "events").stdout


def test_mismatches_are_shown_with_their_samples(changed: Run, store: Store) -> None:
    assert changed("rollout", "mismatches").stdout == "no mismatches\n"
    sample = {"request_id": "r1", "at": "$.fps", "legacy": "integer", "domain": "number"}
    found = {
        (ENDPOINT, "$.fps", "type"): MismatchTally(count=1200, accepted=3, samples=[sample]),
        (OTHER, "$", "status"): MismatchTally(count=1),
    }
    store.flush(heartbeat(), 1, LedgerBatch(0, mismatches=found), 0)
    _, first, detail, second = changed("rollout", "mismatches").stdout.splitlines()
    assert re.fullmatch(rf"{ENDPOINT}  \$\.fps  type    1,200  3         {MOMENT}  {MOMENT}", first)
    assert detail == "    at=$.fps domain=number legacy=integer request_id=r1"
    assert second.startswith(OTHER)

    assert ENDPOINT not in changed("rollout", "mismatches", "--endpoint", OTHER).stdout
    seen = json.loads(changed("rollout", "mismatches", "--json").stdout)
    assert seen[0]["samples"] == [sample]
