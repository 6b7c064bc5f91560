"""Errors as RFC 9457 problem details."""

from marshmallow import Schema, fields


class ProblemSchema(Schema):
    """An error, for a program (`type`, `status`) and for a person (`detail`)."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True, strict=True)
    detail = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Messages by parameter; only with 422."},
    )
