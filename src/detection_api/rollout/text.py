"""Format tables, moments and evidence for the terminal; pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

NOTHING = "-"
_TENTHS_BELOW = 100
_LEFT_OUT = frozenset({"signal", "verdict", "start"})
"""Members of a guard's evidence that the event's reason repeats, or that only a replay needs."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, the header first."""
    cells = [[line(cell) or NOTHING for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def line(text: str) -> str:
    """Return `text` in one line without control characters, which clients may have written."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def moment(at: datetime | None) -> str:
    """Return a moment to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else NOTHING


def span(seconds: float) -> str:
    """Return a time span in its largest unit: `8 s`, `5 min`, `2 h`, `3 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"


def measured(value: float) -> str:
    """Return a measurement with meaningful digits: `7.5`, `142`, `2,580`."""
    return f"{value:,.1f}" if value < _TENTHS_BELOW else f"{value:,.0f}"


def evidence(members: Mapping[str, Any]) -> str:
    """Return an event's evidence in one line, without its lists."""
    return " ".join(_scalars(members))


def _scalars(members: Mapping[str, Any]) -> Iterator[str]:
    for name, value in sorted(members.items()):
        if name == "totals":
            yield from _scalars(value)
        elif isinstance(value, int | float | str) and name not in _LEFT_OUT:
            yield f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
