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
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError

from detection_api.canary.contract.wire_types import UnderivableError, derive
from detection_api.canary.state import learned

_VIEW_TUPLE = (2, 3)
"""Lengths of a tuple that Flask makes a response of: body, status, headers."""
_RETURN_DATA = (
    "Return plain data, not a response ({}): the canary encodes the data by the schema {}."
    " Give headers with @canary(headers=...); for another status raise an error that the"
    " application's error handlers answer, and name it in init_app(answers=...)."
)


class ContractViolationError(Exception):
    """The answer `value` does not have the shape its schema promises.

    `messages` are marshmallow's.
    """

    def __init__(self, messages: Any, value: Any) -> None:
        super().__init__(json.dumps(messages, default=str))
        self.messages = messages
        self.value = value


class ResponseReturnedError(ContractViolationError):
    """The answer is a response of the web framework; the canary needs the data itself."""

    def __init__(self, schema: Schema, value: Any) -> None:
        super().__init__([_RETURN_DATA.format(type(value).__name__, type(schema).__name__)], value)


class Answer(msgspec.Struct, frozen=True):
    """The value that an implementation returned, as JSON, and how it breaks the contract, if so.

    `body` is empty if the violation is a ResponseReturnedError.
    """

    value: Any
    body: bytes
    violation: ContractViolationError | None = None


class Contract:
    """Checks and encodes the answers of one endpoint by its marshmallow schema.

    `response_type` is the web framework's class of responses. An answer of this class, or a tuple
    that the framework would make a response of, breaks the contract.
    """

    def __init__(
        self, schema: Schema | type[Schema], *, response_type: type[Any] | None = None
    ) -> None:
        self.schema = schema() if isinstance(schema, type) else schema
        self._response_type = response_type
        try:
            self._wire_type = learned(derive(self.schema))
        except UnderivableError:
            self.encode: Callable[[Any], bytes] = self._encode_by_marshmallow
            """A value as JSON; raises ContractViolationError where it is not what was promised."""
            self._wire: Callable[[Any], Any] = self.schema.dump
        else:
            self.encode = self._encode_by_msgspec
            self._wire = _builtins
        if self._accepts_responses():
            self.encode = partial(self._encode_unless_response, self.encode)

    def encode_reference(self, value: Any) -> Answer:
        """Return `value` as JSON even if it breaks the contract: the reference is sent as it is.

        Raises TypeError or ValueError if JSON cannot hold it.
        """
        try:
            return Answer(value, self.encode(value))
        except ResponseReturnedError as violation:
            return Answer(value, b"", violation)
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
            raise self._violation(self._explain(value, error), value) from error

    def _encode_by_marshmallow(self, value: Any) -> bytes:
        try:
            wire = self.schema.dump(value)
            messages = self.schema.validate(wire)
            body = json.dumps(wire, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
            encoded = body.encode()
        except (ValidationError, AttributeError, TypeError, ValueError) as error:
            raise self._violation([str(error)], value) from error
        if messages:
            raise self._violation(messages, value)
        return encoded

    def _encode_unless_response(self, encode: Callable[[Any], bytes], value: Any) -> bytes:
        if self._is_response(value):
            raise ResponseReturnedError(self.schema, value)
        return encode(value)

    def _accepts_responses(self) -> bool:
        """Return whether a response has every attribute that the schema requires.

        A response has a `status`, for example, so it could pass for an answer.
        """
        required = (name for name, field in self.schema.dump_fields.items() if field.required)
        return self._response_type is not None and all(
            hasattr(self._response_type, name) for name in required
        )

    def _is_response(self, value: Any) -> bool:
        """Return whether a view that returns `value` means a response, as with `(data, 201)`."""
        if self._response_type is None:
            return False
        if not (isinstance(value, tuple) and len(value) in _VIEW_TUPLE):
            return isinstance(value, self._response_type)
        beside_body = int if self.schema.many else int | Mapping | list
        return isinstance(value[0], self._response_type) or isinstance(value[1], beside_body)

    def _violation(self, messages: Any, value: Any) -> ContractViolationError:
        if self._is_response(value):
            return ResponseReturnedError(self.schema, value)
        return ContractViolationError(messages, value)

    def _explain(self, value: Any, error: Exception) -> Any:
        """Marshmallow's words for what is wrong; msgspec's where marshmallow is content."""
        try:
            messages = self.schema.validate(_builtins(value))
        except (TypeError, ValueError, OverflowError, RecursionError):
            messages = None
        return messages or [str(error)]


_builtins = partial(msgspec.to_builtins, enc_hook=msgspec.json.decode)
"""`value` in JSON's types; what is JSON already (`msgspec.Raw`) is decoded."""
