"""Statistics over the event log."""

from detection_api.extensions import canary
from detection_api.legacy import statistics as legacy
from detection_api.schemas.statistics import (
    DailyCountSchema,
    DailyQuerySchema,
    EventPageSchema,
    EventsQuerySchema,
    HistoryItemSchema,
    HistoryQuerySchema,
)
from detection_api.services import statistics as service
from detection_api.web.openapi import Blueprint

blp = Blueprint("statistics", __name__, url_prefix="/api/v1/statistics")


@blp.get("/daily")
@blp.arguments(DailyQuerySchema, location="query", as_kwargs=True)
@blp.response(200)
@canary(
    domain=service.daily,
    legacy=legacy.daily,
    schema=DailyCountSchema(many=True),
)
def daily() -> None:
    """Events by day and type, one item per UTC day, today last."""


@blp.get("/events")
@blp.arguments(EventsQuerySchema, location="query", as_kwargs=True)
@blp.response(200)
@canary(
    domain=service.events,
    legacy=legacy.events,
    schema=EventPageSchema,
)
def events() -> None:
    """Events of a window, newest first."""


@blp.get("/history")
@blp.arguments(HistoryQuerySchema, location="query", as_kwargs=True)
@blp.response(200)
@canary(
    domain=service.history,
    legacy=legacy.history,
    schema=HistoryItemSchema(many=True),
)
def history() -> None:
    """Events of the last minutes, newest first."""
