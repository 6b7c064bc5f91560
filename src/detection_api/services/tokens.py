"""Operators' tokens: made, listed, revoked, recognised."""

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
"""What a token's name is made of: it stands in the audit, and keeps its bearer on one side."""
FRESH_SECONDS = 0.5
"""For so long a worker goes by what it knows of the tokens, or that it cannot know."""

Connect = Callable[[], AbstractContextManager[Connection]]

_SHOWN = "id, name, role, created_at, created_by, revoked_at, revoked_by"
# A token and its event come and go together: one statement each.
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
"""  # noqa: S608 - put together of this module's own names
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
"""  # noqa: S608 - put together of this module's own names
ALL = f"SELECT to_jsonb(t) FROM (SELECT {_SHOWN} FROM operator_token ORDER BY id) t"  # noqa: S608
IN_USE = "SELECT digest, id, name, role FROM operator_token WHERE revoked_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token as operators see it; nothing in here opens anything."""

    id: int
    name: str
    role: Role
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Who showed a token; `token_id` is that token's."""

    token_id: int
    name: str
    role: Role

    @property
    def by(self) -> str:
        """The name that the audit has for what is done with the token."""
        return f"token:{self.name}"


class Tokens:
    """The operators' tokens, over `connect`, which gives an autocommit connection.

    Every method raises psycopg2's errors and DeadlineExceededError; nothing is then half done.
    """

    def __init__(self, connect: Connect) -> None:
        self._connect = connect

    def create(self, name: str, role: Role, *, by: str) -> str:
        """Make a token; it is not to be had again. Raises ConflictError for a name in use."""
        token = token_format.new_token()
        facts = {"name": name, "role": role.value, "digest": token_format.digest(token), "by": by}
        if not self._rows(CREATE, **facts):
            raise ConflictError(f"there is a token {name} already: revoke it first")
        return token

    def revoke(self, name: str, *, by: str, reason: str) -> None:
        """Take a token away, at once everywhere. Raises NotFoundError where none is in use."""
        said = token_format.redacted(
            reason
        )  # what a reason to revoke quotes is most likely the token
        if not self._rows(REVOKE, name=name, by=by, reason=said):
            raise NotFoundError(f"there is no token {name} in use")

    def all(self) -> list[Token]:
        """Every token there was, oldest first."""
        return [convert(row, Token) for (row,) in self._rows(ALL)]

    def in_use(self) -> list[tuple[bytes, Operator]]:
        """The digest of every token that is not revoked, and whose it is."""
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
    """Who shows which token: by a copy of all that are in use, never older than FRESH_SECONDS.

    However many wrong tokens are shown, PostgreSQL is asked no more often than that. Where it does
    not answer, nobody is recognised: every method raises what `Tokens.in_use` raised. `clock` is
    monotonic, in seconds.
    """

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Sequence[tuple[bytes, Operator]] = ()
        self._error: Exception | None = None
        self._until = float("-inf")

    def by_token(self, token: str) -> Operator | None:
        """Whose token this is, in a time that does not tell how much of it is right."""
        shown, found = token_format.digest(token), None
        for digest, operator in self._fresh():
            if hmac.compare_digest(digest, shown):
                found = operator
        return found

    def knows_any(self) -> bool:
        """Whether any token is in use."""
        return bool(self._fresh())

    def _fresh(self) -> Sequence[tuple[bytes, Operator]]:
        with self._lock:
            if self._clock() >= self._until:
                self._read()
            if self._error is not None:
                # Raised for each who waits: without this it would keep the frames of all of them.
                raise self._error.with_traceback(None)
            return self._known

    def _read(self) -> None:
        """Ask once for all who wait; what came of it holds for FRESH_SECONDS from its start."""
        began = self._clock()
        try:
            self._known, self._error = self._tokens.in_use(), None
        except UNAVAILABLE as error:
            self._error = error
            began = self._clock()
        self._until = began + FRESH_SECONDS
