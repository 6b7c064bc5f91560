"""A stage's figures are what the ledger counted."""

import pytest

from tests.rollout.report.conftest import Reported
from tests.rollout.report.recount import all_rows, buckets, counted, windows, within


def test_each_stages_figures_are_the_ledgers(reported: Reported) -> None:
    found = [(endpoint, row) for table, endpoint, row in all_rows(reported) if table == "traffic"]
    when = windows(reported)
    assert {(e, row["stage"]["value"]) for e, row in found} == set(when)
    for endpoint, row in found:
        since, until = when[endpoint, row["stage"]["value"]]
        arm = row["arm"]["value"]["key"].removeprefix("arm.")
        tally = counted(reported, endpoint, arm, since, until)
        wrong = tally.client_errors + tally.server_errors
        expected = {
            "failures": tally.errors + tally.timeouts + tally.violations,
            "fallbacks": tally.fallbacks,
            "outages": tally.outages,
            "requests": tally.requests,
            "forced": tally.forced,
            "rate": tally.requests / (10 * buckets(since, until)),
            "client_errors": tally.client_errors,
            "server_errors": tally.server_errors,
            "error_rate": 100 * wrong / tally.requests if tally.requests else None,
            "p50": within(tally, 50),
            "p95": within(tally, 95),
            "p99": within(tally, 99),
        }
        assert {k: row[k]["value"] for k in expected} == pytest.approx(expected, abs=1e-3)
