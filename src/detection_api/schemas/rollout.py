"""Answers and parameters of the rollout: its state and its history."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from detection_api import clock
from detection_api.canary.state import BUCKET_SECONDS, EventKind, Status
from detection_api.schemas.common import (
    BIGINT_MAX,
    StrictInteger,
    UtcDateTime,
    WindowSchema,
    default_none,
    limit_field,
)
from detection_api.schemas.orders import endpoint_field

DEFAULT_WINDOW = timedelta(hours=1)
LONGEST_WINDOW = timedelta(days=1)
LONGEST_WINDOW_OF_ONE = timedelta(days=7)
"""The longest window for one endpoint; PostgreSQL reads about as much as for one day of all."""
MAX_POINTS = 1500
"""Maximum number of points of one series."""


def _of_endpoint() -> fields.String:
    """Return the parameter that limits an answer to one endpoint."""
    return endpoint_field("Only this endpoint; `*` is the default.", load_default=default_none)


class StateSchema(Schema):
    """The exposure of an endpoint; `epoch` counts its changes, 0 if it follows the default."""

    endpoint = fields.String(required=True)
    percent = fields.Float(required=True)
    status = fields.Enum(Status, by_value=True, required=True)
    reason = fields.String(required=True)
    epoch = fields.Integer(required=True)
    by = fields.String(required=True)
    at = UtcDateTime(required=True, allow_none=True)
    resumed_at = UtcDateTime(required=True, allow_none=True)


class OutcomeSchema(Schema):
    """The result of an order: the endpoint's own state after it."""

    state = fields.Nested(StateSchema, required=True)
    changed = fields.Boolean(
        required=True, metadata={"description": "False if the state was already so."}
    )
    cautions = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Reasons why the percent does not apply, or not on every worker."},
    )


class EndpointStatusSchema(Schema):
    """An endpoint and the state that applies to it, its own or the default's."""

    state = fields.Nested(StateSchema, required=True)
    pinned = fields.Float(
        required=True,
        allow_none=True,
        metadata={
            "description": "The percent that this worker's environment sets instead of the state."
        },
    )
    follows_default = fields.Boolean(required=True)


class WorkerStatusSchema(Schema):
    """A worker with a heartbeat in the last minute."""

    worker = fields.String(required=True)
    silent = fields.Float(
        required=True, metadata={"description": "Seconds since the last heartbeat."}
    )
    uptime = fields.Float(
        required=True,
        metadata={"description": "Seconds that the worker had run at its last heartbeat."},
    )
    epochs = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    behind = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Endpoints for which the worker applies an outdated epoch."},
    )


class RunStatusSchema(Schema):
    """The latest rollout run; `rollout run` continues it if it is not over."""

    run = fields.Integer(required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True)
    started_at = UtcDateTime(required=True, allow_none=True)
    is_over = fields.Boolean(required=True)
    is_driven = fields.Boolean(
        required=True, metadata={"description": "True if a controller is driving the run."}
    )
    plan = fields.Function(
        lambda run: msgspec.to_builtins(run.plan),
        metadata={
            "type": "object",
            "description": "Stages, bake time, and the conditions to pass a stage.",
        },
    )
    endpoints = fields.Function(
        lambda run: msgspec.to_builtins(run.endpoints),
        metadata={
            "type": "array",
            "items": {"type": "object"},
            "description": "The progress of each endpoint.",
        },
    )


class OverviewSchema(Schema):
    """The state of the whole rollout, the default first."""

    use_domain = fields.Boolean(
        required=True,
        metadata={"description": "False if the kill switch is set: legacy answers everything."},
    )
    endpoints = fields.List(fields.Nested(EndpointStatusSchema), required=True)
    workers = fields.List(fields.Nested(WorkerStatusSchema), required=True)
    strays = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "Names with a stored state that are no endpoints of this application."
        },
    )
    run = fields.Nested(RunStatusSchema, required=True, allow_none=True)


class AuditQuerySchema(Schema):
    """A page of the audit, newest first."""

    endpoint = _of_endpoint()
    run = StrictInteger(
        load_default=default_none,
        validate=validate.Range(1, BIGINT_MAX),
        metadata={"description": "Only this rollout run."},
    )
    limit = limit_field()
    before = StrictInteger(
        load_default=default_none,
        validate=validate.Range(1, BIGINT_MAX),
        metadata={"description": "Only events with a smaller id; `next` of the previous page."},
    )


class AuditEventSchema(Schema):
    """One event of the audit; `run` is 0 if it belongs to no run."""

    id = fields.Integer(required=True)
    at = UtcDateTime(required=True)
    endpoint = fields.String(required=True)
    kind = fields.Enum(EventKind, by_value=True, required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True)
    epoch = fields.Integer(required=True)
    evidence = fields.Dict(keys=fields.String(), required=True)
    run = fields.Integer(required=True)


class AuditPageSchema(Schema):
    """Events, newest first."""

    events = fields.List(fields.Nested(AuditEventSchema), required=True)
    next = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "The parameter `before` for the next page; null on the last page."
        },
    )


class SeriesQuerySchema(WindowSchema):
    """A period, by default the last hour, in buckets of `resolution` seconds."""

    endpoint = _of_endpoint()
    resolution = StrictInteger(
        load_default=60,
        validate=validate.Range(BUCKET_SECONDS, 86_400),
        metadata={
            "description": f"Length of a bucket in seconds, a multiple of {BUCKET_SECONDS}."
            f" A window has at most {MAX_POINTS} buckets. It is at most {LONGEST_WINDOW.days} day"
            f" long, or {LONGEST_WINDOW_OF_ONE.days} days for one endpoint.",
            "multipleOf": BUCKET_SECONDS,
        },
    )

    @post_load
    def _resolve_window(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        end: datetime = data["end_time"] or clock.utc_now()
        try:
            start: datetime = data["start_time"] or end - DEFAULT_WINDOW
        except OverflowError:
            start = end
        longest = LONGEST_WINDOW_OF_ONE if data["endpoint"] else LONGEST_WINDOW
        if end - start > longest:
            raise ValidationError(f"Must be within {longest.days} d of end_time.", "start_time")
        if (end - start).total_seconds() > data["resolution"] * MAX_POINTS:
            raise ValidationError(
                f"Must be longer: a window has at most {MAX_POINTS} buckets.", "resolution"
            )
        return {**data, "start_time": start, "end_time": end}

    @validates_schema
    def _refuse_partial_buckets(self, data: dict[str, Any], **_: Any) -> None:
        if data["resolution"] % BUCKET_SECONDS:
            raise ValidationError(f"Must be a multiple of {BUCKET_SECONDS}.", "resolution")


class LatencySchema(Schema):
    """The percentiles of `count` durations, ms, within 5%; null if `count` is 0."""

    count = fields.Integer(required=True)
    p50_ms = fields.Float(required=True, allow_none=True)
    p95_ms = fields.Float(required=True, allow_none=True)
    p99_ms = fields.Float(required=True, allow_none=True)


class PointSchema(Schema):
    """The requests to an implementation in one bucket.

    `failures` include those that a fallback hid from the client. `fallbacks` counts answers of
    this implementation after the other one failed. `latency` does not include forced requests.
    """

    begins = UtcDateTime(required=True)
    requests = fields.Integer(required=True)
    forced = fields.Integer(required=True)
    failures = fields.Integer(required=True)
    failures_by_cause = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    fallbacks = fields.Integer(required=True)
    outages = fields.Integer(required=True)
    compared = fields.Integer(required=True)
    mismatched = fields.Integer(required=True)
    latency = fields.Nested(LatencySchema, required=True)


class SeriesSchema(Schema):
    """The points of one implementation of one endpoint; empty buckets are left out."""

    endpoint = fields.String(required=True)
    arm = fields.String(required=True, validate=validate.OneOf(("domain", "legacy")))
    points = fields.List(fields.Nested(PointSchema), required=True)


class LedgerSchema(Schema):
    """The ledger from `start_time`, the start of a bucket, to `end_time`."""

    start_time = UtcDateTime(required=True)
    end_time = UtcDateTime(required=True)
    resolution = fields.Integer(required=True)
    series = fields.List(fields.Nested(SeriesSchema), required=True)


class MismatchesQuerySchema(Schema):
    """The parameters of the list of mismatches."""

    endpoint = _of_endpoint()
    limit = limit_field()


class MismatchSchema(Schema):
    """One kind of difference between the implementations; `count` does not include `accepted`."""

    endpoint = fields.String(required=True)
    path = fields.String(required=True)
    kind = fields.String(required=True)
    count = fields.Integer(required=True)
    accepted = fields.Integer(required=True)
    first_seen = UtcDateTime(required=True)
    last_seen = UtcDateTime(required=True)
    samples = fields.List(fields.Dict(keys=fields.String()), required=True)


class MismatchesSchema(Schema):
    """Mismatches, the most frequent first."""

    mismatches = fields.List(fields.Nested(MismatchSchema), required=True)
