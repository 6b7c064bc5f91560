"""The rollout's state and its changes, for operators. No route here is canaried."""

from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from detection_api.canary.state import DEFAULT, EventKind
from detection_api.models.tokens import Role
from detection_api.rollout import changes, orders, overview
from detection_api.rollout.extension import rollout_of
from detection_api.rollout.gates import series
from detection_api.rollout.run import latest
from detection_api.schemas import rollout as schemas
from detection_api.schemas.orders import RollbackOrderSchema, RolloutOrderSchema, SetOrderSchema
from detection_api.web.auth import bearer, needs
from detection_api.web.openapi import Blueprint

_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

blp = Blueprint("rollout", __name__, url_prefix="/api/v1/rollout")


@blp.get("")
@needs(Role.VIEWER)
@blp.response(200, schemas.OverviewSchema)
def state() -> overview.Overview:
    """Every endpoint's state, the workers that apply it, and the run that was begun last."""
    rollout = rollout_of()
    states, workers = rollout.store.read().states, rollout.store.workers()
    return overview.overview(
        states,
        workers,
        rollout.endpoints,
        rollout.settings,
        latest(rollout.store),
        is_driven=rollout.is_driven(),
    )


@blp.get("/events")
@needs(Role.VIEWER)
@blp.arguments(schemas.AuditQuerySchema, location="query", as_kwargs=True)
@blp.response(200, schemas.AuditPageSchema)
def events(*, limit: int, **which: Any) -> dict[str, Any]:
    """The audit: every change with its author and reason, and every alarm; newest first."""
    found = rollout_of().store.events(limit=limit + 1, **which)
    page = found[:limit]
    return {"events": page, "next": page[-1].id if len(found) > limit else None}


@blp.get("/ledger")
@needs(Role.VIEWER)
@blp.arguments(schemas.SeriesQuerySchema, location="query", as_kwargs=True)
@blp.response(200, schemas.LedgerSchema)
def ledger(
    *, start_time: datetime, end_time: datetime, endpoint: str | None, resolution: int
) -> dict[str, Any]:
    """Requests, failures, fallbacks and percentiles over time, by endpoint and implementation."""
    width = timedelta(seconds=resolution)
    start = start_time - timedelta(seconds=start_time.timestamp() % resolution)
    rows = rollout_of().store.ledger(start, end_time, endpoint, width)
    return {
        "start_time": start,
        "end_time": end_time,
        "resolution": resolution,
        "series": series(rows),
    }


@blp.get("/mismatches")
@needs(Role.VIEWER)
@blp.arguments(schemas.MismatchesQuerySchema, location="query", as_kwargs=True)
@blp.response(200, schemas.MismatchesSchema)
def mismatches(*, endpoint: str | None, limit: int) -> dict[str, Any]:
    """In which ways the domain's answers differ from legacy's, the most frequent first."""
    return {"mismatches": rollout_of().store.mismatches(endpoint)[:limit]}


def _takes(order: type[RolloutOrderSchema]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a view that carries out an order; it requires an operator's token."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        for status in _REFUSALS:
            view = blp.alt_response(status, status.name)(view)
        view = blp.response(200, schemas.OutcomeSchema)(view)
        return needs(Role.OPERATOR)(blp.arguments(order, location="json", as_kwargs=True)(view))

    return decorate


@blp.post("/set")
@_takes(SetOrderSchema)
def set_percent(*, percent: float, **order: Any) -> orders.OrderResult:
    """Have the domain answer another share of the subjects; what is rolled back stays so."""
    return _carry_out(EventKind.SET, changes.percent_set(percent), **order)


@blp.post("/rollback")
@_takes(RollbackOrderSchema)
def rollback(*, to: float | None, **order: Any) -> orders.OrderResult:
    """Send everything to legacy until it is resumed, or lower the percent `to` that much."""
    if to is None:
        return _carry_out(EventKind.ROLLBACK, changes.rolled_back, **order)
    return _carry_out(EventKind.SET, changes.lowered(to), lowers=True, **order)


@blp.post("/hold")
@_takes(RolloutOrderSchema)
def hold(**order: Any) -> orders.OrderResult:
    """Keep the percent and have nobody raise it until it is resumed."""
    return _carry_out(EventKind.HOLD, changes.held, **order)


@blp.post("/resume")
@_takes(RolloutOrderSchema)
def resume(**order: Any) -> orders.OrderResult:
    """Take a rollback or a hold back: the percent applies again, and may be raised."""
    return _carry_out(EventKind.RESUME, changes.resumed, **order)


def _carry_out(kind: EventKind, change: changes.Change, **order: Any) -> orders.OrderResult:
    rollout = rollout_of()
    wanted = orders.Order(kind=kind, change=change, by=bearer().by, **order)
    lowers_all = wanted.lowers and wanted.endpoint == DEFAULT
    carry_out = orders.lower_all if lowers_all else orders.carry_out
    return carry_out(rollout.store, wanted, rollout.endpoints, rollout.settings)
