"""The words of a package are loaded by language."""

import pytest

from detection_api.web.translations import HTML_LANGUAGES, LANGUAGES, load

PACKAGES = ("detection_api.console", "detection_api.rollout.report")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_each_package_has_words_in_each_language(package: str, language: str) -> None:
    words = load(package, language)
    assert words
    assert all(isinstance(text, str) for text in words.values())


def test_a_package_keeps_its_own_words() -> None:
    console, report = (load(package, "en") for package in PACKAGES)
    assert console["title"] != report["title"]


def test_words_are_read_once() -> None:
    assert load(PACKAGES[0], "zh") is load(PACKAGES[0], "zh")


def test_each_language_has_its_name_in_html() -> None:
    assert HTML_LANGUAGES.keys() == LANGUAGES.keys()
