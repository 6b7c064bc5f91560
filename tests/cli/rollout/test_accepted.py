"""What is accepted is excused until it expires; what nobody needs is seen."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from detection_api.canary.comparison.acceptance import find_excuse
from detection_api.canary.state.ledger import LedgerBatch
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import AcceptedDifference
from detection_api.rollout.acceptance import read_expiry
from tests.canary.stores import heartbeat
from tests.rollout.conftest import Run

ENDPOINT = "records.violation"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ADD = ("accepted", "add", ENDPOINT)
WHY = ("--reason", "the domain rounds")


@pytest.mark.parametrize(
    ("text", "expires_at"),
    [
        ("30d", NOW + timedelta(days=30)),
        ("2026-11-23", datetime(2026, 11, 23, 23, 59, 59, 999_999, UTC)),
        ("2026-12-31", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)),
    ],
)
def test_an_expiry_is_days_from_now_or_the_end_of_a_day(text: str, expires_at: datetime) -> None:
    assert read_expiry(text, NOW) == expires_at


@pytest.mark.parametrize(
    "text", ["0d", "2026-11-22", "99999d", "9999-01-01", "2026-13-01", "soon", "", "30", "٣d"]
)
def test_an_expiry_that_is_none_or_has_passed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not in the future|month"):
        read_expiry(text, NOW)


def test_what_is_added_excuses_differences_until_it_is_removed(changed: Run, store: Store) -> None:
    result = changed(*ADD, "$.fps", "type", *WHY, "--expires", "30d", "--by", "ann")
    identifier = re.match(r"accepted as (\d+) until \d{4}-", result.stdout)
    assert identifier is not None
    (accepted,) = store.read().accepted
    assert find_excuse([accepted], ENDPOINT, "$.fps", "type") is accepted
    assert (accepted.by, accepted.reason) == ("ann", "the domain rounds")

    assert changed("accepted", "remove", identifier[1]).stdout == f"removed {identifier[1]}\n"
    assert store.read().accepted == ()


def test_removing_what_is_not_there_is_an_error(run: Run) -> None:
    result = run("accepted", "remove", 17)
    assert (result.exit_code, result.stderr) == (1, "Error: there is no accepted difference 17\n")


@pytest.mark.parametrize(
    "path", ["$", "$*", "$.records[*].fps", "$[*].by_type.*", '$["a b"][*]', "$.temp*", "$.größe"]
)
def test_a_path_is_a_jsonpath_with_any_text_for_a_star(
    changed: Run, store: Store, path: str
) -> None:
    changed(*ADD, path, "*", *WHY, "--expires", "1d")
    assert store.accepted()[0].path == path


@pytest.mark.parametrize("path", ["fps", "$fps", "$.records[0]", "$..fps", "$.a b", "", "$.[*]"])
def test_a_path_that_no_difference_has_is_refused(run: Run, store: Store, path: str) -> None:
    result = run(*ADD, path, "type", *WHY, "--expires", "1d")
    assert result.exit_code == 2
    assert "must be a JSONPath from $" in result.stderr
    assert store.accepted() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["accepted", "add", "*", "$", "type", *WHY, "--expires", "1d"], "there is no *"),
        (["accepted", "add", "a.b", "$", "type", *WHY, "--expires", "1d"], "there is no a.b"),
        ([*ADD, "$", "colour", *WHY, "--expires", "1d"], "is not one of 'missing', 'extra', "),
        ([*ADD, "$", "type", *WHY, "--expires", "soon"], "must be days or a future date"),
        ([*ADD, "$", "type", *WHY, "--expires", "2026-01-01"], "must be days or a future date"),
        ([*ADD, "$", "type", *WHY], "Missing option '--expires'"),
        ([*ADD, "$", "type", "--expires", "1d"], "Missing option '--reason'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_makes_no_sense_is_refused(
    run: Run, store: Store, arguments: list[str], says: str
) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr
    assert store.accepted() == []


def accept(store: Store, path: str, expires: timedelta) -> int:
    difference = AcceptedDifference(
        endpoint=ENDPOINT,
        path=path,
        kind="type",
        reason="it rounds",
        by="ann",
        expires_at=datetime.now(UTC) + expires,
    )
    return store.accept(difference).id


def test_the_list_says_what_is_used_and_what_has_expired(changed: Run, store: Store) -> None:
    assert changed("accepted", "list").stdout == "no accepted differences\n"
    coming, past = timedelta(days=1), timedelta(days=-1)
    used = accept(store, "$.used", coming)
    accept(store, "$.unused", coming)
    gone = accept(store, "$.gone", past)
    accept(store, "$.gone_unused", past)
    store.flush(heartbeat(), 1, LedgerBatch(0, acceptances={used: 1200, gone: 1}), 0)

    _, *lines = changed("accepted", "list").stdout.splitlines()
    shown = [re.split(r"  +", line) for line in lines]
    assert [(path, uses, standing) for _, _, path, _, uses, _, _, _, standing, _ in shown] == [
        ("$.used", "1,200", "valid"),
        ("$.unused", "0", "valid, never used"),
        ("$.gone", "1", "expired"),
        ("$.gone_unused", "0", "expired, never used"),
    ]
    assert [last_used == "-" for _, _, _, _, _, last_used, *_ in shown] == [False, True] * 2
    seen = json.loads(changed("accepted", "list", "--json").stdout)
    assert [difference["used"] for difference in seen] == [1200, 0, 1, 0]


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("$:empty", "branch"),
        ("$.records[*].fps:null", "branch"),
        ('$["a:b"]:absent', "branch"),
        ("$.counts.*:items", "branch"),
        ("$", "latency"),
    ],
)
def test_what_no_comparison_can_meet_is_accepted_by_its_own_kind(
    changed: Run, store: Store, path: str, kind: str
) -> None:
    changed(*ADD, path, kind, *WHY, "--expires", "30d")
    (stored,) = store.accepted()
    assert (stored.path, stored.kind) == (path, kind)
    assert "never used" not in changed("accepted", "list").stdout


@pytest.mark.parametrize(
    ("path", "kind", "said"),
    [
        ("$.records", "branch", "must be a branch"),
        ("$.records:full", "branch", "must be a branch"),
        ("records:empty", "branch", "must be a branch"),
        ("$.fps", "latency", "must be $"),
        ("$.records[0]", "value", "must be a JSONPath"),
    ],
)
def test_a_path_that_excuses_nothing_of_its_kind_is_refused(
    run: Run, store: Store, path: str, kind: str, said: str
) -> None:
    result = run(*ADD, path, kind, *WHY, "--expires", "30d")
    assert result.exit_code == 2
    assert said in result.output
    assert store.accepted() == []
