"""All formats show the same values."""

import re
from html import unescape

import pytest

from tests.rollout.report.conftest import Reported
from tests.rollout.report.recount import tables


@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_formats_say_the_same(reported: Reported, language: str) -> None:
    page, text = unescape(reported.show("html", language)), reported.show("md", language)
    for table, _, row in (f for s in reported.data(language)["sections"] for f in tables(s)):
        for column, told in row.items():
            if isinstance(told["value"], int | float):
                assert re.search(rf">{re.escape(told['text'])}( <sup|<)", page), (table, column)
                assert f"{told['text']} " in text, (table, column)
