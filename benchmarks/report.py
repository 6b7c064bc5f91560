"""Print the results of a run and its machine, and write those of a whole run to the README."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import click
import psutil

README = Path(__file__).with_name("README.md")
BUSY = 0.5
"""The load average per core above which a machine is too busy for a measurement."""
_RESULTS = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->)", re.DOTALL)
_lines: list[str] = []


def show(line: str) -> None:
    """Print a line, and keep it for the README."""
    click.echo(line)
    _lines.append(line)


def machine() -> str:
    """Return a description of the machine in one line."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores,"
        f" {psutil.virtual_memory().total / 2**30:.0f} GiB; Linux {platform.release()},"
        f" Python {platform.python_version()}; load before: {os.getloadavg()[0]:.1f}"
    )


def warn_of_a_busy_machine() -> None:
    """Warn if the machine is busy, because figures become noisy."""
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        click.echo("This machine is busy: figures will be noisy.", err=True)


def write_readme(path: Path = README) -> None:
    """Replace the results in the README with all lines of this run."""
    lines = "\n".join([f"{datetime.now(UTC):%Y-%m-%d}", *_lines])
    text, count = _RESULTS.subn(lambda _: f"```\n{lines}\n```\n", path.read_text())
    assert count == 1
    path.write_text(text)
