"""Sessions in PostgreSQL, which every worker of every host shares."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from detection_api.clock import utc_now
from detection_api.db import UNAVAILABLE
from detection_api.models.tokens import Role
from detection_api.services.tokens import Connect, Operator

LIFETIME = timedelta(hours=12)
"""A night shift; after it the login requires the token again."""
KEY_BYTES = 32
KNOWN_FOR = 0.9
"""Seconds for which a worker caches a session; a revoked token ends it within that time."""
REMEMBERED = 1000
"""Sessions that a worker keeps while PostgreSQL is unreachable, at most."""

OPEN = """
WITH expired AS (
    DELETE FROM operator_session WHERE expires_at <= statement_timestamp()
)
INSERT INTO operator_session (digest, token_id, expires_at)
VALUES (%(digest)s, %(token_id)s, statement_timestamp() + %(lifetime)s)
RETURNING token_id
"""
FIND = """
SELECT t.id, t.name, t.role, s.expires_at
FROM operator_session s JOIN operator_token t ON t.id = s.token_id
WHERE s.digest = %(digest)s AND s.expires_at > statement_timestamp() AND t.revoked_at IS NULL
"""
CLOSE = "DELETE FROM operator_session WHERE digest = %(digest)s RETURNING token_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The session of an operator.

    Every form of the session must carry `csrf`, which another site cannot know.
    """

    operator: Operator
    expires_at: datetime
    csrf: str

    @property
    def may_change(self) -> bool:
        """Return whether the operator may make changes."""
        return self.operator.role.may_act_as(Role.OPERATOR)


class Sessions:
    """Opens, finds and ends sessions; `key` is the secret in the browser's cookie.

    PostgreSQL has only the key's hash, so the table's content is no login. Raises what `connect`
    raises.
    """

    def __init__(
        self,
        connect: Connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, Session]] = OrderedDict()

    def open(self, operator: Operator) -> str:
        """Return the key of a new session of `operator`, and delete expired sessions."""
        key = secrets.token_urlsafe(KEY_BYTES)
        self._rows(OPEN, digest=_digest(key), token_id=operator.token_id, lifetime=LIFETIME)
        return key

    def find(self, key: str) -> Session | None:
        """Return the session with this key; None if it has ended.

        While PostgreSQL is unreachable, sessions known to this worker stay valid; other keys
        raise what the connection raises.
        """
        with self._lock:
            looked_at, known = self._known.get(key, (0.0, None))
        if not key:
            return None
        if known is not None and self._clock() - looked_at < KNOWN_FOR:
            return known
        try:
            found = self._rows(FIND, digest=_digest(key))
        except UNAVAILABLE:
            if known is not None and known.expires_at > utc_now():
                return known
            raise
        session = _session(key, *found[0]) if found else None
        self._remember(key, session)
        return session

    def forget(self) -> None:
        """Forget the cached sessions, so that each is read again."""
        with self._lock:
            self._known.clear()

    def close(self, key: str) -> None:
        """End the session, on every worker within a second."""
        self._rows(CLOSE, digest=_digest(key))
        self._remember(key, None)

    def _remember(self, key: str, session: Session | None) -> None:
        with self._lock:
            self._known.pop(key, None)
            if session is not None:
                self._known[key] = (self._clock(), session)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def _rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


def _digest(key: str) -> bytes:
    return sha256(key.encode(errors="replace")).digest()


def _session(key: str, token_id: int, name: str, role: str, expires_at: datetime) -> Session:
    return Session(
        operator=Operator(token_id=token_id, name=name, role=Role(role)),
        expires_at=expires_at,
        csrf=sha256(b"csrf " + key.encode(errors="replace")).hexdigest(),
    )
