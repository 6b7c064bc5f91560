"""A simulated visit tells one consistent story."""

from datetime import timedelta
from random import Random

import pytest

from detection_api.dev.demo.visits import (
    ENOUGH_WASHING,
    LONGEST,
    EventType,
    Visit,
    simulate_visit,
)

START = 1_795_392_000.0
VISITS = [simulate_visit(Random(seed), "cam0", seed, START) for seed in range(500)]
RULES = {
    "no_hairnet": EventType.NO_HAIRNET_AT_SINK,
    "no_handwash": EventType.NO_HANDWASH,
    "no_sanitize": EventType.NO_SANITIZE,
}


def _times(visit: Visit, kind: EventType) -> list[float]:
    return [event.ts for event in visit.events if event.type is kind]


def test_the_same_random_numbers_give_the_same_visit() -> None:
    assert simulate_visit(Random(7), "cam0", 7, START) == VISITS[7]


def test_a_visit_is_from_door_to_door_within_its_limit() -> None:
    for visit in VISITS:
        times = [event.ts for event in visit.events]
        assert visit.events[0].type is EventType.PERSON_ENTERED
        assert visit.events[-1].type is EventType.PERSON_LEFT
        assert times == sorted(times)
        assert times[-1] - START < LONGEST
        assert visit.is_present(times[0])
        assert not visit.is_present(times[-1])


def test_a_violation_has_an_event_of_its_rule() -> None:
    assert any(visit.violations for visit in VISITS)
    for visit in VISITS:
        kinds = [RULES[violation.violation_type] for violation in visit.violations]
        assert kinds == [event.type for event in visit.events if event.type in RULES.values()]


def test_a_handwash_is_completed_if_it_was_long_enough() -> None:
    for visit in VISITS:
        started = _times(visit, EventType.HANDWASH_STARTED)
        for kind in (EventType.HANDWASH_COMPLETED, EventType.HANDWASH_TOO_SHORT):
            for start, end in zip(started, _times(visit, kind), strict=False):
                is_long = end - start >= ENOUGH_WASHING - 0.001
                assert is_long is (kind is EventType.HANDWASH_COMPLETED)


def test_a_violation_is_pending_until_it_is_handled() -> None:
    handled = [v for visit in VISITS for v in visit.violations if v.handled_at is not None]
    assert handled
    for violation in handled:
        assert violation.handled_at is not None
        before = violation.as_of(violation.handled_at - timedelta(seconds=1))
        assert (before.status, before.handled_at, before.handled_by) == ("pending", None, None)
        assert violation.as_of(violation.handled_at) == violation


@pytest.mark.parametrize("field", ["confidence", "region"])
def test_evidence_lacks_each_value_somewhere(field: str) -> None:
    evidence = [event.evidence for visit in VISITS for event in visit.events]
    present = [field in values for values in evidence if isinstance(values, dict)]
    assert any(present)
    assert not all(present)
