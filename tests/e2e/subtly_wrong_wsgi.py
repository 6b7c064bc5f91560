"""The application with a domain that is subtly wrong once `Instance.break_domain` was called.

Every endpoint has a fault of its own, whatever the order: each of them would pass a percentage
switch, a look at the status codes and a glance at some answer.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

from marshmallow import Schema

from detection_api import create_app
from detection_api.schemas.cameras import DetectorStatsSchema
from detection_api.schemas.records import ViolationSchema
from detection_api.schemas.statistics import HistoryItemSchema
from detection_api.services import cameras, records, statistics


def raising_where_there_are_rows(answer: Any) -> Any:
    if answer:
        raise AttributeError("'Row' object has no attribute 'count'")
    return answer


def members(row: Any, schema: type[Schema]) -> dict[str, Any]:
    """A row, which is no dict, as one."""
    return {name: row[name] for name in schema().fields}


def without_nulls(answer: Any) -> Any:
    return {n: value for n, value in members(answer, ViolationSchema).items() if value is not None}


def total_of_the_page(answer: dict[str, Any]) -> Any:
    return {**answer, "total": len(answer["records"])}


def texts_for_epochs(answer: list[Any]) -> Any:
    rows = (members(row, HistoryItemSchema) for row in answer)
    return [{**row, "ts": datetime.fromtimestamp(row["ts"], UTC).isoformat()} for row in rows]


def times_without_a_zone(answer: dict[str, Any]) -> Any:
    stats = members(answer["stats"], DetectorStatsSchema)
    moment = stats["last_detection_time"]
    naive = moment and moment.replace(tzinfo=None)
    return {**answer, "stats": {**stats, "last_detection_time": naive}}


FAULTS: dict[tuple[Any, str], Callable[[Any], Any]] = {
    (records, "detection_records"): total_of_the_page,
    (records, "violation"): without_nulls,
    (statistics, "daily"): raising_where_there_are_rows,
    (statistics, "events"): lambda _: {"events": [], "total": 0},
    (statistics, "history"): texts_for_epochs,
    (cameras, "cameras"): lambda answer: {"cameras": answer["cameras"][::-1]},
    (cameras, "camera_stats"): times_without_a_zone,
}


def wrong(implementation: Callable[..., Any], fault: Callable[[Any], Any]) -> Callable[..., Any]:
    @wraps(implementation)
    def answering(**arguments: Any) -> Any:
        is_broken = Path(os.environ["FAULT_FILE"]).read_text() != "null"
        answer = implementation(**arguments)
        return fault(answer) if is_broken else answer

    return answering


for (module, name), fault in FAULTS.items():
    setattr(module, name, wrong(getattr(module, name), fault))

app = create_app()
