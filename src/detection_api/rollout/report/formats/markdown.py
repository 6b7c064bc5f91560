"""The report as Markdown (CommonMark with tables), for a repository, an issue or a mail."""

import re
from collections.abc import Iterable, Iterator

from detection_api.rollout.report.document import (
    Block,
    Cell,
    Chart,
    Document,
    Paragraph,
    Section,
    Source,
    Table,
    Tone,
)
from detection_api.rollout.report.formats.writer import Writer
from detection_api.rollout.text import line

_SPECIAL = re.compile(r"([\\`*\[\]<>|#~&$]|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.|@)")
_MARKS = {Tone.PLAIN: "", Tone.GOOD: "", Tone.WARN: "⚠ ", Tone.BAD: "✗ "}


def render(document: Document, language: str) -> str:
    """Return the document in a language."""
    return "\n".join(_Markdown(language).lines(document)) + "\n"


def escape(text: str) -> str:
    """Return recorded text as one line in which nothing is markup and nothing becomes a link."""
    return _SPECIAL.sub(r"\\\1", line(text))


class _Markdown:
    def __init__(self, language: str) -> None:
        self._writer = Writer(language, escape=escape)

    def lines(self, document: Document) -> Iterator[str]:
        """Yield every line of the document."""
        yield from (f"# {self._writer.value(document.title)}", "")
        first, *others = map(self._cell, document.lead)
        for text in (f"**{first}**", *others):
            yield from (text, "")
        for section in document.sections:
            yield from self._section(section, 2)
        yield from (f"## {self._writer.text('section.sources')}", "")
        for source in document.sources:
            yield from self._source(source)

    def _source(self, source: Source) -> Iterator[str]:
        yield f'<a id="source-{source.number}"></a>'
        yield from (f"{source.number}. {self._writer.value(source.title)}", "")
        yield from (f"        {text}" for text in source.text.splitlines())
        yield ""

    def _section(self, section: Section, level: int) -> Iterator[str]:
        title = f"{self._writer.text(f'section.{section.key}')}{escape(section.name)}"
        yield from (f"{'#' * level} {title}", "")
        for block in section.blocks:
            yield from self._block(block, level)

    def _block(self, block: Block, level: int) -> Iterator[str]:
        if isinstance(block, Section):
            yield from self._section(block, level + 1)
        elif isinstance(block, Table):
            yield from self._table(block)
        elif isinstance(block, Chart):
            yield from (f"*{self._writer.text(block.key)}*: {self._cell(block.text)}", "")
        else:
            yield from self._paragraph(block)

    def _paragraph(self, block: Paragraph) -> Iterator[str]:
        texts = map(self._cell, block.cells)
        if block.listed:
            yield from (f"- {text}" for text in texts)
            yield ""
        else:
            for text in texts:
                yield from (text, "")

    def _table(self, table: Table) -> Iterator[str]:
        if title := self._writer.text(f"table.{table.key}"):
            yield from (f"**{title}**", "")
        yield _row(self._writer.text(f"column.{column}") for column in table.columns)
        yield _row("---" for _ in table.columns)
        for row in table.rows:
            yield _row(map(self._cell, row.values()))
        yield ""

    def _cell(self, cell: Cell) -> str:
        text = _MARKS[cell.tone] + self._writer.value(cell.value)
        if len(cell.sources) == 1:
            return f"{text} [[{cell.sources[0]}]](#source-{cell.sources[0]})"
        links = (f"[{number}](#source-{number})" for number in cell.sources)
        return f"{text} \\[{', '.join(links)}\\]" if cell.sources else text


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
