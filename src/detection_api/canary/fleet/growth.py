"""The growth of the ledger's counts since the leader last read them; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from detection_api.canary.guard import ArmSample, Sample
from detection_api.canary.state import Arm, Histogram, LedgerRow, Tally, seconds_of


@dataclass(slots=True)
class _Known:
    """The counts of one bucket, endpoint and arm that the guard has judged."""

    good: int = 0
    bad: int = 0
    slow: int = 0
    mismatched: int = 0
    matched: int = 0
    latency: Histogram = field(default_factory=dict)


class Growth:
    """Remembers which counts of the ledger the guard has judged."""

    def __init__(self) -> None:
        self._known: dict[tuple[datetime, str, str], _Known] = {}

    def sample(self, rows: Iterable[LedgerRow], share: float) -> Sample:
        """Return what has grown in the rows of one bucket and endpoint.

        `share` (0..1) is the domain's share of the requests.
        """
        arms = {Arm.DOMAIN.value: ArmSample(), Arm.LEGACY.value: ArmSample()}
        mismatched = matched = 0
        for row in rows:
            known = self._known.setdefault((row.bucket, row.endpoint, row.arm), _Known())
            arms[row.arm] = _grown(known, row.tally)
            matches = row.tally.comparisons["equal"] + row.tally.accepted
            mismatched += row.tally.mismatched - known.mismatched
            matched += matches - known.matched
            known.mismatched, known.matched = row.tally.mismatched, matches
        return Sample(
            domain=arms[Arm.DOMAIN.value],
            legacy=arms[Arm.LEGACY.value],
            share=share,
            mismatched=mismatched,
            matched=matched,
        )

    def forget_all_but(self, buckets: set[datetime]) -> None:
        """Forget the counts of buckets that are not read any more."""
        self._known = {key: known for key, known in self._known.items() if key[0] in buckets}


def _grown(known: _Known, tally: Tally) -> ArmSample:
    """Return by how much `tally` exceeds the known counts, which become those of `tally`."""
    grown = ArmSample(
        good=tally.good - known.good,
        bad=tally.bad - known.bad,
        slow=tally.slow - known.slow,
        seconds={
            seconds_of(index): count - known.latency.get(index, 0)
            for index, count in tally.latency.items()
            if count > known.latency.get(index, 0)
        },
        request_ids=tuple(filter(None, (tally.first_failed, tally.last_failed))),
    )
    known.good, known.bad, known.slow = tally.good, tally.bad, tally.slow
    known.latency = dict(tally.latency)
    return grown
