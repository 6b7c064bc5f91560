"""Detection records and violations."""

from detection_api.blueprints.paging import LINK, next_page
from detection_api.extensions import canary
from detection_api.legacy import records as legacy
from detection_api.openapi import Blueprint
from detection_api.schemas.records import (
    CameraPath,
    PageQuery,
    RecordPage,
    Violation,
    ViolationPath,
)
from detection_api.services import records as service

blp = Blueprint("records", __name__, url_prefix="/api/v1/records")


@blp.get("/detection-records/<camera_id>")
@blp.arguments(CameraPath, location="path", as_kwargs=True)
@blp.arguments(PageQuery, location="query", as_kwargs=True)
@blp.response(200, RecordPage, headers=LINK)
@canary(
    domain=service.detection_records,
    legacy=legacy.detection_records,
    schema=RecordPage,
    headers=next_page,
)
def detection_records() -> None:
    """Detection records of one camera, newest first."""


@blp.get("/violations/<violation_id>")
@blp.arguments(ViolationPath, location="path", as_kwargs=True)
@blp.response(200, Violation)
@blp.alt_response(404, "NOT_FOUND")
@canary(
    domain=service.violation,
    legacy=legacy.violation,
    schema=Violation,
)
def violation() -> None:
    """One violation."""
