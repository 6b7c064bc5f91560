"""The rollout over HTTP: how things stand, and how they came to."""

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
"""Where the answer is of one endpoint: what PostgreSQL has to read is about as much."""
MAX_POINTS = 1500
"""Points of one series."""


def _of_endpoint() -> fields.String:
    """The parameter that narrows an answer to one endpoint."""
    return endpoint_field(
        "Only of this endpoint; `*` is the default's own.", load_default=default_none
    )


class StateSchema(Schema):
    """An endpoint's exposure; `epoch` counts its changes, and is 0 where it has none of its own."""

    endpoint = fields.String(required=True)
    percent = fields.Float(required=True)
    status = fields.Enum(Status, by_value=True, required=True)
    reason = fields.String(required=True)
    epoch = fields.Integer(required=True)
    by = fields.String(required=True)
    at = UtcDateTime(required=True, allow_none=True)
    resumed_at = UtcDateTime(required=True, allow_none=True)


class OutcomeSchema(Schema):
    """What came of an order: the endpoint's own state now."""

    state = fields.Nested(StateSchema, required=True)
    changed = fields.Boolean(
        required=True, metadata={"description": "False where it was so already."}
    )
    cautions = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Why the percent does not apply as it stands, or not everywhere."},
    )


class EndpointStatusSchema(Schema):
    """An endpoint and the state that applies to it, the default's included."""

    state = fields.Nested(StateSchema, required=True)
    pinned = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "Percent that this worker's environment sets instead."},
    )
    follows_default = fields.Boolean(required=True)


class WorkerStatusSchema(Schema):
    """A worker that was heard from within the last minute."""

    worker = fields.String(required=True)
    silent = fields.Float(required=True, metadata={"description": "Seconds since it was heard."})
    uptime = fields.Float(required=True, metadata={"description": "Seconds it had run then."})
    epochs = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    behind = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Endpoints of which it applies an older epoch than the stored."},
    )


class RunStatusSchema(Schema):
    """The rollout run that was begun last; `rollout run` goes on with one that is not over."""

    run = fields.Integer(required=True)
    by = fields.String(required=True)
    reason = fields.String(required=True)
    started_at = UtcDateTime(required=True, allow_none=True)
    is_over = fields.Boolean(required=True)
    is_driven = fields.Boolean(
        required=True, metadata={"description": "Whether a controller is at work on it."}
    )
    plan = fields.Function(
        lambda run: msgspec.to_builtins(run.plan),
        metadata={"type": "object", "description": "Stages, bake time, and what passes one."},
    )
    endpoints = fields.Function(
        lambda run: msgspec.to_builtins(run.endpoints),
        metadata={
            "type": "array",
            "items": {"type": "object"},
            "description": "How far it is with each endpoint.",
        },
    )


class OverviewSchema(Schema):
    """How everything stands, the default first."""

    use_domain = fields.Boolean(
        required=True, metadata={"description": "False: the kill switch is set; all is legacy's."}
    )
    endpoints = fields.List(fields.Nested(EndpointStatusSchema), required=True)
    workers = fields.List(fields.Nested(WorkerStatusSchema), required=True)
    strays = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "Endpoints with a state that this application does not have."},
    )
    run = fields.Nested(RunStatusSchema, required=True, allow_none=True)


class AuditQuerySchema(Schema):
    """A page of the audit, newest first."""

    endpoint = _of_endpoint()
    run = StrictInteger(
        load_default=default_none,
        validate=validate.Range(1, BIGINT_MAX),
        metadata={"description": "Only of this rollout run."},
    )
    limit = limit_field()
    before = StrictInteger(
        load_default=default_none,
        validate=validate.Range(1, BIGINT_MAX),
        metadata={"description": "Only events with a smaller id: the `next` of the page before."},
    )


class AuditEventSchema(Schema):
    """One line of the audit; `run` is 0 for none."""

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
        metadata={"description": "`before` of the next page; null on the last."},
    )


class SeriesQuerySchema(WindowSchema):
    """A window, the last hour unless said otherwise, in buckets of `resolution` seconds."""

    endpoint = _of_endpoint()
    resolution = StrictInteger(
        load_default=60,
        validate=validate.Range(BUCKET_SECONDS, 86_400),
        metadata={
            "description": f"Seconds of a bucket, a multiple of {BUCKET_SECONDS}; at most"
            f" {MAX_POINTS} of them in the window. That is a day long at most, and of one endpoint"
            f" {LONGEST_WINDOW_OF_ONE.days} days.",
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
            raise ValidationError(f"Must be wider: {MAX_POINTS} buckets at most.", "resolution")
        return {**data, "start_time": start, "end_time": end}

    @validates_schema
    def _refuse_crooked(self, data: dict[str, Any], **_: Any) -> None:
        if data["resolution"] % BUCKET_SECONDS:
            raise ValidationError(f"Must be a multiple of {BUCKET_SECONDS}.", "resolution")


class LatencySchema(Schema):
    """Percentiles in ms of `count` runs, to 5%; null without any."""

    count = fields.Integer(required=True)
    p50_ms = fields.Float(required=True, allow_none=True)
    p95_ms = fields.Float(required=True, allow_none=True)
    p99_ms = fields.Float(required=True, allow_none=True)


class PointSchema(Schema):
    """What an implementation was asked in one bucket, and what came of it.

    `failures` are its own, whatever the client saw; `fallbacks` its answers after the other one
    had failed. `latency` leaves out forced requests.
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
    """One implementation of one endpoint; buckets without a count are left out."""

    endpoint = fields.String(required=True)
    arm = fields.String(required=True, validate=validate.OneOf(("domain", "legacy")))
    points = fields.List(fields.Nested(PointSchema), required=True)


class LedgerSchema(Schema):
    """The ledger from `start_time`, which is a bucket's start, to `end_time`."""

    start_time = UtcDateTime(required=True)
    end_time = UtcDateTime(required=True)
    resolution = fields.Integer(required=True)
    series = fields.List(fields.Nested(SeriesSchema), required=True)


class MismatchesQuerySchema(Schema):
    """The most frequent ones."""

    endpoint = _of_endpoint()
    limit = limit_field()


class MismatchSchema(Schema):
    """One way in which the implementations differ; `count` leaves out the `accepted` ones."""

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
