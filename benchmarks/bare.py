"""The minimum of this architecture: Flask, the services and their encoder, and nothing else.

`gunicorn benchmarks.bare:app` answers the seven endpoints with their default parameters. It
reads no parameters, and has no canary, no request id, no ETag, no log and no metrics.
"""

from datetime import UTC, datetime
from typing import Any

from flask import Response

from benchmarks.undecorated import View
from benchmarks.undecorated import app as _connected  # it connects the services
from detection_api.canary.contract import Contract
from detection_api.schemas.cameras import CameraListSchema, CamerasQuerySchema, CameraStatsSchema
from detection_api.schemas.records import PageQuerySchema, RecordPageSchema, ViolationSchema
from detection_api.schemas.statistics import (
    DailyCountSchema,
    DailyQuerySchema,
    EventPageSchema,
    EventsQuerySchema,
    HistoryItemSchema,
    HistoryQuerySchema,
)
from detection_api.services import cameras, records, statistics
from detection_api.web.application import Application

app = Application(__name__)
app.extensions, app.config = _connected.extensions, _connected.config


def _serve(path: str, service: View, contract: Contract, **parameters: Any) -> None:
    def view(**named: Any) -> Response:
        body = contract.encode(service(**named, **parameters))
        return Response(body, mimetype="application/json")

    app.add_url_rule(f"/api/v1/{path}", path, view)


_serve(
    "records/detection-records/<camera_id>",
    records.detection_records,
    Contract(RecordPageSchema),
    **PageQuerySchema().load({}),
)
_serve("records/violations/<int:violation_id>", records.violation, Contract(ViolationSchema))
_serve(
    "statistics/daily",
    statistics.daily,
    Contract(DailyCountSchema(many=True)),
    **DailyQuerySchema().load({}),
)
_serve(
    "statistics/events",
    statistics.events,
    Contract(EventPageSchema),
    **EventsQuerySchema().load({}),
)
_serve(
    "statistics/history",
    statistics.history,
    Contract(HistoryItemSchema(many=True)),
    **HistoryQuerySchema().load({}),
)
_serve("cameras", cameras.cameras, Contract(CameraListSchema), **CamerasQuerySchema().load({}))
_serve(
    "cameras/<camera_id>/stats",
    lambda camera_id: cameras.camera_stats(camera_id=camera_id, now=datetime.now(UTC)),
    Contract(CameraStatsSchema),
)
