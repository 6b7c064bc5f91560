"""All formats show the same values."""

import re
from html import unescape

import pytest

from tests.rollout.report.conftest import Reported
from tests.rollout.report.recount import tables


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_formats_show_the_same_values(reported: Reported, language: str) -> None:
    page, text = unescape(reported.show("html", language)), reported.show("md", language)
    for table, _, row in (f for s in reported.data(language)["sections"] for f in tables(s)):
        for column, cell in row.items():
            if isinstance(cell["value"], int | float):
                assert re.search(rf">{re.escape(cell['text'])}( <sup|<)", page), (table, column)
                assert f"{cell['text']} " in text, (table, column)
