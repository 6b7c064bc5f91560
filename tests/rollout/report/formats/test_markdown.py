"""A Markdown report shows recorded text as text."""

import re

import pytest

from detection_api.rollout.report.formats.markdown import escape
from tests.rollout.report.conftest import Reported

LANGUAGES = ("en", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_is_text_whatever_clients_wrote(broken: Reported, language: str) -> None:
    shown = broken.show("md", language)
    assert r"\<script\>alert(1)" in shown
    own = re.sub(r'<a id="source-\d+"></a>', "", shown)
    assert not re.search(r"(?<!\\)<", re.sub(r"^ {8}.*$", "", own, flags=re.MULTILINE))
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", shown)
    assert links
    assert all(re.fullmatch(r"#source-\d+", link) for link in links)


def test_every_row_of_a_markdown_table_has_the_cells_of_its_header(broken: Reported) -> None:
    width = None
    for line in broken.show("md").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert None in (width, cells) or width == cells, line
        width = cells


def test_every_source_of_a_markdown_report_is_there(broken: Reported) -> None:
    shown = broken.show("md")
    targets = set(re.findall(r"\(#(source-\d+)\)", shown))
    assert targets <= set(re.findall(r'<a id="(source-\d+)"></a>', shown))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("records.violation_count", "records.violation_count"),
        ("_a_ b", r"\_a\_ b"),
        ("[a](http://x)", r"\[a\](http\://x)"),
        ("www.evil.example a@b", r"www\.evil.example a\@b"),
        ("a|b\n# c", r"a\|b \# c"),
        ("\x1b[31m", r"?\[31m"),
    ],
)
def test_recorded_text_becomes_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped
