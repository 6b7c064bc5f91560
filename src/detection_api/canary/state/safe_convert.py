"""Values from JSON as the types that they are of, whichever threads ask at once.

msgspec learns a type when it first meets it. A thread that meets the same type meanwhile can find
it half learned, and the process ends with a segmentation fault (msgspec 0.22). So a type is learned
under a lock: before it is used in requests (`learned`), or each time that it is used (`convert`).
"""

import threading
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
_learning = threading.Lock()


def learned(kind: Any) -> Any:
    """`kind`, which `msgspec.convert` may from now on be asked for by any thread."""
    with _learning:
        msgspec.json.Decoder(kind)
    return kind


def convert(value: Any, kind: type[_T], *, str_keys: bool = False) -> _T:
    """`value` as a `kind`; `str_keys` where it has numbers for keys, which JSON writes as text.

    Raises msgspec.ValidationError for what is none.
    """
    with _learning:
        return msgspec.convert(value, kind, str_keys=str_keys)
