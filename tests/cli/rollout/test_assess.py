"""Legacy may be deleted only where the record shows that nobody needs it any more."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from detection_api import create_app
from detection_api.canary.comparison.coverage import branches_of
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.store import Store
from detection_api.canary.state.types import DEFAULT, AcceptedDifference, EventKind
from detection_api.rollout.routes import routes_of
from tests.rollout.conftest import Run
from tests.rollout.history import History, ago

ENDPOINT = "records.detection_records"
ASSESS = ("rollout", "assess", "--endpoint", ENDPOINT, "--json")


@pytest.fixture
def history(database: str, store: Store) -> History:
    return History(database, store)


@pytest.fixture
def proven(history: History, run: Run, database: str) -> History:
    """An endpoint for which everything speaks: a week and a half at 100%."""
    history.event(ENDPOINT, EventKind.SET, ago(days=12), {"percent": 50.0})
    history.counts(ENDPOINT, "legacy", ago(days=11), Tally(requests=500))
    history.event(ENDPOINT, EventKind.SET, ago(days=10.5), {"percent": 100.0})
    history.counts(ENDPOINT, "domain", ago(days=3), Tally(requests=1000, compared=100))
    routes = routes_of(create_app({"DATABASE_URL": database}))
    history.branches(ENDPOINT, set(branches_of(routes[ENDPOINT].rule)))
    return history


def missing(run: Run, **environ: str) -> dict[str, dict[str, object]]:
    """The criteria that the command says are not met."""
    result = run(*ASSESS, **environ)
    (row,) = json.loads(result.stdout)["endpoints"]
    found = {c["criterion"]: c for c in row["assessment"]["checks"] if not c["met"]}
    assert (result.exit_code, row["verdict"]) == ((1, "not yet") if found else (0, "may go"))
    return found


def test_legacy_that_a_week_has_shown_nobody_needs_may_go(proven: History, run: Run) -> None:
    assert missing(run) == {}
    result = run(*ASSESS[:-1])
    assert result.exit_code == 0
    assert f"{ENDPOINT}: may go\n" in result.stdout
    assert "10.5" in result.stdout
    assert "holdout: not at 100% at that time" in result.stdout
    assert "goes: detection_api/legacy/records.py: _COUNT, _PAGE, detection_records\n" in (
        result.stdout
    )


def test_an_endpoint_of_which_nothing_is_known_has_proven_nothing(run: Run, store: Store) -> None:
    assert set(missing(run)) == {"full", "traffic", "compared", "branches"}


def test_a_break_at_100_percent_starts_the_days_anew(proven: History, run: Run) -> None:
    proven.event(ENDPOINT, EventKind.ROLLBACK, ago(days=5))
    resumed = ago(days=4)
    proven.event(ENDPOINT, EventKind.RESUME, resumed)
    found = missing(run)
    assert set(found) == {"full"}
    assert found["full"]["finding"] == "4.0 of 7 days at 100%"
    assert datetime.fromisoformat(str(found["full"]["until"])) == resumed + timedelta(days=7)


def test_a_hold_and_the_guards_words_are_no_break(proven: History, run: Run) -> None:
    proven.event(ENDPOINT, EventKind.HOLD, ago(days=5), {"percent": 100.0})
    proven.event(ENDPOINT, EventKind.WARN, ago(days=4), {"signal": "slow"})
    assert missing(run) == {}


def test_the_default_counts_where_an_endpoint_follows_it(history: History, run: Run) -> None:
    history.event(DEFAULT, EventKind.SET, ago(days=8), {"percent": 100.0})
    assert "full" not in missing(run)
    history.event(DEFAULT, EventKind.ROLLBACK, ago(days=1))
    assert missing(run)["full"]["finding"] == "at 0% now"


@pytest.mark.parametrize(
    ("environ", "finding"),
    [({"ROLLOUT_PERCENT": "100"}, "100%"), ({"USE_DOMAIN_SERVICE": "false"}, "0%")],
    ids=["pinned", "kill switch"],
)
def test_what_the_environment_pins_is_not_in_the_record(
    proven: History, run: Run, environ: dict[str, str], finding: str
) -> None:
    assert f"pinned to {finding}" in str(missing(run, **environ)["full"]["finding"])


def test_a_ledger_that_forgets_too_soon_proves_nothing(proven: History, run: Run) -> None:
    assert "ledger" in missing(run, CANARY_RETENTION_DAYS="3")


def test_a_fallback_is_a_failure_and_an_answer_of_legacys(proven: History, run: Run) -> None:
    proven.counts(ENDPOINT, "domain", ago(days=2), Tally(requests=1, timeouts=1))
    proven.counts(ENDPOINT, "legacy", ago(days=2), Tally(fallbacks=1))
    found = missing(run)
    assert set(found) == {"failures", "silence"}
    assert found["failures"]["finding"] == "the domain's failures in 7 days: 1 timeout"
    assert "fallback: the domain failed" in str(found["silence"]["finding"])
    for check in found.values():
        until = datetime.fromisoformat(str(check["until"])) - ago(days=-5)
        assert abs(until) < timedelta(minutes=1)


def test_legacy_that_was_asked_for_at_100_percent_is_not_explained_away(
    proven: History, run: Run
) -> None:
    proven.counts(ENDPOINT, "legacy", ago(days=2), Tally(requests=1))
    assert "the ledger does not say which" in str(missing(run)["silence"]["finding"])


def test_a_request_that_a_client_forced_is_told_and_does_not_count(
    proven: History, run: Run
) -> None:
    proven.counts(ENDPOINT, "legacy", ago(days=2), Tally(requests=1, forced=1))
    assert missing(run) == {}
    assert "a client forced it" in run(*ASSESS).stdout


def test_legacy_answered_while_it_was_rolled_back(proven: History, run: Run) -> None:
    proven.event(ENDPOINT, EventKind.ROLLBACK, ago(days=2))
    proven.counts(ENDPOINT, "legacy", ago(days=1), Tally(requests=1))
    assert str(missing(run)["silence"]["finding"]).endswith("days ago: rolled back")


def test_a_mismatch_that_nobody_accepted_counts_for_a_week(proven: History, run: Run) -> None:
    proven.mismatch(ENDPOINT, "$.old", ago(days=8))
    assert missing(run) == {}
    proven.mismatch(ENDPOINT, "$.records[*].fps", ago(days=1))
    found = missing(run)
    assert set(found) == {"mismatches"}
    assert str(found["mismatches"]["finding"]).endswith("$.records[*].fps (type)")


def test_an_accepted_difference_in_use_must_not_end_soon(
    proven: History, run: Run, store: Store
) -> None:
    accepted = store.accept(
        AcceptedDifference(
            endpoint=ENDPOINT,
            path="$.records[*].fps",
            kind="type",
            reason="the domain rounds",
            by="ann",
            expires_at=datetime.now(UTC) + timedelta(days=3),
        )
    )
    assert missing(run) == {}
    proven.use(accepted.id)
    assert set(missing(run)) == {"accepted"}


def test_a_branch_that_no_comparison_met_is_named(history: History, run: Run) -> None:
    history.branches(ENDPOINT, {"$.records:items"})
    finding = str(missing(run)["branches"]["finding"])
    assert "$.records:empty" in finding
    assert "$.records:items" not in finding


def test_all_endpoints_are_assessed_where_none_is_named(proven: History, run: Run) -> None:
    result = run("rollout", "assess")
    assert result.exit_code == 1
    assert f"{ENDPOINT}: may go" in result.stdout
    assert "statistics.daily: not yet\n  missing: full: at 0% now\n" in result.stdout


def test_an_unknown_endpoint_is_refused(run: Run) -> None:
    result = run("rollout", "assess", "--endpoint", "nothing.here")
    assert result.exit_code == 2
    assert "there is no nothing.here" in result.output
