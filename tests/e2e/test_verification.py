"""Both arms of a real gunicorn, asked over HTTP: who is broken is named, and never passes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from detection_api import create_app
from detection_api.client import Client
from detection_api.rollout.answers import Subject, subjects_of
from detection_api.rollout.verdicts import EndpointResult, Verdict, Verification
from detection_api.rollout.verification import Terms, verify
from tests.e2e.fleet import ENDPOINTS
from tests.e2e.instance import Instance
from tests.factory import World

AT_REST = Terms(wait=lambda _: None)
"""Nothing changes these tests' data, so there is nothing to wait for."""


@pytest.fixture(scope="module")
def subjects() -> tuple[Subject, ...]:
    return subjects_of(create_app({"DATABASE_URL": "postgresql://nowhere/none"}), ENDPOINTS)


@pytest.fixture(scope="module")
def instance(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    environ = {**world.environ, "WEB_CONCURRENCY": "1", "SHADOW_PERCENT": "0", "REDIS_URL": ""}
    folder: Path = tmp_path_factory.mktemp("instance")
    with Instance(folder, environ, app="tests.e2e.subtly_wrong_wsgi:app") as started:
        yield started


def verified(instance: Instance, subjects: tuple[Subject, ...]) -> Verification:
    return verify(Client(f"http://127.0.0.1:{instance.port}"), subjects, AT_REST)


def of(verification: Verification, endpoint: str) -> EndpointResult:
    return next(found for found in verification.endpoints if found.endpoint == endpoint)


WRONG = {
    "raises where there are rows": (
        "statistics.daily",
        "domain: failed (error), and legacy answered instead",
    ),
    "lists always empty": ("statistics.events", "$.events length"),
    "ISO text for an epoch": ("statistics.history", "failed (contract)"),
    "keys of nulls dropped": ("records.violation", "failed (contract)"),
    "total of the page": ("records.detection_records", "$.total value"),
    "unordered": ("cameras.cameras", "$.cameras order"),
}


def test_domains_that_are_subtly_wrong_are_named_with_what_is_wrong(
    instance: Instance, subjects: tuple[Subject, ...]
) -> None:
    instance.break_domain("subtly wrong")
    try:
        found = verified(instance, subjects)
    finally:
        instance.mend()
    assert not found.passed
    for endpoint, wrong in WRONG.values():
        result = of(found, endpoint)
        assert result.verdict is Verdict.FAILED
        assert wrong in "\n".join(result.findings)


def test_a_healthy_domain_passes_wherever_there_is_data(
    instance: Instance, subjects: tuple[Subject, ...]
) -> None:
    found = verified(instance, subjects)
    for result in found.endpoints:
        expected = Verdict.PASSED
        if result.endpoint == "cameras.camera_stats":  # no detector publishes here
            expected = Verdict.FAILED
        assert result.verdict is expected, result
