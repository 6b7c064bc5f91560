"""Print tables, or JSON with the option --json."""

from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from detection_api.rollout.text import table

JSON = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table."""
    click.echo("\n".join(table(header, rows)))


def print_json(value: Any) -> None:
    """Print a value of dataclasses and built-in types as indented JSON."""
    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
