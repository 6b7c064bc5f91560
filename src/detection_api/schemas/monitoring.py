"""Answers of health and metrics."""

from typing import Any

from marshmallow import Schema, fields, validate


class HealthCheckSchema(Schema):
    """The check of one dependency; `ms` is the duration of the check."""

    status = fields.String(
        required=True, validate=validate.OneOf(("ok", "failing", "disabled", "bypassed"))
    )
    ms = fields.Float(required=True)
    lag_seconds = fields.Float(
        metadata={
            "description": "Age of the oldest event that is not ingested yet; only for ingestion."
        }
    )
    reason = fields.String(
        metadata={
            "description": "Why the replica is bypassed, which is not a failure; only for replica."
        }
    )


class HealthSchema(Schema):
    """All checks; `status` is `failing` if one check fails."""

    status = fields.String(required=True, validate=validate.OneOf(("ok", "failing")))
    checks = fields.Dict(
        keys=fields.String(), values=fields.Nested(HealthCheckSchema), required=True
    )


def _count(description: str) -> fields.Integer:
    return fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=0),
        metadata={"description": description},
    )


def _measure(description: str, **options: Any) -> fields.Float:
    """Return the field of a figure that is null if there was nothing to measure."""
    return fields.Float(
        required=True, allow_none=True, metadata={"description": description}, **options
    )


def _share(description: str) -> fields.Float:
    return _measure(f"{description}, 0 to 1", validate=validate.Range(0, 1))


class FailuresByCauseSchema(Schema):
    """The failures of an implementation by cause."""

    error = _count("Unexpected errors")
    timeout = _count("Calls that missed their deadline")
    contract = _count("Answers that violated the endpoint's schema")
    death = _count("Workers that died during a call")


class ArmMetricsSchema(Schema):
    """The metrics of one implementation of one endpoint.

    Durations and comparisons do not include requests with `force_domain`.
    """

    endpoint = fields.String(required=True, metadata={"example": "records.violation"})
    arm = fields.String(required=True, validate=validate.OneOf(("domain", "legacy")))
    requests = _count("Requests that were assigned to this implementation")
    requests_per_second = _measure("Requests a second")
    client_error_rate = _share("Share of the requests with a 4xx answer")
    server_error_rate = _share("Share of the requests with a 5xx answer")
    p50_ms = _measure("Median duration, ms, within 5%")
    p95_ms = _measure("95th percentile of the duration, ms, within 5%")
    p99_ms = _measure("99th percentile of the duration, ms, within 5%")
    failures = _count(
        "Failures of this implementation, also those that a fallback hid from the client"
    )
    failures_by_cause = fields.Nested(FailuresByCauseSchema, required=True)
    fallbacks = _count("Answers of this implementation after the other one failed")
    outages = _count("Requests assigned to this implementation that both implementations failed")
    forced = _count("Requests for which the client chose this implementation")
    compared = _count("Answers that were compared with the other implementation's")
    mismatched = _count("Compared answers that differed")


class PeriodMetricsSchema(Schema):
    """The metrics of all canaried requests to the fleet in a period."""

    seconds = fields.Float(required=True, metadata={"description": "Length of the period"})
    requests = _count("Requests that clients sent")
    requests_per_second = _measure("Requests a second")
    domain_share = _share("Share of the requests that were assigned to the new implementation")
    client_error_rate = _share("Share of the requests with a 4xx answer")
    server_error_rate = _share("Share of the requests with a 5xx answer")
    endpoints = fields.List(fields.Nested(ArmMetricsSchema), required=True)


class WorkerMetricsSchema(Schema):
    """A worker process, as its last heartbeat described it."""

    worker = fields.String(
        required=True, metadata={"description": "Host, process id and a random part"}
    )
    uptime_seconds = fields.Float(required=True)
    silent_seconds = fields.Float(
        required=True, metadata={"description": "Seconds since its last heartbeat"}
    )
    memory_bytes = fields.Integer(
        required=True,
        allow_none=True,
        strict=True,
        metadata={"description": "Resident memory; null if the worker did not report it"},
    )
    epochs = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(strict=True),
        required=True,
        metadata={
            "description": "The epoch of the rollout state that the worker applies, by endpoint"
        },
    )


class FleetMetricsSchema(Schema):
    """The metrics of all workers of all hosts; `workers` had a heartbeat in the last minute.

    `last_5_minutes` counts all requests, accurate to 10 seconds. `since_start` counts the requests
    to the present workers since the oldest of them started.
    """

    last_5_minutes = fields.Nested(PeriodMetricsSchema, required=True)
    since_start = fields.Nested(PeriodMetricsSchema, required=True)
    workers = fields.List(fields.Nested(WorkerMetricsSchema), required=True)
    memory_bytes = _count("Resident memory of all workers")
    postgres_connections = fields.Integer(
        required=True,
        allow_none=True,
        strict=True,
        metadata={
            "description": "All connections to this database; null if PostgreSQL does not answer"
        },
    )
