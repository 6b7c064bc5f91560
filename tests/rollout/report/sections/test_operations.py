"""The report shows the audit, the ways back to legacy, and the limits that were in force."""

import importlib
from typing import Any

from tests.rollout.report.conftest import Reported
from tests.rollout.report.recount import all_rows


def table(reported: Reported, name: str) -> list[dict[str, Any]]:
    return [row for key, _, row in all_rows(reported) if key == name]


def test_every_event_of_the_run_is_in_the_audit(broken: Reported) -> None:
    events = broken.run.store.events(run=broken.run.id, limit=None)
    warning = 1
    assert len(table(broken, "decisions")) == len(events) + warning


def test_every_use_of_a_way_back_is_counted(broken: Reported) -> None:
    used = [row["in_this_run"]["text"] for row in table(broken, "fallbacks")]
    assert used == ["48 times", "18 times", "0 times", "2 times", "0 times", "not recorded"]


def test_the_record_of_a_healthy_run_is_complete(healthy: Reported) -> None:
    outcomes = [row["outcome"]["text"] for row in table(healthy, "completeness")]
    assert outcomes == ["yes", "yes", "yes", "yes", "–", "yes"]


def test_the_guards_limits_are_those_of_its_parameters(healthy: Reported) -> None:
    limits = [row["fires"]["text"] for row in table(healthy, "thresholds")]
    assert limits[0].startswith("clearly more than 5% of the requests")
    assert "7 failures in a row" in limits[0]
    assert "500 ms" in limits[2]
    assert "0.5 percentage points" in limits[3]
    assert "1.5 times" in limits[4]


def test_every_constant_that_is_a_source_exists(healthy: Reported) -> None:
    queries = [source["query"] for source in healthy.data()["sources"]]
    names = [query for query in queries if query.startswith("detection_api.")]
    assert len(names) == 4
    for name in names:
        package, _, constant = name.rpartition(".")
        assert hasattr(importlib.import_module(package), constant)
