"""Counts processes that died during a call of the domain, as failures of its endpoint."""

from collections.abc import Callable
from pathlib import Path

import structlog

from detection_api.canary.fleet.accounting import count_death
from detection_api.canary.serving import left_by_dead
from detection_api.canary.state import Ledger

log = structlog.get_logger(__name__)


class Deaths:
    """Looks for dead processes of this instance; `on_death` is called with each endpoint.

    `folder` has the files of their calls; without it there is nothing to find.
    """

    def __init__(
        self, folder: Path | None, ledger: Ledger, *, on_death: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._on_death = on_death

    def look(self) -> None:
        """Count each dead process once, whichever living one finds it first."""
        if self._folder is None:
            return
        for endpoint in left_by_dead(self._folder):
            log.error("worker_died", endpoint=endpoint, arm="domain", cause="death")
            with self._ledger as batch:
                count_death(batch, endpoint)
            self._on_death(endpoint)
