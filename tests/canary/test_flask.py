"""What a client of a canaried route sees, on an application that knows no detections."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask, Request, Response, jsonify
from flask.testing import FlaskClient
from marshmallow import Schema, fields
from prometheus_client import REGISTRY

from detection_api.canary.flask import Canary, InvalidAnswerError
from detection_api.canary.responses import RETRY_AFTER
from detection_api.canary.serving import cohort
from detection_api.canary.serving.settings import CanarySettings
from detection_api.canary.state.memory import MemoryStore
from detection_api.canary.state.types import EventKind, RolloutState, Shared, Status


class Item(Schema):
    name = fields.String(required=True)


class NotHereError(Exception):
    """An answer."""


class Shop:
    """An application with one canaried route whose arms the tests set."""

    def __init__(
        self,
        environ: dict[str, str],
        store: Any = None,
        identify: Callable[[Request], str | None] = lambda request: request.headers.get("X-Token"),
        request_id: Callable[[], str] = lambda: uuid4().hex,
        **options: Any,
    ) -> None:
        self.domain: Callable[..., Any] = lambda **_: {"name": "new"}
        self.legacy: Callable[..., Any] = lambda **_: {"name": "old"}
        self.app = Flask("shop")
        canary = Canary()
        canary.init_app(
            self.app,
            CanarySettings.from_environ({"SHADOW_PERCENT": "0", **environ}),
            answers=(NotHereError,),
            store=store,
            identify=identify,
            request_id=request_id,
        )

        @self.app.get("/items/<name>")
        @canary(
            domain=lambda **arguments: self.domain(**arguments),  # noqa: PLW0108 - set later
            legacy=lambda **arguments: self.legacy(**arguments),  # noqa: PLW0108 - set later
            schema=Item,
            **options,
        )
        def item() -> None:
            """One item."""

        @self.app.errorhandler(NotHereError)
        def not_here(error: NotHereError) -> tuple[str, int]:
            return str(error), 404

    def counter(self, name: str, **labels: str) -> float:
        """A counter, with everything that was counted until now."""
        self.sync()
        return counter(name, **labels)

    def sync(self) -> None:
        """Do what the background thread does, now."""
        self.app.extensions["canary"].runtime.link.step()

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def get(self, query: str = "", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        response: Response = self.client.get(f"/items/a{query}", headers=named)  # type: ignore[assignment]
        return response

    def who(self, query: str = "", **headers: str) -> str:
        return self.get(query, **headers).headers["X-Canary"]


def fail(**_: Any) -> Any:
    raise RuntimeError("secret password in a traceback")


def counter(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_every_response_says_who_answered_and_how_long_it_took() -> None:
    response = Shop({"ROLLOUT_PERCENT": "100"}).get()
    assert response.get_json() == {"name": "new"}
    assert response.headers["X-Canary"] == "domain; reason=rollout"
    assert re.fullmatch(r"domain;dur=\d+\.\d{3}", response.headers["Server-Timing"])


@pytest.mark.parametrize(
    ("environ", "query", "who"),
    [
        ({}, "", "legacy; reason=holdout"),
        ({}, "?force_domain=true", "domain; reason=forced"),
        ({}, "?force_domain=1", "domain; reason=forced"),
        ({"ROLLOUT_PERCENT": "100"}, "?force_domain=false", "legacy; reason=forced"),
        ({"ROLLOUT_PERCENT": "100"}, "?force_domain=0", "legacy; reason=forced"),
        ({"USE_DOMAIN_SERVICE": "false"}, "?force_domain=true", "legacy; reason=kill_switch"),
        ({"FORCE_DOMAIN": "off"}, "?force_domain=true", "legacy; reason=holdout"),
        ({"FORCE_DOMAIN": "token"}, "?force_domain=true", "legacy; reason=holdout"),
    ],
)
def test_overrides_are_followed(environ: dict[str, str], query: str, who: str) -> None:
    assert Shop(environ).who(query) == who


def test_an_operator_may_force_where_the_policy_asks_for_a_token() -> None:
    assert (
        Shop({"FORCE_DOMAIN": "token"}).who("?force_domain=true", X_Token="night-shift")
        == "domain; reason=forced"
    )


def test_a_request_of_nobody_is_drawn_by_its_own_id_as_its_log_line_has_it() -> None:
    names = [f"request-{number}" for number in range(40)]
    ids = iter(names)
    shop = Shop({"ROLLOUT_PERCENT": "50"}, request_id=lambda: next(ids))
    drawn = [cohort.is_in("item", name, 50) for name in names]
    assert {True, False} == set(drawn)
    assert [shop.who().startswith("domain") for _ in names] == drawn


@pytest.mark.parametrize("word", ["yes", "", "TRUE", "2", "truefalse"])
@pytest.mark.parametrize("policy", ["open", "token", "off"])
def test_an_unreadable_wish_is_422_whoever_may_force(word: str, policy: str) -> None:
    response = Shop({"FORCE_DOMAIN": policy}).get(f"?force_domain={word}")
    assert response.status_code == 422
    assert "force_domain" in response.get_data(as_text=True)


@pytest.mark.parametrize(
    "query", ["?force_domain=true&force_domain=false", "?force_domain=1&force_domain=x"]
)
def test_wishes_that_contradict_each_other_are_422(query: str) -> None:
    assert Shop({}).get(query).status_code == 422


def test_the_wish_is_never_passed_to_an_implementation() -> None:
    shop = Shop({})
    seen: list[dict[str, Any]] = []

    def domain(**arguments: Any) -> dict[str, str]:
        seen.append(arguments)
        return {"name": "new"}

    shop.domain = domain
    shop.get("?force_domain=true")
    assert seen == [{"name": "a"}]


def test_a_client_id_keeps_a_client_on_one_side() -> None:
    shop = Shop({"ROLLOUT_PERCENT": "50"})
    sides = {client: {shop.who(X_Client_Id=client) for _ in range(5)} for client in "abcdefgh"}
    assert all(len(side) == 1 for side in sides.values())
    assert set.union(*sides.values()) == {"domain; reason=rollout", "legacy; reason=holdout"}


def test_without_a_client_id_the_operators_name_keeps_the_side() -> None:
    shop = Shop({"ROLLOUT_PERCENT": "50"})
    assert len({shop.who(X_Token="night-shift") for _ in range(20)}) == 1


def test_requests_that_name_nobody_are_drawn_one_by_one() -> None:
    shop = Shop({"ROLLOUT_PERCENT": "50"})
    assert len({shop.who() for _ in range(60)}) == 2


def test_the_sticky_header_is_configurable() -> None:
    shop = Shop({"ROLLOUT_PERCENT": "50", "CANARY_STICKY": "X-Device"})
    assert len({shop.who(X_Device="line-3") for _ in range(20)}) == 1
    assert len({shop.who(X_Client_Id="line-3") for _ in range(60)}) == 2


def test_a_rolled_back_endpoint_answers_from_legacy() -> None:
    store = MemoryStore()
    state = store.write(RolloutState(endpoint="item", percent=100), EventKind.SET, {})
    shop = Shop({}, store)
    shop.sync()
    assert shop.who() == "domain; reason=rollout"
    store.write(replace(state, status=Status.ROLLED_BACK), EventKind.ROLLBACK, {})
    shop.sync()
    assert shop.who() == "legacy; reason=rolled_back"


def test_a_fallback_is_answered_by_legacy_named_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop({"ROLLOUT_PERCENT": "100"})
    shop.domain = fail
    labels = {"endpoint": "item", "arm": "domain", "cause": "error"}
    before = shop.counter("canary_failures_total", **labels)
    response = shop.get()
    assert response.get_json() == {"name": "old"}
    assert response.headers["X-Canary"] == "legacy; reason=fallback; cause=error"
    assert re.fullmatch(r"domain;dur=[\d.]+, legacy;dur=[\d.]+", response.headers["Server-Timing"])
    assert shop.counter("canary_failures_total", **labels) == before + 1
    assert "arm_failed" in caplog.text
    assert "RuntimeError" in caplog.text


def test_an_answer_of_legacy_that_breaks_the_contract_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop({})
    shop.legacy = lambda **_: {"name": 5}
    labels = {"endpoint": "item", "arm": "legacy", "cause": "contract"}
    before = shop.counter("canary_failures_total", **labels)
    assert shop.get().get_data() == b'{"name":5}'
    assert shop.counter("canary_failures_total", **labels) == before + 1
    assert "reference_breaks_contract" in caplog.text


def test_an_error_that_is_an_answer_goes_through_the_applications_handlers() -> None:
    def nothing(**_: Any) -> Any:
        raise NotHereError("There is no item a.")

    shop = Shop({"ROLLOUT_PERCENT": "100"})
    shop.domain = nothing
    response = shop.get()
    assert (response.status_code, response.get_data(as_text=True)) == (404, "There is no item a.")
    assert response.headers["X-Canary"] == "domain; reason=rollout"


def test_an_outage_is_503_with_retry_after_and_without_a_word_of_the_error() -> None:
    shop = Shop({"ROLLOUT_PERCENT": "100"})
    shop.domain = shop.legacy = fail
    response = shop.get()
    assert response.status_code == 503
    assert response.headers["Retry-After"] == str(RETRY_AFTER)
    assert response.headers["X-Canary"] == "none; reason=outage; cause=error"
    assert "secret" not in response.get_data(as_text=True)


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_domain_past_its_deadline_is_left_alone(release: threading.Event) -> None:
    shop = Shop({"ROLLOUT_PERCENT": "100"}, deadline=0.01)
    shop.domain = lambda **_: release.wait()
    assert shop.who() == "legacy; reason=fallback; cause=timeout"


class BrokenStore(MemoryStore):
    def read(self) -> Shared:
        raise ConnectionError("the store is away")


def test_a_store_that_was_never_heard_from_means_legacy() -> None:
    before = counter("canary_faults_total", operation="read_store")
    shop = Shop({"ROLLOUT_PERCENT": "100"}, BrokenStore())
    shop.sync()
    response = shop.get()
    assert response.get_json() == {"name": "old"}
    assert response.headers["X-Canary"] == "legacy; reason=stale"
    assert counter("canary_faults_total", operation="read_store") > before


def test_a_fault_in_accounting_does_not_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("detection_api.canary.fleet.local_guard.ordinary", broken)
    before = counter("canary_faults_total", operation="account")
    assert Shop({}).get().get_json() == {"name": "old"}
    assert counter("canary_faults_total", operation="account") == before + 1


def test_a_failure_is_in_the_log_though_it_cannot_be_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("detection_api.canary.fleet.local_guard.ordinary", broken)
    shop = Shop({"ROLLOUT_PERCENT": "100"})
    shop.domain = fail
    assert shop.get().get_json() == {"name": "old"}
    assert "arm_failed" in caplog.text


def test_not_even_a_fault_in_counting_faults_reaches_the_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the folder of the metrics is gone: every counter fails."""

    def gone(*_: Any) -> None:
        raise FileNotFoundError("metrics")

    monkeypatch.setattr("detection_api.canary.fleet.local_guard.ordinary", gone)
    monkeypatch.setattr("detection_api.canary.metrics.FAULTS.labels", gone)
    assert Shop({}).get().get_json() == {"name": "old"}
    assert "canary_fault" in caplog.text


def test_a_fault_in_finding_the_operator_makes_the_client_nobody() -> None:
    def broken(_: Request) -> str:
        raise ConnectionError("tokens")

    shop = Shop({"FORCE_DOMAIN": "token"}, identify=broken)
    assert shop.who("?force_domain=true") == "legacy; reason=holdout"


def responding(name: str, status: int = 200) -> Callable[..., Any]:
    def implementation(**_: Any) -> Any:
        return jsonify(name=name), status, {"X-Shelf": "4"}

    return implementation


@pytest.mark.parametrize("mode", ["testing", "debug"])
@pytest.mark.parametrize("arm", ["domain", "legacy"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(lambda: jsonify(name="a"), id="jsonify"),
        pytest.param(lambda: Response('{"name":"a"}'), id="response"),
        pytest.param(lambda: ({"name": "a"}, 200), id="status"),
        pytest.param(lambda: ({"name": "a"}, {"X-Shelf": "4"}), id="headers"),
    ],
)
def test_a_returned_response_raises_an_error_that_says_what_to_change(
    mode: str, arm: str, answer: Callable[[], Any]
) -> None:
    shop = Shop({"ROLLOUT_PERCENT": "100" if arm == "domain" else "0"})
    setattr(shop.app, mode, True)
    setattr(shop, arm, lambda **_: answer())
    message = f"{arm} of endpoint item: Return plain data, not a response .*schema Item"
    with pytest.raises(InvalidAnswerError, match=message):
        shop.get()


def test_a_response_that_legacy_returns_reaches_the_client_and_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop({})
    shop.legacy = responding("old", 201)
    labels = {"endpoint": "item", "arm": "legacy", "cause": "contract"}
    before = shop.counter("canary_failures_total", **labels)
    response = shop.get()
    assert (response.status_code, response.get_json()) == (201, {"name": "old"})
    assert response.headers["X-Shelf"] == "4"
    assert response.headers["X-Canary"] == "legacy; reason=holdout"
    assert shop.counter("canary_failures_total", **labels) == before + 1
    assert "Return plain data, not a response" in caplog.text
    assert "item" in caplog.text


def test_a_response_that_the_domain_returns_is_a_failure_and_legacy_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = Shop({"ROLLOUT_PERCENT": "100"})
    shop.domain = responding("new")
    response = shop.get()
    assert response.get_json() == {"name": "old"}
    assert response.headers["X-Canary"] == "legacy; reason=fallback; cause=contract"
    assert "Return plain data, not a response" in caplog.text


def test_nothing_is_compared_with_a_response_that_legacy_returns() -> None:
    shop = Shop({"SHADOW_PERCENT": "100"})
    shop.legacy = responding("old")
    labels = {"endpoint": "item", "outcome": "failed"}
    before = counter("canary_comparisons_total", **labels)
    shop.get().close()
    shadow = shop.app.extensions["canary"].runtime.comparisons.shadow
    deadline = time.monotonic() + 30
    while counter("canary_comparisons_total", **labels) == before:
        assert time.monotonic() < deadline
        shadow.work()
