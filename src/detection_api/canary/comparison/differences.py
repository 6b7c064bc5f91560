"""In which ways two answers may differ, and which of them moving data explains; pure.

A difference has a path, JSONPath (RFC 9535) with `[*]` for any index and `.*` for any key of a
map with arbitrary keys, so that the same difference has the same path in every answer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Kind(Enum):
    """In which way a candidate differs from its reference."""

    MISSING = "missing"
    """The reference has this member, the candidate does not."""
    EXTRA = "extra"
    """The candidate has a member that the reference does not have."""
    NULL = "null"
    """Exactly one of the two is null."""
    TYPE = "type"
    """Another JSON type, or another format of time."""
    VALUE = "value"
    ORDER = "order"
    """The elements that both lists have are in another order."""
    LENGTH = "length"
    """Lists of different lengths."""
    STATUS = "status"
    """One is an error and the other is not, or an error of another class."""
    TIMEOUT = "timeout"
    """The candidate reached its time limit: that may be the load's doing as well as its own."""

    @property
    def structural(self) -> bool:
        """Whether data that moved between two runs can never explain it."""
        return self in (Kind.MISSING, Kind.EXTRA, Kind.TYPE)


@dataclass(frozen=True, slots=True)
class ComparedOutcome:
    """The answer of an implementation: a wire value, or an error's class name and message."""

    value: Any = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One way in which two answers differ, and the first place where they do.

    The values are UNSET where there is none. `at` has indices (those of the reference) and keys
    in it, which are data as much as the values are.
    """

    path: str
    kind: Kind
    at: str
    reference: Any
    candidate: Any
    count: int = 1
    """In how many places of the answer."""
    free: bool = False
    """In free-form JSON, or a key of a map: nothing that the contract fixes."""

    @property
    def structural(self) -> bool:
        """Whether the contract's structure differs, which data that moved never explains."""
        return self.kind.structural and not self.free


def is_moved(own: Iterable[Difference], difference: Difference) -> bool:
    """Whether data that moved explains a difference: `own` are the reference's with itself.

    A list that moved explains whatever is in it, but for the contract's structure; a value that
    moved explains itself and what is below it. Structure, nulls elsewhere and errors are explained
    only by the very same path and kind.
    """
    return any(_explains(one, difference) for one in own)


def _explains(own: Difference, difference: Difference) -> bool:
    if own.path == difference.path and own.kind is difference.kind:
        return True
    if difference.structural:
        return False
    above, in_list, _ = own.path.partition("[*]")
    if in_list or own.kind in (Kind.ORDER, Kind.LENGTH):
        at_list = difference.path == above and difference.kind in (Kind.ORDER, Kind.LENGTH)
        return at_list or difference.path.startswith(f"{above}[*]")
    if own.path == difference.path:
        return difference.kind is Kind.VALUE
    return difference.path.startswith((f"{own.path}.", f"{own.path}["))
