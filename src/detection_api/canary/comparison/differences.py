"""The ways in which two answers can differ; pure.

A difference has a path, JSONPath (RFC 9535) with `[*]` for any index and `.*` for any key of a
map with arbitrary keys, so that the same difference has the same path in every answer.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """The way in which a candidate differs from its reference."""

    MISSING = "missing"
    """The candidate lacks a member of the reference."""
    EXTRA = "extra"
    """The candidate has a member that the reference does not have."""
    NULL = "null"
    """Exactly one of the two is null."""
    TYPE = "type"
    """Another JSON type, or another format of time."""
    VALUE = "value"
    ORDER = "order"
    """The items that both lists have come in another order."""
    LENGTH = "length"
    """Lists of different lengths."""
    STATUS = "status"
    """One is an error and the other is not, or an error of another class."""
    TIMEOUT = "timeout"
    """The candidate reached its time limit; the load can be the cause."""

    @property
    def structural(self) -> bool:
        """Whether moving data never explains it."""
        return self in (Kind.MISSING, Kind.EXTRA, Kind.TYPE)


@dataclass(frozen=True, slots=True)
class ComparedOutcome:
    """An answer: a wire value, or an error's class name and message."""

    value: Any = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which two answers differ, and the first place where they do.

    The values are UNSET where an answer has none. `at` has the indices of the reference and keys,
    which are data as much as the values are.
    """

    path: str
    kind: Kind
    at: str
    reference: Any
    candidate: Any
    count: int = 1
    """The number of places in the answer."""
    free: bool = False
    """Whether it is in free-form JSON, or a key of a map: the contract does not fix those."""
    places: tuple[str, ...] = ()
    """Where it is, by the names of the list items: all the items that a list gained or lost."""
    moves_with: str = ""
    """The path of the value that has to move to explain it: the list's, for an unmatched item."""
    moments: tuple[float | None, ...] = ()
    """The times of the items that hold it, in epoch seconds; None if they have none."""

    @property
    def structural(self) -> bool:
        """Whether the contract's structure differs, which moving data never explains."""
        return self.kind.structural and not self.free
