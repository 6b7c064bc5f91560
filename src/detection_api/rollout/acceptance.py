"""Rules for accepted differences: when they expire, and which paths they may name; pure."""

import re
from datetime import UTC, date, datetime, time, timedelta

from detection_api.canary.state import AcceptedDifference
from detection_api.rollout.gates import BRANCH, LATENCY

_STEPS = r"""\$(\*|\.[^\s.\[\]"]+|\[\*\]|\["([^"\\]|\\.)*"\])*"""
_PATH = re.compile(_STEPS)
_BRANCH_PATH = re.compile(f"{_STEPS}:(null|value|empty|items|absent|present)")
_DAYS = re.compile(r"(\d{1,4})d", re.ASCII)
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Every acceptance expires before this moment; the store takes no later expiry."""


def read_expiry(text: str, now: datetime) -> datetime:
    """Return the moment that `30d` or `2026-12-31` (the end of that day, UTC) means.

    Raises ValueError if the text has another form, or the moment is not between now and NEVER.
    """
    expires_at = now
    if days := _DAYS.fullmatch(text):
        expires_at = now + timedelta(days=int(days[1]))
    elif day := _DATE.fullmatch(text):
        expires_at = datetime.combine(date(*map(int, day.groups())), time.max, UTC)
    if not now < expires_at < NEVER:
        raise ValueError("not in the future")
    return expires_at


def check_path(path: str, kind: str) -> None:
    """Raise ValueError if no difference of this kind can have this path."""
    if kind == BRANCH and not _BRANCH_PATH.fullmatch(path):
        raise ValueError("must be a branch as a rollout run names it, such as '$.records:empty'")
    if kind == LATENCY and path != "$":
        raise ValueError("must be $: latency is accepted for the whole endpoint")
    if kind not in (BRANCH, LATENCY) and not _PATH.fullmatch(path):
        raise ValueError(
            "must be a JSONPath from $, with [*] for every index and * for any text,"
            " such as '$.records[*].fps'"
        )


def validity(difference: AcceptedDifference, now: datetime) -> str:
    """Return `valid` or `expired`, with `, never used` if no comparison has needed it.

    Comparisons never meet the kinds branch and latency, so these say nothing about their use.
    """
    time_left = "valid" if difference.expires_at > now else "expired"
    if difference.kind in (BRANCH, LATENCY):
        return time_left
    return time_left if difference.used else f"{time_left}, never used"
