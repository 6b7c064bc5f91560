"""What of a request is counted, and what the guard may judge."""

import pytest

from detection_api.canary.contract.encoder import Answer, ContractViolationError
from detection_api.canary.fleet.accounting import (
    MAX_CLIENTS,
    ONE_FAILURE_PER,
    FailedClients,
    count,
    count_judged,
    judged,
)
from detection_api.canary.serving.decision import Decision, Reason
from detection_api.canary.serving.engine import CanaryRequest, Result
from detection_api.canary.serving.observation import FailureCause, Observation
from detection_api.canary.state.histogram import bin_of
from detection_api.canary.state.ledger import LedgerBatch, Tally
from detection_api.canary.state.types import Arm

ENDPOINT = "items.item"
GOOD = Answer({}, b"{}")


def run(arm: Arm, cause: FailureCause | None = None, seconds: float = 0.02) -> Observation:
    if cause is None:
        return Observation(arm=arm, seconds=seconds, answer=GOOD)
    return Observation(arm=arm, seconds=seconds, error=RuntimeError(), cause=cause, failure=cause)


def served(decided: Reason, *runs: Observation) -> Result:
    """What comes of a request that was decided so and took these runs."""
    first, last = runs[0], runs[-1]
    reason = decided if len(runs) == 1 else Reason.FALLBACK
    return Result(
        decision=Decision(first.arm, decided),
        arm=None if last.cause else last.arm,
        reason=Reason.OUTAGE if last.cause else reason,
        observations=runs,
        cause=first.cause,
    )


DOMAIN, LEGACY = run(Arm.DOMAIN), run(Arm.LEGACY)
DOMAIN_FAILS, LEGACY_FAILS = (
    run(Arm.DOMAIN, FailureCause.TIMEOUT),
    run(Arm.LEGACY, FailureCause.ERROR),
)


@pytest.mark.parametrize(
    ("request_served", "verdict"),
    [
        (served(Reason.ROLLOUT, DOMAIN), (Arm.DOMAIN, False)),
        (served(Reason.ROLLOUT, DOMAIN_FAILS, LEGACY), (Arm.DOMAIN, True)),
        (served(Reason.HOLDOUT, LEGACY), (Arm.LEGACY, False)),
        (served(Reason.HOLDOUT, LEGACY_FAILS), (Arm.LEGACY, True)),
        (served(Reason.ROLLOUT, DOMAIN_FAILS), (Arm.DOMAIN, True)),
        (served(Reason.ROLLOUT, DOMAIN_FAILS, LEGACY_FAILS), None),
        (served(Reason.FORCED, DOMAIN), None),
        (served(Reason.FORCED, DOMAIN_FAILS, LEGACY), None),
        (served(Reason.FINISHED, DOMAIN_FAILS), None),
    ],
    ids=[
        "domain answered",
        "domain failed and legacy answered",
        "legacy answered",
        "legacy failed alone",
        "a write that could not fall back",
        "an outage says nothing of the domain",
        "a forced answer is no evidence",
        "nor is a forced failure",
        "there is no way back from a finished migration",
    ],
)
def test_what_the_guard_may_judge(request_served: Result, verdict: tuple[Arm, bool] | None) -> None:
    assert judged(request_served) == verdict


def counted(request_served: Result, status: int = 200) -> dict[str, Tally]:
    batch = LedgerBatch(0)
    count(batch, ENDPOINT, request_served, status)
    return {arm: tally for (_, arm), tally in batch.tallies.items()}


LATENCY = {bin_of(0.02): 1}


def test_an_answer_is_a_request_of_the_arm_that_it_was_decided_for() -> None:
    assert counted(served(Reason.ROLLOUT, DOMAIN)) == {"domain": Tally(requests=1, latency=LATENCY)}


def test_a_fallback_is_a_request_and_a_failure_of_the_domain_and_an_answer_of_legacy() -> None:
    assert counted(served(Reason.ROLLOUT, DOMAIN_FAILS, LEGACY)) == {
        "domain": Tally(requests=1, timeouts=1, latency=LATENCY),
        "legacy": Tally(fallbacks=1, latency=LATENCY),
    }


def test_an_outage_is_one_of_the_arm_that_it_was_decided_for_with_every_failure() -> None:
    assert counted(served(Reason.ROLLOUT, DOMAIN_FAILS, LEGACY_FAILS), 503) == {
        "domain": Tally(requests=1, timeouts=1, outages=1, server_errors=1, latency=LATENCY),
        "legacy": Tally(errors=1, latency=LATENCY),
    }


def test_forced_requests_are_counted_apart_and_leave_the_latency_alone() -> None:
    assert counted(served(Reason.FORCED, DOMAIN_FAILS, LEGACY)) == {
        "domain": Tally(requests=1, forced=1, timeouts=1),
        "legacy": Tally(fallbacks=1),
    }


@pytest.mark.parametrize(
    ("status", "tally"),
    [
        (399, Tally(requests=1, latency=LATENCY)),
        (400, Tally(requests=1, client_errors=1, latency=LATENCY)),
        (499, Tally(requests=1, client_errors=1, latency=LATENCY)),
        (500, Tally(requests=1, server_errors=1, latency=LATENCY)),
    ],
)
def test_responses_are_counted_by_their_status(status: int, tally: Tally) -> None:
    assert counted(served(Reason.HOLDOUT, LEGACY), status) == {"legacy": tally}


def test_a_reference_that_breaks_its_contract_is_counted_though_it_answers() -> None:
    broken = Answer({}, b"{}", ContractViolationError({}, {}))
    run = Observation(arm=Arm.LEGACY, seconds=0.02, answer=broken, failure=FailureCause.CONTRACT)
    assert counted(served(Reason.HOLDOUT, run))["legacy"].violations == 1
    assert judged(served(Reason.HOLDOUT, run)) == (Arm.LEGACY, False)


def test_replies_are_counted_by_who_answered_and_why() -> None:
    batch = LedgerBatch(0)
    for _ in range(2):
        count(batch, ENDPOINT, served(Reason.ROLLOUT, DOMAIN_FAILS, LEGACY), 200)
    count(batch, ENDPOINT, served(Reason.HOLDOUT, LEGACY_FAILS), 503)
    assert batch.replies == {
        (ENDPOINT, "legacy", "fallback", 2): 2,
        (ENDPOINT, "none", "outage", 5): 1,
    }


def test_what_was_judged_is_counted_with_the_first_and_the_last_failure() -> None:
    tally = Tally()
    for number, (bad, seconds) in enumerate([(False, 0.5), (True, 0.51), (True, 0.1), (False, 1)]):
        count_judged(tally, bad=bad, seconds=seconds, request_id=f"r{number}")
    assert tally == Tally(good=2, bad=2, slow=2, first_failed="r1", last_failed="r2")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def ask(subject: str, *, named: bool = True) -> CanaryRequest:
    return CanaryRequest(subject=subject, named=named, forced=None, request_id="r")


def test_one_failure_of_a_client_counts_in_ten_seconds() -> None:
    clock = Clock()
    clients = FailedClients(clock)
    assert clients.counts(ENDPOINT, ask("line-3"))
    clock.now += ONE_FAILURE_PER - 0.01
    assert not clients.counts(ENDPOINT, ask("line-3"))
    assert clients.counts(ENDPOINT, ask("line-4"))
    assert clients.counts("items.other", ask("line-3"))
    clock.now += 0.01
    assert clients.counts(ENDPOINT, ask("line-3"))


def test_requests_that_name_no_client_are_each_their_own() -> None:
    clients = FailedClients(Clock())
    assert all(clients.counts(ENDPOINT, ask("7", named=False)) for _ in range(3))


def test_remembering_clients_takes_bounded_memory() -> None:
    clock = Clock()
    clients = FailedClients(clock)
    for number in range(MAX_CLIENTS):
        clients.counts(ENDPOINT, ask(f"old-{number}"))
    clock.now += ONE_FAILURE_PER
    assert clients.counts(ENDPOINT, ask("new"))
    assert not clients.counts(ENDPOINT, ask("new"))
    assert len(clients._counted_at) == 1
