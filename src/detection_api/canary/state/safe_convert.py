"""Convert values from JSON to types, safely under threads.

msgspec analyses a type at its first use. A second thread that uses the type meanwhile can find the
analysis incomplete, and the process ends with a segmentation fault (msgspec 0.22). So a lock guards
the analysis: before requests use a type (`learned`), or at each use (`convert`).
"""

import threading
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")
_learning = threading.Lock()


def learned(kind: Any) -> Any:
    """Return `kind`, which any thread may pass to `msgspec.convert` from now on."""
    with _learning:
        msgspec.json.Decoder(kind)
    return kind


def convert(value: Any, kind: type[_T], *, str_keys: bool = False) -> _T:
    """Return `value` as a `kind`. Set `str_keys` if its keys are numbers, which JSON has as text.

    Raises msgspec.ValidationError if it is no `kind`.
    """
    with _learning:
        return msgspec.convert(value, kind, str_keys=str_keys)
