"""The report as JSON for programs. Each row of a table is an object with the columns as its keys.

Numbers and times keep their type. `text` is what the other formats show, in the chosen language.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from detection_api.rollout.report.document import (
    Block,
    Cell,
    Chart,
    Document,
    Number,
    Section,
    Sentences,
    Table,
    Text,
    Value,
)
from detection_api.rollout.report.formats.writer import Writer


def render(document: Document, language: str) -> str:
    """Return the document in a language."""
    writer = Writer(language)
    found = {
        "language": writer.language,
        "title": writer.value(document.title),
        "lead": [_cell(cell, writer) for cell in document.lead],
        "sections": [_section(section, writer) for section in document.sections],
        "sources": [
            {
                "number": source.number,
                "text": writer.value(source.title),
                "query": source.text,
            }
            for source in document.sources
        ],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _section(section: Section, writer: Writer) -> dict[str, Any]:
    parts = [block for block in section.blocks if isinstance(block, Section)]
    others = [block for block in section.blocks if not isinstance(block, Section)]
    return {
        "key": section.key,
        "name": section.name,
        "title": writer.text(f"section.{section.key}"),
        "blocks": [_block(block, writer) for block in others],
        "sections": [_section(part, writer) for part in parts],
    }


def _block(block: Block, writer: Writer) -> dict[str, Any]:
    if isinstance(block, Table):
        rows = [{key: _cell(cell, writer) for key, cell in row.items()} for row in block.rows]
        return {"table": block.key, "rows": rows}
    if isinstance(block, Chart):
        return {
            "chart": block.key,
            "unit": block.unit,
            "moments": block.moments,
            "lines": block.lines,
            "text": writer.value(block.text.value),
            "sources": block.text.sources,
        }
    assert not isinstance(block, Section)
    return {"paragraph": [_cell(cell, writer) for cell in block.cells]}


def _cell(cell: Cell, writer: Writer) -> dict[str, Any]:
    return {
        "value": _value(cell.value),
        "text": writer.value(cell.value),
        "tone": cell.tone,
        "sources": cell.sources,
    }


def _value(value: Value) -> Any:
    """Return a value in JSON's types: words as their key and facts."""
    if isinstance(value, Number):
        return value.value
    if isinstance(value, Text):
        return {"key": value.key, "facts": {k: _value(v) for k, v in value.facts.items()}}
    if isinstance(value, Sentences):
        return [_value(text) for text in value.texts]
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_value(each) for each in value]
    return value
