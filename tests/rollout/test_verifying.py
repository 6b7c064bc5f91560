"""A run's verification asks every instance, and takes an instance that is away for no proof."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from flask import Flask

from detection_api import create_app
from detection_api.canary.memory_store import MemoryStore
from detection_api.client import Client, UnreachableError
from detection_api.rollout import verifying
from detection_api.rollout.answers import Subject
from detection_api.rollout.gate import Outcome
from detection_api.rollout.gates import Verified
from detection_api.rollout.verdicts import EndpointResult, Times, Verdict, Verification
from detection_api.rollout.verification import Terms

ENDPOINT, OTHER = "records.violation", "statistics.daily"
AWAY = "http://away"


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app({"DATABASE_URL": "postgresql://nowhere/none"})


@pytest.fixture
def verify(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Verifies by these verdicts at every instance but the one that is away."""
    times = Times(count=0, p50=None, p95=None)

    def instance(client: Client, subjects: Iterable[Subject], terms: Terms) -> Verification:
        assert terms == Terms(violations=[7])
        if client.base == AWAY:
            raise UnreachableError("no answer: refused")
        results = tuple(
            EndpointResult(
                endpoint=subject.endpoint,
                verdict=verdicts[subject.endpoint],
                findings=("total differs",) if verdicts[subject.endpoint] is Verdict.FAILED else (),
                cases=(),
                legacy=times,
                domain=times,
                unexercised=(),
            )
            for subject in subjects
        )
        return Verification(base=client.base, endpoints=results)

    verdicts = {ENDPOINT: Verdict.PASSED, OTHER: Verdict.FAILED}
    monkeypatch.setattr(verifying, "verify", instance)
    monkeypatch.setattr(verifying, "read_terms", lambda _: Terms(violations=[7]))

    def call(*urls: str) -> Any:
        return verifying.Verifier(app, MemoryStore(), urls, None)([ENDPOINT, OTHER])

    return call


def outcomes(found: Iterable[Verified]) -> list[tuple[str, Outcome, str]]:
    return [(one.url, one.outcome, one.said) for one in found]


def test_every_endpoint_is_verified_at_every_instance(verify: Callable[..., Any]) -> None:
    found = verify("http://a", "http://b")
    passed, failed = Outcome.PASSED, Outcome.FAILED
    agree = "both arms agree in 0 cases"
    assert outcomes(found[ENDPOINT]) == [("http://a", passed, agree), ("http://b", passed, agree)]
    assert outcomes(found[OTHER]) == [
        ("http://a", failed, "total differs"),
        ("http://b", failed, "total differs"),
    ]
    assert found[OTHER][0].facts["findings"] == ["total differs"]


def test_an_instance_that_is_away_shows_nothing(verify: Callable[..., Any]) -> None:
    found = verify(AWAY, "http://b")
    assert outcomes(found[ENDPOINT])[0] == (AWAY, Outcome.INCONCLUSIVE, "no answer: refused")
    assert [one.outcome for one in found[OTHER]] == [Outcome.INCONCLUSIVE, Outcome.FAILED]
