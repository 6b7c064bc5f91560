"""The number of visits at the demo's factory: three shifts, breaks, and the rush around them."""

from bisect import bisect
from datetime import datetime

SATURDAY = 6
"""The ISO weekday."""
WEEKEND_SHARE = 0.6
"""The visits on Saturday and Sunday, as a share of those on a weekday."""

_NIGHT, _WORK, _BREAK, _AFTER_BREAK, _SHIFT_CHANGE = 0.12, 0.35, 0.05, 1.2, 1.5
_DAY = (
    (0.0, _NIGHT),
    (6.0, _SHIFT_CHANGE),
    (6.25, _WORK),
    (9.0, _BREAK),
    (9.25, _AFTER_BREAK),
    (9.5, _WORK),
    (12.0, _BREAK),
    (12.5, _AFTER_BREAK),
    (12.75, _WORK),
    (14.0, _SHIFT_CHANGE),
    (14.25, _WORK),
    (18.0, _BREAK),
    (18.5, _AFTER_BREAK),
    (18.75, _WORK),
    (22.0, _SHIFT_CHANGE),
    (22.25, _NIGHT),
)
_HOURS = [hour for hour, _ in _DAY]


def visits_per_minute(moment: datetime) -> float:
    """Return the average number of visits per minute at one camera at `moment` (UTC)."""
    _, rate = _DAY[bisect(_HOURS, moment.hour + moment.minute / 60) - 1]
    return rate * WEEKEND_SHARE if moment.isoweekday() >= SATURDAY else rate
