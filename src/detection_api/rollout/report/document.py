"""The document that every format renders: sections of paragraphs, tables and charts; pure.

It holds no words of a language. Its keys are those of `languages/*.toml`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Tone(Enum):
    """How good or bad a value is."""

    PLAIN = ""
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Unit(Enum):
    """The unit of a number."""

    COUNT = "count"
    MS = "ms"
    PERCENT = "percent"
    RATE = "rate"
    """Per second."""
    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a language by their key, and the facts that are written into them."""

    key: str
    facts: Mapping[str, "Value"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit."""

    value: float
    unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class Sentences:
    """Several sentences in a row. They contain commas, so commas cannot separate them."""

    texts: Sequence[Text]


Value = str | Text | Sentences | Number | datetime | Sequence["Value"] | None
"""A value: recorded text, words, a number, a moment, a list of values, or None if unknown."""
Facts = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value, the numbers of the sources it comes from, and its tone."""

    value: Value
    sources: tuple[int, ...] = ()
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Paragraphs of one cell each, or a list with one cell an item."""

    cells: tuple[Cell, ...]
    listed: bool = False


Row = Mapping[str, Cell]
"""A row of a table: its cells by the key of their column."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with a title and at least one row. All rows have the same columns."""

    key: str
    rows: tuple[Row, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the keys of the columns, in order."""
        return tuple(self.rows[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Lines over time: by key, one number or None for each moment. `text` describes the chart."""

    key: str
    name: str
    moments: tuple[datetime, ...]
    lines: Mapping[str, Sequence[float | None]]
    unit: Unit
    text: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the document. `name` follows its title, such as the name of an endpoint."""

    key: str
    name: str = ""
    blocks: tuple["Block", ...]


Block = Paragraph | Table | Chart | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The origin of numbers: a query or the name of a constant, which any reader can look up."""

    number: int
    title: Text
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole report. `lead` holds its first lines."""

    title: Text
    lead: tuple[Cell, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]


def cell(
    value: Value | float, *sources: int, unit: Unit = Unit.COUNT, tone: Tone = Tone.PLAIN
) -> Cell:
    """Return a cell. A bare number gets the unit."""
    if isinstance(value, int | float):
        value = Number(value, unit)
    return Cell(value=value, sources=sources, tone=tone)


def bad_count(count: int, *sources: int) -> Cell:
    """Return the cell of a count that should be 0: its tone is bad if it is not."""
    return cell(count, *sources, tone=Tone.BAD if count else Tone.PLAIN)


def percent_of(part: int, whole: int, *sources: int) -> Cell:
    """Return the cell of a share in percent. Its value is None if the whole is 0."""
    return cell(100 * part / whole if whole else None, *sources, unit=Unit.PERCENT)


def paragraph(*cells: Cell) -> Paragraph:
    """Return cells as paragraphs."""
    return Paragraph(cells=cells)


def listed(*cells: Cell) -> Paragraph:
    """Return cells as a list."""
    return Paragraph(cells=cells, listed=True)
