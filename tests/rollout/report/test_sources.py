"""Every number has a source that gives the same number again."""

import json

import pytest

from tests.rollout.report.conftest import Reported
from tests.rollout.report.recount import all_rows, rows

CALCULATED = {"rate", "error_rate", "client_error_rate", "server_error_rate", "duration", "ok"}
"""Columns whose numbers are a quotient or a difference of what their source says."""
PLAIN = {"stage"}
"""Columns whose numbers say which row it is."""


def test_every_number_comes_with_its_source(reported: Reported) -> None:
    for table, _, row in all_rows(reported):
        for column, cell in row.items():
            if isinstance(cell["value"], int | float) and column not in PLAIN:
                assert cell["sources"], (table, column)


def test_the_query_of_a_source_gives_the_number(reported: Reported) -> None:
    """Run every query, and look for each number of the report in the rows of its source."""
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
            for column, cell in row.items():
                value = cell["value"]
                if isinstance(value, int | float) and column not in CALCULATED | PLAIN:
                    (number,) = cell["sources"]
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
