"""A real Prometheus tells of a fleet what the fleet's own ledger tells."""

import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql

from detection_api.dev.embedded import EmbeddedValkey
from tests.deploy.server import Prometheus
from tests.e2e.instance import PATH_OF, Instance, Load, Reply
from tests.factory import build

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="prometheus is not installed (Debian and Ubuntu: apt-get install prometheus)",
)

ENDPOINTS = {path: endpoint for endpoint, path in PATH_OF.items()}
REQUESTS = 1000
"""Of each instance's clients."""
WITHIN = 30
"""Seconds until a count has reached the ledger and Prometheus."""

ASKED = "sum by (endpoint) (canary_requests_total)"
FELL_BACK = "sum by (endpoint) (canary_fallbacks_total)"
LEDGER = sql.SQL("SELECT endpoint, sum({}) FROM canary_ledger GROUP BY endpoint")


@dataclass(frozen=True, slots=True)
class Aftermath:
    """Prometheus and the ledger after the load, and what clients had counted by endpoint."""

    prometheus: Prometheus
    database_url: str
    requests: dict[str, int]
    fallbacks: dict[str, int]

    def ledger(self, count: str) -> dict[str, int]:
        """The sum of a count by endpoint."""
        with (
            closing(psycopg2.connect(self.database_url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(LEDGER.format(sql.Identifier(count)))
            return {endpoint: int(total) for endpoint, total in cursor}

    def scraped(self, expression: str, by: str = "endpoint") -> dict[str, float]:
        """See `Prometheus.query`."""
        return self.prometheus.query(expression, by)


def instance(folder: Path, environ: dict[str, str]) -> Instance:
    """Two workers that send everything to a domain that fails now and then.

    Nothing is compared: no detector publishes here, so legacy has no live statistics.
    """
    folder.mkdir()
    settings = {
        **environ,
        "WEB_CONCURRENCY": "2",
        "ROLLOUT_PERCENT": "100",
        "SHADOW_PERCENT": "0",
    }
    return Instance(folder, settings, app="tests.deploy.flaky_wsgi:app")


@pytest.fixture(scope="module")
def aftermath(
    new_database: Callable[[str], str],
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Aftermath]:
    """Two instances on one PostgreSQL, scraped from before their first request on."""
    folder = tmp_path_factory.mktemp("scraping")
    environ = build(folder, new_database("scraping"), valkey.url)
    with instance(folder / "a", environ) as a, instance(folder / "b", environ) as b:
        targets = [f"127.0.0.1:{each.port}" for each in (a, b)]
        with Prometheus(folder, targets) as prometheus:
            await_that(lambda: prometheus.query("sum by (job) (up)", "job"), {"detection-api": 2})
            replies = load(a, b)
            after = Aftermath(
                prometheus,
                environ["DATABASE_URL"],
                requests=Counter(ENDPOINTS[reply.path] for reply in replies),
                fallbacks=Counter(
                    ENDPOINTS[reply.path] for reply in replies if "fallback" in reply.who
                ),
            )
            await_that(lambda: after.ledger("requests"), after.requests)
            await_that(lambda: after.scraped(ASKED), after.requests)
            yield after


def load(a: Instance, b: Instance) -> list[Reply]:
    """Have clients ask both instances at once; what they got, which was never an error."""
    with Load(a) as load_a, Load(b) as load_b:
        load_a.more(REQUESTS)
        load_b.more(REQUESTS)
    assert load_a.lost + load_b.lost == []
    replies = load_a.replies + load_b.replies
    assert {reply.status for reply in replies} == {200}
    return replies


def await_that(ask: Callable[[], Mapping[str, float]], expected: Mapping[str, float]) -> None:
    """Ask until the answer is the expected one; fail with the last answer."""
    for _ in range(WITHIN * 5):
        if ask() == expected:
            return
        threading.Event().wait(0.2)
    assert ask() == expected


def test_fallbacks_are_the_clients_the_ledgers_and_prometheus(aftermath: Aftermath) -> None:
    assert set(aftermath.fallbacks) == set(ENDPOINTS.values())
    assert aftermath.ledger("fallbacks") == aftermath.fallbacks
    assert aftermath.scraped(FELL_BACK) == aftermath.fallbacks


def test_the_fallback_rate_of_each_endpoint_is_the_ledgers(aftermath: Aftermath) -> None:
    requests, fallbacks = aftermath.ledger("requests"), aftermath.ledger("fallbacks")
    assert aftermath.scraped(f"{FELL_BACK} / {ASKED}") == pytest.approx(
        {endpoint: fallbacks[endpoint] / requests[endpoint] for endpoint in requests}
    )


def test_a_domain_that_fails_now_and_then_is_an_alert_of_each_endpoint(
    aftermath: Aftermath,
) -> None:
    """Nothing else is wrong: clients had their answers, and no endpoint is rolled back."""
    firing = 'count by (alertname) (ALERTS{alertstate="firing"})'
    await_that(
        lambda: aftermath.scraped(firing, "alertname"), {"CanaryDomainFailing": len(ENDPOINTS)}
    )
