"""What commands print: tables, moments, evidence; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NOTHING = "-"
_TENTHS_BELOW = 100
_LEFT_OUT = frozenset({"signal", "verdict", "start"})
"""Of a guard's evidence: what the event's reason says already, and where a replay starts."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, the header first."""
    cells = [[line(cell) or NOTHING for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def line(text: str) -> str:
    """`text` in one line without control characters: clients and data wrote parts of it."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def moment(at: datetime | None) -> str:
    """A moment to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else NOTHING


def span(seconds: float) -> str:
    """A time span in its largest unit: `8 s`, `5 min`, `2 h`, `3 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def measured(value: float) -> str:
    """A measurement in digits that mean something: `7.5`, `142`, `2,580`."""
    return f"{value:,.1f}" if value < _TENTHS_BELOW else f"{value:,.0f}"


def evidence(facts: Mapping[str, Any]) -> str:
    """An event's evidence in one line; without the lists, which are for replaying it."""
    return " ".join(_scalars(facts))


def _scalars(facts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(facts.items()):
        if name == "totals":
            yield from _scalars(value)
        elif isinstance(value, int | float | str) and name not in _LEFT_OUT:
            yield f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
