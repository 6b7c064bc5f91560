"""Detection records and violations."""

from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import Any

from msgspec import UNSET
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Text,
    bindparam,
    func,
    select,
    text,
    true,
    tuple_,
)

from detection_api.db import PagePosition, Query
from detection_api.errors import NotFoundError
from detection_api.extensions import reader
from detection_api.models.records import DetectionRecord, ViolationEvent
from detection_api.services.filtered_query import subsets
from detection_api.services.totals import total

_record = DetectionRecord.__table__.c
_violation = ViolationEvent.__table__.c
_moment = DateTime(timezone=True)

_last_moment = bindparam("last_moment", type_=_moment)
_last_id = bindparam("last_id", type_=BigInteger)
_CONDITIONS: Mapping[str, tuple[ColumnElement[bool], ...]] = {
    "start_time": (_record.timestamp >= bindparam("start_time", type_=_moment),),
    "end_time": (_record.timestamp <= bindparam("end_time", type_=_moment),),
    "cursor": (
        tuple_(_record.timestamp, _record.id) < tuple_(_last_moment, _last_id),
        _record.timestamp <= _last_moment,  # PostgreSQL prunes no partition by a row comparison
    ),
}
"""The conditions of each optional parameter."""
_MONTH = text("interval '31 days'")
_RECENT: Mapping[frozenset[str], ColumnElement[bool]] = {
    frozenset(): _record.timestamp >= func.statement_timestamp().op("-")(_MONTH),
    frozenset({"cursor"}): _record.timestamp >= _last_moment.op("-")(_MONTH),
}
"""The period that is read first if the request has no window, by the given parameters.

A page is usually in two partitions, and reading it there is faster than opening every partition.
"""
_NEAR = 1000
"""The largest offset for which the recent period is read first."""


def _page_query(name: str, given: frozenset[str], *also: ColumnElement[bool]) -> Query:
    """Return a query for a page, with the total in every row.

    An empty page is one row of nulls with the total. Records match the conditions of the `given`
    parameters, and `also`.
    """
    counted = select(
        total(has_start="start_time" in given, has_end="end_time" in given).label("total")
    ).subquery("counted")
    page = (
        select(
            _record.id,
            _record.camera_id,
            _record.timestamp,
            _record.frame_number,
            _record.person_count,
            _record.hairnet_violations,
            _record.handwash_events,
            _record.sanitize_events,
            _record.fps,
            _record.processing_time,
        )
        .where(_record.camera_id == bindparam("camera_id", type_=Text))
        .where(*chain.from_iterable(_CONDITIONS[name] for name in given), *also)
        .order_by(_record.timestamp.desc(), _record.id.desc())
        .limit(bindparam("limit", type_=BigInteger))
        .offset(bindparam("offset", type_=BigInteger))
        .subquery("page")
    )
    return Query(
        "_".join((name, *sorted(given))),
        select(page, counted.c.total)
        .select_from(counted.outerjoin(page, true()))
        .order_by(page.c.timestamp.desc(), page.c.id.desc()),
    )


RECORDS: Mapping[frozenset[str], Query] = {
    frozenset(given): _page_query("detection_records", frozenset(given))
    for given in subsets(_CONDITIONS)
}
"""The queries by the names of the given parameters; PostgreSQL plans each one separately.

With a cursor, the first row of a page is one descent of the index at any depth.
"""
RECENT_RECORDS: Mapping[frozenset[str], Query] = {
    given: _page_query("recent_detection_records", given, recent)
    for given, recent in _RECENT.items()
}
"""The queries that read only the last month, or the month before the cursor."""

VIOLATION = Query(
    "violation",
    select(
        _violation.id,
        _violation.camera_id,
        _violation.timestamp,
        _violation.violation_type,
        _violation.track_id,
        _violation.confidence,
        _violation.status,
        _violation.snapshot_path,
        _violation.bbox,
        _violation.handled_at,
        _violation.handled_by,
        _violation.notes,
        _violation.created_at,
        _violation.updated_at,
    ).where(_violation.id == bindparam("violation_id", type_=BigInteger)),
)


def detection_records(
    *,
    camera_id: str,
    limit: int,
    offset: int,
    cursor: PagePosition | None,
    start_time: datetime | None,
    end_time: datetime | None,
) -> dict[str, Any]:
    """Return one page of a camera's records, newest first, and the total.

    The page starts `offset` records after `cursor`, or after the newest record. Raises what
    `Reader.rows` raises.
    """
    optional = {"start_time": start_time, "end_time": end_time, "cursor": cursor}
    given = frozenset(name for name, value in optional.items() if value is not None)
    parameters = {
        "camera_id": camera_id,
        "limit": limit,
        "offset": offset,
        "start_time": start_time,
        "end_time": end_time,
        **({"last_moment": cursor.timestamp, "last_id": cursor.id} if cursor else {}),
    }
    page: list[Any] = []
    total_count = None
    if given in RECENT_RECORDS and offset <= _NEAR:
        page, total_count = _page(RECENT_RECORDS[given], parameters)
    is_last = cursor is None and offset + len(page) == total_count
    if len(page) < limit and not is_last:
        page, total_count = _page(RECORDS[given], parameters)
    return {
        "records": page,
        "total": total_count,
        "camera_id": camera_id,
        "limit": limit,
        "offset": offset,
    }


def _page(query: Query, parameters: Mapping[str, Any]) -> tuple[list[Any], int]:
    """Return the rows of a page, and the number of records that match."""
    rows = reader.rows(query, **parameters)
    total_count = rows[0].total
    for row in rows:
        row.total = UNSET  # the total is not a field of a record
    return ([] if rows[0].id is None else rows), total_count


def violation(*, violation_id: int) -> Any:
    """Return the violation with this id.

    Raises NotFoundError if there is none, and what `Reader.rows` raises.
    """
    rows = reader.rows(VIOLATION, violation_id=violation_id)
    if not rows:
        raise NotFoundError(f"There is no violation {violation_id}.")
    return rows[0]
