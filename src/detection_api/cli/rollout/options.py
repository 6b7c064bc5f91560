"""Types of the options of `rollout run`: lengths of time, stages, lists."""

import re
from collections.abc import Iterable
from typing import Any

import click

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?", re.ASCII)
_SECONDS = {"s": 1, None: 1, "m": 60, "h": 3600, "d": 86_400}
MAX_PERCENT = 100


class Length(click.ParamType[float]):
    """A length of time, in seconds."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the seconds of `90`, `90s`, `10m`, `2h` or `1d`."""
        if isinstance(value, float):
            return value
        if not (found := _LENGTH.fullmatch(value.strip())):
            self.fail("must be a length of time: 90s, 10m, 2h, 1d", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


class Stages(click.ParamType[tuple[float, ...]]):
    """Ascending percentages."""

    name = "PERCENT,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the percentages of `10,25,50,100`."""
        if isinstance(value, tuple):
            return value
        try:
            stages = tuple(map(float, value.split(",")))
        except ValueError:
            stages = ()
        ascending = stages == tuple(sorted(set(stages)))
        if not stages or not ascending or not all(0 < stage <= MAX_PERCENT for stage in stages):
            self.fail("must be ascending percentages: 10,25,50,100", param, ctx)
        return stages


def split(values: Iterable[str]) -> list[str]:
    """Return every value once; values may be repeated or separated by commas."""
    return list(dict.fromkeys(name for value in values for name in value.split(",") if name))
