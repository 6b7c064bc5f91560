"""What the store and the database tell a verification before it asks anything over HTTP."""

from sqlalchemy import select

from detection_api.canary.state import Store
from detection_api.db import Query
from detection_api.extensions import primary
from detection_api.models.records import ViolationEvent
from detection_api.rollout.verification.runner import Terms

_violation = ViolationEvent.__table__.c

NEWEST_VIOLATIONS = Query(
    "newest_violations",
    select(_violation.id).order_by(_violation.timestamp.desc(), _violation.id.desc()).limit(5),
)


def read_terms(store: Store) -> Terms:
    """What is accepted now, and violations that exist.

    Raises DeadlineExceededError and psycopg2's errors.
    """
    violations = [row["id"] for row in primary.rows(NEWEST_VIOLATIONS)]
    return Terms(accepted=store.read().accepted, violations=violations)
