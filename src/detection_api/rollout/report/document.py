"""A document as all formats show it: sentences by key and facts, tables, charts, sources; pure.

Nothing in here is in a language or a format. Keys are those of `languages/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Tone(Enum):
    """How bad what is said is."""

    PLAIN = ""
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


class Unit(Enum):
    """What a number counts."""

    COUNT = "count"
    MS = "ms"
    PERCENT = "percent"
    RATE = "rate"
    """Per second."""
    SECONDS = "seconds"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or a word: a key of the languages, and the facts in it."""

    key: str
    facts: Mapping[str, "Value"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its unit."""

    value: float
    unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class Sentences:
    """Several sentences as one: they have commas of their own."""

    all: Sequence[Text]


Value = str | Text | Sentences | Number | datetime | Sequence["Value"] | None
"""What is told: text as it was recorded, a sentence, a number, a moment, several; or nothing."""
Facts = dict[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A value, the numbers of the sources that it comes from, and how bad it is."""

    value: Value
    sources: tuple[int, ...] = ()
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """One sentence, or several as a list."""

    cells: tuple[Cell, ...]
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table: its columns by key, its rows as long."""

    key: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a chart: a key of the languages, and a number for each label; None for none."""

    key: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Numbers over time; `text` says in words what the picture shows."""

    key: str
    name: str
    moments: tuple[datetime, ...]
    lines: tuple[Line, ...]
    unit: Unit
    text: Text
    sources: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the document; `name` is data that follows its title, such as an endpoint's."""

    key: str
    name: str = ""
    blocks: tuple["Block", ...]


Block = Paragraph | Table | Chart | Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where numbers come from: a query or a command that anybody may repeat."""

    number: int
    key: str
    facts: Mapping[str, Value]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A whole report; `lead` are its first lines."""

    title: Text
    lead: tuple[Cell, ...]
    sections: tuple[Section, ...]
    sources: tuple[Source, ...]


def cell(
    value: Value | float, *sources: int, unit: Unit = Unit.COUNT, tone: Tone = Tone.PLAIN
) -> Cell:
    """A cell; bare numbers get their unit."""
    if isinstance(value, int | float):
        value = Number(value, unit)
    return Cell(value=value, sources=sources, tone=tone)
