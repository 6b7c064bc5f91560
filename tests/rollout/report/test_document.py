"""Cells of a document carry their unit and their tone."""

import pytest

from detection_api.rollout.report.document import (
    Number,
    Table,
    Text,
    Tone,
    Unit,
    bad_count,
    cell,
    percent_of,
)


def test_a_bare_number_gets_its_unit() -> None:
    assert cell(12.5, 3, unit=Unit.MS).value == Number(12.5, Unit.MS)
    assert cell(Text("yes")).value == Text("yes")


@pytest.mark.parametrize(("count", "tone"), [(0, Tone.PLAIN), (1, Tone.BAD)])
def test_a_count_that_should_be_0_is_bad_if_it_is_not(count: int, tone: Tone) -> None:
    assert bad_count(count).tone is tone


def test_a_share_of_nothing_is_unknown() -> None:
    assert percent_of(1, 4).value == Number(25, Unit.PERCENT)
    assert percent_of(0, 0).value is None


def test_the_columns_of_a_table_are_those_of_its_rows() -> None:
    assert Table(key="x", rows=({"a": cell(1), "b": cell(2)},)).columns == ("a", "b")
