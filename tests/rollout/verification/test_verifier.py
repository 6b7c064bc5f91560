"""A run's verification asks every instance, and takes an instance that is away for no proof."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask

from detection_api import create_app
from detection_api.canary.state.memory import MemoryStore
from detection_api.rollout.gates.judgement import Verified
from detection_api.rollout.gates.outcome import GateOutcome
from detection_api.rollout.verification import verifier
from detection_api.rollout.verification.http_answers import Subject
from detection_api.rollout.verification.inputs import Inputs
from detection_api.rollout.verification.results import (
    CaseVerdict,
    EndpointResult,
    Times,
    Verification,
)
from detection_api.web.client import Client, UnreachableError

ENDPOINT, OTHER = "records.violation", "statistics.daily"
AWAY = "http://away"


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app({"DATABASE_URL": "postgresql://nowhere/none"})


@pytest.fixture
def verify(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Verifies by these verdicts at every instance but the one that is away."""
    times = Times(count=0, p50=None, p95=None)

    def instance(client: Client, subjects: Iterable[Subject], inputs: Inputs) -> Verification:
        assert inputs == Inputs(violations=[7])
        if client.base == AWAY:
            raise UnreachableError("no answer: refused")
        results = tuple(
            EndpointResult(
                endpoint=subject.endpoint,
                verdict=verdicts[subject.endpoint],
                findings=("total differs",)
                if verdicts[subject.endpoint] is CaseVerdict.FAILED
                else (),
                cases=(),
                legacy=times,
                domain=times,
                unexercised=(),
            )
            for subject in subjects
        )
        return Verification(base=client.base, endpoints=results)

    verdicts = {ENDPOINT: CaseVerdict.PASSED, OTHER: CaseVerdict.FAILED}
    monkeypatch.setattr(verifier, "verify", instance)
    monkeypatch.setattr(verifier, "read_inputs", lambda _: Inputs(violations=[7]))

    def call(*urls: str) -> Any:
        return verifier.Verifier(app, MemoryStore(), urls, None)([ENDPOINT, OTHER])

    return call


def outcomes(found: Iterable[Verified]) -> list[tuple[str, GateOutcome, str]]:
    return [(one.url, one.outcome, one.message) for one in found]


def test_every_endpoint_is_verified_at_every_instance(verify: Callable[..., Any]) -> None:
    found = verify("http://a", "http://b")
    passed, failed = GateOutcome.PASSED, GateOutcome.FAILED
    agree = "both arms agree in 0 cases"
    assert outcomes(found[ENDPOINT]) == [("http://a", passed, agree), ("http://b", passed, agree)]
    assert outcomes(found[OTHER]) == [
        ("http://a", failed, "total differs"),
        ("http://b", failed, "total differs"),
    ]
    assert found[OTHER][0].evidence["findings"] == ["total differs"]


def test_an_instance_that_is_away_shows_nothing(verify: Callable[..., Any]) -> None:
    found = verify(AWAY, "http://b")
    assert outcomes(found[ENDPOINT])[0] == (AWAY, GateOutcome.INCONCLUSIVE, "no answer: refused")
    assert [one.outcome for one in found[OTHER]] == [GateOutcome.INCONCLUSIVE, GateOutcome.FAILED]
