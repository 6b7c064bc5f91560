"""The languages of the console and of the report, and how their words are loaded."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
"""Each language's own name by its code; the first one is the default."""
HTML_LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-CN"}
"""The value of HTML's `lang` attribute by language code."""


@cache
def load(package: str, language: str) -> Mapping[str, str]:
    """Return the words of a package by key, from its file `languages/<language>.toml`."""
    file = resources.files(package) / "languages" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))
