"""The report as Markdown (CommonMark with tables): for a repository, an issue, a mail."""

import re
from collections.abc import Iterator, Sequence

from detection_api.rollout.report.document import (
    Block,
    Cell,
    Chart,
    Document,
    Paragraph,
    Section,
    Table,
    Tone,
)
from detection_api.rollout.report.formats.template_context import Words
from detection_api.rollout.text import line

_SPECIAL = re.compile(r"([\\`*\[\]<>|#~&$]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.|@)")
_MARKS = {Tone.PLAIN: "", Tone.GOOD: "", Tone.WARN: "⚠ ", Tone.BAD: "✗ "}


def render(document: Document, language: str) -> str:
    """The document in a language."""
    return "\n".join(_Markdown(language).lines(document)) + "\n"


def escape(text: str) -> str:
    """Recorded text as one line in which nothing is markup, and nothing becomes a link."""
    return _SPECIAL.sub(r"\\\1", line(text))


class _Markdown:
    def __init__(self, language: str) -> None:
        self._words = Words(language, escape=escape)

    def lines(self, document: Document) -> Iterator[str]:
        """Every line."""
        words = self._words
        yield f"# {words.write(document.title)}"
        yield ""
        for told in document.lead:
            yield f"**{self._told(told)}**" if told is document.lead[0] else self._told(told)
            yield ""
        for section in document.sections:
            yield from self._section(section, 2)
        yield f"## {words.say('section.sources')}"
        yield ""
        for source in document.sources:
            yield f'<a id="source-{source.number}"></a>'
            yield f"{source.number}. {words.say(source.key, source.facts)}"
            yield ""
            yield from (f"        {text}" for text in source.text.splitlines())
            yield ""

    def _section(self, section: Section, level: int) -> Iterator[str]:
        title = f"{self._words.say(f'section.{section.key}')}{escape(section.name)}"
        yield f"{'#' * level} {title}"
        yield ""
        for block in section.blocks:
            yield from self._block(block, level)

    def _block(self, block: Block, level: int) -> Iterator[str]:
        if isinstance(block, Section):
            yield from self._section(block, level + 1)
        elif isinstance(block, Table):
            yield from self._table(block)
        elif isinstance(block, Chart):
            words = self._words
            told = Cell(value=block.text, sources=block.sources)
            yield f"*{words.say(block.key)}*: {self._told(told)}"
            yield ""
        else:
            yield from self._paragraph(block)

    def _paragraph(self, block: Paragraph) -> Iterator[str]:
        for told in block.cells:
            yield f"{'- ' if block.listed else ''}{self._told(told)}"
            if not block.listed:
                yield ""
        if block.listed:
            yield ""

    def _table(self, table: Table) -> Iterator[str]:
        if title := self._words.say(f"table.{table.key}"):
            yield f"**{title}**"
            yield ""
        yield _row([self._words.say(f"column.{column}") for column in table.columns])
        yield _row(["---"] * len(table.columns))
        for row in table.rows:
            yield _row([self._told(told) for told in row])
        yield ""

    def _told(self, told: Cell) -> str:
        text = _MARKS[told.tone] + self._words.told(told)
        if len(told.sources) == 1:
            return f"{text} [[{told.sources[0]}]](#source-{told.sources[0]})"
        links = (f"[{number}](#source-{number})" for number in told.sources)
        return f"{text} \\[{', '.join(links)}\\]" if told.sources else text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
