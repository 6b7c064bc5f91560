"""Collects the cases of a module."""

from collections.abc import Callable
from typing import Any

from tests.corpus.case import Case, Fault, Kind


class Registry(list[Case]):
    """The cases of one kind."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self._kind = kind

    def wrong(self, endpoint: str, **demands: Any) -> Callable[[Fault], Fault]:
        """Return a decorator that adds a case for a fault, named as the function is."""

        def add(fault: Fault) -> Fault:
            name = fault.__name__.replace("_", " ")
            kind = demands.pop("kind", self._kind)
            self.append(Case(kind=kind, name=name, endpoint=endpoint, fault=fault, **demands))
            return fault

        return add
