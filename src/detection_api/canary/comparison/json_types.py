"""How a value looks on the wire: its type, its format, and what may be shown of it; pure."""

import json
import re
from datetime import datetime
from typing import Any

from msgspec import UNSET

from detection_api.canary.comparison.differences import ComparedOutcome

MAX_SHOWN = 200
"""Characters of a value that are shown."""

_NAME = re.compile(r"[A-Za-z_\u0080-\ud7ff\ue000-\U0010ffff][\w\u0080-\ud7ff\ue000-\U0010ffff]*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DATETIME = re.compile(_DATE.pattern + r"T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_TYPE_NAMES = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    tuple: "array",
    dict: "object",
}


def redacted(value: Any) -> str:
    """Return the kind of a value and its size, never its content."""
    if isinstance(value, str):
        form = form_of_text(value)
        return f"string({len(value)})" if form == "string" else form
    if isinstance(value, list | tuple | dict):
        return f"{type_name(value)}({len(value)})"
    if isinstance(value, ComparedOutcome):
        return redacted(value.value) if value.error is None else f"error({value.error[0]})"
    return "absent" if value is UNSET else type_name(value)


def shown(value: Any) -> str:
    """The value as JSON, cut to MAX_SHOWN characters."""
    if value is UNSET:
        return "absent"
    if isinstance(value, ComparedOutcome):
        return shown(value.value) if value.error is None else shown(": ".join(value.error))
    text = json.dumps(value, ensure_ascii=False)[:MAX_SHOWN]
    return text.encode(errors="replace").decode()


def segment(name: str) -> str:
    """The JSONPath segment of a member or key."""
    return f".{name}" if _NAME.fullmatch(name) else f"[{json.dumps(name)}]"


def type_name(value: Any) -> str:
    """The JSON type of a wire value."""
    return _TYPE_NAMES.get(type(value), "object")


def form_of_text(text: str) -> str:
    """The format of time that `text` has, or `string`; `datetime` is UTC in RFC 3339."""
    found = _DATETIME.fullmatch(text)
    if not (found or _DATE.fullmatch(text)) or not _is_time(text):
        return "string"
    if not found:
        return "date"
    zone = found[2]
    if zone is None:
        return "naive datetime"
    return "datetime" if zone in ("Z", "+00:00") else "datetime with offset"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
