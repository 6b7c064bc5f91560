"""The application with a domain that fails as a file says, for gunicorn to serve in tests.

The file named by `FAULT_FILE` holds what `Instance.break_domain` has ordered; it is read at each
call, so that a test breaks and mends the domain while the load goes on. A worker that leads the
fleet writes its process id to the file named by `LEADER_FILE`, where there is one.
"""

import json
import math
import os
import random
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Double, bindparam, func, select

from detection_api import create_app
from detection_api.canary.state.postgres.store import PostgresStore
from detection_api.db.reader import Query, Row
from detection_api.extensions import reader
from detection_api.services import cameras, records, statistics

SLEEP = Query("sleep", select(func.pg_sleep(bindparam("seconds", type_=Double))))


def plain(answer: Any) -> Any:
    """An answer whose rows are dicts, which can be broken."""
    if isinstance(answer, Row):
        return msgspec.structs.asdict(answer)
    if isinstance(answer, dict):
        return {name: plain(value) for name, value in answer.items()}
    return [plain(item) for item in answer] if isinstance(answer, list) else answer


def first_item(answer: Any) -> dict[str, Any]:
    """The innermost first object of an answer: where a fault is hardest to see."""
    if isinstance(answer, list):
        return first_item(answer[0]) if answer else {}
    below = [value for value in answer.values() if isinstance(value, list) and value]
    return first_item(below[0]) if below else answer


def replaced(answer: Any, fits: Callable[[Any], bool], by: Callable[[Any], Any]) -> Any:
    """`answer` with the first fitting value of its first item replaced."""
    answer = plain(answer)
    item = first_item(answer)
    name = next((name for name, value in item.items() if fits(value)), next(iter(item)))
    item[name] = by(item[name])
    return answer


def without_a_field(answer: Any) -> Any:
    answer = plain(answer)
    item = first_item(answer)
    del item[next(iter(item))]
    return answer


def raising(_: Any) -> Any:
    raise RuntimeError("the domain is broken: password=hunter2")


def sleeping(answer: Any) -> Any:
    reader.rows(SLEEP, seconds=30)
    return answer


def holding_a_connection(answer: Any) -> Any:
    reader.rows(SLEEP, seconds=0.6)
    return answer


FAULTS: dict[str, Callable[[Any], Any]] = {
    "raises": raising,
    "missing field": without_a_field,
    "wrong type": lambda answer: replaced(answer, lambda v: isinstance(v, str), lambda _: 7),
    "NaN": lambda answer: replaced(answer, lambda v: isinstance(v, float), lambda _: math.nan),
    "naive time": lambda answer: replaced(
        answer,
        lambda v: isinstance(v, datetime),
        lambda _: datetime(2026, 1, 1),
    ),
    "past the deadline": sleeping,
    "pool exhausted": holding_a_connection,
}


def faulty(endpoint: str, implementation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(implementation)
    def broken(**arguments: Any) -> Any:
        order = json.loads(Path(os.environ["FAULT_FILE"]).read_text())
        answer = implementation(**arguments)
        if not is_met(order, endpoint, arguments):
            return answer
        return FAULTS[order["fault"]](answer)

    return broken


def is_met(order: dict[str, Any] | None, endpoint: str, arguments: dict[str, Any]) -> bool:
    """Whether a call of the domain is one of those that are to fail."""
    return (
        order is not None
        and order["endpoint"] in ("", endpoint)
        and order["arguments"].items() <= arguments.items()
        and random.random() < order["share"]
    )


def telling(lead: Callable[[PostgresStore], bool]) -> Callable[[PostgresStore], bool]:
    @wraps(lead)
    def told(store: PostgresStore) -> bool:
        leads = lead(store)
        if leads and "LEADER_FILE" in os.environ:
            Path(os.environ["LEADER_FILE"]).write_text(str(os.getpid()))
        return leads

    return told


for module, names in (
    (records, ("detection_records", "violation")),
    (statistics, ("daily", "events", "history")),
    (cameras, ("cameras", "camera_stats")),
):
    for name in names:
        endpoint = f"{module.__name__.rpartition('.')[2]}.{name}"
        setattr(module, name, faulty(endpoint, getattr(module, name)))
PostgresStore.lead = telling(PostgresStore.lead)  # type: ignore[assignment, method-assign]

app = create_app()
