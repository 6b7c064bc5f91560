"""Health and metrics: the answers."""

from typing import Any

from marshmallow import Schema, fields, validate


class HealthCheckSchema(Schema):
    """One thing this service needs; `ms` is how long it took to look."""

    status = fields.String(
        required=True, validate=validate.OneOf(("ok", "failing", "disabled", "bypassed"))
    )
    ms = fields.Float(required=True)
    lag_seconds = fields.Float(
        metadata={"description": "Age of the oldest event not yet ingested; only for ingestion."}
    )
    reason = fields.String(
        metadata={"description": "Why the replica is bypassed; only for replica, and no failure."}
    )


class HealthSchema(Schema):
    """`failing` as soon as one check is."""

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
    """A figure that is null where nothing was there to measure."""
    return fields.Float(
        required=True, allow_none=True, metadata={"description": description}, **options
    )


def _share(description: str) -> fields.Float:
    return _measure(f"{description}, 0 to 1", validate=validate.Range(0, 1))


class FailuresByCauseSchema(Schema):
    """Why an implementation failed: it raised, it took too long, it broke its schema."""

    error = _count("Unexpected errors")
    timeout = _count("Deadlines that passed")
    contract = _count("Answers that were not what the endpoint's schema promises")


class ArmMetricsSchema(Schema):
    """One implementation of one endpoint.

    Durations and comparisons leave out requests with `force_domain`.
    """

    endpoint = fields.String(required=True, metadata={"example": "records.violation"})
    arm = fields.String(required=True, validate=validate.OneOf(("domain", "legacy")))
    requests = _count("Requests decided for it")
    requests_per_second = _measure("Requests a second")
    client_error_rate = _share("Share of the requests that was answered 4xx")
    server_error_rate = _share("Share of the requests that was answered 5xx")
    p50_ms = _measure("Half of its runs took no longer, ms, within 5%")
    p95_ms = _measure("95% of its runs took no longer, ms, within 5%")
    p99_ms = _measure("99% of its runs took no longer, ms, within 5%")
    failures = _count("Its failures, whatever the client saw")
    failures_by_cause = fields.Nested(FailuresByCauseSchema, required=True)
    fallbacks = _count("Its answers to requests that the other implementation had failed")
    outages = _count("Requests decided for it that nobody could answer")
    forced = _count("Those of its requests for which the client had asked for it")
    compared = _count("Its answers that were compared with the other implementation's")
    mismatched = _count("Those of them that differed")


class PeriodMetricsSchema(Schema):
    """All canaried requests to the fleet in a period."""

    seconds = fields.Float(required=True, metadata={"description": "Length of the period"})
    requests = _count("Requests that clients sent")
    requests_per_second = _measure("Requests a second")
    domain_share = _share("Share of the requests that was decided for the new implementation")
    client_error_rate = _share("Share of the requests that was answered 4xx")
    server_error_rate = _share("Share of the requests that was answered 5xx")
    endpoints = fields.List(fields.Nested(ArmMetricsSchema), required=True)


class WorkerMetricsSchema(Schema):
    """A worker process as it last described itself."""

    worker = fields.String(required=True, metadata={"description": "Host, process, random"})
    uptime_seconds = fields.Float(required=True)
    silent_seconds = fields.Float(
        required=True, metadata={"description": "How long ago it was last heard from"}
    )
    memory_bytes = fields.Integer(
        required=True,
        allow_none=True,
        strict=True,
        metadata={"description": "Resident memory; null where it did not say"},
    )
    epochs = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(strict=True),
        required=True,
        metadata={"description": "Which change of an endpoint's rollout state it applies"},
    )


class FleetMetricsSchema(Schema):
    """All workers of all hosts: those heard from within the last minute.

    `last_5_minutes` is everything that clients asked for, to within 10 seconds; `since_start`
    what the present workers counted, since the oldest of them started.
    """

    last_5_minutes = fields.Nested(PeriodMetricsSchema, required=True)
    since_start = fields.Nested(PeriodMetricsSchema, required=True)
    workers = fields.List(fields.Nested(WorkerMetricsSchema), required=True)
    memory_bytes = _count("Resident memory of all workers")
    postgres_connections = fields.Integer(
        required=True,
        allow_none=True,
        strict=True,
        metadata={"description": "To this database, by anybody; null when it does not say"},
    )
