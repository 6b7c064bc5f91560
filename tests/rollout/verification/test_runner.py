"""What a verification makes of answers: who agrees, who is wrong, and what only moves."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from detection_api import create_app
from detection_api.canary.state.types import AcceptedDifference
from detection_api.rollout.gates.measurement import LATENCY
from detection_api.rollout.verification.http_answers import Subject, subjects_of
from detection_api.rollout.verification.inputs import Inputs
from detection_api.rollout.verification.results import (
    CaseVerdict,
    Ending,
    EndpointResult,
    Times,
    slowness,
)
from detection_api.rollout.verification.runner import RECHECKS, SETTLE, verify
from detection_api.web.client import Reply, UnreachableError
from tests.rollout.answering import Answering, answer, cameras, problem, reply

ENDPOINT = "cameras.cameras"
ONE = cameras({})


@pytest.fixture(scope="module")
def subjects() -> Callable[..., tuple[Subject, ...]]:
    """Subjects of the application, by their endpoints' names."""
    app = create_app({"DATABASE_URL": "postgresql://nowhere/none"})
    return lambda *endpoints: subjects_of(app, endpoints)


@pytest.fixture
def verified(subjects: Callable[..., tuple[Subject, ...]]) -> Callable[..., EndpointResult]:
    """What is found of the cameras of an instance that answers as it is told."""

    def run(told: Callable[[str], Reply | None], **terms: Any) -> EndpointResult:
        terms = {"wait": lambda _: None, **terms}
        found = verify(Answering(told), subjects(ENDPOINT), Inputs(**terms))
        assert found.passed == (found.endpoints[0].verdict is CaseVerdict.PASSED)
        return found.endpoints[0]

    return run


Verified = Callable[..., EndpointResult]


def test_arms_that_agree_with_data_pass(verified: Verified) -> None:
    found = verified(lambda arm: answer(arm, ONE, ms=2.5))
    assert found.verdict is CaseVerdict.PASSED
    assert {case.ending for case in found.cases} == {Ending.EQUAL}
    assert found.legacy == found.domain == Times(count=9, p50=2.5, p95=2.5)
    assert "$.cameras:empty" in found.unexercised


def test_arms_that_agree_without_data_have_shown_nothing(verified: Verified) -> None:
    found = verified(lambda arm: answer(arm, cameras()))
    assert found.verdict is CaseVerdict.INCONCLUSIVE
    assert found.findings == ("no answer had data in it",)


FAULTS = {
    "fell back": (
        lambda: reply(200, ONE, "legacy; reason=fallback; cause=timeout"),
        "domain: failed (timeout), and legacy answered instead",
    ),
    "outage": (
        lambda: reply(503, {}, "none; reason=outage; cause=error"),
        "domain: no implementation answered (error), status 503",
    ),
    "kill switch": (
        lambda: reply(200, ONE, "legacy; reason=kill_switch"),
        "domain: the kill switch is set: the domain cannot be forced",
    ),
    "not granted": (
        lambda: reply(200, ONE, "domain; reason=rollout"),
        "domain: domain answered (rollout): force_domain was not granted;"
        " it may need an operator's token",
    ),
    "other arm": (
        lambda: reply(200, ONE, "legacy; reason=forced"),
        "domain: legacy answered (forced): force_domain was not granted;"
        " it may need an operator's token",
    ),
    "no canary": (
        lambda: reply(200, ONE, None),
        "domain: no X-Canary, status 200: the canary does not serve this",
    ),
    "server error": (
        lambda: reply(500, {}, "domain; reason=forced"),
        "domain: answered with status 500",
    ),
    "HTML": (
        lambda: reply(200, b"<p>", "domain; reason=forced", media_type="text/html"),
        "domain: status 200 with text/html",
    ),
    "no JSON": (
        lambda: reply(200, b"{", "domain; reason=forced"),
        "domain: status 200 with unreadable JSON",
    ),
    "empty problem": (
        lambda: reply(404, {}, "domain; reason=forced", media_type="application/problem+json"),
        "domain: status 404 with a problem without detail",
    ),
    "out of contract": (
        lambda: answer("domain", {}),
        'domain: its answer breaks the contract: {"cameras": ["Missing data for required field."]}',
    ),
    "away": (lambda: None, "domain: no answer: Connection refused"),
}


@pytest.mark.parametrize(("told", "said"), FAULTS.values(), ids=FAULTS)
def test_an_answer_that_is_not_the_domains_own_and_sound_is_a_failure(
    verified: Verified, told: Callable[[], Reply | None], said: str
) -> None:
    found = verified(lambda arm: answer(arm, ONE) if arm == "legacy" else told())
    assert found.verdict is CaseVerdict.FAILED
    assert f"default: {said}" in found.findings


def test_a_fault_that_shows_once_in_many_times_is_found(verified: Verified) -> None:
    turns = count()

    def told(arm: str) -> Reply:
        if arm == "domain" and next(turns) == 1:
            return reply(200, ONE, "legacy; reason=fallback; cause=error")
        return answer(arm, ONE)

    assert verified(told).verdict is CaseVerdict.FAILED


def test_without_a_reference_nothing_is_verified(verified: Verified) -> None:
    def told(arm: str) -> Reply:
        return answer(arm, ONE) if arm == "domain" else reply(503, {}, "none; reason=outage")

    found = verified(told)
    assert found.verdict is CaseVerdict.FAILED
    assert "default: legacy: no implementation answered (unknown), status 503" in found.findings


DIFFERENCES = {
    "value": ({"fps": 24.0}, "default: $.cameras[*].fps value: legacy number, domain number"),
    "null": ({"fps": None}, "default: $.cameras[*].fps null: legacy number, domain null"),
}


@pytest.mark.parametrize(("change", "said"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_a_difference_that_lasts_is_a_failure_that_shows_no_data(
    verified: Verified, change: dict[str, Any], said: str
) -> None:
    waits: list[float] = []
    found = verified(
        lambda arm: answer(arm, ONE if arm == "legacy" else cameras(change)), wait=waits.append
    )
    assert found.verdict is CaseVerdict.FAILED
    assert said in found.findings
    assert waits == [SETTLE], "it was looked at again when the data had settled"


def test_another_status_is_a_difference(verified: Verified) -> None:
    def told(arm: str) -> Reply:
        if arm == "legacy":
            return answer(arm, ONE)
        return reply(
            404,
            {"detail": "There is none."},
            "domain; reason=forced",
            media_type="application/problem+json",
        )

    found = verified(told)
    assert "default: $ status: legacy object(1), domain error(404)" in found.findings
    assert {(c.legacy_status, c.domain_status) for c in found.cases} == {(200, 404), (422, 422)}


def excuse(path: str, kind: str = "*") -> AcceptedDifference:
    return AcceptedDifference(
        endpoint=ENDPOINT,
        path=path,
        kind=kind,
        reason="rounded",
        by="ann",
        expires_at=datetime(2030, 1, 1, tzinfo=UTC),
    )


def test_a_difference_that_is_accepted_passes_with_its_reason(verified: Verified) -> None:
    def told(arm: str) -> Reply:
        return answer(arm, ONE if arm == "legacy" else cameras({"fps": 24.0}))

    found = verified(told, accepted=[excuse("$.cameras[*].fps")])
    assert found.verdict is CaseVerdict.PASSED
    assert found.cases[0].ending is Ending.ACCEPTED
    assert found.cases[0].findings == ("rounded",)
    assert verified(told, accepted=[excuse("$.other")]).verdict is CaseVerdict.FAILED


def test_a_domain_that_sees_changes_a_moment_later_is_equal(verified: Verified) -> None:
    seen = [0.0]

    def told(arm: str) -> Reply:
        """Three cases are asked in turn, so that is how long ago this one was asked before."""
        if arm == "legacy":
            seen.append(seen[-1] + 1)
        return answer(arm, cameras({"fps": seen[-1] if arm == "legacy" else seen[-4:][0]}))

    found = verified(told)
    assert found.verdict is CaseVerdict.PASSED


def test_data_that_never_stands_still_shows_nothing(verified: Verified) -> None:
    turns = count()
    waits: list[float] = []
    found = verified(
        lambda arm: answer(arm, cameras({"fps": float(next(turns))})), wait=waits.append
    )
    assert found.verdict is CaseVerdict.INCONCLUSIVE
    assert found.findings == ("the data changed whenever it was compared",)
    assert len(waits) == RECHECKS


def test_a_fault_while_the_data_moves_is_found(verified: Verified) -> None:
    turns = count()

    def told(arm: str) -> Reply:
        turn = next(turns)
        if turn > 20 and arm == "domain":
            return reply(200, ONE, "legacy; reason=fallback; cause=error")
        return answer(arm, cameras({"fps": float(turn)}))

    assert verified(told).verdict is CaseVerdict.FAILED


def test_a_domain_that_takes_too_long_twice_is_named(verified: Verified) -> None:
    found = verified(lambda arm: answer(arm, ONE, ms=600 if arm == "domain" else 300))
    assert found.verdict is CaseVerdict.FAILED
    assert found.findings == (
        "domain: P95 600 ms, more than 500",
        "domain: P95 600 ms, more than 1.5 times legacy's 300",
    )


def test_a_domain_that_is_accepted_to_be_slower_than_legacy_may_take_half_a_second(
    verified: Verified,
) -> None:
    """A run passes an endpoint by the same measure in its gates and in its verification."""

    def of(domain_ms: float, *accepted: AcceptedDifference) -> EndpointResult:
        return verified(
            lambda arm: answer(arm, ONE, ms=domain_ms if arm == "domain" else 1), accepted=accepted
        )

    assert of(400).verdict is CaseVerdict.FAILED
    assert of(400, excuse("$", LATENCY)).verdict is CaseVerdict.PASSED
    assert of(600, excuse("$", LATENCY)).findings == ("domain: P95 600 ms, more than 500",)


def test_a_domain_that_was_slow_for_a_moment_is_measured_again(verified: Verified) -> None:
    turns = count()
    found = verified(lambda arm: answer(arm, ONE, ms=600 if next(turns) < 12 else 2))
    assert found.verdict is CaseVerdict.PASSED
    assert found.domain.p95 == 2


@pytest.mark.parametrize(
    ("legacy", "domain", "is_slow"),
    [(300, 450, False), (300, 451, True), (1, 50, False), (1, 51, True), (None, 499, False)],
)
def test_times_are_judged_where_a_client_feels_them(
    legacy: float | None, domain: float, is_slow: bool
) -> None:
    first, second = (Times(count=1, p50=p95, p95=p95) for p95 in (legacy, domain))
    assert bool(slowness(first, second)) is is_slow


def test_an_arm_that_does_not_say_how_long_it_took_is_not_judged_by_it(
    verified: Verified,
) -> None:
    found = verified(lambda arm: reply(200, ONE, f"{arm}; reason=forced", timing=f"{arm};dur=x"))
    assert found.verdict is CaseVerdict.PASSED
    assert found.domain == Times(count=0, p50=None, p95=None)


def test_a_finished_migration_is_verified_by_its_contract_alone(verified: Verified) -> None:
    finished = "domain; reason=finished"
    assert verified(lambda _: reply(200, ONE, finished)).verdict is CaseVerdict.PASSED
    assert verified(lambda _: reply(503, ONE, finished)).verdict is CaseVerdict.FAILED


class Careless(Answering):
    """An instance that takes every parameter."""

    def get(self, path: str, headers: Any = None) -> Reply:
        arm = "domain" if "force_domain=true" in path else "legacy"
        return answer(arm, ONE)


class Vague(Answering):
    """An instance that refuses what it has to, and does not say which parameter it was."""

    def get(self, path: str, headers: Any = None) -> Reply:
        return problem(422) if "perhaps" in path else super().get(path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Careless, "status 200, but active_only must be refused with 422"),
        (Vague, "a 422 that does not name active_only"),
    ],
)
def test_bad_input_has_to_be_refused_by_name(
    subjects: Callable[..., tuple[Subject, ...]], kind: type[Answering], said: str
) -> None:
    client = kind(lambda arm: answer(arm, ONE))
    (found,) = verify(client, subjects(ENDPOINT), Inputs(wait=lambda _: None)).endpoints
    assert f"active_only perhaps: legacy: {said}" in found.findings


def test_an_instance_that_does_not_answer_at_all_is_no_finding(verified: Verified) -> None:
    with pytest.raises(UnreachableError):
        verified(lambda _: None)


def test_an_instance_with_other_endpoints_fails_and_does_not_crash(
    subjects: Callable[..., tuple[Subject, ...]],
) -> None:
    every = subjects("records.violation", "statistics.daily", "statistics.events")
    found = verify(Answering(lambda arm: answer(arm, ONE)), every, Inputs(wait=lambda _: None))
    assert {result.verdict for result in found.endpoints} == {CaseVerdict.FAILED}


def test_each_result_is_handed_over_when_it_is_there_and_may_be_kept_in_short(
    subjects: Callable[..., tuple[Subject, ...]],
) -> None:
    client = Answering(lambda arm: answer(arm, cameras()))
    handed: list[EndpointResult] = []
    found = verify(client, subjects(ENDPOINT), on_result=handed.append)
    assert not found.passed
    assert handed == list(found.endpoints)
    assert found.evidence(ENDPOINT) == {
        "verdict": "inconclusive",
        "findings": ["no answer had data in it"],
        "cases": 4,
        "differs": False,
        "legacy_p95_ms": 1.0,
        "domain_p95_ms": 1.0,
    }
