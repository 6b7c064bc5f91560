"""Every language says everything, and nothing else."""

import re
from enum import Enum
from functools import partial
from pathlib import Path
from string import Formatter

import pytest

from detection_api.canary.comparison.differences import Kind
from detection_api.canary.guard.alarms import Signal, Verdict
from detection_api.canary.state.ledger import Tally
from detection_api.canary.state.types import Arm, EventKind
from detection_api.rollout import report
from detection_api.rollout.gates.outcome import GateOutcome
from detection_api.rollout.report.record import StageOutcome
from detection_api.rollout.run import Completion, EndCause, OnFailure
from detection_api.web.translations import LANGUAGES, load

FAMILIES: dict[str, type[Enum]] = {
    "arm.{}": Arm,
    "cause.{}": EndCause,
    "event.{}": EventKind,
    "gate_outcome.{}": GateOutcome,
    "kind.{}": Kind,
    "lead.{}": Completion,
    "on_failure.{}": OnFailure,
    "outcome.{}": StageOutcome,
    "signal.{}": Signal,
    "signal.{}.fires": Signal,
}
table = partial(load, "detection_api.rollout.report")
CODE = "\n".join(
    file.read_text()
    for file in Path(report.__file__).parent.rglob("*")
    if file.suffix in (".py", ".html")
)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_languages_have_the_same_keys_but_for_the_singular() -> None:
    english, chinese = table("en"), table("zh")
    assert set(chinese) == {key for key in english if not key.endswith(".one")}


def test_languages_use_the_same_facts() -> None:
    """A singular may leave its number out."""
    for key, text in table("en").items():
        other = table("zh")[key.removesuffix(".one")]
        if key.endswith(".one"):
            assert placeholders(text) | {"n", "passed"} >= placeholders(other), key
        else:
            assert placeholders(text) == placeholders(other), key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("family", "members"), FAMILIES.items())
def test_every_recorded_value_has_words(language: str, family: str, members: type[Enum]) -> None:
    for member in members:
        if family != "cause.{}" or member.value != "":
            assert family.format(member.value) in table(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_causes_and_verdicts_have_words(language: str) -> None:
    causes = {f"failure.{cause}" for cause in Tally().failures}
    verdicts = {f"guard_verdict.{v.value}" for v in Verdict if v is not Verdict.OK}
    assert causes | verdicts <= set(table(language))


def test_no_words_are_left_over() -> None:
    families = {*FAMILIES, "unit.", "check.", "column.", "gate.", "gate_name.", "guard_verdict."}
    families |= {"section.", "source.percentiles.", "table.", "failure.", "fallback.", "scope."}
    families |= {"warning.", "lead.", "verdict."}
    prefixes = tuple(family.removesuffix("{}").removesuffix("{}.fires") for family in families)
    for key in table("zh"):
        assert f'"{key}"' in CODE or key.startswith(prefixes), key


def test_chinese_is_chinese() -> None:
    """Words of other languages are names: of settings, commands and what the contract calls so."""
    names = re.compile(
        r"\{\w+\}|`[^`]+`|domain|legacy|HTTP|HUP|null|ms|P\d\d|\dxx|PostgreSQL|USE_DOMAIN_SERVICE"
        r"|CANARY_RETENTION_DAYS|false"
    )
    for key, text in table("zh").items():
        assert not re.search("[A-Za-z]{2,}", names.sub("", text)), key
