"""Which subjects are in a rollout; pure, and the same on every worker and host."""

from hashlib import blake2b

BUCKETS = 10_000


def bucket(endpoint: str, subject: str) -> int:
    """The subject's place in 0..9999 for this endpoint, for ever.

    The mapping may never change, nor depend on the percentage: clients would change sides in
    the middle of a rollout, and who is in at 10% would not be in at 25%. Each endpoint draws
    anew, so that the same few clients are not the first everywhere.
    """
    digest = blake2b(f"{endpoint}\0{subject}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % BUCKETS


def is_in(endpoint: str, subject: str, percent: float) -> bool:
    """Whether `subject` is among the first `percent` (0..100) of this endpoint's subjects."""
    if percent <= 0:
        return False
    if percent >= 100:  # noqa: PLR2004
        return True
    return bucket(endpoint, subject) < percent * BUCKETS / 100
