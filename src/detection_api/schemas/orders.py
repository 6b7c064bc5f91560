"""Orders over HTTP: changes to the rollout."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from detection_api import token_format
from detection_api.canary.state import DEFAULT
from detection_api.extensions import canary
from detection_api.schemas.common import BIGINT_MAX, default_none, refuse_control_characters

LONGEST_REASON = 500
"""Maximum length of a reason, in characters."""


def _refuse_unknown(endpoint: str) -> None:
    known = [DEFAULT, *sorted(canary.runtime.endpoints)]
    if endpoint not in known:
        raise ValidationError(f"There is no such endpoint; there are {', '.join(known)}.")


def endpoint_field(description: str, **options: Any) -> fields.String:
    """Return the field for the name of a canaried endpoint, or of the default."""
    return fields.String(
        validate=_refuse_unknown,
        metadata={"description": description, "example": "records.violation"},
        **options,
    )


def _refuse_secrets(text: str) -> None:
    if token_format.is_in(text):
        raise ValidationError(
            "Must not contain a token: the audit shows the reason to every viewer."
        )


def _reason(**options: Any) -> fields.String:
    return fields.String(
        validate=[
            validate.Length(min=1, max=LONGEST_REASON),
            refuse_control_characters,
            _refuse_secrets,
        ],
        metadata={
            "description": "The reason of the change, for the audit.",
            "pattern": "^[^\\x00-\\x1f\\x7f]+$",
        },
        **options,
    )


class Number(fields.Float):
    """A JSON number; refuses text such as "5", and booleans."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if type(value) not in (int, float):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Epoch(fields.Integer):
    """A JSON integer; refuses text such as "5", and booleans."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class RolloutOrderSchema(Schema):
    """A change to one endpoint, or to the default, with a reason."""

    endpoint = endpoint_field(
        "Flask's name of the endpoint, or `*` for the default. Every endpoint without a percent of"
        " its own follows the default; a rollback, hold or resume of `*` affects all endpoints.",
        load_default=DEFAULT,
    )
    reason = _reason(required=True)
    expected_epoch = Epoch(
        load_default=default_none,
        validate=validate.Range(0, BIGINT_MAX),
        metadata={
            "description": "The epoch of the endpoint's own state that the decision is based on (0"
            " if it follows the default). The answer is 409 if the state has another epoch. If not"
            " given, the order is carried out in any state."
        },
    )


def _percent(description: str, **options: Any) -> Number:
    return Number(validate=validate.Range(0, 100), metadata={"description": description}, **options)


class SetOrderSchema(RolloutOrderSchema):
    """A new percent; its reason is optional."""

    reason = _reason(load_default="")
    percent = _percent("Percent of the subjects that the domain answers, 0 to 100.", required=True)


class RollbackOrderSchema(RolloutOrderSchema):
    """A rollback to legacy, or a lower percent of the domain."""

    to = _percent(
        "Lower the percent to this value instead of a rollback; a lower percent stays. With `*`,"
        " endpoints with a percent of their own are lowered, too.",
        load_default=default_none,
    )
