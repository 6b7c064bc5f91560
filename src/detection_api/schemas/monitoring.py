"""Health: the answer."""

from marshmallow import Schema, fields, validate


class HealthCheck(Schema):
    """One thing this service needs; `ms` is how long it took to look."""

    status = fields.String(required=True, validate=validate.OneOf(("ok", "failing", "disabled")))
    ms = fields.Float(required=True)
    lag_seconds = fields.Float(
        metadata={"description": "Age of the oldest event not yet ingested; only for ingestion."}
    )


class Health(Schema):
    """`failing` as soon as one check is."""

    status = fields.String(required=True, validate=validate.OneOf(("ok", "failing")))
    checks = fields.Dict(keys=fields.String(), values=fields.Nested(HealthCheck), required=True)
