"""Writes the values of a document in a language."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from detection_api.rollout.report.document import Number, Sentences, Text, Unit, Value
from detection_api.rollout.text import measured
from detection_api.web.translations import HTML_LANGUAGES, load

NOTHING = "–"
_MIB = 1 << 20
_TIME_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
"""Units of time with their seconds."""
_CODE = re.compile("`([^`]+)`")
_FORMATS: Mapping[Unit, Callable[[float], str]] = {
    Unit.COUNT: "{:,}".format,
    Unit.MS: lambda value: f"{measured(value)} ms",
    Unit.PERCENT: "{:.3g}%".format,
    Unit.RATE: "{:.3g}/s".format,
    Unit.BYTES: lambda value: f"{value / _MIB:,.1f} MiB",
}


class Writer:
    """Writes values in one language and for one format.

    `escape` makes recorded text harmless in the format: clients wrote parts of it. `code` marks up
    what stands between backticks in the language's own words.
    """

    def __init__(
        self,
        language: str,
        *,
        escape: Callable[[str], str] = str,
        code: Callable[[str], str] = "`{}`".format,
    ) -> None:
        self.language = HTML_LANGUAGES[language]
        self._words = load("detection_api.rollout.report", language)
        self._escape = escape
        self._code = code

    def text(self, key: str, facts: Mapping[str, Value] | None = None) -> str:
        """Return the words for `key` with its facts; raises KeyError if there are none.

        If the fact `n` is 1 and the language has words for `key.one`, those are used.
        """
        facts = facts or {}
        singular = self._words.get(f"{key}.one") if facts.get("n") == Number(1) else None
        template = _CODE.sub(lambda found: self._code(found[1]), singular or self._words[key])
        return template.format(**{name: self.value(value) for name, value in facts.items()})

    def value(self, value: Value) -> str:
        """Return a value as people read it."""
        if value is None:
            return NOTHING
        if isinstance(value, str):
            return self._escape(value)
        if isinstance(value, Text):
            return self.text(value.key, value.facts)
        if isinstance(value, Sentences):
            return self._words["list.sentences"].join(map(self.value, value.texts))
        if isinstance(value, Number):
            return self._number(value)
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        return self._words["list.separator"].join(map(self.value, value)) or NOTHING

    def _number(self, number: Number) -> str:
        if number.unit is Unit.SECONDS:
            return self._duration(number.value)
        return _FORMATS[number.unit](number.value)

    def _duration(self, seconds: float) -> str:
        """Return seconds in their two largest units, such as `3 min 34 s`."""
        whole = round(seconds)
        for (unit, length), (smaller, part) in pairwise(_TIME_UNITS):
            if whole >= length:
                parts = [(whole // length, unit), (whole % length // part, smaller)]
                return " ".join(f"{n} {self._words[f'unit.{name}']}" for n, name in parts if n)
        return f"{seconds:.3g} {self._words['unit.s']}"
