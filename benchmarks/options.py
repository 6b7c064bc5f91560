"""The options of a run."""

from dataclasses import dataclass

ROWS = {"10k": 10_000, "100k": 100_000, "1M": 1_000_000, "10M": 10_000_000}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line; `rows` is a key of ROWS, `seconds` the length of a turn."""

    rows: str
    turns: int
    seconds: int
    endpoints: tuple[str, ...]
    lines: int
    requests: int

    @property
    def world(self) -> int:
        """Return the number of rows of the world."""
        return ROWS[self.rows]
