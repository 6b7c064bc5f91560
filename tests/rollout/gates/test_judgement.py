"""A stage is passed on evidence only: what is wrong fails, what is missing waits and is named."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detection_api.canary.guard.guard import ADVANCE_POINTS
from detection_api.canary.state.types import (
    AcceptedDifference,
    EventKind,
    LedgerRow,
    Mismatch,
    RolloutEvent,
    Shared,
)
from detection_api.rollout.gates.evidence import EndpointSnapshot, Evidence
from detection_api.rollout.gates.judgement import Verified, judge, verification
from detection_api.rollout.gates.latency import SAMPLE
from detection_api.rollout.gates.outcome import Gate, GateOutcome, bottleneck, conclude, eta
from detection_api.rollout.run import Plan
from tests.rollout.support import (
    CONTRACT,
    ENDPOINT,
    EPOCH,
    HEALTHY,
    OTHER,
    PLAN,
    SINCE,
    WINDOW,
    WORKER,
    healthy,
    measured,
    ms,
    row,
)

PASSED, FAILED, INCONCLUSIVE = GateOutcome


def gates(evidence: Evidence, plan: Plan = PLAN) -> dict[str, Gate]:
    return {gate.name: gate for gate in judge(evidence, plan)}


def not_passed(evidence: Evidence) -> dict[str, GateOutcome]:
    return {n: g.outcome for n, g in gates(evidence).items() if g.outcome is not PASSED}


def accepted(path: str, kind: str) -> Shared:
    difference = AcceptedDifference(
        endpoint=ENDPOINT,
        path=path,
        kind=kind,
        reason="known",
        by="ann",
        expires_at=SINCE + timedelta(days=1),
        id=5,
    )
    return replace(HEALTHY.shared, accepted=(difference,))


def mismatch(**fields: Any) -> Mismatch:
    given: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "path": "$.total",
        "kind": "value",
        "count": 1,
        "accepted": 0,
        "first_seen": SINCE,
        "last_seen": SINCE,
        "samples": [{"request_id": "r1"}],
    }
    return Mismatch(**{**given, **fields})


def test_a_healthy_stage_passes_every_gate() -> None:
    evidence = measured()
    assert not_passed(evidence) == {}
    assert conclude(judge(evidence, PLAN)) is PASSED


def test_no_evidence_at_all_passes_nothing_but_what_nobody_can_be_blamed_for() -> None:
    evidence = measured(rows=(), branches={}, workers=())
    assert set(not_passed(evidence)) == {
        "workers",
        "traffic",
        "guard",
        "comparisons",
        "coverage",
        "latency",
    }
    assert conclude(judge(evidence, PLAN)) is INCONCLUSIVE
    assert gates(evidence)["traffic"].message.endswith("there is no traffic")


# Bake


def test_a_stage_takes_its_time_however_good_it_looks() -> None:
    gate = gates(measured(at=SINCE + timedelta(seconds=59)))["bake"]
    assert (gate.outcome, gate.eta) == (INCONCLUSIVE, 1)
    assert gate.message == "baked 59 s of 1 min"


# Workers


@pytest.mark.parametrize(
    ("epochs", "said"),
    [
        ({ENDPOINT: EPOCH - 1}, "not applied yet by w1"),
        ({}, "not applied yet by w1"),
        ({ENDPOINT: EPOCH + 1}, "applied by all 1 workers"),
    ],
)
def test_every_worker_has_to_apply_the_stage(epochs: dict[str, int], said: str) -> None:
    worker = replace(WORKER, heartbeat=replace(WORKER.heartbeat, epochs=epochs))
    assert gates(measured(workers=(worker,)))["workers"].message == said


# Traffic


def test_what_is_missing_is_said_with_how_long_it_takes_at_this_rate() -> None:
    gate = gates(measured(rows=healthy(50)))["traffic"]
    assert gate.outcome is INCONCLUSIVE
    assert gate.message == "the domain answered 50 of at least 200 requests"
    assert gate.eta == pytest.approx(180)


def test_forced_requests_are_no_traffic() -> None:
    rows = [row(10, requests=500, forced=500)]
    gate = gates(measured(rows=rows))["traffic"]
    assert (gate.outcome, gate.eta) == (INCONCLUSIVE, None)
    assert "500 were forced, which proves nothing" in gate.message


def test_clients_that_all_stay_with_legacy_are_no_traffic() -> None:
    gate = gates(measured(rows=[row(10, arm="legacy", requests=500, good=500)]))["traffic"]
    assert gate.outcome is INCONCLUSIVE
    assert "legacy 500: none of these clients is in the 50%" in gate.message


def test_an_outage_of_both_arms_is_no_evidence_for_the_domain() -> None:
    rows = [row(10, requests=500, errors=500, outages=500)]
    assert gates(measured(rows=rows))["traffic"].outcome is INCONCLUSIVE


def test_another_endpoints_traffic_is_not_this_ones() -> None:
    rows = [replace(each, endpoint=OTHER) for each in healthy()]
    assert gates(measured(rows=rows))["traffic"].figures["requests"] == 0


@pytest.mark.parametrize("seconds", [-10, -0.001])
def test_what_was_counted_before_the_stage_or_may_have_been_is_none_of_its_evidence(
    seconds: float,
) -> None:
    rows = [replace(each, bucket=SINCE + timedelta(seconds=seconds)) for each in healthy()]
    assert gates(measured(rows=rows))["traffic"].figures["requests"] == 0


# Guard


@pytest.mark.parametrize(
    ("good", "bad", "outcome"),
    [
        (ADVANCE_POINTS, 0, PASSED),
        (ADVANCE_POINTS - 1, 0, INCONCLUSIVE),
        (ADVANCE_POINTS + 40, 1, PASSED),
        (ADVANCE_POINTS + 39, 1, INCONCLUSIVE),
        (0, 0, INCONCLUSIVE),
        (0, 7, FAILED),
        (0, 6, INCONCLUSIVE),
    ],
)
def test_the_guard_permits_to_advance_by_its_points(
    good: int, bad: int, outcome: GateOutcome
) -> None:
    gate = gates(measured(rows=[row(10, good=good, bad=bad)]))["guard"]
    assert gate.outcome is outcome
    assert f"{bad} of the domain's {good + bad} requests failed" in gate.message


def test_a_warning_that_is_on_permits_nothing() -> None:
    gate = gates(measured(rows=[row(10, good=1000, slow=500)]))["guard"]
    assert (gate.outcome, gate.eta) == (INCONCLUSIVE, None)
    assert gate.message.endswith("slow: the guard says warn")


def test_a_domain_that_fails_more_often_than_legacy_is_not_permitted_to_advance() -> None:
    rows = [
        each
        for n in range(1, 40)
        for each in (row(10 * n, good=95, bad=2), row(10 * n, arm="legacy", good=100))
    ]
    gate = gates(measured(rows=rows, at=SINCE + timedelta(seconds=400)))["guard"]
    assert gate.outcome is INCONCLUSIVE
    assert "worse" in gate.figures["on"]


def alarm(**fields: Any) -> RolloutEvent:
    given: dict[str, Any] = {
        "endpoint": ENDPOINT,
        "kind": EventKind.WARN,
        "by": "guard",
        "reason": "",
        "evidence": {"signal": "erring"},
        "id": 50,
        "at": SINCE + timedelta(seconds=5),
    }
    return RolloutEvent(**{**given, **fields})


def test_what_the_fleets_guard_warned_of_is_on_until_its_points_are_gone() -> None:
    """Its own looks are finer than the ledger's ten seconds."""
    lately = [row(10, good=1000), row(50, good=96, bad=4)]
    assert gates(measured(rows=lately))["guard"].outcome is PASSED
    gate = gates(measured(rows=lately, events=(alarm(),)))["guard"]
    assert gate.outcome is INCONCLUSIVE
    assert gate.figures["on"] == ["erring"]
    over = [*lately, row(51, good=1000)]
    assert gates(measured(rows=over, events=(alarm(),)))["guard"].outcome is PASSED
    assert measured(rows=over, events=(alarm(),)).guard.alarms == (50,)


@pytest.mark.parametrize(
    "other",
    [
        {"endpoint": OTHER},
        {"by": "ann"},
        {"kind": EventKind.SET},
        {"at": SINCE - timedelta(seconds=1)},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_no_other_event_is_an_alarm_of_this_stage(other: dict[str, Any]) -> None:
    rows = [row(50, good=1000), row(51, good=96, bad=4)]
    assert gates(measured(rows=rows, events=(alarm(**other),)))["guard"].outcome is PASSED


def test_the_guard_remembers_what_was_before_the_stage_but_not_before_a_resume() -> None:
    rows = [row(-20, bad=7), row(10, good=1000)]
    assert gates(measured(rows=rows))["guard"].outcome is FAILED
    state = HEALTHY.shared.states[ENDPOINT]
    resumed = replace(state, resumed_at=SINCE - timedelta(seconds=10))
    shared = replace(HEALTHY.shared, states={ENDPOINT: resumed})
    assert gates(measured(rows=rows, shared=shared))["guard"].outcome is PASSED


def test_of_a_long_stage_the_guard_is_fed_with_the_last_hour() -> None:
    rows = [row(10, bad=7), row(7300, good=1000)]
    late = measured(rows=rows, at=SINCE + timedelta(hours=3))
    assert late.guard.verdict == "ok"
    assert late.guard.points == 1000 - 7 * 40


# Mismatches


@pytest.mark.parametrize("kind", ["value", "type", "missing", "status", "length"])
def test_one_unaccepted_mismatch_of_any_kind_fails_however_much_was_equal(kind: str) -> None:
    evidence = measured(mismatches=(mismatch(kind=kind),), rows=healthy(100_000))
    gate = gates(evidence)["mismatches"]
    assert gate.outcome is FAILED
    assert f"$.total {kind} (1)" in gate.message
    assert evidence.unaccepted[0].samples == ({"request_id": "r1"},)


def test_what_was_found_before_the_stage_is_none_of_its_mismatches() -> None:
    before = EndpointSnapshot(branches={}, mismatches=(("$.total", "value", 3, 0),))
    window = replace(WINDOW, before=before)
    same, grown = mismatch(count=3), mismatch(count=4)
    assert gates(measured(window, mismatches=(same,)))["mismatches"].outcome is PASSED
    assert "(1)" in gates(measured(window, mismatches=(grown,)))["mismatches"].message


def test_accepted_mismatches_pass_and_are_told() -> None:
    gate = gates(measured(mismatches=(mismatch(count=0, accepted=9),)))["mismatches"]
    assert (gate.outcome, gate.message) == (PASSED, "none, except 9 accepted")


def test_what_is_accepted_after_it_was_found_is_accepted() -> None:
    found = (mismatch(count=9),)
    gate = gates(measured(mismatches=found, shared=accepted("$.total", "value")))["mismatches"]
    assert gate.figures == {"unaccepted": 0, "accepted": 9}
    other = gates(measured(mismatches=found, shared=accepted("$.total", "type")))["mismatches"]
    assert other.outcome is FAILED


def test_another_endpoints_mismatches_are_not_this_ones() -> None:
    assert measured(mismatches=(mismatch(endpoint=OTHER),)).mismatches == ()


# Comparisons and coverage


def test_comparisons_while_the_data_moved_prove_nothing() -> None:
    gate = gates(measured(rows=[row(10, compared=100, noise=80)]))["comparisons"]
    assert (gate.outcome, gate.figures["compared"]) == (INCONCLUSIVE, 20)
    assert "80 more do not count because the data moved" in gate.message


@pytest.mark.parametrize(
    ("timeouts", "compared", "outcome"),
    [
        (1, 41, PASSED),
        (1, 40, INCONCLUSIVE),
        (6, 6, INCONCLUSIVE),
        (7, 7, FAILED),
        (7, 139, FAILED),
        (7, 140, INCONCLUSIVE),
        (7, 287, PASSED),
    ],
)
def test_a_domain_that_is_too_late_in_comparisons_is_held_to_what_the_guard_permits(
    timeouts: int, compared: int, outcome: GateOutcome
) -> None:
    evidence = measured(
        rows=[row(10, compared=compared)],
        mismatches=(mismatch(path="$", kind="timeout", count=timeouts),),
    )
    gate = gates(evidence)["comparisons"]
    assert gate.outcome is outcome, gate.message
    assert f"{timeouts} timed out" in gate.message
    assert gates(evidence)["mismatches"].outcome is PASSED


def test_answers_that_were_always_empty_cover_no_branch_with_items() -> None:
    gate = gates(measured(branches={(ENDPOINT, "$.rows:empty"): 4000}))["coverage"]
    assert gate.outcome is INCONCLUSIVE
    assert gate.message == "no compared answer took $.rows:items"
    assert gate.figures["missing"] == ["$.rows:items"]


def test_a_branch_that_was_taken_before_the_stage_is_to_be_taken_again() -> None:
    before = EndpointSnapshot(branches=dict.fromkeys(CONTRACT, 50), mismatches=())
    gate = gates(measured(replace(WINDOW, before=before)))["coverage"]
    assert gate.figures["missing"] == [*CONTRACT]


def test_a_branch_that_real_data_never_takes_can_be_excused_by_name() -> None:
    empty = {(ENDPOINT, "$.rows:items"): 1}
    excused = measured(branches=empty, shared=accepted("$.rows:empty", "branch"))
    gate = gates(excused)["coverage"]
    assert gate.outcome is PASSED
    assert (
        gate.message == "compared answers took every branch of the contract; excused: $.rows:empty"
    )
    assert excused.branches_excused == {"$.rows:empty": 5}


@pytest.mark.parametrize(
    ("path", "kind"),
    [("$.rows:empty", "*"), ("$*", "*"), ("$.rows:items", "branch"), ("$.rows", "branch")],
)
def test_nothing_else_excuses_a_branch(path: str, kind: str) -> None:
    branches = {(ENDPOINT, "$.rows:items"): 1}
    assert measured(branches=branches, shared=accepted(path, kind)).branches_missing == (
        "$.rows:empty",
    )


def test_an_excused_branch_excuses_no_mismatch() -> None:
    found = (mismatch(path="$.rows:empty", kind="value"),)
    excused = measured(mismatches=found, shared=accepted("$.rows:empty", "branch"))
    assert gates(excused)["mismatches"].outcome is FAILED


# Latency


def times(domain: dict[int, int], legacy: dict[int, int], **more: Any) -> Sequence[LedgerRow]:
    return [row(10, latency=domain), row(10, arm="legacy", latency=legacy, **more)]


@pytest.mark.parametrize(
    ("domain_ms", "legacy_ms", "outcome"),
    [
        (5, 5, PASSED),
        (6.5, 5, PASSED),
        (10, 5, FAILED),
        (300, 5, FAILED),
        (450, 400, PASSED),
        (600, 590, FAILED),
        (2, 2000, PASSED),
    ],
)
def test_the_p95_is_held_to_500_ms_and_to_1_5_times_legacys(
    domain_ms: float, legacy_ms: float, outcome: GateOutcome
) -> None:
    gate = gates(measured(rows=times(ms(200, domain_ms), ms(200, legacy_ms))))["latency"]
    assert gate.outcome is outcome, gate.message


def test_a_p95_that_chance_may_explain_waits_for_more_requests() -> None:
    domain = {**ms(189, 5), **ms(11, 10)}
    gate = gates(measured(rows=times(domain, ms(200, 5))))["latency"]
    assert (gate.outcome, gate.eta) == (INCONCLUSIVE, None)
    assert "may be over 500 ms, or 1.5 times legacy's" in gate.message


@pytest.mark.parametrize(("domain", "legacy"), [(99, 200), (200, 99), (200, 0)])
def test_with_too_few_runs_of_either_arm_a_p95_says_nothing(domain: int, legacy: int) -> None:
    gate = gates(measured(rows=times(ms(domain, 5), ms(legacy, 5))))["latency"]
    assert gate.outcome is INCONCLUSIVE
    whose, count = ("domain", domain) if domain < legacy else ("legacy", legacy)
    assert f"{SAMPLE} runs are needed, {whose} has {count}" in gate.message


def test_where_legacy_answers_nobody_its_runs_to_compare_with_are_the_reference() -> None:
    gate = gates(measured(rows=times(ms(200, 10), {}, shadow=ms(200, 5))))["latency"]
    assert gate.outcome is FAILED
    assert gate.figures["legacy_from"] == "shadow runs"


def test_where_legacy_has_clients_what_they_waited_is_the_reference() -> None:
    gate = gates(measured(rows=times(ms(200, 10), ms(100, 10), shadow=ms(500, 5))))["latency"]
    assert gate.outcome is PASSED
    assert gate.figures["legacy_from"] == "its own requests"


def test_a_domain_that_may_be_slower_than_legacy_is_held_to_500_ms_still() -> None:
    excused = accepted("$", "latency")
    slower = measured(rows=times(ms(200, 300), ms(200, 5)), shared=excused)
    assert gates(slower)["latency"].outcome is PASSED
    assert slower.latency_excused == 5
    without_legacy = measured(rows=times(ms(200, 300), {}), shared=excused)
    assert gates(without_legacy)["latency"].outcome is PASSED
    too_slow = measured(rows=times(ms(200, 600), ms(200, 5)), shared=excused)
    assert gates(too_slow)["latency"].outcome is FAILED


def test_what_excuses_a_slower_domain_excuses_the_guards_signal_and_no_other() -> None:
    slower = (alarm(evidence={"signal": "slower"}), alarm(evidence={"signal": "erring"}))
    rows = [
        row(50, good=1000, latency=ms(1000, 5)),
        row(51, good=96, bad=4, latency=ms(100, 5000)),
        row(51, arm="legacy", good=100, latency=ms(100, 5)),
    ]
    both = gates(measured(rows=rows, events=slower))["guard"]
    assert both.message.endswith("erring and slower: the guard says hold")
    one = gates(measured(rows=rows, events=slower, shared=accepted("$", "latency")))["guard"]
    assert one.message.endswith("erring: the guard says warn")
    assert one.figures["on"] == ["erring", "slower"]


# Verification


def verified(outcome: GateOutcome) -> Verified:
    return Verified(url="http://a", outcome=outcome, message="9 cases", evidence={"cases": 9})


def test_nobody_verified_is_inconclusive_unless_the_operator_wants_that() -> None:
    plan = Plan(endpoints={})
    assert verification(plan, ()).outcome is INCONCLUSIVE
    assert "--verify-url" in verification(plan, ()).message
    wanted = verification(replace(plan, without_verification=True), ())
    assert (wanted.outcome, wanted.message) == (PASSED, "not verified, as the operator wanted")


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ([PASSED], PASSED),
        ([PASSED, PASSED], PASSED),
        ([PASSED, INCONCLUSIVE], INCONCLUSIVE),
        ([INCONCLUSIVE, FAILED], FAILED),
        ([], INCONCLUSIVE),
    ],
)
def test_every_instance_has_to_be_verified(found: list[GateOutcome], outcome: GateOutcome) -> None:
    plan = Plan(endpoints={}, verify_urls=("http://a",))
    gate = verification(plan, map(verified, found))
    assert gate.outcome is outcome


# All of them


def gate_of(outcome: GateOutcome, seconds: float | None) -> Gate:
    return Gate(name="", outcome=outcome, message="", eta=seconds)


outcomes = st.lists(st.sampled_from(GateOutcome), min_size=1)


@settings(deadline=None)
@given(outcomes)
def test_all_gates_have_to_pass_and_one_that_failed_fails_all(found: list[GateOutcome]) -> None:
    concluded = conclude(gate_of(outcome, None) for outcome in found)
    assert (concluded is PASSED) == all(outcome is PASSED for outcome in found)
    assert (concluded is FAILED) == (FAILED in found)


def test_no_gates_are_no_evidence() -> None:
    assert conclude(()) is INCONCLUSIVE


def test_the_slowest_gate_is_told_of_first_and_an_unknown_wait_is_the_slowest() -> None:
    slow, unknown = gate_of(INCONCLUSIVE, 60), gate_of(INCONCLUSIVE, None)
    assert bottleneck([gate_of(INCONCLUSIVE, 5), slow, gate_of(PASSED, None)]) == slow
    assert bottleneck([slow, unknown]) == unknown
    assert bottleneck([gate_of(PASSED, 0)]) is None


def test_the_longest_wait_is_told_and_none_where_one_is_unknown() -> None:
    assert eta([gate_of(INCONCLUSIVE, 5), gate_of(INCONCLUSIVE, 60), gate_of(PASSED, 99)]) == 60
    assert eta([gate_of(INCONCLUSIVE, 5), gate_of(INCONCLUSIVE, None)]) is None
    assert eta([gate_of(PASSED, None)]) == 0


counts = st.integers(0, 3000)


@settings(deadline=None)
@given(good=counts, bad=st.integers(0, 200), compared=counts, mismatched=st.integers(0, 3))
def test_whatever_was_counted_nothing_passes_without_evidence_or_with_a_mismatch(
    good: int, bad: int, compared: int, mismatched: int
) -> None:
    rows = [
        row(10, good=good, bad=bad, compared=compared, latency=ms(good + bad, 5)),
        row(10, arm="legacy", good=1000, latency=ms(1000, 5)),
    ]
    found = (mismatch(count=mismatched),) if mismatched else ()
    evidence = measured(rows=rows, mismatches=found)
    if conclude(judge(evidence, PLAN)) is PASSED:
        assert good - 40 * bad >= ADVANCE_POINTS
        assert good + bad >= PLAN.min_requests
        assert compared >= PLAN.comparisons
        assert not mismatched


@settings(deadline=None)
@given(good=counts, more=counts)
def test_more_good_evidence_never_turns_a_pass_into_anything_else(good: int, more: int) -> None:
    before, after = (
        conclude(judge(measured(rows=healthy(count)), PLAN)) for count in (good, good + more)
    )
    assert before is not FAILED
    assert before is not PASSED or after is PASSED
