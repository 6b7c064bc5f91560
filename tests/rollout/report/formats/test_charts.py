"""Charts of the HTML report describe themselves."""

from tests.rollout.report.conftest import Reported
from tests.rollout.report.formats.test_html import Page


def test_every_chart_has_a_description(broken: Reported) -> None:
    page = Page(broken.show("html"))
    pictures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(pictures) == 14
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)


def test_response_times_are_labelled_in_round_steps(broken: Reported) -> None:
    page = broken.show("html")
    assert ">20.0 ms</text>" in page
    assert ">200 ms</text>" in page
    assert ">60.0 ms</text>" not in page
