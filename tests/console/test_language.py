"""The console speaks English and Chinese."""

import re
from pathlib import Path
from string import Formatter

import pytest
from flask import Flask

from detection_api.canary.comparison import Kind
from detection_api.canary.state.types import EventKind, Status
from detection_api.console import language
from detection_api.console.data.figures import CAUSES
from detection_api.console.orders import ACTIONS
from detection_api.models.tokens import Role
from detection_api.rollout.run import Phase

CONSOLE = Path(language.__file__).parent
TEMPLATES = "\n".join(path.read_text() for path in (CONSOLE / "templates").rglob("*.html"))
CODE = "\n".join(path.read_text() for path in CONSOLE.rglob("*.py"))
MADE = {
    *(f"kind_{kind.value}" for kind in EventKind),
    *(f"status_{status.value}" for status in Status if status is not Status.UNKNOWN),
    *(f"cause_{cause}" for cause in CAUSES),
    *(f"role_{role.value}" for role in Role),
    *(f"{about}_{action}" for action in ACTIONS for about in ("do", "what", "confirm")),
    *(f"phase_{phase.value}" for phase in Phase),
    *(f"difference_{kind.value}" for kind in Kind),
    *(f"span_{unit}" for unit in ("second", "minute", "hour", "day")),
    *(f"do_{action}_all" for action in ACTIONS),
    *(f"{about}_title" for about in ("one_moment", "session_unknown", "forbidden", "not_found")),
}
"""Keys that the templates compose."""


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_words_with_the_same_facts() -> None:
    english, chinese = language.texts("en"), language.texts("zh")
    assert english.keys() == chinese.keys()
    for key in english:
        assert fields(english[key]) == fields(chinese[key]), key


def test_all_words_are_used_and_none_is_missing() -> None:
    used = set(re.findall(r"""\bt\(\s*["'](\w+)["'][),]""", TEMPLATES)) | MADE
    named = set(re.findall(r'"(\w+)"', CODE + TEMPLATES)) | used
    words = language.texts("en").keys()
    assert used <= words
    assert words <= named


@pytest.mark.parametrize(
    ("accepted", "said"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "操作员令牌"),
        ("zh-TW", "操作员令牌"),
        ("en-GB,en", "Operator token"),
        ("fr", "Operator token"),
        ("", "Operator token"),
    ],
)
def test_the_browsers_language_is_taken(app: Flask, accepted: str, said: str) -> None:
    page = app.test_client().get("/console/login", headers={"Accept-Language": accepted}).text
    assert said in page


def test_a_language_that_was_chosen_is_remembered(app: Flask) -> None:
    client = app.test_client()
    english = {"Accept-Language": "en"}
    assert '<html lang="zh-CN">' in client.get("/console/login?lang=zh", headers=english).text
    assert '<html lang="zh-CN">' in client.get("/console/login", headers=english).text
    assert '<html lang="en">' in client.get("/console/login?lang=en", headers=english).text
    assert '<html lang="en">' in client.get("/console/login?lang=xx", headers=english).text
