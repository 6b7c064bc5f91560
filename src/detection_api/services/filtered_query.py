"""Statements with optional filters."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from typing import Any

from sqlalchemy import ColumnElement, Select

from detection_api.db import Query
from detection_api.extensions import reader


def subsets(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Every selection of `names`, the empty one first; each in the order of `names`."""
    every = tuple(names)
    return chain.from_iterable(combinations(every, size) for size in range(len(every) + 1))


class FilteredQuery:
    """A statement and its optional filters, as one Query for each combination of filters.

    Each is planned for the filters that it really has, so that each can use an index of its
    own. A filter has the name of the one bind parameter that it contains; `queries` are by the
    names of their filters.
    """

    def __init__(
        self, name: str, statement: Select[*tuple[Any, ...]], **filters: ColumnElement[bool]
    ) -> None:
        self.queries = {
            frozenset(present): Query(
                "_".join((name, *present)),
                statement.where(*(filters[parameter] for parameter in present)),
            )
            for present in subsets(filters)
        }

    def rows(self, filters: dict[str, Any], **parameters: Any) -> list[Any]:
        """The rows that match every one of `filters` that is not None; see `Reader.rows`."""
        present = {name: value for name, value in filters.items() if value is not None}
        return reader.rows(self.queries[frozenset(present)], **parameters, **present)
