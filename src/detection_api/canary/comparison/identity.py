"""Give each item of a list a name that is the same in every answer; pure.

An item is named by its `id`, else by the members that tell items apart. Free values are named by
their bytes. So one item's movement never explains another's difference.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from detection_api.canary.contract import Rule, canonical

_KEYS = ("id", "date", "ts", "timestamp", "time", "type", "name", "key")
_MOMENTS = ("timestamp", "ts", "time", "date")


def names_of(rule: Rule, items: Sequence[Any]) -> list[str]:
    """Return a name for each item; equal ones are numbered from the end of the list."""
    seen: Counter[str] = Counter()
    names = []
    for item in reversed(items):
        name = _name(rule, item)
        seen[name] += 1
        names.append(f"[{name}]" if seen[name] == 1 else f"[{name}#{seen[name]}]")
    return names[::-1]


def moment_of(item: Any) -> float | None:
    """Return the time of an item in epoch seconds: the start of its day for a date, or None."""
    if not isinstance(item, dict):
        return None
    times = (moment(item[name]) for name in _MOMENTS if name in item)
    return next((time for time in times if time is not None), None)


def moment(value: Any) -> float | None:
    """Return a moment in epoch seconds; None if the value is no time. UTC is the default zone."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _name(rule: Rule, item: Any) -> str:
    if isinstance(item, dict):
        if type(item.get("id")) in (int, str):
            return json.dumps(item["id"])
        keys = [k for k in item if k in _KEYS or k.endswith("_id")]
        known = {k: item[k] for k in keys if type(item[k]) in (int, float, str)}
        if known:
            return json.dumps(known, sort_keys=True)
    return hashlib.blake2b(canonical(rule, item), digest_size=8).hexdigest()
