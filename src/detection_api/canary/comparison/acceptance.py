"""Which differences are known and excused; pure."""

import re
from collections.abc import Iterable
from functools import lru_cache

from detection_api.canary.state import AcceptedDifference

ANY = "*"
"""Any text in a path; any kind."""


def find_excuse(
    accepted: Iterable[AcceptedDifference], endpoint: str, path: str, kind: str
) -> AcceptedDifference | None:
    """The first accepted difference that covers this one."""
    return next((a for a in accepted if _covers(a, endpoint, path, kind)), None)


def _covers(accepted: AcceptedDifference, endpoint: str, path: str, kind: str) -> bool:
    return (
        accepted.endpoint == endpoint
        and accepted.kind in (ANY, kind)
        and _pattern(accepted.path).fullmatch(path) is not None
    )


@lru_cache
def _pattern(path: str) -> re.Pattern[str]:
    """`path` with `*` for any text; the `*` of a JSONPath is some text, too."""
    return re.compile(".*".join(re.escape(part) for part in path.split(ANY)), re.DOTALL)
