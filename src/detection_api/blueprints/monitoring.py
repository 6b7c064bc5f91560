"""Liveness, health and metrics."""

from collections.abc import Iterator
from typing import Any

import structlog
from flask import Response, current_app
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from werkzeug.exceptions import ServiceUnavailable

from detection_api import clock
from detection_api.db import UNAVAILABLE
from detection_api.extensions import canary
from detection_api.schemas.monitoring import FleetMetricsSchema, HealthSchema
from detection_api.services import metrics, monitoring
from detection_api.telemetry.exposition import exposition
from detection_api.web.openapi import Blueprint

log = structlog.get_logger(__name__)

RETRY_AFTER = 5
"""Seconds after which a client may ask again for what the store could not say."""

blp = Blueprint("monitoring", __name__)


@blp.get("/healthz")
@blp.response(200, {"type": "string", "enum": ["ok\n"]}, content_type="text/plain")
def healthz() -> Response:
    """Whether this process answers at all."""
    return Response("ok\n", mimetype="text/plain")


@blp.get("/api/v1/monitoring/health")
@blp.response(200, HealthSchema)
@blp.alt_response(503, schema=HealthSchema, description="Something this service needs is failing")
def health() -> tuple[dict[str, object], int]:
    """The state of everything that this service depends on."""
    found = monitoring.health(current_app.extensions["settings"], clock.utc_now())
    return found, 200 if found["status"] == "ok" else 503


@blp.get("/api/v1/monitoring/metrics")
@blp.response(200, FleetMetricsSchema)
@blp.alt_response(503, "SERVICE_UNAVAILABLE")
def fleet_metrics() -> dict[str, Any]:
    """Requests, durations, failures and errors of all workers: lately, and since they started."""
    try:
        return metrics.fleet_metrics(canary.store)
    except UNAVAILABLE as error:
        log.warning("fleet_metrics_unavailable", error=str(error))
        raise ServiceUnavailable(retry_after=RETRY_AFTER) from error


@blp.get("/metrics")
@blp.response(200, {"type": "string"}, content_type="text/plain")
def prometheus() -> Response:
    """Counters for Prometheus, over all workers of this instance."""
    return exposition(_PostgresConnections())


class _PostgresConnections(Collector):
    """Collects values at each scrape; gives no sample if PostgreSQL does not answer in time."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield one gauge, or nothing."""
        count = metrics.postgres_connections()
        if count is not None:
            yield GaugeMetricFamily(
                "detection_api_postgres_connections",
                "Connections to this application's database, by anybody.",
                value=count,
            )
