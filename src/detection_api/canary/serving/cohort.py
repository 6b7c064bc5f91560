"""Decides which subjects are in a rollout; pure, and the same on every worker and host."""

from hashlib import blake2b

BUCKETS = 10_000


def bucket(endpoint: str, subject: str) -> int:
    """Return the subject's permanent bucket, 0..9999, for this endpoint.

    The mapping may never change, nor depend on the percentage: clients would change arms during a
    rollout, and a client in at 10% would be out at 25%. Each endpoint draws separately, so that
    the same few clients are not the first at every endpoint.
    """
    digest = blake2b(f"{endpoint}\0{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_in(endpoint: str, subject: str, percent: float) -> bool:
    """Return whether `subject` is among the first `percent` (0..100) of its endpoint."""
    if percent <= 0:
        return False
    if percent >= 100:  # noqa: PLR2004
        return True
    return bucket(endpoint, subject) < percent * BUCKETS / 100
