"""The record of a run is complete, and stays the same."""

from contextlib import closing
from datetime import timedelta

import psycopg2

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import EventKind
from tests.rollout.report.conftest import Make, Reported
from tests.rollout.report.past_run import BRANCHES, Trouble
from tests.rollout.report.recount import all_rows


def test_the_report_of_a_run_stays_the_same_whatever_happens_later(make: Make) -> None:
    run = make(endpoints=["statistics.history"]).go()
    reported = Reported(run.end())
    before = {form: reported.show(form) for form in ("md", "html", "json")}
    history, later = run.history, run.now + timedelta(seconds=20)
    history.counts("statistics.history", "domain", later, Tally(requests=9, errors=9))
    history.event("statistics.history", EventKind.ROLLBACK, later, by="guard", reason="failing")
    history.mismatch("statistics.history", "$[*].ts", later, 7)
    history.branches("statistics.history", set(BRANCHES))
    assert {form: reported.show(form) for form in before} == before


def test_figures_that_the_ledger_has_lost_come_from_the_decision_and_are_marked(
    make: Make,
) -> None:
    run = make(endpoints=["cameras.cameras"], trouble={"cameras.cameras": Trouble(stage=9)}).go()
    reported = Reported(run.end())
    kept = [row for table, _, row in all_rows(reported) if table == "traffic"]
    second = run.began + timedelta(seconds=70)
    with closing(psycopg2.connect(run.history.url)) as connection, connection:
        connection.cursor().execute(
            "DELETE FROM canary_ledger WHERE bucket >= %s AND bucket < %s AND endpoint = %s",
            (run.began, second, "cameras.cameras"),
        )
    left = [row for table, _, row in all_rows(reported) if table == "traffic"]
    assert [[r[c]["value"] for c in ("requests", "failures", "p95")] for r in left] == [
        [r[c]["value"] for c in ("requests", "failures", "p95")] for r in kept
    ]
    shown = reported.show("md")
    assert "cameras.cameras at 10%: the ledger no longer holds this stage." in shown
    assert "CANARY_RETENTION_DAYS" in shown
    (number,) = left[0]["requests"]["sources"]
    query = next(s["query"] for s in reported.data()["sources"] if s["number"] == number)
    assert "rollout_event" in query
    totals = [row for table, _, row in all_rows(reported) if table == "verdicts"]
    staged = sum(r["requests"]["value"] for r in left if r["arm"]["value"]["key"] == "arm.domain")
    assert totals[0]["requests"]["value"] >= staged
