"""Values as PostgreSQL takes them: whatever they are, they must not make a statement fail.

PostgreSQL refuses NUL and lone surrogates in text, NaN in JSON and long keys in an index; what
clients send and implementations answer may have any of these. A batch that is refused once is
refused for ever, and everything that was counted after it waits behind it.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from detection_api.canary.state.ledger import LedgerBatch, MismatchTally

KEY_BYTES = 800
"""An index entry of three such keys still fits into PostgreSQL's 2,704 bytes."""
MAX_DEPTH = 50
MAX_BITS = 64


def text(value: str) -> str:
    """`value` with `?` for every character that PostgreSQL cannot store."""
    return value.replace("\0", "?").encode(errors="replace").decode()


def key(value: str) -> str:
    """`text(value)`, as much of it as an index takes."""
    return text(value).encode()[:KEY_BYTES].decode(errors="ignore")


def encode(value: Any) -> str:
    """`value` as JSON that PostgreSQL takes; what JSON cannot hold is described in words."""
    return json.dumps(_plain(value, MAX_DEPTH), ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any, depth: int) -> Any:
    match value:
        case None | bool():
            return value
        case str():
            return text(value)
        case int():
            return value if value.bit_length() <= MAX_BITS else hex(value)
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping() | list() | tuple() if depth == 0:
            return "..."
        case Mapping():
            return {text(str(name)): _plain(item, depth - 1) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item, depth - 1) for item in value]
    return text(str(value))


def with_keys(batch: LedgerBatch) -> LedgerBatch:
    """`batch` with keys that PostgreSQL takes; those that become the same are added up."""
    clean = LedgerBatch(batch.since, acceptances=batch.acceptances)
    for (endpoint, arm), tally in batch.tallies.items():
        clean.tally(key(endpoint), key(arm)).add(tally)
    for (endpoint, path, kind), mismatch in batch.mismatches.items():
        clean.mismatches.setdefault((key(endpoint), key(path), key(kind)), MismatchTally()).add(
            mismatch
        )
    for (endpoint, branch), count in batch.branches.items():
        name = (key(endpoint), key(branch))
        clean.branches[name] = clean.branches.get(name, 0) + count
    return clean
