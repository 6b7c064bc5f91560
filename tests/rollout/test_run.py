"""A run is what its events tell, up to whichever of them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import DEFAULT, EventKind, RolloutEvent
from detection_api.rollout.run import (
    Completion,
    EndCause,
    OnFailure,
    Phase,
    Plan,
    Run,
    evidence,
    fold,
    latest,
    load,
)
from tests.rollout.support import ENDPOINT, OTHER

RUN = 100
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLAN = Plan(endpoints={ENDPOINT: 0.0, OTHER: 25.0})


def events(*told: tuple[str, EventKind, dict[str, Any]], plan: Plan = PLAN) -> list[RolloutEvent]:
    """The START, and what was told after it."""
    number = count(RUN + 1)
    start = RolloutEvent(
        endpoint=DEFAULT,
        kind=EventKind.START,
        by="ann",
        reason="release 2",
        evidence=evidence(plan),
        id=RUN,
        at=NOW,
    )
    return [
        start,
        *(
            RolloutEvent(
                endpoint=endpoint,
                kind=kind,
                by="ann",
                reason="",
                evidence=facts,
                run=RUN,
                id=(n := next(number)),
                at=NOW + timedelta(minutes=n - RUN),
            )
            for endpoint, kind, facts in told
        ),
    ]


def stage(endpoint: str, number: int) -> tuple[str, EventKind, dict[str, Any]]:
    return endpoint, EventKind.STAGE, {"stage": number}


def passed(endpoint: str) -> tuple[str, EventKind, dict[str, Any]]:
    return endpoint, EventKind.PASS, {}


def test_a_run_that_has_just_begun_waits_for_each_endpoints_first_stage() -> None:
    run = fold(events())
    assert (run.id, run.by, run.reason, run.started_at, run.end) == (
        RUN,
        "ann",
        "release 2",
        NOW,
        None,
    )
    assert run.plan == PLAN
    stages = {p.endpoint: (p.phase, p.stage) for p in run.open}
    assert stages == {ENDPOINT: (Phase.WAITING, 1), OTHER: (Phase.WAITING, 2)}


@pytest.mark.parametrize(
    ("at_start", "stage"), [(0, 1), (10, 1), (10.5, 2), (25, 2), (99, 4), (100, 4)]
)
def test_a_run_never_begins_by_lowering_exposure(at_start: float, stage: int) -> None:
    assert Plan(endpoints={ENDPOINT: at_start}).first_stage(ENDPOINT) == stage


def test_an_endpoint_above_the_last_stage_has_no_stage_to_go_to() -> None:
    plan = Plan(endpoints={ENDPOINT: 50}, stages=(10, 25))
    assert plan.first_stage(ENDPOINT) == len(plan.stages) + 1


@pytest.mark.parametrize(
    ("stage", "percent"),
    [(1, 5), (2, 10), (4, 50)],
)
def test_the_last_stage_passed_is_the_one_before_or_the_start(stage: int, percent: float) -> None:
    assert Plan(endpoints={ENDPOINT: 5}).percent_passed(ENDPOINT, stage) == percent


def test_an_endpoint_goes_from_stage_to_stage_until_it_is_past_the_last() -> None:
    told = [stage(OTHER, 2), passed(OTHER), stage(OTHER, 3), passed(OTHER)]
    run = fold(events(*told))
    assert (run.progress[OTHER].phase, run.progress[OTHER].stage) == (Phase.WAITING, 4)
    run = fold(events(*told, stage(OTHER, 4)))
    baking = run.progress[OTHER]
    assert (baking.phase, baking.stage) == (Phase.BAKING, 4)
    assert baking.event is not None
    assert baking.event.kind is EventKind.STAGE
    run = fold(events(*told, stage(OTHER, 4), passed(OTHER)))
    assert run.progress[OTHER].phase is Phase.DONE
    assert [p.endpoint for p in run.open] == [ENDPOINT]


@pytest.mark.parametrize(
    ("kind", "phase"), [(EventKind.FAIL, Phase.FAILED), (EventKind.LEAVE, Phase.LEFT)]
)
def test_one_endpoint_that_is_out_holds_up_no_other(kind: EventKind, phase: Phase) -> None:
    run = fold(events(stage(ENDPOINT, 1), (ENDPOINT, kind, {"cause": EndCause.PATIENCE.value})))
    assert run.progress[ENDPOINT].phase is phase
    assert [p.endpoint for p in run.open] == [OTHER]


def test_a_run_is_over_when_its_end_is_told() -> None:
    facts = {"completion": Completion.INCOMPLETE.value}
    run = fold(events((DEFAULT, EventKind.END, facts)))
    assert run.end is not None
    assert run.end.evidence == facts


moves = st.lists(st.sampled_from(["raise", "pass", "fail", "leave"]), max_size=12)


@settings(deadline=None)
@given(moves=moves, cut=st.integers(0, 12), shuffled=st.randoms())
def test_whatever_happens_a_run_goes_on_from_its_events_as_if_nothing_had(
    moves: list[str], cut: int, shuffled: Any
) -> None:
    """However far it came, whoever reads its events in whatever order sees the same."""
    told: list[tuple[str, EventKind, dict[str, Any]]] = []
    run = fold(events())
    for move in moves:
        progress = run.progress[ENDPOINT]
        if progress.phase is Phase.WAITING and move == "raise":
            told.append(stage(ENDPOINT, progress.stage))
        elif progress.phase is Phase.BAKING and move != "raise":
            told.append((ENDPOINT, EventKind(move), {}))
        run = fold(events(*told))
        assert 1 <= run.progress[ENDPOINT].stage <= len(PLAN.stages)
    earlier, later = events(*told)[: cut + 1], events(*told)[cut + 1 :]
    shuffled.shuffle(earlier)
    resumed: Run = fold(earlier)
    for event in later:
        resumed = resumed.after(event)
    assert resumed == run
    stages = [facts["stage"] for _, kind, facts in told if kind is EventKind.STAGE]
    assert stages == list(range(1, len(stages) + 1)), "no stage is skipped"


def test_a_plan_is_in_the_event_as_it_was_made() -> None:
    plan = Plan(
        endpoints={ENDPOINT: 12.5},
        stages=(25, 100),
        bake=1.5,
        patience=60,
        min_requests=5,
        min_comparisons=3,
        on_failure=OnFailure.ZERO,
        verify_urls=("http://127.0.0.1:8000",),
        without_verification=True,
    )
    assert fold(events(plan=plan)).plan == plan


def test_the_latest_run_is_found_among_other_events_and_an_older_one_by_its_id() -> None:
    store = MemoryStore()
    assert latest(store) is None
    begun = [store.append(event) for event in (*events(), *events())]
    store.append(RolloutEvent(endpoint=DEFAULT, kind=EventKind.SET, by="ann", reason=""))
    store.append(
        RolloutEvent(
            endpoint=ENDPOINT,
            kind=EventKind.STAGE,
            by="ann",
            reason="",
            evidence={"stage": 1},
            run=begun[1].id,
        )
    )
    newest, oldest = latest(store), load(store, begun[0].id)
    assert newest is not None
    assert oldest is not None
    assert (newest.id, newest.progress[ENDPOINT].phase) == (begun[1].id, Phase.BAKING)
    assert oldest.progress[ENDPOINT].phase is Phase.WAITING
    assert load(store, 99) is None
