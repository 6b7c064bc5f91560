"""What a run does with endpoints that are good, bad, idle, held or somebody else's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import pytest

from detection_api.canary.serving import cohort
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.types import (
    DEFAULT,
    Arm,
    EventKind,
    RolloutState,
    Status,
    effective,
)
from detection_api.rollout import changes
from detection_api.rollout.controller.controller import Controller, Verify
from detection_api.rollout.controller.lifecycle import abandon
from detection_api.rollout.gates.judgement import Verified
from detection_api.rollout.gates.outcome import GateOutcome
from detection_api.rollout.run import Completion, EndCause, OnFailure, Phase, Run, load
from tests.rollout.fleet import (
    ENDPOINTS,
    Clock,
    Fault,
    Fleet,
    clock,
    fleet,
    phases,
    settled,
    why,
)

__all__ = ["clock", "fleet"]

GOOD, BAD = "records.violation", "statistics.daily"


def applied(fleet: Fleet, endpoint: str) -> tuple[float, Status]:
    state = effective(fleet.store.read().states, endpoint)
    return state.percent, state.status


def operator(fleet: Fleet, endpoint: str, change: changes.Change, kind: EventKind) -> None:
    """Have an operator change an endpoint by hand."""
    state = changes.own(fleet.store.read().states, endpoint)
    changes.write(fleet.store, state, change, kind, by="bob", reason="by hand")


def completion(run: Run) -> Completion:
    assert run.end is not None
    return Completion(run.end.evidence["completion"])


def test_a_healthy_domain_goes_from_0_to_100_stage_by_stage(fleet: Fleet) -> None:
    run = fleet.roll_out(fleet.begin(stages=(25, 50, 100)))
    assert completion(run) is Completion.COMPLETE
    for endpoint in ENDPOINTS:
        assert fleet.stages(endpoint) == [25, 50, 100]
        assert applied(fleet, endpoint) == (100, Status.ACTIVE)


def test_every_event_of_a_run_has_its_figures_and_who_began_it(fleet: Fleet) -> None:
    run = fleet.roll_out(fleet.begin(endpoints={GOOD: 0.0}, stages=(100,)))
    end, passed, stage, start = fleet.store.events(run=run.id, limit=None)
    assert (start.kind, start.endpoint, start.reason) == (EventKind.START, DEFAULT, "release 2")
    assert {event.by for event in (start, stage, passed, end)} == {"ann"}
    assert {key: stage.evidence[key] for key in ("stage", "percent", "percent_before")} == {
        "stage": 1,
        "percent": 100,
        "percent_before": 0,
    }
    assert passed.epoch == stage.epoch
    assert {gate["name"]: gate["outcome"] for gate in passed.evidence["gates"]} == dict.fromkeys(
        (
            "bake",
            "workers",
            "traffic",
            "guard",
            "mismatches",
            "comparisons",
            "coverage",
            "latency",
            "verification",
        ),
        "passed",
    )
    measured = passed.evidence["evidence"]
    assert measured["domain"]["counts"]["good"] >= 110
    assert measured["branches_missing"] == []
    assert "At most" in passed.reason
    assert "of answers can be wrong (95% confidence, " in passed.reason
    assert "of requests can fail (95% confidence, " in passed.reason
    assert end.evidence["outcomes"][GOOD] == {
        "phase": "done",
        "stage": 1,
        "percent": 100.0,
        "status": "active",
        "reason": passed.reason,
    }


# The broken domains


def raising_where_there_are_rows(answer: Any) -> Any:
    if answer:
        raise AttributeError("'Row' object has no attribute 'count'")
    return answer


def texts_for_epochs(answer: Any) -> Any:
    return [{**row, "ts": datetime.fromtimestamp(row["ts"], UTC).isoformat()} for row in answer]


def without_nulls(answer: Any) -> Any:
    return {name: value for name, value in answer.items() if value is not None}


def times_without_a_zone(answer: Any) -> Any:
    seen = answer["stats"]["last_detection_time"]
    naive = seen and seen.replace(tzinfo=None)
    return {**answer, "stats": {**answer["stats"], "last_detection_time": naive}}


BROKEN: Mapping[str, tuple[str, Fault, str]] = {
    "raises where there are rows": ("statistics.daily", raising_where_there_are_rows, "$ status"),
    "lists always empty": (
        "statistics.events",
        lambda _: {"events": [], "total": 0},
        "$.events length",
    ),
    "ISO text for an epoch": ("statistics.history", texts_for_epochs, "$[*].ts type"),
    "keys of nulls dropped": ("records.violation", without_nulls, "missing"),
    "total of the page": (
        "records.detection_records",
        lambda answer: {**answer, "total": len(answer["records"])},
        "$.total value",
    ),
    "times without a zone": (
        "cameras.camera_stats",
        times_without_a_zone,
        "$.stats.last_detection_time type",
    ),
}
HEALTHY = "cameras.cameras"


@pytest.mark.parametrize(("endpoint", "fault", "named"), BROKEN.values(), ids=BROKEN)
def test_a_domain_that_is_wrong_passes_no_stage_and_is_named(
    fleet: Fleet, endpoint: str, fault: Fault, named: str
) -> None:
    fleet.faults[endpoint] = fault
    both = (endpoint, HEALTHY)
    run = fleet.roll_out(
        fleet.begin(endpoints=dict.fromkeys(both, 0.0)), lambda: fleet.second(both)
    )
    assert phases(run).pop(endpoint) in (Phase.FAILED, Phase.LEFT), "by a gate, or by the guard"
    assert phases(run)[HEALTHY] is Phase.DONE
    percent, status = applied(fleet, endpoint)
    assert percent == 0 or not status.exposes
    shown = [f"{found.path} {found.kind}" for found in fleet.store.mismatches(endpoint)]
    assert any(named in difference for difference in shown)
    assert completion(run) is Completion.INCOMPLETE
    kinds = {event.kind for event in fleet.store.events(endpoint, run=run.id)}
    assert EventKind.PASS not in kinds


def test_a_domain_that_takes_twice_as_long_as_legacy_passes_no_stage_and_is_named(
    fleet: Fleet,
) -> None:
    fleet.takes[BAD, Arm.DOMAIN] = 0.010
    both = (GOOD, BAD)
    run = fleet.roll_out(
        fleet.begin(endpoints=dict.fromkeys(both, 0.0)), lambda: fleet.second(both)
    )
    assert phases(run) == {GOOD: Phase.DONE, BAD: Phase.FAILED}
    assert "latency: P95" in why(run, BAD)
    assert "over 500 ms, or 1.5 times legacy's" in why(run, BAD)


def test_at_100_percent_too_a_domain_is_held_to_legacys_times(fleet: Fleet) -> None:
    """Legacy answers nobody then: its runs to compare with are all there is."""
    run = fleet.begin(endpoints={BAD: 100.0}, stages=(100,))
    operator(fleet, BAD, changes.percent_set(100), EventKind.SET)
    fleet.takes[BAD, Arm.DOMAIN] = 0.010
    run = fleet.roll_out(run, lambda: fleet.second([BAD]))
    assert phases(run) == {BAD: Phase.FAILED}
    assert "(shadow runs)" in why(run, BAD)


# What proves nothing

LEGACYS = next(f"c{n}" for n in range(99) if not cohort.is_in("records.violation", f"c{n}", 50))
"""A client that stays with legacy at 50%."""


def test_without_any_traffic_nothing_is_passed_and_all_go_back_when_patience_ends(
    fleet: Fleet,
) -> None:
    run = fleet.roll_out(fleet.begin(patience=40), lambda: fleet.second(requests=0))
    assert set(phases(run).values()) == {Phase.LEFT}
    assert {run.progress[e].event.evidence["cause"] for e in ENDPOINTS} == {  # type: ignore[union-attr]
        EndCause.PATIENCE.value
    }
    assert "there is no traffic" in why(run, GOOD)
    assert "$.records:items" in why(run, "records.detection_records")
    assert applied(fleet, GOOD) == (0, Status.ACTIVE), "no stage was passed"
    left = run.progress[GOOD].event
    assert left is not None
    assert (left.evidence["percent_before"], left.evidence["percent"]) == (50, 0)


def test_without_traffic_at_100_percent_an_endpoint_keeps_the_stage_that_it_passed(
    fleet: Fleet,
) -> None:
    def serve() -> None:
        is_silent = effective(fleet.store.read().states, GOOD).percent == 100
        fleet.second([GOOD], requests=0 if is_silent else 40)

    run = fleet.roll_out(fleet.begin(endpoints={GOOD: 0.0}, patience=40), serve)
    assert phases(run) == {GOOD: Phase.LEFT}
    assert applied(fleet, GOOD) == (50, Status.ACTIVE)


def test_traffic_to_five_of_seven_passes_the_five(fleet: Fleet) -> None:
    five = ENDPOINTS[:5]
    run = fleet.roll_out(fleet.begin(), lambda: fleet.second(five))
    assert phases(run) == {e: Phase.DONE if e in five else Phase.LEFT for e in ENDPOINTS}
    assert completion(run) is Completion.INCOMPLETE


def test_traffic_that_only_meets_empty_results_passes_nothing(fleet: Fleet) -> None:
    """Every second answer of these is an empty list."""
    lists = ("records.detection_records", "statistics.events", "statistics.history")
    run = fleet.roll_out(
        fleet.begin(endpoints=dict.fromkeys(lists, 0.0), patience=40),
        lambda: fleet.second(lists, turns=[1] * 40),
    )
    assert set(phases(run).values()) == {Phase.LEFT}
    assert "coverage: no compared answer took $.events:items" in why(run, lists[1])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"forced": Arm.DOMAIN}, "were forced, which proves nothing"),
        ({"client": LEGACYS}, "none of these clients is in the 50%"),
    ],
    ids=["forced", "one client that stays with legacy"],
)
def test_traffic_that_never_is_the_domains_by_itself_passes_nothing(
    fleet: Fleet, asked: dict[str, Any], said: str
) -> None:
    run = fleet.roll_out(
        fleet.begin(endpoints={GOOD: 0.0}, patience=40), lambda: fleet.second([GOOD], **asked)
    )
    assert phases(run) == {GOOD: Phase.LEFT}
    assert said in why(run, GOOD)


# Each on its own


def test_an_endpoint_that_breaks_at_25_goes_back_alone(fleet: Fleet) -> None:
    def serve() -> None:
        if effective(fleet.store.read().states, BAD).percent == 25:
            fleet.faults[BAD] = raising_where_there_are_rows
        fleet.second(requests=80)

    run = fleet.roll_out(fleet.begin(stages=(10, 25, 100)), serve)
    assert fleet.stages(BAD) == [10, 25]
    assert phases(run).pop(BAD) in (Phase.FAILED, Phase.LEFT)
    assert all(applied(fleet, e) == (100, Status.ACTIVE) for e in ENDPOINTS if e != BAD)
    percent, status = applied(fleet, BAD)
    assert percent == 10 or status is Status.ROLLED_BACK
    judged = sum(row.tally.bad for row in fleet.store.ledger(fleet.clock.now().replace(hour=0)))
    assert judged <= 7 + 40, "the guard's seven, and what came in the same second"


@pytest.mark.parametrize("on_failure", OnFailure)
def test_wrong_answers_at_the_last_stage_end_at_zero(fleet: Fleet, on_failure: OnFailure) -> None:
    endpoint, fault, _ = BROKEN["total of the page"]

    def serve() -> None:
        if effective(fleet.store.read().states, endpoint).percent == 100:
            fleet.faults[endpoint] = fault
        fleet.second([endpoint])

    run = fleet.roll_out(fleet.begin(endpoints={endpoint: 0.0}, on_failure=on_failure), serve)
    percent, status = applied(fleet, endpoint)
    assert percent == 0 or status is Status.ROLLED_BACK, "by the run, or earlier by the guard"
    assert phases(run) != {endpoint: Phase.DONE}


@pytest.mark.parametrize(("on_failure", "percent"), [(OnFailure.PREVIOUS, 50), (OnFailure.ZERO, 0)])
def test_a_domain_that_is_slow_at_the_last_stage_goes_back_as_the_plan_says(
    fleet: Fleet, on_failure: OnFailure, percent: float
) -> None:
    def serve() -> None:
        if effective(fleet.store.read().states, BAD).percent == 100:
            fleet.takes[BAD, Arm.DOMAIN] = 0.010
        fleet.second([BAD])

    fleet.roll_out(fleet.begin(endpoints={BAD: 0.0}, on_failure=on_failure), serve)
    assert applied(fleet, BAD)[0] == percent


# Operators beside a run


def test_who_is_rolled_back_at_the_start_is_left_and_said_to_be(fleet: Fleet) -> None:
    operator(fleet, BAD, changes.rolled_back, EventKind.ROLLBACK)
    run = settled(fleet.controller(fleet.begin())).run
    assert run.progress[BAD].phase is Phase.LEFT
    assert why(run, BAD) == "rolled back: by hand"
    assert run.progress[GOOD].phase is Phase.BAKING


def test_a_default_that_is_rolled_back_leaves_every_endpoint(fleet: Fleet) -> None:
    run = fleet.begin()
    operator(fleet, DEFAULT, changes.rolled_back, EventKind.ROLLBACK)
    turn = fleet.controller(run)
    assert set(phases(settled(turn).run).values()) == {Phase.LEFT}


def test_what_the_environment_pins_is_left_and_said_to_be(clock: Clock) -> None:
    overrides = CanarySettings(pinned={"ROLLOUT_PERCENT_STATISTICS_DAILY": 5.0})
    fleet = Fleet(clock, overrides=overrides)
    run = settled(fleet.controller(fleet.begin())).run
    assert run.progress[BAD].phase is Phase.LEFT
    assert why(run, BAD) == "the environment pins it to 5%: no stored percent applies"


def test_who_is_above_the_last_stage_is_left_where_it_is(fleet: Fleet) -> None:
    operator(fleet, GOOD, changes.percent_set(75), EventKind.SET)
    run = settled(fleet.controller(fleet.begin(endpoints={GOOD: 75.0}, stages=(10, 50)))).run
    assert why(run, GOOD) == "it is at 75%, above the last stage"
    assert applied(fleet, GOOD) == (75, Status.ACTIVE)


def test_a_run_goes_on_from_the_percent_that_it_finds(fleet: Fleet) -> None:
    operator(fleet, GOOD, changes.percent_set(25), EventKind.SET)
    settled(fleet.controller(fleet.begin(endpoints={GOOD: 25.0}, stages=(10, 25, 100))))
    assert fleet.stages(GOOD) == [25]


def test_what_an_operator_sets_during_a_run_stays_so(fleet: Fleet) -> None:
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}))
    settled(controller)
    operator(fleet, GOOD, changes.percent_set(5), EventKind.SET)
    run = settled(controller).run
    assert why(run, GOOD) == "bob set 5%: by hand"
    assert applied(fleet, GOOD) == (5, Status.ACTIVE)


def test_who_is_rolled_back_during_a_stage_is_left_with_what_was_measured(fleet: Fleet) -> None:
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}))
    settled(controller)
    fleet.second([GOOD])
    operator(fleet, GOOD, changes.rolled_back, EventKind.ROLLBACK)
    left = settled(controller).run.progress[GOOD].event
    assert left is not None
    assert (left.kind, left.evidence["cause"]) == (EventKind.LEAVE, EndCause.ROLLED_BACK.value)
    assert left.evidence["gates"]


def test_a_rollback_that_was_taken_back_between_two_looks_is_not_overlooked(fleet: Fleet) -> None:
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}))
    settled(controller)
    fleet.clock.seconds += 1
    operator(fleet, GOOD, changes.rolled_back, EventKind.ROLLBACK)
    operator(fleet, GOOD, changes.resumed, EventKind.RESUME)
    assert why(settled(controller).run, GOOD) == "it was rolled back and resumed meanwhile"


def test_who_is_held_passes_its_stage_and_waits_until_it_is_resumed(fleet: Fleet) -> None:
    run = fleet.begin(endpoints={GOOD: 0.0}, patience=5)
    controller = fleet.controller(run)
    settled(controller)
    operator(fleet, GOOD, changes.held, EventKind.HOLD)
    for _ in range(30):
        fleet.second([GOOD])
        turn = settled(controller)
    assert phases(turn.run) == {GOOD: Phase.WAITING}
    (review,) = turn.reviews
    assert review.waits_for == f"held until `rollout resume --endpoint {GOOD}`: by hand"
    assert applied(fleet, GOOD) == (50, Status.HELD)
    operator(fleet, GOOD, changes.resumed, EventKind.RESUME)
    settled(controller)
    assert applied(fleet, GOOD) == (100, Status.ACTIVE)


def test_who_waits_because_all_are_held_names_what_takes_that_back(fleet: Fleet) -> None:
    operator(fleet, DEFAULT, changes.held, EventKind.HOLD)
    (review,) = settled(fleet.controller(fleet.begin(endpoints={GOOD: 0.0}))).reviews
    assert review.waits_for == "held until `rollout resume`: by hand"


def test_a_held_endpoint_is_not_left_for_want_of_patience(fleet: Fleet) -> None:
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}, patience=5))
    settled(controller)
    operator(fleet, GOOD, changes.held, EventKind.HOLD)
    fleet.clock.seconds += 60
    assert phases(settled(controller).run) == {GOOD: Phase.BAKING}


def test_who_was_rolled_back_after_its_last_stage_makes_the_run_incomplete(fleet: Fleet) -> None:
    run = fleet.begin(endpoints={GOOD: 0.0}, stages=(100,))
    controller = fleet.controller(run)
    while (turn := controller.turn()).run.progress[GOOD].phase is not Phase.DONE:
        fleet.second([GOOD])
    operator(fleet, GOOD, changes.rolled_back, EventKind.ROLLBACK)
    ended = controller.turn().run
    assert completion(ended) is Completion.INCOMPLETE
    assert turn.run.end is None


def test_an_abandoned_run_leaves_everything_as_it_stands(fleet: Fleet) -> None:
    controller = fleet.controller(fleet.begin())
    run = settled(controller).run
    abandon(fleet.store, run, by="bob", reason="another plan")
    ended = controller.turn()
    assert not ended.has_moved
    assert completion(ended.run) is Completion.ABANDONED
    assert applied(fleet, GOOD) == (50, Status.ACTIVE)


class Raced:
    """A store in which somebody else is faster, once, whenever a run writes a state."""

    def __init__(self, fleet: Fleet) -> None:
        self._store = fleet.store
        self._raced = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write(self, state: RolloutState, *arguments: Any, **options: Any) -> RolloutState:
        if not self._raced:
            self._raced = True
            other = replace(state, status=Status.ROLLED_BACK, percent=0, by="guard", reason="late")
            self._store.write(other, EventKind.ROLLBACK, {})
        return self._store.write(state, *arguments, **options)


def test_a_rollback_at_the_very_moment_of_a_raise_wins(fleet: Fleet) -> None:
    run = fleet.begin(endpoints={GOOD: 0.0})
    fleet.store = Raced(fleet)
    run = settled(fleet.controller(run)).run
    assert applied(fleet, GOOD)[1] is Status.ROLLED_BACK
    assert why(run, GOOD) == "rolled back: late"
    assert fleet.stages(GOOD) == []


# Verification


def verifying(outcome: GateOutcome) -> tuple[Verify, list[set[str]]]:
    asked: list[set[str]] = []

    def verify(endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        asked.append(set(endpoints))
        found = Verified(
            url="http://a", outcome=outcome, message="2 of 9 differ", evidence={"cases": 9}
        )
        return {endpoint: [found] for endpoint in endpoints}

    return verify, asked


def baked(fleet: Fleet, controller: Controller) -> Run:
    """The run after a stage in which GOOD has passed all that is counted."""
    settled(controller)
    for _ in range(30):
        fleet.second([GOOD])
    return controller.turn().run


@pytest.mark.parametrize(
    ("outcome", "phase"),
    [
        (GateOutcome.PASSED, Phase.WAITING),
        (GateOutcome.FAILED, Phase.FAILED),
        (GateOutcome.INCONCLUSIVE, Phase.BAKING),
    ],
)
def test_who_has_passed_all_else_is_verified_before_the_stage_is_passed(
    fleet: Fleet, outcome: GateOutcome, phase: Phase
) -> None:
    verify, asked = verifying(outcome)
    plan = {"verify_urls": ("http://a",), "without_verification": False}
    run = fleet.begin(endpoints={GOOD: 0.0, BAD: 0.0}, **plan)
    run = baked(fleet, fleet.controller(run, verify=verify))
    assert phases(run) == {GOOD: phase, BAD: Phase.BAKING}
    assert asked == [{GOOD}]
    if outcome is GateOutcome.FAILED:
        assert why(run, GOOD).endswith("verification: http://a: 2 of 9 differ")


def test_without_anybody_to_verify_no_stage_is_passed(fleet: Fleet) -> None:
    run = fleet.begin(endpoints={GOOD: 0.0}, without_verification=False)
    assert phases(baked(fleet, fleet.controller(run))) == {GOOD: Phase.BAKING}


def test_what_is_held_while_another_endpoint_is_verified_is_not_raised(fleet: Fleet) -> None:
    def held_meanwhile(endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        operator(fleet, DEFAULT, changes.held, EventKind.HOLD)
        return verifying(GateOutcome.PASSED)[0](endpoints)

    plan = {"verify_urls": ("http://a",), "without_verification": False}
    run = fleet.begin(endpoints={GOOD: 0.0, BAD: 0.0}, **plan)
    operator(fleet, BAD, changes.held, EventKind.HOLD)
    controller = fleet.controller(run, verify=held_meanwhile)
    settled(controller)
    for _ in range(30):
        fleet.second([GOOD])
    operator(fleet, BAD, changes.resumed, EventKind.RESUME)
    settled(controller)
    assert fleet.stages(BAD) == []
    assert applied(fleet, BAD) == (0, Status.HELD)


# Crashes


class KilledError(BaseException):
    """The controller is gone, as by `kill -9`."""


class Killing:
    """A store whose caller is killed before or after some call."""

    def __init__(self, store: Any, calls: int, *, after: bool) -> None:
        self._store = store
        self._left = calls
        self._after = after

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise KilledError
            found = method(*arguments, **options)
            if self._left == 0:
                raise KilledError
            return found

        return call


def test_killed_20_times_at_random_moments_a_run_goes_on_as_if_nothing_had_happened(
    fleet: Fleet,
) -> None:
    random = Random(20261125)
    run, store = fleet.begin(stages=(25, 50, 100)), fleet.store
    kills = 0
    for _ in range(400):
        fleet.second(requests=15)
        if kills < 20:
            killing: Any = Killing(store, random.randint(1, 30), after=random.random() < 0.5)
            fleet.store = killing
        try:
            settled(fleet.controller(run))
        except KilledError:
            kills += 1
        fleet.store = store
        seen = load(store, run.id)
        assert seen is not None
        for endpoint, progress in seen.progress.items():
            assert applied(fleet, endpoint)[0] <= seen.plan.percent(progress.stage)
        if seen.end is not None:
            break
    ended = load(store, run.id)
    assert ended is not None
    assert kills == 20
    assert completion(ended) is Completion.COMPLETE
    for endpoint in ENDPOINTS:
        told = [e.kind for e in reversed(store.events(endpoint, limit=None, run=run.id))]
        assert told == [EventKind.STAGE, EventKind.PASS] * 3
        assert fleet.stages(endpoint) == [25, 50, 100]
    ends = [e.kind for e in store.events(DEFAULT, limit=None)]
    assert ends == [EventKind.END, EventKind.START]
