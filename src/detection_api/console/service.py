"""The objects that the console of one application uses."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Self

from flask import current_app

from detection_api.canary.state import Store
from detection_api.console.data.cached import Cached
from detection_api.console.data.snapshot import ConsoleSnapshot, Details, Source
from detection_api.console.session.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The store that the console changes, its cached data, and its sessions."""

    store: Store
    snapshot: Cached[ConsoleSnapshot]
    details: Mapping[str, Cached[Details]]
    """By endpoint."""
    sessions: Sessions

    @classmethod
    def of(
        cls, store: Store, sessions: Sessions, source: Source, endpoints: Collection[str]
    ) -> Self:
        """Return the console for these `endpoints`, whose data `source` reads."""
        details = {name: Cached(partial(source.details, name)) for name in endpoints}
        return cls(
            store=store, snapshot=Cached(source.snapshot), details=details, sessions=sessions
        )

    def forget(self) -> None:
        """Make the next view read everything again, after a change."""
        self.snapshot.forget()
        for details in self.details.values():
            details.forget()


def console() -> Console:
    """Return the console of the current application."""
    found: Console = current_app.extensions["console"]
    return found
