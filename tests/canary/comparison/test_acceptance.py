"""An accepted difference excuses exactly what its pattern says."""

from datetime import UTC, datetime

import pytest

from detection_api.canary.comparison.acceptance import find_excuse
from detection_api.canary.state.types import AcceptedDifference


def accepting(path: str, kind: str = "type", *, endpoint: str = "shop.item") -> AcceptedDifference:
    return AcceptedDifference(
        endpoint=endpoint,
        path=path,
        kind=kind,
        reason="agreed with the clients",
        by="ann",
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


def covers(accepted: AcceptedDifference, path: str, kind: str = "type") -> bool:
    return find_excuse([accepted], "shop.item", path, kind) is accepted


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("$.fps", "$.fps"),
        ("$.records[*].fps", "$.records[*].fps"),
        ("$.records[*].*", "$.records[*].fps"),
        ("$.counts.*", "$.counts.*"),
        ("*.fps", "$.records[*].fps"),
        ("*", "$"),
        ("*", '$["two\\nlines\n"]'),
        ('$["a name"]', '$["a name"]'),
    ],
)
def test_a_path_is_covered_by_a_pattern_in_which_a_star_is_any_text(
    pattern: str, path: str
) -> None:
    assert covers(accepting(pattern), path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("$.fps", "$.fps2"),
        ("$.fps", "$.a.fps"),
        ("$.fps", "$xfps"),
        ("$.records[*].fps", "$.records[*].frame"),
        ("$.records[*]", "$.records"),
        ("", "$"),
        ("$.(", "$."),
    ],
)
def test_a_pattern_covers_no_other_path(pattern: str, path: str) -> None:
    assert not covers(accepting(pattern), path)


@pytest.mark.parametrize(("kind", "is_covered"), [("type", True), ("*", True), ("value", False)])
def test_a_kind_is_covered_by_itself_and_by_a_star(kind: str, is_covered: bool) -> None:
    assert covers(accepting("$.fps", kind), "$.fps", "type") is is_covered


def test_another_endpoints_difference_is_not_covered() -> None:
    assert not covers(accepting("*", "*", endpoint="shop.items"), "$.fps")


def test_the_first_that_covers_a_difference_is_the_one_that_excuses_it() -> None:
    both = [accepting("$.fps", "value"), accepting("$.f*"), accepting("*")]
    assert find_excuse(both, "shop.item", "$.fps", "type") is both[1]
