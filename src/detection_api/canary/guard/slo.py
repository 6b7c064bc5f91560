"""The three limits of the service level that the domain has to keep."""

SLOW_SECONDS = 0.5
"""A request is slow if it takes longer. The domain's P95 must not be slow."""
LATE_RATIO = 1.5
"""The domain is late if its P95 is more than this many times legacy's P95."""
MAX_FAILURE_SHARE = 0.05
"""The domain must not fail in a larger share of its requests."""
