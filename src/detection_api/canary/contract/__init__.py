"""The contract of a route, derived from its marshmallow schema.

`wire_types` derives strict types, `encoder` checks and encodes, `rules` says how answers compare.
"""

from detection_api.canary.contract.encoder import (
    Answer,
    Contract,
    ContractViolationError,
    ResponseReturnedError,
)
from detection_api.canary.contract.rules import (
    FREE_FORM,
    Array,
    FreeForm,
    Ignored,
    Map,
    Number,
    Object,
    Rule,
    Time,
    canonical,
    fingerprint,
    rules_of,
)

__all__ = [
    "FREE_FORM",
    "Answer",
    "Array",
    "Contract",
    "ContractViolationError",
    "FreeForm",
    "Ignored",
    "Map",
    "Number",
    "Object",
    "ResponseReturnedError",
    "Rule",
    "Time",
    "canonical",
    "fingerprint",
    "rules_of",
]
