"""Tokens are shown once, listed without themselves, and audited."""

import getpass
import json

import pytest

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import DEFAULT, EventKind
from detection_api.rollout.controller.lifecycle import begin
from detection_api.rollout.run import Plan
from tests.rollout.conftest import Run


@pytest.mark.parametrize("command", ["create", "list", "revoke"])
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    result = run("tokens", command, "--help")
    assert result.exit_code == 0
    assert f"detection-api tokens {command}" in result.output.partition("Example:")[2]


def test_a_new_token_alone_is_on_standard_output(changed: Run) -> None:
    """So that a script can take it from there."""
    result = changed("tokens", "create", "alice", "--role", "operator")
    assert result.stdout.startswith("dapi_")
    assert result.stdout.count("\n") == 1
    assert "shown only now" in result.stderr


def test_the_list_tells_of_every_token_and_shows_none(changed: Run) -> None:
    assert changed("tokens", "list").stdout == "no tokens\n"
    shown = [
        changed("tokens", "create", name, "--role", role, "--by", "root").stdout.strip()
        for name, role in (("alice", "operator"), ("screen", "viewer"))
    ]
    changed("tokens", "revoke", "screen", "--by", "boss", "--reason", "stolen")
    result = changed("tokens", "list")
    header, alice, screen = result.stdout.splitlines()
    assert header.split() == ["NAME", "ROLE", "CREATED", "BY", "REVOKED", "BY"]
    assert alice.split()[:2] == ["alice", "operator"]
    assert alice.split()[-1] == "-"
    assert screen.split()[-1] == "boss"
    in_json = changed("tokens", "list", "--json").stdout
    found = json.loads(in_json)
    assert [(t["name"], t["role"], t["created_by"]) for t in found] == [
        ("alice", "operator", "root"),
        ("screen", "viewer", "root"),
    ]
    assert found[0]["revoked_at"] is None
    assert not any(token in result.stdout + in_json for token in shown)


def test_operators_find_who_made_and_revoked_a_token_in_the_events(
    changed: Run, store: Store
) -> None:
    token = changed("tokens", "create", "alice", "--role", "operator").stdout.strip()
    changed("tokens", "revoke", "alice", "--reason", "has left", "--by", "boss")
    revoked, granted = store.events(DEFAULT)
    assert (granted.kind, granted.by) == (EventKind.GRANT, getpass.getuser())
    assert (revoked.kind, revoked.by, revoked.reason) == (EventKind.REVOKE, "boss", "has left")
    assert granted.evidence == revoked.evidence
    assert granted.evidence == {"token": "alice", "token_id": 1, "role": "operator"}
    shown = changed("rollout", "events").stdout
    assert "has left | role=operator token=alice token_id=1" in shown
    assert token not in shown


def test_a_reason_that_quotes_a_token_is_kept_without_it(changed: Run, store: Store) -> None:
    token = changed("tokens", "create", "alice", "--role", "operator").stdout.strip()
    reason = ("--reason", f"{token} is in a chat")
    changed("rollout", "rollback", *reason)
    changed("tokens", "revoke", "alice", *reason)
    revoked, rolled_back, _ = store.events(DEFAULT)
    assert revoked.reason == rolled_back.reason == "dapi_[redacted] is in a chat"
    assert store.read().states[DEFAULT].reason == rolled_back.reason


def test_no_reason_of_a_run_or_of_an_acceptance_keeps_a_token(run: Run, store: Store) -> None:
    token = run("tokens", "create", "alice", "--role", "operator").stdout.strip()
    reason = ("--reason", f"{token} is in a chat")
    at_once = ("--bake", "0s", "--patience", "0s", "--without-verification")
    run("rollout", "run", "--endpoint", "records.violation", *at_once, *reason)
    begin(store, Plan(endpoints={"records.violation": 0.0}), by="ann", reason=reason[1])
    run("rollout", "abandon", *reason)
    run("accepted", "add", "records.violation", "$.fps", "type", *reason, "--expires", "30d")
    kept = [e.reason for e in store.events(DEFAULT) if "chat" in e.reason]
    kept += [accepted.reason for accepted in store.read().accepted]
    assert kept == ["dapi_[redacted] is in a chat"] * 4


@pytest.mark.parametrize("name", ["", "-x", "two words", "x" * 64, "a/b", "x\n"], ids=repr)
def test_a_name_that_would_not_read_well_in_the_audit_is_refused(run: Run, name: str) -> None:
    result = run("tokens", "create", "--role", "viewer", "--", name)
    assert result.exit_code == 2
    assert "must be at most 63" in result.stderr


def test_what_cannot_be_done_is_one_clear_line(run: Run, changed: Run, store: Store) -> None:
    changed("tokens", "create", "alice", "--role", "viewer")
    again = run("tokens", "create", "alice", "--role", "operator")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr == "Error: there is a token alice already: revoke it first\n"
    unknown = run("tokens", "revoke", "bob")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr == "Error: there is no token bob in use\n"
    assert len(store.events(DEFAULT)) == 1
    away = run("tokens", "list", DATABASE_URL="postgresql://127.0.0.1:1/x")
    assert away.exit_code == 1
    assert away.stderr.count("\n") == 1
