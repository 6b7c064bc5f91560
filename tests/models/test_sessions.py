"""A session is stored by the digest of its key, and belongs to a token."""

import psycopg2
import pytest

from tests.ingest.support import query

TOKEN = (
    "INSERT INTO operator_token (name, role, digest, created_by)"
    " VALUES ('ana', 'viewer', sha256('token'), 'test') RETURNING id"
)
SESSION = (
    "INSERT INTO operator_session (digest, token_id, expires_at)"
    " VALUES (%s, %s, now() + interval '1 hour')"
)


def test_only_a_digest_can_be_stored_as_the_key(database: str, unbound_waits: None) -> None:
    ((token_id,),) = query(database, TOKEN)
    with pytest.raises(psycopg2.errors.CheckViolation):
        query(database, SESSION, b"the key itself", token_id)
    query(database, SESSION, b"x" * 32, token_id)
    assert query(database, "SELECT count(*) FROM operator_session") == [(1,)]


def test_a_session_needs_a_token(database: str, unbound_waits: None) -> None:
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        query(database, SESSION, b"x" * 32, 404)
