"""The shape that a marshmallow schema promises, checked and encoded in one pass.

Converting an answer to the msgspec types derived from the schema (`wire_types.py`) checks
every field strictly, and the result is encoded straight to JSON. An object that is no dict is asked
for the schema's fields as attributes; what else it has is not sent. Free-form JSON may be given as
`msgspec.Raw`, encoded already. A schema with anything that
has no exact counterpart among those types is served by marshmallow itself: slower, and forgiving
where its `dump` is (it converts what it can and drops unknown keys), but what is sent keeps the
contract all the same.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError

from detection_api.canary.contract.wire_types import UnderivableError, derive
from detection_api.canary.state import learned


class ContractViolationError(Exception):
    """The answer `value` does not have the shape its schema promises.

    `messages` are marshmallow's.
    """

    def __init__(self, messages: Any, value: Any) -> None:
        super().__init__(json.dumps(messages, default=str))
        self.messages = messages
        self.value = value


class Answer(msgspec.Struct, frozen=True):
    """An implementation's `value` as JSON, and how it breaks its contract, if it does."""

    value: Any
    body: bytes
    violation: ContractViolationError | None = None


class Contract:
    """Checks and encodes the answers of one endpoint, as its marshmallow schema says."""

    def __init__(self, schema: Schema | type[Schema]) -> None:
        self.schema = schema() if isinstance(schema, type) else schema
        try:
            self._wire_type = learned(derive(self.schema))
        except UnderivableError:
            self.encode: Callable[[Any], bytes] = self._encode_by_marshmallow
            """A value as JSON; raises ContractViolationError where it is not what was promised."""
            self._wire: Callable[[Any], Any] = self.schema.dump
        else:
            self.encode = self._encode_by_msgspec
            self._wire = _builtins

    def encode_reference(self, value: Any) -> Answer:
        """`value` as JSON even where it breaks the contract: the reference is sent as it is.

        Raises TypeError or ValueError for what JSON cannot hold.
        """
        try:
            return Answer(value, self.encode(value))
        except ContractViolationError as violation:
            return Answer(value, msgspec.json.encode(value), violation)

    def wire(self, value: Any) -> Any:
        """`value` in JSON's types as it would go out, were it not for what the contract forbids.

        Raises TypeError or ValueError for what JSON cannot hold.
        """
        return self._wire(value)

    def _encode_by_msgspec(self, value: Any) -> bytes:
        try:
            wire = msgspec.convert(value, self._wire_type, from_attributes=True)
            return msgspec.json.encode(wire)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise ContractViolationError(self._explain(value, error), value) from error

    def _encode_by_marshmallow(self, value: Any) -> bytes:
        try:
            wire = self.schema.dump(value)
            messages = self.schema.validate(wire)
            body = json.dumps(wire, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
            encoded = body.encode()
        except (ValidationError, AttributeError, TypeError, ValueError) as error:
            raise ContractViolationError([str(error)], value) from error
        if messages:
            raise ContractViolationError(messages, value)
        return encoded

    def _explain(self, value: Any, error: Exception) -> Any:
        """Marshmallow's words for what is wrong; msgspec's where marshmallow is content."""
        try:
            messages = self.schema.validate(_builtins(value))
        except (TypeError, ValueError, OverflowError, RecursionError):
            messages = None
        return messages or [str(error)]


_builtins = partial(msgspec.to_builtins, enc_hook=msgspec.json.decode)
"""`value` in JSON's types; what is JSON already (`msgspec.Raw`) is decoded."""
