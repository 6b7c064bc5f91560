"""The guard's promises that need no chance: guard figures, batches, evidence, threads."""

import json
import math
import sys
import threading
from collections.abc import Callable, Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection_api.canary.guard import SLOW_SECONDS
from detection_api.canary.guard.guard import (
    MAX_BATCHES,
    MAX_IDS,
    P95_START,
    PARAMETERS,
    Alarm,
    ArmSample,
    Cusum,
    Guard,
    Sample,
    Signal,
    Verdict,
    Wealth,
    advance_points,
    may_advance,
    replay,
)

FAST, SLOW = 0.02, 0.6
"""Seconds; the latter is slow, but within what legacy's P95 is taken for at first."""


def send(
    guard: Guard, bad: Iterable[bool], *, seconds: float = FAST, share: float = 1.0
) -> list[Alarm]:
    """The alarms of requests to the domain, numbered r1, r2, ..."""
    return [
        alarm
        for number, failed in enumerate(bad, 1)
        for alarm in guard.domain(failed, seconds, share, f"r{number}")
    ]


def cusum(signal: Signal) -> Cusum:
    return Cusum(**PARAMETERS[signal])


def wealth(signal: Signal = Signal.WORSE) -> Wealth:
    return Wealth(**PARAMETERS[signal])


def requests_until(fires: Callable[[bool], bool], every: int, limit: int) -> int | None:
    """How many requests until the test fires, if the last one of each `every` fails."""
    return next((n for n in range(1, limit + 1) if fires(n % every == 0)), None)


def test_failures_in_a_row_warn_at_the_5th_and_roll_back_at_the_7th() -> None:
    guard = Guard()
    verdicts = []
    for number in range(1, 8):
        guard.domain(True, FAST, 1.0, f"r{number}")
        verdicts.append(guard.verdict)
    assert verdicts == [Verdict.OK] * 4 + [Verdict.WARN] * 2 + [Verdict.ROLLBACK]


def test_ten_slow_requests_in_a_row_warn() -> None:
    guard = Guard()
    assert send(guard, [False] * 9, seconds=SLOW) == []
    before = guard.verdict
    assert [alarm.signal for alarm in send(guard, [False], seconds=SLOW)] == [Signal.SLOW]
    assert (before, guard.verdict) == (Verdict.OK, Verdict.WARN)


def test_a_request_of_500_ms_is_not_slow() -> None:
    assert send(Guard(), [False] * 1000, seconds=SLOW_SECONDS) == []


@pytest.mark.parametrize(
    ("every", "at"), [(19, 2185), (10, 130), (5, 45)], ids=["1 in 19", "1 in 10", "1 in 5"]
)
def test_evenly_spread_failures_roll_back_at_a_known_request(every: int, at: int) -> None:
    guard = Guard()

    def fires(bad: bool) -> bool:
        alarms = guard.domain(bad, FAST, 1.0, "r")
        return Signal.FAILING in [alarm.signal for alarm in alarms]

    assert requests_until(fires, every, at + 1) == at
    assert guard.verdict is Verdict.ROLLBACK


def test_one_failure_in_20_never_rolls_back() -> None:
    """A million requests; good ones in a row are given at once, which changes nothing."""
    test = cusum(Signal.FAILING)
    assert not any(test.add(0, 19) or test.add(1, 0) for _ in range(50_000))
    assert test.points == 19


def test_112_good_requests_permit_to_advance_and_111_do_not() -> None:
    assert may_advance(112, 0, Verdict.OK)
    assert not may_advance(111, 0, Verdict.OK)
    assert not may_advance(0, 0, Verdict.OK)
    assert (advance_points(100, 3), may_advance(232, 3, Verdict.OK)) == (-20, True)
    assert not may_advance(231, 3, Verdict.OK)


@pytest.mark.parametrize("verdict", [v for v in Verdict if v is not Verdict.OK])
def test_nothing_advances_while_anything_is_on(verdict: Verdict) -> None:
    assert not may_advance(1_000_000, 0, verdict)


def root(value: Callable[[float], float]) -> float:
    """Where the convex function, 0 and falling at 0, is 0 again."""
    low, high = 1e-9, 1e-3
    while value(high) < 0:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) < 0 else (low, middle)
    return high


def test_a_domain_that_fails_5_percent_advances_with_a_probability_below_1_percent() -> None:
    """It walks +1 and -40; exp(-theta*112) is the exact chance to see 112 ever (Wald, Lundberg)."""
    cost = -advance_points(0, 1)
    theta = root(lambda t: 0.95 * math.exp(t) + 0.05 * math.exp(-cost * t) - 1)
    points = next(n for n in range(10_000) if may_advance(n, 0, Verdict.OK))
    assert 0.009 < math.exp(-theta * points) < 0.01


def test_the_bound_on_false_rollbacks_at_1_percent() -> None:
    """p0 * exp(-t*up*(k-1)) a request, of which the whole 10^6 stay below 1.5e-3."""
    up, k = PARAMETERS[Signal.FAILING]["up"], PARAMETERS[Signal.FAILING]["k"]
    t = root(lambda t: 0.01 * math.exp(t * up) + 0.99 * math.exp(-t) - 1)
    bound = 0.01 * math.exp(-t * up * (k - 1))
    assert bound == pytest.approx(1.47e-9, rel=0.005)
    assert bound * 1e6 < 1.5e-3


def test_each_signal_has_its_verdict() -> None:
    assert {signal.value: signal.verdict.value for signal in Signal} == {
        "failing": "rollback",
        "erring": "warn",
        "slow": "warn",
        "worse": "hold",
        "slower": "hold",
        "differing": "rollback",
    }


def test_a_warning_ends_at_0_points_and_may_come_again() -> None:
    guard = Guard()
    send(guard, [True] * 5)
    send(guard, [False] * 244)
    assert (guard.verdict, guard.points()[Signal.ERRING]) == (Verdict.WARN, 1)
    send(guard, [False])
    assert (guard.verdict, guard.points()[Signal.ERRING]) == (Verdict.OK, 0)
    assert [alarm.signal for alarm in send(guard, [True] * 5)] == [Signal.ERRING]


def test_a_warning_that_is_on_is_not_told_again() -> None:
    """The points went down and up to the cap again, but never to 0."""
    guard = Guard()
    send(guard, [True] * 5)
    assert send(guard, ([False] * 49 + [True]) * 100) == []
    assert guard.verdict is Verdict.WARN


def test_a_rollback_stays_whatever_comes_after() -> None:
    guard = Guard()
    send(guard, [True] * 7)
    send(guard, [False] * 10_000)
    assert set(guard.points().values()) == {0}
    assert guard.verdict is Verdict.ROLLBACK


def test_the_most_severe_verdict_is_given() -> None:
    """One failure in 20 warns, then holds, for legacy has none, and never rolls back."""
    guard = Guard()
    seen = []
    for number in range(1, 401):
        guard.domain(number % 20 == 0, FAST, 0.1, "r")
        guard.legacy(False, FAST, 0.1, "r")
        seen.append(guard.verdict)
    assert list(dict.fromkeys(seen)) == [Verdict.OK, Verdict.WARN, Verdict.HOLD]


# --- batches -----------------------------------------------------------------------------------

shares = st.sampled_from([0.01, 0.1, 0.5, 0.9, 0.99])


@st.composite
def batches_and_their_requests(draw: st.DrawFn, kinds: int) -> list[tuple[list[int], list[int]]]:
    """Counts by kind, and the same requests in any order."""
    counts = st.lists(st.integers(0, 25), min_size=kinds, max_size=kinds)
    batches = []
    for batch in draw(st.lists(counts, min_size=1, max_size=8)):
        requests = [kind for kind, count in enumerate(batch) for _ in range(count)]
        batches.append((batch, draw(st.permutations(requests))))
    return batches


def units(kinds: int) -> list[list[int]]:
    return [[int(kind == other) for other in range(kinds)] for kind in range(kinds)]


def check_batches_never_exceed(
    batches: list[tuple[list[int], list[int]]],
    whole: Cusum | Wealth,
    single: Cusum | Wealth,
    *share: float,
) -> None:
    one = units(len(whole.counts))
    ever = False
    for batch, requests in batches:
        before = whole.points, whole.on
        fires = whole.take([*batch, *share])
        for kind in requests:
            ever = single.take([*one[kind], *share]) or ever
        assert ever or (whole.points <= single.points and not fires)
        assert before[1] or whole.on == fires


@given(batches_and_their_requests(2), st.sampled_from([Signal.FAILING, Signal.ERRING, Signal.SLOW]))
def test_until_they_fire_batches_never_exceed_the_same_requests_one_by_one(
    batches: list[tuple[list[int], list[int]]], signal: Signal
) -> None:
    check_batches_never_exceed(batches, cusum(signal), cusum(signal))


@given(batches_and_their_requests(4), shares)
def test_until_they_fire_comparing_batches_never_exceed_requests_one_by_one(
    batches: list[tuple[list[int], list[int]]], share: float
) -> None:
    check_batches_never_exceed(batches, wealth(), wealth(), share)


def test_a_batch_fires_only_where_every_order_of_it_does() -> None:
    """8 bad and 19 good: 133 at the end of every order. One good more, and spread out it is not."""
    assert cusum(Signal.FAILING).add(8, 19)
    assert not cusum(Signal.FAILING).add(8, 20)


def test_what_one_batch_gathers_the_next_one_goes_on_from() -> None:
    """Ten failures among a hundred, second after second, are a rollback in the second one."""
    test = cusum(Signal.FAILING)
    assert not test.add(10, 90)
    assert test.points == 100
    assert test.add(10, 90)
    assert test.points == 133


def test_a_signal_that_batches_keep_on_is_told_once() -> None:
    """Seconds in which most requests are slow are told once, not every other second."""
    guard = Guard()
    second = Sample(domain=ArmSample(good=1000, slow=800), legacy=ArmSample(), share=1.0)
    assert [alarm.signal for alarm in guard.add(second)] == [Signal.SLOW]
    for _ in range(3):
        assert guard.verdict is Verdict.WARN
        assert guard.add(second) == ()
    guard.add(Sample(domain=ArmSample(good=130), legacy=ArmSample(), share=1.0))
    assert guard.verdict is Verdict.OK


traffic = st.lists(
    st.tuples(
        st.sampled_from(["domain", "legacy"]),
        st.booleans(),
        st.sampled_from([0.01, 0.4, 0.49, 0.51, 0.6, 0.74, 0.76, 2.0]),
        st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    ),
    max_size=60,
)


@given(traffic)
def test_a_batch_of_one_request_is_that_request(
    arrivals: list[tuple[str, bool, float, float]],
) -> None:
    single, merged = Guard(), Guard()
    for arm, bad, seconds, share in arrivals:
        judge = single.domain if arm == "domain" else single.legacy
        side = ArmSample(
            bad=int(bad), good=int(not bad), slow=int(seconds > SLOW_SECONDS), seconds={seconds: 1}
        )
        sides = {"domain": ArmSample(), "legacy": ArmSample()} | {arm: side}
        alarms = merged.add(Sample(domain=sides["domain"], legacy=sides["legacy"], share=share))
        assert [a.signal for a in judge(bad, seconds, share, "r")] == [a.signal for a in alarms]
        assert single.points() == merged.points()
        assert single.verdict is merged.verdict


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("signal", [Signal.WORSE, Signal.SLOWER])
def test_wealth_grows_by_the_logarithm_of_one_plus_bet_times_payoff(
    signal: Signal, share: float
) -> None:
    ratio, margin = PARAMETERS[signal]["ratio"], PARAMETERS[signal]["margin"]
    bet = (ratio - 1) * share * (1 - share) / (1 + (ratio - 1) * share)
    test = wealth(signal)
    points = 0.0
    payoffs = [1 / share - margin] * 8 + [-1 / (1 - share) - margin, -margin, -margin]
    counts = [(1, 0, 0, 0)] * 8 + [(0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 1)]
    for payoff, request in zip(payoffs, counts, strict=True):
        points = max(0.0, points + math.log(1 + bet * payoff))
        test.take([*request, share])
        assert test.points == pytest.approx(points, abs=1e-8)


@pytest.mark.parametrize(
    ("signal", "requests"), [(Signal.WORSE, 324), (Signal.SLOWER, 162)], ids=["worse", "slower"]
)
def test_a_bad_request_is_forgotten_after_so_many_good_ones(signal: Signal, requests: int) -> None:
    """The margin: log(1 + 1.995/4) / -log(1 - 0.005/4) = 323.2; log(1 + 1.99/4) / ... = 161.3."""
    guard = Guard()
    guard.domain(True, 1.0, 0.5, "r")
    for _ in range(requests - 1):
        guard.legacy(False, FAST, 0.5, "r")
    assert guard.points()[signal] > 0
    guard.legacy(False, FAST, 0.5, "r")
    assert guard.points()[signal] == 0


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_is_compared_while_one_arm_is_alone(share: float) -> None:
    test = wealth()
    test.add(5, 0, 0, 0, 0.5)
    points = test.points
    for counts in units(4):
        assert not test.take([*counts, share])
        assert (test.points, test.on) == (points, False)
    assert not test.add(10_000, 0, 0, 10_000, share)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_guard_compares_nothing_while_one_arm_is_alone(share: float) -> None:
    guard = Guard()
    for _ in range(100):
        guard.domain(True, 60.0, share, "r")
        guard.legacy(False, FAST, share, "r")
    points = guard.points()
    assert (points[Signal.WORSE], points[Signal.SLOWER]) == (0, 0)


def test_what_comes_while_one_arm_is_alone_is_no_evidence() -> None:
    guard = Guard()
    guard.domain(True, FAST, 0.5, "before")
    for share in (0.0, 1.0):
        guard.domain(False, FAST, share, "alone")
        guard.legacy(True, FAST, share, "alone")
    alarms: list[Alarm] = []
    while not any(alarm.signal is Signal.WORSE for alarm in alarms):
        alarms += guard.domain(True, FAST, 0.5, "after")
    [evidence] = [alarm.evidence for alarm in alarms if alarm.signal is Signal.WORSE]
    assert evidence["totals"] == {
        "domain_bad": 30,
        "domain_good": 0,
        "legacy_bad": 0,
        "legacy_good": 0,
    }
    assert set(evidence["request_ids"]) == {"before", "after"}


def by_request(guard: Guard, latencies: list[float]) -> None:
    for latency in latencies:
        guard.legacy(False, latency, 0.5, "r")


def by_batch(guard: Guard, latencies: list[float]) -> None:
    histogram: dict[float, int] = {}
    for latency in latencies:
        histogram[latency] = histogram.get(latency, 0) + 1
    guard.add(
        Sample(
            domain=ArmSample(), legacy=ArmSample(good=len(latencies), seconds=histogram), share=0.5
        )
    )


@pytest.mark.parametrize("feed", [by_request, by_batch])
@pytest.mark.parametrize("factor", [0.1, 1, 20], ids=["30 ms", "300 ms", "6 s"])
@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.4, Verdict.OK), (1.6, Verdict.HOLD)], ids=["under", "over"]
)
def test_slower_means_more_than_one_and_a_half_times_legacys_p95(
    feed: Callable[[Guard, list[float]], None], factor: float, ratio: float, verdict: Verdict
) -> None:
    """Legacy takes 0.1 to 0.3 s, times a factor, so that its P95 is 0.29 s times that."""
    guard = Guard()
    latencies = [factor * (0.1 + 0.2 * (number * 37 % 100) / 100) for number in range(5000)]
    feed(guard, latencies)
    for _ in range(30):
        guard.domain(False, ratio * 0.29 * factor, 0.5, "r")
    hold = guard.points()[Signal.SLOWER] > 0
    assert hold == (verdict is Verdict.HOLD)


def test_at_first_legacys_p95_is_taken_for_500_ms() -> None:
    guard = Guard()
    guard.domain(False, 1.5 * P95_START, 0.5, "r")
    assert guard.points()[Signal.SLOWER] == 0
    guard.domain(False, 1.5 * P95_START + 0.001, 0.5, "r")
    assert guard.points()[Signal.SLOWER] > 0


def stored(alarm: Alarm) -> dict[str, object]:
    """The evidence as a store gives it back."""
    evidence: dict[str, object] = json.loads(json.dumps(alarm.evidence))
    assert evidence == alarm.evidence
    return evidence


def test_evidence_says_what_happened() -> None:
    guard = Guard()
    send(guard, [True, *[False] * 19])
    alarms = send(guard, [True, True, False, *[True] * 6])
    [evidence] = [stored(alarm) for alarm in alarms if alarm.signal is Signal.FAILING]
    assert evidence == {
        "signal": "failing",
        "verdict": "rollback",
        "parameters": {"up": 19, "k": 7},
        "start": 0,
        "batches": [[2, 1], [6, 0]],
        "totals": {"bad": 8, "good": 1},
        "points": 133,
        "first_request_id": "r1",
        "last_request_id": "r9",
        "request_ids": ["r1", "r2", "r4", "r5", "r6", "r7", "r8", "r9"],
    }


def test_evidence_of_a_comparison_tells_the_share_at_each_batch() -> None:
    guard = Guard()
    alarms: list[Alarm] = []
    for number in range(40):
        share = 0.1 if number < 5 else 0.2
        alarms += guard.legacy(number == 3, FAST, share, f"l{number}")
        alarms += guard.domain(True, FAST, share, f"d{number}")
    [evidence] = [stored(alarm) for alarm in alarms if alarm.signal is Signal.WORSE]
    batches = evidence["batches"]
    assert isinstance(batches, list)
    assert batches[0] == [1, 0, 0, 1, 0.1]
    assert batches[2] == [1, 0, 1, 0, 0.1]
    assert batches[4:6] == [[1, 0, 0, 0, 0.1], [0, 0, 0, 1, 0.2]]
    assert evidence["request_ids"][:4] == ["d0", "d1", "d2", "l3"]  # type: ignore[index]
    assert replay(evidence)


def test_evidence_from_batches_names_the_requests_they_name() -> None:
    guard = Guard()
    side = ArmSample(bad=4, request_ids=("first", "last"))
    alarms = [*guard.add(Sample(domain=side, legacy=ArmSample(), share=1.0))]
    alarms += guard.add(Sample(domain=side, legacy=ArmSample(), share=1.0))
    assert [alarm.signal for alarm in alarms] == [Signal.FAILING, Signal.ERRING]
    for alarm in alarms:
        assert alarm.evidence["totals"] == {"bad": 8, "good": 0}
        assert alarm.evidence["request_ids"] == ["first", "last", "first", "last"]
        assert replay(stored(alarm))


def test_evidence_holds_the_first_ids_and_the_last() -> None:
    guard = Guard()
    alarms = send(guard, (number % 10 == 0 for number in range(1, 2000)), seconds=FAST)
    alarms += send(guard, [False] * 1000)
    alarms += send(guard, (number % 13 == 0 for number in range(1, 2000)), seconds=SLOW)
    for alarm in alarms:
        assert len(alarm.evidence["request_ids"]) <= MAX_IDS
    many = Guard()
    while not (
        alarms := [a for a in many.domain(True, FAST, 0.5, "d") if a.signal is Signal.WORSE]
    ):
        many.legacy(False, FAST, 0.5, "l")
    [evidence] = [alarm.evidence for alarm in alarms]
    assert len(evidence["request_ids"]) == MAX_IDS < evidence["totals"]["domain_bad"]


def test_long_evidence_is_folded_into_the_points_that_it_starts_from() -> None:
    """A slow climb: failures of the domain, each followed by 310 good requests of legacy."""
    guard = Guard()
    alarms: list[Alarm] = []
    bad = 0
    while not alarms:
        bad += 1
        alarms = [a for a in guard.domain(True, FAST, 0.5, f"r{bad}") if a.signal is Signal.WORSE]
        for _ in range(310):
            guard.legacy(False, FAST, 0.5, "good")
    evidence = stored(alarms[0])
    assert bad > MAX_BATCHES == len(evidence["batches"])  # type: ignore[arg-type]
    assert evidence["totals"] == {
        "domain_bad": bad,
        "domain_good": 0,
        "legacy_bad": 0,
        "legacy_good": 310 * (bad - 1),
    }
    assert (evidence["first_request_id"], evidence["last_request_id"]) == ("r1", f"r{bad}")
    assert 0 < evidence["start"] < evidence["points"]  # type: ignore[operator]
    assert replay(evidence)


def failing_evidence() -> dict[str, object]:
    alarms = send(Guard(), [True, False, *[True] * 7])
    return next(stored(alarm) for alarm in alarms if alarm.signal is Signal.FAILING)


@pytest.mark.parametrize(
    "forged",
    [
        {"batches": [[1, 1], [6, 0]]},
        {"batches": [[1, 1], [8, 0]], "points": 132},
        {"batches": [[7, 0], [1, 0]]},
        {"batches": [[7, 0], [0, 133], [7, 0]]},
        {"batches": [[1, 1], [7, 0], [0, 1]], "points": 132},
        {"parameters": {"up": 19, "k": 8}},
        {"points": 134},
    ],
    ids=[
        "too few failures",
        "other points",
        "fires before its end",
        "fires twice",
        "does not end with it",
        "another test",
        "points over the cap",
    ],
)
def test_evidence_that_does_not_add_up_does_not_replay(forged: dict[str, object]) -> None:
    evidence = failing_evidence()
    assert replay(evidence)
    assert not replay(evidence | forged)


@pytest.mark.parametrize(
    "broken", [{}, {"batches": []}, {"parameters": {"up": 19}}], ids=["empty", "no batch", "no k"]
)
def test_what_is_no_evidence_is_an_error(broken: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        replay(failing_evidence() | broken if broken else {})


def failures(guard: Guard, times: int) -> None:
    """Failures of both arms (d and l) that leave their comparison about where it was."""
    for arm in times * (29 * "ddlddlddlddlddldldl" + "d"):
        judge = guard.domain if arm == "d" else guard.legacy
        judge(True, FAST, 0.5, arm)


@pytest.mark.parametrize("seed", range(10))
def test_looking_at_a_guard_changes_nothing_of_what_it_finds(seed: int) -> None:
    """What is only counted until somebody looks counts as if it had been judged at once."""
    random = Random(seed)
    looked_at, left_alone = Guard(), Guard()
    signals: set[Signal] = set()
    for number in range(600):
        by_domain, seconds = random.random() < 0.5, random.choice([FAST, FAST, SLOW])
        bad = by_domain and random.random() < 0.3
        share = 0.5 if random.random() < 0.9 else 0.25
        looked_at.points()
        told, also_told = (
            (guard.domain if by_domain else guard.legacy)(bad, seconds, share, f"r{number}")
            for guard in (looked_at, left_alone)
        )
        assert told == also_told
        signals.update(alarm.signal for alarm in told)
    assert looked_at.points() == left_alone.points()
    assert {Signal.FAILING, Signal.WORSE} <= signals


def test_no_request_is_lost_between_threads() -> None:
    """Away from 0 and the cap the order makes no difference to the points, to the last bit."""
    alone, shared = Guard(), Guard()
    for guard in (alone, shared):
        send(guard, [True] * 13, share=0.5)
    failures(alone, 4 * 10)
    threads = [threading.Thread(target=failures, args=(shared, 10)) for _ in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert 0 < shared.points()[Signal.WORSE] < PARAMETERS[Signal.WORSE]["limit"]
    assert shared.points()[Signal.WORSE] == alone.points()[Signal.WORSE]
