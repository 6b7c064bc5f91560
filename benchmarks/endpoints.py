"""The paths of the seven endpoints, with their default parameters."""

from collections.abc import Mapping, Sequence

from benchmarks.world import CAMERAS, NEWEST_VIOLATIONS

Paths = Mapping[str, Sequence[str]]
"""The paths of each endpoint, by its name."""


def paths(last_violation: int) -> Paths:
    """Return paths that every implementation answers with 200; legacy has the newest violations."""
    violations = range(last_violation, last_violation - NEWEST_VIOLATIONS, -7)
    return {
        "records.detection_records": [f"/api/v1/records/detection-records/{c}" for c in CAMERAS],
        "records.violation": [f"/api/v1/records/violations/{number}" for number in violations],
        "statistics.daily": ["/api/v1/statistics/daily"],
        "statistics.events": ["/api/v1/statistics/events"],
        "statistics.history": ["/api/v1/statistics/history"],
        "cameras.cameras": ["/api/v1/cameras"],
        "cameras.camera_stats": [f"/api/v1/cameras/{c}/stats" for c in CAMERAS],
    }
