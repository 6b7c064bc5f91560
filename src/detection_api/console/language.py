"""The console's words, in the language that its reader prefers."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from flask import request

COOKIE = "detection_api_language"
PARAMETER = "lang"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""By code, each by its own name; the first is for who prefers neither."""
HTML_LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-CN"}


def current() -> str:
    """The language of the request in progress: asked for, remembered, or the browser's."""
    asked = request.args.get(PARAMETER, ""), request.cookies.get(COOKIE, "")
    accepted = request.accept_languages.best_match(LANGUAGES, default=next(iter(LANGUAGES)))
    return next(code for code in (*asked, accepted) if code in LANGUAGES)


def text(key: str, /, **facts: object) -> str:
    """The words for `key` in the current language; raises KeyError where there are none."""
    return texts(current())[key].format(**facts)


@cache
def texts(language: str) -> Mapping[str, str]:
    """All words of a language by key."""
    file = resources.files(__package__) / "languages" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
