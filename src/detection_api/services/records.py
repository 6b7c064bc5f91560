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
        _record.timestamp <= _last_moment,  # a row comparison alone prunes no partition
    ),
}
"""What each parameter that may be absent asks of a record."""
_MONTH = text("interval '31 days'")
_RECENT: Mapping[frozenset[str], ColumnElement[bool]] = {
    frozenset(): _record.timestamp >= func.statement_timestamp().op("-")(_MONTH),
    frozenset({"cursor"}): _record.timestamp >= _last_moment.op("-")(_MONTH),
}
"""Where a page without a window is looked for first, by what else is given: to begin reading in
every month's partition takes longer than a page of two of them."""
_NEAR = 1000
"""Records that such a page may be further on."""


def _page_query(name: str, given: frozenset[str], *also: ColumnElement[bool]) -> Query:
    """A page and, in every row, the total; an empty page is one row of nulls with the total.

    The page is of what the parameters `given` ask for, and `also` is true of.
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
"""By the parameters that are given; each is planned for what it really asks.

From a cursor on a page's first row is one descent of the index, whatever its depth.
"""
RECENT_RECORDS: Mapping[frozenset[str], Query] = {
    given: _page_query("recent_detection_records", given, recent)
    for given, recent in _RECENT.items()
}
"""The same, where a page is likely to be found in the last month or the one before the cursor."""

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
    """One page of a camera's records, newest first, and how many there are in all.

    The page begins `offset` records after `cursor`, or after the beginning. Raises what
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
    total_of_all = None
    if given in RECENT_RECORDS and offset <= _NEAR:
        page, total_of_all = _page(RECENT_RECORDS[given], parameters)
    is_last = cursor is None and offset + len(page) == total_of_all
    if len(page) < limit and not is_last:
        page, total_of_all = _page(RECORDS[given], parameters)
    return {
        "records": page,
        "total": total_of_all,
        "camera_id": camera_id,
        "limit": limit,
        "offset": offset,
    }


def _page(query: Query, parameters: Mapping[str, Any]) -> tuple[list[Any], int]:
    """The rows of a page, and the number of all that match."""
    rows = reader.rows(query, **parameters)
    total_of_all = rows[0].total
    for row in rows:
        row.total = UNSET  # it is no part of a record: an answer is compared as it goes out
    return ([] if rows[0].id is None else rows), total_of_all


def violation(*, violation_id: int) -> Any:
    """The violation with that id.

    Raises NotFoundError when there is none, and what `Reader.rows` raises.
    """
    rows = reader.rows(VIOLATION, violation_id=violation_id)
    if not rows:
        raise NotFoundError(f"There is no violation {violation_id}.")
    return rows[0]
