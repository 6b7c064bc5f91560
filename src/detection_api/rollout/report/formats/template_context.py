"""The report's words in each language, and its values as people read them."""

import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from itertools import pairwise

from detection_api.rollout.report.document import Cell, Number, Sentences, Text, Unit, Value
from detection_api.rollout.text import measured

LANGUAGES: Mapping[str, str] = {"en": "en", "zh": "zh-CN"}
"""By code, each as HTML calls it."""
NOTHING = "–"
_MIB = 1 << 20
_LENGTHS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
"""Units of time, in seconds."""
_CODE = re.compile("`([^`]+)`")


@cache
def table(language: str) -> Mapping[str, str]:
    """All words of a language by key."""
    file = resources.files("detection_api.rollout.report") / "languages" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


def unchanged(text: str) -> str:
    """Text for a format in which no character means anything."""
    return text


class Words:
    """Writes values in a language.

    `escape` makes recorded text, of which clients wrote parts, harmless in a format; `code` writes
    what is between backticks in our own words.
    """

    def __init__(
        self,
        language: str,
        *,
        escape: Callable[[str], str] = unchanged,
        code: Callable[[str], str] = "`{}`".format,
    ) -> None:
        self.language = LANGUAGES[language]
        self._table = table(language)
        self._escape = escape
        self._code = code

    def say(self, key: str, facts: Mapping[str, Value] | None = None) -> str:
        """The words for a key; raises KeyError where there are none.

        Where `n` is one, those for `key.one`, in a language that has them.
        """
        facts = facts or {}
        single = self._table.get(f"{key}.one") if facts.get("n") == Number(1) else None
        template = _CODE.sub(lambda found: self._code(found[1]), single or self._table[key])
        return template.format(**{name: self.write(value) for name, value in facts.items()})

    def told(self, told: Cell) -> str:
        """What is told, without its sources."""
        return self.write(told.value)

    def write(self, value: Value) -> str:
        """A value as people read it."""
        if value is None:
            return NOTHING
        if isinstance(value, str):
            return self._escape(value)
        if isinstance(value, Text):
            return self.say(value.key, value.facts)
        if isinstance(value, Sentences):
            return self._table["list.sentences"].join(map(self.write, value.all))
        if isinstance(value, Number):
            return self._number(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return self._table["list.separator"].join(map(self.write, value)) or NOTHING

    def _number(self, number: Number) -> str:
        if number.unit is Unit.SECONDS:
            return self._span(number.value)
        return _FORMATS[number.unit](number.value)

    def _span(self, seconds: float) -> str:
        """In its largest unit and what the next smaller one adds, such as 3 min 34 s."""
        left = round(seconds)
        for (unit, length), (smaller, part) in pairwise(_LENGTHS):
            if left >= length:
                parts = [(left // length, unit), (left % length // part, smaller)]
                return " ".join(f"{n} {self._table[f'unit.{name}']}" for n, name in parts if n)
        return f"{seconds:.3g} " + self._table["unit.s"]


def _ms(value: float) -> str:
    return f"{measured(value)} ms"


_FORMATS: Mapping[Unit, Callable[[float], str]] = {
    Unit.COUNT: "{:,}".format,
    Unit.MS: _ms,
    Unit.PERCENT: "{:.3g}%".format,
    Unit.RATE: "{:.3g}/s".format,
    Unit.BYTES: lambda value: f"{value / _MIB:,.1f} MiB",
}
