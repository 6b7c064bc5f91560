"""The report as JSON: for programs. Tables are lists of objects by column; values keep their type.

`text` is what the other formats say, in the language that was asked for.
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
    Paragraph,
    Section,
    Sentences,
    Table,
    Text,
    Value,
)
from detection_api.rollout.report.formats.template_context import Words


def render(document: Document, language: str) -> str:
    """The document in a language."""
    words = Words(language)
    found = {
        "language": words.language,
        "title": words.write(document.title),
        "lead": [_told(told, words) for told in document.lead],
        "sections": [_section(section, words) for section in document.sections],
        "sources": [
            {
                "number": source.number,
                "text": words.say(source.key, source.facts),
                "query": source.text,
            }
            for source in document.sources
        ],
    }
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _section(section: Section, words: Words) -> dict[str, Any]:
    parts = [block for block in section.blocks if isinstance(block, Section)]
    others = [block for block in section.blocks if not isinstance(block, Section)]
    return {
        "key": section.key,
        "name": section.name,
        "title": words.say(f"section.{section.key}"),
        "blocks": [_block(block, words) for block in others],
        "sections": [_section(part, words) for part in parts],
    }


def _block(block: Block, words: Words) -> dict[str, Any]:
    if isinstance(block, Table):
        rows = (zip(block.columns, row, strict=True) for row in block.rows)
        return {
            "table": block.key,
            "rows": [{column: _told(told, words) for column, told in row} for row in rows],
        }
    if isinstance(block, Chart):
        lines = {line.key: line.values for line in block.lines}
        return {
            "chart": block.key,
            "unit": block.unit,
            "moments": block.moments,
            "lines": lines,
            "text": words.write(block.text),
            "sources": block.sources,
        }
    assert isinstance(block, Paragraph)
    return {"paragraph": [_told(told, words) for told in block.cells]}


def _told(told: Cell, words: Words) -> dict[str, Any]:
    return {
        "value": _value(told.value),
        "text": words.told(told),
        "tone": told.tone,
        "sources": told.sources,
    }


def _value(value: Value) -> Any:
    """A value by itself: a sentence by its key and facts."""
    if isinstance(value, Number):
        return value.value
    if isinstance(value, Text):
        return {"key": value.key, "facts": {k: _value(v) for k, v in value.facts.items()}}
    if isinstance(value, Sentences):
        return [_value(each) for each in value.all]
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_value(each) for each in value]
    return value
