"""Statistics over the event log."""

from detection_api.extensions import canary
from detection_api.legacy import statistics as legacy
from detection_api.openapi import Blueprint
from detection_api.schemas.statistics import (
    DailyCount,
    DailyQuery,
    EventPage,
    EventsQuery,
    HistoryItem,
    HistoryQuery,
)
from detection_api.services import statistics as service

blp = Blueprint("statistics", __name__, url_prefix="/api/v1/statistics")


@blp.get("/daily")
@blp.arguments(DailyQuery, location="query", as_kwargs=True)
@blp.response(200, DailyCount(many=True))
@canary(
    domain=service.daily,
    legacy=legacy.daily,
    schema=DailyCount(many=True),
)
def daily() -> None:
    """Events by day and type, one item per UTC day, today last."""


@blp.get("/events")
@blp.arguments(EventsQuery, location="query", as_kwargs=True)
@blp.response(200, EventPage)
@canary(
    domain=service.events,
    legacy=legacy.events,
    schema=EventPage,
)
def events() -> None:
    """Events of a window, newest first."""


@blp.get("/history")
@blp.arguments(HistoryQuery, location="query", as_kwargs=True)
@blp.response(200, HistoryItem(many=True))
@canary(
    domain=service.history,
    legacy=legacy.history,
    schema=HistoryItem(many=True),
)
def history() -> None:
    """Events of the last minutes, newest first."""
