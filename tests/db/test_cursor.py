"""A cursor says where a page ended, now and in later versions."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection_api.db.cursor import PATTERN, PagePosition

POSITIONS = st.builds(
    PagePosition, st.datetimes(timezones=st.just(UTC)), st.integers(-(2**63), 2**63 - 1)
)


def test_the_form_of_version_1_never_changes() -> None:
    """Clients hold cursors while the service is updated."""
    position = PagePosition(datetime(2025, 10, 31, 9, 15, 0, 123456, UTC), 7)
    assert position.text() == "AQAGQnDMzo9AAAAAAAAAAAc"


@given(POSITIONS)
def test_a_position_is_read_as_it_was_written(position: PagePosition) -> None:
    text = position.text()
    assert re.fullmatch(PATTERN, text)
    assert PagePosition.read(text) == position


@given(POSITIONS, POSITIONS)
def test_different_positions_have_different_cursors(one: PagePosition, other: PagePosition) -> None:
    assert (one == other) == (one.text() == other.text())


@given(st.text() | st.from_regex(PATTERN, fullmatch=True))
def test_whatever_else_is_given_is_a_value_error(text: str) -> None:
    try:
        position = PagePosition.read(text)
    except ValueError:
        return
    assert position.text() == text


def test_another_version_is_refused() -> None:
    text = PagePosition(datetime(2025, 10, 31, tzinfo=UTC), 7).text()
    with pytest.raises(ValueError, match="version"):
        PagePosition.read("Ag" + text[2:])
