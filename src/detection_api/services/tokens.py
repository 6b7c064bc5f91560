"""Operators' tokens: create, list, revoke and recognise them."""

import hmac
import re
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from detection_api import token_format
from detection_api.canary.state import convert
from detection_api.canary.state.postgres import Connection
from detection_api.db import UNAVAILABLE
from detection_api.errors import ConflictError, NotFoundError
from detection_api.models.tokens import Role

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", re.ASCII)
"""The form of a token's name. The audit shows it, and the canary's cohorts can depend on it."""
FRESH_SECONDS = 0.5
"""Seconds for which a worker uses its copy of the tokens, or the error of the last read."""

Connect = Callable[[], AbstractContextManager[Connection]]

_SHOWN = "id, name, role, created_at, created_by, revoked_at, revoked_by"
# One statement each, so a token and its audit event are stored together.
CREATE = f"""
WITH made AS (
    INSERT INTO operator_token (name, role, digest, created_by)
    VALUES (%(name)s, %(role)s, %(digest)s, %(by)s)
    ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
    RETURNING {_SHOWN}
), audited AS (
    INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence)
    SELECT '*', 'grant', created_by, '', 0,
        jsonb_build_object('token', name, 'token_id', id, 'role', role)
    FROM made
)
SELECT id FROM made
"""  # noqa: S608 - built from constants of this module
REVOKE = f"""
WITH revoked AS (
    UPDATE operator_token SET revoked_at = clock_timestamp(), revoked_by = %(by)s
    WHERE name = %(name)s AND revoked_at IS NULL
    RETURNING {_SHOWN}
), audited AS (
    INSERT INTO rollout_event (endpoint, kind, by, reason, epoch, evidence)
    SELECT '*', 'revoke', revoked_by, %(reason)s, 0,
        jsonb_build_object('token', name, 'token_id', id, 'role', role)
    FROM revoked
)
SELECT id FROM revoked
"""  # noqa: S608 - built from constants of this module
ALL = f"SELECT to_jsonb(t) FROM (SELECT {_SHOWN} FROM operator_token ORDER BY id) t"  # noqa: S608
IN_USE = "SELECT digest, id, name, role FROM operator_token WHERE revoked_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as operators see it, without the secret."""

    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """The bearer of a token; `token_id` is the id of the token."""

    token_id: int
    name: str
    role: Role

    @property
    def by(self) -> str:
        """The name in the audit for actions with this token."""
        return f"token:{self.name}"


class Tokens:
    """The operators' tokens in PostgreSQL; `connect` returns an autocommit connection.

    Every method raises psycopg2's errors and DeadlineExceededError. Each is one statement, so an
    error leaves no partial change.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def create(self, name: str, role: Role, *, by: str) -> str:
        """Create a token and return it once. Raises ConflictError if the name is in use."""
        token = token_format.new_token()
        digest = token_format.digest(token)
        if not self._rows(CREATE, name=name, role=role.value, digest=digest, by=by):
            raise ConflictError(f"there is a token {name} already: revoke it first")
        return token

    def revoke(self, name: str, *, by: str, reason: str) -> None:
        """Revoke a token. Raises NotFoundError if no token of this name is in use."""
        # The reason may quote the leaked token.
        reason = token_format.redacted(reason)
        if not self._rows(REVOKE, name=name, by=by, reason=reason):
            raise NotFoundError(f"there is no token {name} in use")

    def all(self) -> list[Token]:
        """Return all tokens, revoked ones too, oldest first."""
        return [convert(row, Token) for (row,) in self._rows(ALL)]

    def in_use(self) -> list[tuple[bytes, Operator]]:
        """Return the digest and the bearer of every token that is not revoked."""
        return [
            (bytes(digest), Operator(token_id=token_id, name=name, role=Role(role)))
            for digest, token_id, name, role in self._rows(IN_USE)
        ]

    def _rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._connect() as connection:
            cursor = connection.cursor()
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows


class Recognition:
    """Recognises tokens by a copy of all that are in use, at most FRESH_SECONDS old.

    It reads PostgreSQL at most once in FRESH_SECONDS, however many wrong tokens arrive. If the read
    fails, every method raises its error. `clock` is monotonic, in seconds.
    """

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Sequence[tuple[bytes, Operator]] = ()
        self._error: Exception | None = None
        self._until = float("-inf")

    def by_token(self, token: str) -> Operator | None:
        """Return the bearer of `token`; None if it is not valid. Compares in constant time."""
        candidate, bearer = token_format.digest(token), None
        for digest, operator in self._fresh():
            if hmac.compare_digest(digest, candidate):
                bearer = operator
        return bearer

    def knows_any(self) -> bool:
        """Return True if any token is in use."""
        return bool(self._fresh())

    def _fresh(self) -> Sequence[tuple[bytes, Operator]]:
        with self._lock:
            if self._clock() >= self._until:
                self._read()
            if self._error is not None:
                # All callers raise the same error object; its traceback must not grow each time.
                raise self._error.with_traceback(None)
            return self._known

    def _read(self) -> None:
        """Read the tokens once for all waiting callers; an error is kept like a result."""
        began = self._clock()
        try:
            self._known, self._error = self._tokens.in_use(), None
        except UNAVAILABLE as error:
            self._error = error
            began = self._clock()
        self._until = began + FRESH_SECONDS
