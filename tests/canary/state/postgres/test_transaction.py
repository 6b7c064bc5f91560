"""A request writes once or not at all, whatever happens to the domain's transaction.

Both arms write into one table that takes anything any number of times: a second write of the
same request would be there to see.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields
from psycopg2 import errors, extensions
from werkzeug.test import TestResponse

from detection_api.canary.flask import Canary
from detection_api.canary.registration import ConflictingMethodsError
from detection_api.canary.responses import RETRY_AFTER
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.postgres.transaction import transaction
from detection_api.canary.state.types import RolledBackError
from detection_api.db.pool import Pool, bound_waits
from tests.canary.commit_cutter import cutting_at_commit
from tests.ingest.support import query, wait_until

DOMAIN, LEGACY = [("a", "domain")], [("a", "legacy")]
TABLES = """
CREATE TABLE orders (id text, arm text CHECK (arm <> 'nobody'));
CREATE TABLE tickets (number int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END';
CREATE TABLE mines (id int);
CREATE CONSTRAINT TRIGGER mine AFTER INSERT ON mines DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION end_session();
"""
ANY_DOMAIN = "SELECT pid FROM pg_stat_activity WHERE application_name = 'domain'"


class Order(Schema):
    id = fields.String(required=True)


class SoldOutError(Exception):
    """An answer."""


@pytest.fixture(scope="module")
def writes_database(new_database: Callable[[str], str]) -> str:
    url = new_database("writes")
    query(url, TABLES)
    return url


@pytest.fixture
def url(writes_database: str) -> str:
    """An empty database for orders."""
    query(writes_database, "TRUNCATE orders, tickets, mines")
    return writes_database


@pytest.fixture(params=["psycopg2 waits", "waits are bounded"], autouse=True)
def _waits(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both ways in which psycopg2 may wait on its server."""
    extensions.set_wait_callback(None)
    if request.param == "waits are bounded":
        bound_waits()
    yield
    extensions.set_wait_callback(None)


class Shop:
    """An application that takes orders; `step` is the last thing in the domain's transaction."""

    def __init__(
        self,
        url: str,
        *,
        domain_url: str | None = None,
        step: Callable[[Any], None] = lambda cursor: None,
        environ: dict[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.url = url
        self.domain_url = domain_url or url
        self.step = step
        self.answer: Any = {"id": "a"}
        self.app = Flask("shop")
        canary = Canary()
        blueprint = Blueprint("orders", __name__)

        @blueprint.post("/orders/<id>")
        @canary(
            domain=lambda **given: self.domain(**given),  # noqa: PLW0108 - set later
            legacy=lambda **given: self.legacy(**given),  # noqa: PLW0108 - set later
            schema=Order,
            writes=True,
            **options,
        )
        def order() -> None:
            """Take an order."""

        self.app.register_blueprint(blueprint)
        self.app.register_error_handler(SoldOutError, lambda error: (str(error), 409))
        canary.init_app(
            self.app,
            CanarySettings.from_environ(
                {"ROLLOUT_PERCENT": "100", "SHADOW_PERCENT": "100", **(environ or {})}
            ),
            answers=(SoldOutError,),
        )

    def connect(self) -> Any:
        return closing(psycopg2.connect(self.domain_url, application_name="domain"))

    def domain(self, id: str) -> Any:
        with self.connect() as connection, transaction(connection, (SoldOutError,)) as cursor:
            cursor.execute("INSERT INTO orders VALUES (%s, 'domain')", [id])
            self.step(cursor)
        return self.answer

    def legacy(self, id: str) -> Any:
        query(self.url, "INSERT INTO orders VALUES (%s, 'legacy')", id)
        return {"id": id}

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def order(self, id: str = "a", query: str = "") -> TestResponse:
        """One order; the response is closed, which is when reads are offered for comparison."""
        return self.client.post(f"/orders/{id}{query}", buffered=True)

    def orders(self) -> list[tuple[Any, ...]]:
        """Every order and whose it is, once nothing is under way."""
        wait_until(lambda: not query(self.url, ANY_DOMAIN))
        return query(self.url, "SELECT id, arm FROM orders ORDER BY 1, 2")


def said(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.headers["X-Canary"]


def fail(_: Any) -> None:
    raise RuntimeError("boom")


def sold_out(_: Any) -> None:
    raise SoldOutError("There is none left.")


def executing(statement: str) -> Callable[[Any], None]:
    return lambda cursor: cursor.execute(statement)


def exceed_the_statement_timeout(cursor: Any) -> None:
    cursor.execute("SET LOCAL statement_timeout = 50; SELECT pg_sleep(60)")


def end_the_session(cursor: Any) -> None:
    connection = cursor.connection
    query(connection.dsn, "SELECT pg_terminate_backend(%s, 10000)", connection.info.backend_pid)
    cursor.execute("SELECT 1")


def ignore_a_failed_statement(cursor: Any) -> None:
    with pytest.raises(errors.DivisionByZero):
        cursor.execute("SELECT 1 / 0")


def test_a_write_is_one_arms_alone(url: str) -> None:
    shop = Shop(url)
    assert said(shop.order()) == (200, "domain; reason=rollout")
    assert shop.orders() == DOMAIN


@pytest.mark.parametrize(
    "step",
    [
        fail,
        executing("INSERT INTO orders VALUES ('a', 'nobody')"),
        executing("INSERT INTO tickets VALUES (1), (1)"),
        exceed_the_statement_timeout,
        end_the_session,
        ignore_a_failed_statement,
    ],
    ids=[
        "an error before the commit",
        "a violated constraint",
        "a constraint that is violated at the commit",
        "a statement timeout",
        "a session that was ended",
        "a failed statement that was ignored",
    ],
)
def test_what_is_known_to_be_rolled_back_is_legacys_to_write(
    url: str, step: Callable[[Any], None]
) -> None:
    shop = Shop(url, step=step)
    response = shop.order()
    assert said(response) == (200, "legacy; reason=fallback; cause=error")
    assert response.get_json() == {"id": "a"}
    assert shop.orders() == LEGACY


def test_a_domain_that_cannot_connect_is_legacys_to_write_only_if_it_says_so(url: str) -> None:
    """The canary does not guess: an implementation may write elsewhere before it connects."""
    shop = Shop(url, domain_url="postgresql://127.0.0.1:1/none")
    assert said(shop.order()) == (503, "none; reason=outage; cause=error")
    assert shop.orders() == []


def test_a_rolled_back_domain_and_a_failing_legacy_are_an_outage(url: str) -> None:
    shop = Shop(url, step=fail)
    shop.legacy = fail  # type: ignore[assignment]
    assert said(shop.order()) == (503, "none; reason=outage; cause=error")
    assert shop.orders() == []


@pytest.mark.parametrize(
    ("after", "written"),
    [
        pytest.param(True, DOMAIN, id="the server committed"),
        pytest.param(False, [], id="the server was not asked"),
    ],
)
def test_a_commit_whose_outcome_is_unknown_is_503_and_never_legacys(
    url: str, after: bool, written: list[Any]
) -> None:
    with cutting_at_commit(url, after=after) as cut:
        shop = Shop(url, domain_url=cut)
        response = shop.order()
        assert said(response) == (503, "none; reason=outage; cause=error")
        assert response.headers["Retry-After"] == str(RETRY_AFTER)
        assert shop.orders() == written


def test_a_session_that_ends_while_it_commits_is_503_and_never_legacys(url: str) -> None:
    shop = Shop(url, step=executing("INSERT INTO mines VALUES (1)"))
    assert said(shop.order()) == (503, "none; reason=outage; cause=error")
    assert shop.orders() == []


def test_a_broken_contract_after_the_commit_is_503_and_never_legacys(url: str) -> None:
    shop = Shop(url)
    shop.answer = {"id": 5}
    response = shop.order()
    assert said(response) == (503, "none; reason=outage; cause=contract")
    assert response.headers["Retry-After"] == str(RETRY_AFTER)
    assert shop.orders() == DOMAIN


def test_a_domain_past_its_deadline_is_503_and_may_still_write(url: str) -> None:
    release = threading.Event()

    def wait(_: Any) -> None:
        release.wait(30)

    shop = Shop(url, step=wait, deadline=0.05)
    assert said(shop.order()) == (503, "none; reason=outage; cause=timeout")
    release.set()
    assert shop.orders() == DOMAIN


def test_an_answer_is_rolled_back_and_given_as_it_is(url: str) -> None:
    shop = Shop(url, step=sold_out)
    response = shop.order()
    assert said(response) == (409, "domain; reason=rollout")
    assert response.get_data(as_text=True) == "There is none left."
    assert shop.orders() == []


@pytest.mark.parametrize("percent", ["0", "50", "100"])
def test_a_write_is_never_compared(url: str, percent: str) -> None:
    shop = Shop(url, environ={"ROLLOUT_PERCENT": percent})
    compared: list[Any] = []
    shop.app.extensions["canary"].runtime.comparisons.shadow.offer = compared.append
    names = [f"{number:02}" for number in range(12)]
    assert {shop.order(name).status_code for name in names} == {200}
    assert [name for name, _ in shop.orders()] == names
    assert compared == []


@pytest.mark.parametrize(
    ("environ", "query", "who", "written"),
    [
        ({"ROLLOUT_PERCENT": "0"}, "", "legacy; reason=holdout", LEGACY),
        ({"ROLLOUT_PERCENT": "0"}, "?force_domain=true", "domain; reason=forced", DOMAIN),
        ({}, "?force_domain=false", "legacy; reason=forced", LEGACY),
        ({"USE_DOMAIN_SERVICE": "false"}, "", "legacy; reason=kill_switch", LEGACY),
        (
            {"USE_DOMAIN_SERVICE": "false"},
            "?force_domain=true",
            "legacy; reason=kill_switch",
            LEGACY,
        ),
    ],
)
def test_overrides_are_followed(
    url: str, environ: dict[str, str], query: str, who: str, written: list[Any]
) -> None:
    shop = Shop(url, environ=environ)
    assert said(shop.order(query=query)) == (200, who)
    assert shop.orders() == written


def test_a_legacy_write_that_fails_is_not_tried_by_the_domain(url: str) -> None:
    shop = Shop(url, environ={"ROLLOUT_PERCENT": "0"})
    shop.legacy = fail  # type: ignore[assignment]
    assert said(shop.order()) == (503, "none; reason=outage; cause=error")
    assert shop.orders() == []


def test_writes_that_fail_roll_the_endpoint_back_as_reads_do(url: str) -> None:
    shop = Shop(url)
    shop.answer = {"id": 5}
    statuses = [shop.order(f"order {number}").status_code for number in range(7)]
    assert statuses == [503] * 7
    assert said(shop.order("a")) == (200, "legacy; reason=rolled_back")
    assert shop.orders() == [*LEGACY, *[(f"order {number}", "domain") for number in range(7)]]


def test_a_frozen_server_is_left_to_legacy_and_does_not_write_later(url: str) -> None:
    """The deadline passes in the middle of the transaction: nobody ever asked to commit it."""
    with PooledShop(url) as shop:
        shop.step = shop.freeze_and(lambda cursor: cursor.execute("SELECT 1"))
        response = shop.order()
        shop.go_on()
        assert said(response) == (200, "legacy; reason=fallback; cause=timeout")
        assert shop.orders() == LEGACY


def test_a_server_that_is_frozen_when_it_is_to_commit_may_write_later(url: str) -> None:
    with PooledShop(url) as shop:
        shop.step = shop.freeze_and(lambda _: None)
        response = shop.order()
        shop.go_on()
        assert said(response) == (503, "none; reason=outage; cause=timeout")
        assert shop.orders() == DOMAIN


class PooledShop(Shop):
    """A shop whose domain has connections with deadlines, and a server that can be frozen."""

    def __init__(self, url: str) -> None:
        bound_waits()
        super().__init__(url)
        self._pool = Pool(url, size=1, deadline=0.4, name="domain", settings={})
        self._frozen = 0

    def __enter__(self) -> "PooledShop":
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on()
        self._pool.dispose()

    def domain(self, id: str) -> Any:
        with self._pool.connection() as connection:
            connection.autocommit = False
            with transaction(connection) as cursor:
                cursor.execute("INSERT INTO orders VALUES (%s, 'domain')", [id])
                self.step(cursor)
        return self.answer

    def freeze_and(self, step: Callable[[Any], None]) -> Callable[[Any], None]:
        def freeze(cursor: Any) -> None:
            self._frozen = cursor.connection.info.backend_pid
            os.kill(self._frozen, signal.SIGSTOP)
            step(cursor)

        return freeze

    def go_on(self) -> None:
        if self._frozen:
            os.kill(self._frozen, signal.SIGCONT)
            self._frozen = 0


def test_a_connection_in_autocommit_mode_is_refused_before_anything_is_written(url: str) -> None:
    shop = Shop(url)

    def autocommitting(id: str) -> Any:
        with shop.connect() as connection:
            connection.autocommit = True
            with transaction(connection) as cursor:
                cursor.execute("INSERT INTO orders VALUES (%s, 'domain')", [id])
                fail(cursor)

    shop.domain = autocommitting  # type: ignore[method-assign]
    assert said(shop.order()) == (503, "none; reason=outage; cause=error")
    assert shop.orders() == []


def insert(connection: Any, step: Callable[[Any], None]) -> None:
    with transaction(connection) as cursor:
        cursor.execute("INSERT INTO orders VALUES ('a', 'domain')")
        step(cursor)


def test_a_connection_is_fit_for_use_after_a_rollback(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        for _ in range(2):
            with pytest.raises(RolledBackError):
                insert(connection, executing("SELECT 1 / 0"))
        insert(connection, executing("SELECT 1"))
    assert query(url, "SELECT id, arm FROM orders") == DOMAIN


def test_a_worker_that_is_told_to_exit_leaves_no_transaction_open(url: str) -> None:
    with closing(psycopg2.connect(url)) as connection:
        with pytest.raises(SystemExit):
            insert(connection, lambda _: sys.exit())
        assert connection.get_transaction_status() == extensions.TRANSACTION_STATUS_IDLE
    assert query(url, "SELECT id, arm FROM orders") == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_route_that_may_write_must_say_that_it_does(method: str) -> None:
    with pytest.raises(ConflictingMethodsError, match=method):
        _start(method)
    _start(method, writes=True)


def _start(method: str, **options: Any) -> None:
    app, canary = Flask("shop"), Canary()

    @app.route("/orders", methods=["GET", method])
    @canary(domain=lambda: {}, legacy=lambda: {}, schema=Order, **options)
    def order() -> None:
        """Take an order."""

    canary.init_app(app, CanarySettings.from_environ({}))
