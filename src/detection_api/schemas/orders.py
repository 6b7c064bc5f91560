"""Orders over HTTP: what shall be done to the rollout, and why."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from detection_api import token_format
from detection_api.canary.state import DEFAULT
from detection_api.extensions import canary
from detection_api.schemas.common import BIGINT_MAX, default_none, refuse_control_characters

LONGEST_REASON = 500
"""Characters."""


def _refuse_unknown(endpoint: str) -> None:
    known = [DEFAULT, *sorted(canary.runtime.endpoints)]
    if endpoint not in known:
        raise ValidationError(f"There is no such endpoint; there are {', '.join(known)}.")


def endpoint_field(description: str, **options: Any) -> fields.String:
    """The name of an endpoint that the canary serves, or of the default."""
    return fields.String(
        validate=_refuse_unknown,
        metadata={"description": description, "example": "records.violation"},
        **options,
    )


def _refuse_secrets(text: str) -> None:
    if token_format.is_in(text):
        raise ValidationError("Must not contain a token: everybody who looks would read it.")


def _reason(**options: Any) -> fields.String:
    return fields.String(
        validate=[
            validate.Length(min=1, max=LONGEST_REASON),
            refuse_control_characters,
            _refuse_secrets,
        ],
        metadata={"description": "Why; for the audit.", "pattern": "^[^\\x00-\\x1f\\x7f]+$"},
        **options,
    )


class Number(fields.Float):
    """A JSON number; not text that looks like one, nor true."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Epoch(fields.Integer):
    """A JSON number without a fraction; not text that looks like one, nor true."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class RolloutOrderSchema(Schema):
    """What shall be done, to which endpoint, and why."""

    endpoint = endpoint_field(
        "Flask's name of the endpoint; `*` is the default, which every endpoint without a percent"
        " of its own follows, and which rolls back, holds and resumes all of them.",
        load_default=DEFAULT,
    )
    reason = _reason(required=True)
    expected_epoch = Epoch(
        load_default=default_none,
        validate=validate.Range(0, BIGINT_MAX),
        metadata={
            "description": "The epoch of the endpoint's own state that the decision is based on (0"
            " where it follows the default): 409 when it has another one. Without it the order"
            " is carried out whatever the state is."
        },
    )


def _percent(description: str, **options: Any) -> Number:
    return Number(validate=validate.Range(0, 100), metadata={"description": description}, **options)


class SetOrderSchema(RolloutOrderSchema):
    """Another percent, for which a reason need not be given."""

    reason = _reason(load_default="")
    percent = _percent("Share of the subjects that the domain answers, 0 to 100.", required=True)


class RollbackOrderSchema(RolloutOrderSchema):
    """Everything to legacy, or no more than a percent to the domain."""

    to = _percent(
        "Lower the percent to this, and leave it applied: nothing is raised, nor rolled back. With"
        " `*`, lower endpoints that have a percent of their own, too.",
        load_default=default_none,
    )
