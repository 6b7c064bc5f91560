"""Detection records and violations."""

from detection_api.blueprints.paging import LINK, next_page
from detection_api.extensions import canary
from detection_api.legacy import records as legacy
from detection_api.schemas.records import (
    CameraPathSchema,
    PageQuerySchema,
    RecordPageSchema,
    ViolationPathSchema,
    ViolationSchema,
)
from detection_api.services import records as service
from detection_api.web.openapi import Blueprint

blp = Blueprint("records", __name__, url_prefix="/api/v1/records")


@blp.get("/detection-records/<camera_id>")
@blp.arguments(CameraPathSchema, location="path", as_kwargs=True)
@blp.arguments(PageQuerySchema, location="query", as_kwargs=True)
@blp.response(200, headers=LINK)
@canary(
    domain=service.detection_records,
    legacy=legacy.detection_records,
    schema=RecordPageSchema,
    headers=next_page,
)
def detection_records() -> None:
    """Detection records of one camera, newest first."""


@blp.get("/violations/<violation_id>")
@blp.arguments(ViolationPathSchema, location="path", as_kwargs=True)
@blp.response(200)
@blp.alt_response(404, "NOT_FOUND")
@canary(
    domain=service.violation,
    legacy=legacy.violation,
    schema=ViolationSchema,
)
def violation() -> None:
    """One violation."""
