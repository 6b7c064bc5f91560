"""Liveness, health and metrics."""

import os

from flask import Response, current_app
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)

from detection_api import clock
from detection_api.openapi import Blueprint
from detection_api.schemas.monitoring import Health
from detection_api.services import monitoring

blp = Blueprint("monitoring", __name__)


@blp.get("/healthz")
@blp.response(200, {"type": "string", "enum": ["ok\n"]}, content_type="text/plain")
def healthz() -> Response:
    """Whether this process answers at all."""
    return Response("ok\n", mimetype="text/plain")


@blp.get("/api/v1/monitoring/health")
@blp.response(200, Health)
@blp.alt_response(503, schema=Health, description="Something this service needs is failing")
def health() -> tuple[dict[str, object], int]:
    """What this service needs, and whether it has it."""
    found = monitoring.health(current_app.extensions["settings"], clock.utc_now())
    return found, 200 if found["status"] == "ok" else 503


@blp.get("/metrics")
@blp.response(200, {"type": "string"}, content_type="text/plain")
def metrics() -> Response:
    """Counters for Prometheus, over all workers of this instance."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
