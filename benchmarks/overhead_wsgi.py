"""The application with undecorated twins of two canaried routes, for `overhead` to serve."""

from flask import Response

from detection_api import create_app
from detection_api.canary.contract import Contract
from detection_api.openapi import Blueprint
from detection_api.schemas.cameras import CameraList, CamerasQuery
from detection_api.schemas.records import CameraPath, PageQuery, RecordPage
from detection_api.services import cameras, records

_cameras = Contract(CameraList)
_records = Contract(RecordPage)

app = create_app()
blp = Blueprint("undecorated", __name__, url_prefix="/undecorated")


@blp.get("/cameras")
@blp.arguments(CamerasQuery, location="query", as_kwargs=True)
@blp.response(200, CameraList)
def camera_list(*, active_only: bool) -> Response:
    """The domain's cameras."""
    body = _cameras.encode(cameras.cameras(active_only=active_only))
    return Response(body, mimetype="application/json")


@blp.get("/detection-records/<camera_id>")
@blp.arguments(CameraPath, location="path", as_kwargs=True)
@blp.arguments(PageQuery, location="query", as_kwargs=True)
@blp.response(200, RecordPage)
def detection_records(**arguments: object) -> Response:
    """The domain's records."""
    body = _records.encode(records.detection_records(**arguments))  # type: ignore[arg-type]
    return Response(body, mimetype="application/json")


app.register_blueprint(blp)
