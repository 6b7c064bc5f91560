"""The clients of the corpus: what they ask, and the headers that they send."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from werkzeug.test import EnvironBuilder

from tests.corpus.case import Shape

LANGUAGES = ("en", "de", "fr", "zh")
AGENTS = ("desktop", "phone", "kiosk")
NAMED = 0.7
"""The share of requests that name their client."""


def _records(random: Random) -> str:
    camera = random.choice(("cam0", "cam0", "cam1", "cam2", "cam3"))
    query = random.choice(("", "", "?limit=5", "?limit=50", "?status=open"))
    return f"/records/{camera}{query}"


def _cameras(random: Random) -> str:
    return "/cameras" + random.choice(("", "", "", "?site=hall", "?site=moon", "?names=cam1,cam2"))


def _stats(random: Random) -> str:
    return f"/cameras/cam{random.randrange(4)}/stats"


def _daily(random: Random) -> str:
    return "/daily" + random.choice(("", "?days=7", "?days=0", "?hours_ahead=8", "?hours_ahead=-5"))


def _violation(random: Random) -> str:
    return f"/violations/{random.randrange(42)}"


USUAL: Mapping[str, Shape] = {
    "records": _records,
    "cameras": _cameras,
    "stats": _stats,
    "daily": _daily,
    "violation": _violation,
}
"""What clients usually ask of each endpoint: never a cursor, a limit over 50, or `active_only`."""


class Clients:
    """Makes the requests of `count` clients, some of which send no name."""

    def __init__(self, shape: Shape, count: int, random: Random) -> None:
        self._shape = shape
        self._count = count
        self._random = random
        self._known: dict[str, Mapping[str, Any]] = {}

    def next(self, shape: Callable[[Random], str] | None = None) -> dict[str, Any]:
        """Return the WSGI environment of the next request."""
        random = self._random
        environ = dict(self._environ((shape or self._shape)(random)))
        client = random.randrange(self._count)
        environ["HTTP_ACCEPT_LANGUAGE"] = LANGUAGES[client % len(LANGUAGES)]
        environ["HTTP_USER_AGENT"] = AGENTS[client // 7 % len(AGENTS)]
        if random.random() < NAMED:
            environ["HTTP_X_CLIENT_ID"] = f"client-{client}"
        return environ

    def _environ(self, path: str) -> Mapping[str, Any]:
        if path not in self._known:
            self._known[path] = EnvironBuilder(path).get_environ()
        return self._known[path]
