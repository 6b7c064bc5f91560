"""Every number in a report is what the ledger and the events say, counted by other means."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import cache
from html import unescape
from typing import Any

import psycopg2
import pytest

from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import EventKind
from tests.rollout.report.conftest import Make, Reported
from tests.rollout.report.past_run import BRANCHES, Trouble

GAMMA = 1.05 / 0.95
RUNS = ("healthy", "broken")
CALCULATED = {"rate", "error_rate", "client_error_rate", "server_error_rate", "duration", "ok"}
"""Columns whose numbers are a quotient or a difference of what their source says."""
PLAIN = {"stage"}
"""Columns whose numbers say which row it is."""


@pytest.fixture(params=RUNS)
def reported(request: pytest.FixtureRequest) -> Reported:
    found: Reported = request.getfixturevalue(request.param)
    return found


def rows(reported: Reported, statement: str) -> list[dict[str, Any]]:
    """What PostgreSQL answers."""
    with reported.run.history.connection() as connection:
        cursor = connection.cursor()
        cursor.execute(statement)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def tables(section: dict[str, Any], name: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every row of every table, with the table's and its section's name."""
    for block in section["blocks"]:
        for row in block.get("rows", ()):
            yield block["table"], section["name"] or name, row
    for part in section["sections"]:
        yield from tables(part, section["name"])


def all_rows(reported: Reported) -> list[tuple[str, str, dict[str, Any]]]:
    return [found for section in reported.data()["sections"] for found in tables(section)]


def windows(reported: Reported) -> dict[tuple[str, float], tuple[datetime, datetime]]:
    """When each endpoint was in each stage, by the events' own moments."""
    events = rows(
        reported, f"SELECT * FROM rollout_event WHERE run = {reported.run.id} ORDER BY id"
    )
    begun: dict[str, dict[str, Any]] = {}
    found = {}
    for event in sorted(events, key=lambda event: event["id"]):
        if event["kind"] == "stage":
            begun[event["endpoint"]] = event
        elif event["kind"] in ("pass", "fail", "leave"):
            stage = begun[event["endpoint"]]
            found[event["endpoint"], stage["evidence"]["percent"]] = (stage["at"], event["at"])
    return found


@cache
def ledger(reported: Reported) -> list[tuple[str, str, datetime, Tally]]:
    """Every row of the ledger, as it was when it was first asked for."""
    return [
        (row["endpoint"], row["arm"], row["bucket"], tally_of(row))
        for row in rows(reported, "SELECT * FROM canary_ledger")
    ]


def tally_of(row: Mapping[str, Any]) -> Tally:
    """Return the counts of a row of the ledger."""
    counts: dict[str, Any] = {name: x for name, x in row.items() if isinstance(x, int)}
    return Tally(**counts, latency={int(index): x for index, x in row["latency"].items()})


def counted(reported: Reported, endpoint: str, arm: str, since: datetime, until: datetime) -> Tally:
    """The ledger's rows of a window, added up here."""
    total = Tally()
    for name, which, bucket, tally in ledger(reported):
        if (name, which) == (endpoint, arm) and since <= bucket < until:
            total.add(tally)
    return total


def within(tally: Tally, percent: int) -> float | None:
    """Milliseconds within which so many percent of the runs were, one by one."""
    runs = sorted(i for index, count in tally.latency.items() for i in [index] * count)
    if not runs:
        return None
    return 2000 * GAMMA ** runs[math.ceil(len(runs) * percent / 100) - 1] / (GAMMA + 1)


def buckets(since: datetime, until: datetime) -> int:
    """How many buckets of the ledger begin in a window."""
    return math.ceil(until.timestamp() / 10) - math.ceil(since.timestamp() / 10)


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


def test_the_whole_runs_figures_are_the_ledgers(reported: Reported) -> None:
    began = reported.run.began
    for table, _, row in all_rows(reported):
        if table == "verdicts":
            endpoint = row["endpoint"]["value"]
            domain, legacy = (
                counted(reported, endpoint, arm, began, reported.run.now)
                for arm in ("domain", "legacy")
            )
            assert row["requests"]["value"] == domain.requests
            assert row["failures"]["value"] == domain.errors + domain.timeouts + domain.violations
            assert row["fallbacks"]["value"] == legacy.fallbacks
            assert row["domain_p95"]["value"] == pytest.approx(within(domain, 95), abs=1e-3)
            assert row["legacy_p95"]["value"] == pytest.approx(within(legacy, 95), abs=1e-3)


def test_every_number_comes_with_its_source(reported: Reported) -> None:
    for table, _, row in all_rows(reported):
        for column, told in row.items():
            if isinstance(told["value"], int | float) and column not in PLAIN:
                assert told["sources"], (table, column)


def test_who_asks_a_source_again_gets_the_number(reported: Reported) -> None:
    """All sources are asked, and each number that is in an answer as it stands is looked for."""
    sources = {source["number"]: source["query"] for source in reported.data()["sources"]}
    answers = {
        number: json.dumps(rows(reported, query), default=str)
        for number, query in sources.items()
        if "SELECT" in query
    }
    assert all(
        json.loads(answer) for number, answer in answers.items() if "bins" not in sources[number]
    )
    checked = 0
    for table, _, row in all_rows(reported):
        if table in ("traffic", "stage", "comparisons"):
            for column, told in row.items():
                value = told["value"]
                if isinstance(value, int | float) and column not in CALCULATED | PLAIN:
                    (number,) = told["sources"]
                    assert value == pytest.approx(_closest(answers[number], value), abs=1e-3)
                    checked += 1
    assert checked > 200


def _closest(answer: str, value: float) -> float:
    """The number of an answer that is closest: a sum of two where a row tells of both arms."""
    found: list[float] = []
    for row in json.loads(answer):
        found += [float(v) for k, v in row.items() if k not in ("arm", "percent")]
        found.append(sum(float(row.get(k, 0)) for k in ("errors", "timeouts", "violations")))
    by_name = [
        [float(row[k]) for row in json.loads(answer)] for k in json.loads(answer)[0] if k != "arm"
    ]
    found += [sum(values) for values in by_name]
    return min(found, key=lambda number: abs(number - value))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_formats_say_the_same(reported: Reported, language: str) -> None:
    page, text = unescape(reported.show("html", language)), reported.show("md", language)
    for table, _, row in (f for s in reported.data(language)["sections"] for f in tables(s)):
        for column, told in row.items():
            if isinstance(told["value"], int | float):
                assert re.search(rf">{re.escape(told['text'])}( <sup|<)", page), (table, column)
                assert f"{told['text']} " in text, (table, column)


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


def test_what_the_ledger_has_forgotten_is_told_from_the_decision_and_said_to_be(
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


def test_times_are_in_utc(healthy: Reported) -> None:
    began = healthy.run.began.astimezone(UTC)
    assert f"| Began | {began:%Y-%m-%d %H:%M:%S}Z" in healthy.show("md")
