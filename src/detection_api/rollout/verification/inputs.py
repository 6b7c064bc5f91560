"""Inputs of a verification that come from the store and the database, not over HTTP."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from detection_api.canary.state import AcceptedDifference, Store
from detection_api.db import Query
from detection_api.extensions import primary
from detection_api.models.records import ViolationEvent

_violation = ViolationEvent.__table__.c

NEWEST_VIOLATIONS = Query(
    "newest_violations",
    select(_violation.id).order_by(_violation.timestamp.desc(), _violation.id.desc()).limit(5),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Inputs of a verification.

    `accepted` are accepted differences that have not expired. `violations` are ids that may exist:
    an instance lists no ids. `wait` sleeps for some seconds.
    """

    accepted: Sequence[AcceptedDifference] = ()
    violations: Sequence[int] = ()
    wait: Callable[[float], object] = time.sleep


def read_inputs(store: Store) -> Inputs:
    """Read the accepted differences and the newest violations.

    Raises DeadlineExceededError and psycopg2's errors.
    """
    violations = [row["id"] for row in primary.rows(NEWEST_VIOLATIONS)]
    return Inputs(accepted=store.read().accepted, violations=violations)
