"""Statements with optional filters."""

from collections.abc import Iterable, Iterator
from itertools import chain, combinations
from typing import Any

from sqlalchemy import ColumnElement, Select

from detection_api.db import Query
from detection_api.extensions import reader


def subsets(names: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """Return all subsets of `names`, the empty one first; each in the order of `names`."""
    every = tuple(names)
    return chain.from_iterable(combinations(every, size) for size in range(len(every) + 1))


class FilteredQuery:
    """A statement with optional filters: one Query for each combination of filters.

    PostgreSQL plans each combination separately, so each can use its best index. The name of a
    filter is the name of its bind parameter. The keys of `queries` are sets of filter names.
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
        """Return the rows that match all `filters` that are not None; see `Reader.rows`."""
        present = {name: value for name, value in filters.items() if value is not None}
        return reader.rows(self.queries[frozenset(present)], **parameters, **present)
