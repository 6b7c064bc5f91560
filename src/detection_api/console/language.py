"""The console's words, in the language that its reader prefers."""

from functools import partial

from flask import request

from detection_api.web.translations import LANGUAGES, load

COOKIE = "detection_api_language"
PARAMETER = "lang"


def current() -> str:
    """Return the language of this request: from its query, its cookie or the browser's choice."""
    chosen = request.args.get(PARAMETER, ""), request.cookies.get(COOKIE, "")
    accepted = request.accept_languages.best_match(LANGUAGES, default=next(iter(LANGUAGES)))
    return next(code for code in (*chosen, accepted) if code in LANGUAGES)


def text(key: str, /, **facts: object) -> str:
    """Return the words for `key` in the current language; raises KeyError if there are none."""
    return texts(current())[key].format(**facts)


texts = partial(load, "detection_api.console")
"""Return all words of the console by key, for the code of a language."""
