"""What a client that polls saves, and what it gets when no arm can answer."""

from typing import Any

import pytest
from flask import Response

from detection_api.canary.responses import RETRY_AFTER
from tests.canary.test_flask import NotHereError, Shop, fail

ARMS = {"domain": {"ROLLOUT_PERCENT": "100"}, "legacy": {"ROLLOUT_PERCENT": "0"}}
STALE = {"STALE_IF_ERROR": "60"}


@pytest.fixture(params=ARMS)
def shop(request: pytest.FixtureRequest) -> Shop:
    """Each test with this fixture runs once for each arm that answers; both answer alike."""
    return alike(Shop({**ARMS[request.param], **STALE}))


def alike(shop: Shop) -> Shop:
    shop.domain = shop.legacy = lambda **_: {"name": "same"}
    return shop


def break_both(shop: Shop) -> None:
    shop.domain = shop.legacy = fail


def test_a_client_that_has_the_answer_gets_304_without_a_body(shop: Shop) -> None:
    first = shop.get()
    again = shop.get(If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.get_data()) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["X-Canary"] == first.headers["X-Canary"]
    assert "Server-Timing" in again.headers
    assert "Content-Type" not in again.headers


def test_a_head_request_gets_the_same_headers_without_a_body(shop: Shop) -> None:
    body, head = shop.get(), shop.client.head("/items/a")
    assert head.get_data() == b""
    told = ("Content-Length", "Content-Type", "ETag", "X-Canary")
    assert [head.headers[name] for name in told] == [body.headers[name] for name in told]


def test_answers_may_be_kept_but_must_be_asked_for_again(shop: Shop) -> None:
    tag = shop.get().headers["ETag"]
    assert shop.get().headers["Cache-Control"] == "no-cache"
    assert shop.get(If_None_Match=tag).headers["Cache-Control"] == "no-cache"


def test_both_arms_give_the_same_bytes_the_same_strong_tag() -> None:
    tags = {alike(Shop(environ)).get().headers["ETag"] for environ in ARMS.values()}
    assert len(tags) == 1
    assert tags.pop().startswith('"')


def test_a_tag_is_the_same_in_every_process_and_version() -> None:
    """Otherwise every worker, and every update, would cost every client that polls a body."""
    assert alike(Shop({})).get().headers["ETag"] == '"0d9515cd411af9b910106a224bb7e6e0"'


def test_other_bytes_are_sent_whole_under_another_tag(shop: Shop) -> None:
    tag = shop.get().headers["ETag"]
    shop.domain = shop.legacy = lambda **_: {"name": "changed"}
    response = shop.get(If_None_Match=tag)
    assert (response.status_code, response.get_json()) == (200, {"name": "changed"})
    assert response.headers["ETag"] != tag


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ("{}", 304),
        ("W/{}", 304),
        ('"other", {}', 304),
        ("*", 304),
        ('"other"', 200),
        ("rubbish", 200),
    ],
    ids=["strong", "weak", "among others", "any", "another", "unreadable"],
)
def test_if_none_match_is_read_as_rfc_9110_has_it(shop: Shop, form: str, status: int) -> None:
    tag = shop.get().headers["ETag"]
    assert shop.get(If_None_Match=form.format(tag)).status_code == status


def test_a_304_is_counted_as_the_request_that_it_is(shop: Shop) -> None:
    who = shop.who().split(";")[0]
    labels = {"endpoint": "item", "arm": who}
    requests = shop.counter("canary_requests_total", **labels, reason=REASONS[who])
    unchanged = shop.counter("canary_responses_total", **labels, status="3xx")
    shop.get(If_None_Match="*")
    assert shop.counter("canary_requests_total", **labels, reason=REASONS[who]) == requests + 1
    assert shop.counter("canary_responses_total", **labels, status="3xx") == unchanged + 1


REASONS = {"domain": "rollout", "legacy": "holdout"}


def test_an_error_that_is_an_answer_is_never_304(shop: Shop) -> None:
    def nothing(**_: Any) -> Any:
        raise NotHereError("There is no item a.")

    shop.domain = shop.legacy = nothing
    response = shop.get(If_None_Match="*")
    assert response.status_code == 404
    assert "ETag" not in response.headers


def test_nothing_of_a_write_is_tagged_or_kept() -> None:
    shop = alike(Shop(STALE, writes=True))
    response = shop.get(If_None_Match="*")
    assert response.status_code == 200
    assert "ETag" not in response.headers
    break_both(shop)
    assert shop.get().status_code == 503


def test_headers_of_the_answer_go_out_with_it_and_with_a_304() -> None:
    shop = alike(Shop({}, headers=lambda value: {"Link": f"<{value['name']}>"}))
    assert shop.get().headers["Link"] == "<same>"
    assert shop.get(If_None_Match="*").headers["Link"] == "<same>"


def test_an_answer_whose_headers_cannot_be_made_goes_out_without_them() -> None:
    shop = alike(Shop({}, headers=lambda value: {"Link": value["missing"]}))
    before = shop.counter("canary_faults_total", operation="headers")
    response = shop.get()
    assert response.get_json() == {"name": "same"}
    assert "Link" not in response.headers
    assert shop.counter("canary_faults_total", operation="headers") == before + 1


def stale(response: Response) -> bool:
    return response.headers.get("Warning") == '110 - "Response is Stale"'


def test_in_an_outage_the_last_good_answer_goes_out_and_says_that_it_is_old(shop: Shop) -> None:
    fresh = shop.get()
    assert not stale(fresh)
    break_both(shop)
    response = shop.get()
    assert (response.status_code, response.get_json()) == (200, {"name": "same"})
    assert stale(response)
    assert int(response.headers["Age"]) >= 0
    assert response.headers["ETag"] == fresh.headers["ETag"]


def test_an_old_answer_does_not_hide_the_outage(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody answered: header, counters and log say so, though the client was helped."""
    who = shop.who().split(";")[0]
    outages = shop.counter("canary_outages_total", endpoint="item")
    failures = shop.counter("canary_failures_total", endpoint="item", arm=who, cause="error")
    replies = {"endpoint": "item", "arm": "none", "reason": "outage"}
    answered = shop.counter("canary_requests_total", **replies)
    break_both(shop)
    assert shop.who() == "none; reason=outage; cause=error"
    assert shop.counter("canary_outages_total", endpoint="item") == outages + 1
    assert shop.counter("canary_requests_total", **replies) == answered + 1
    assert (
        shop.counter("canary_failures_total", endpoint="item", arm=who, cause="error")
        == failures + 1
    )
    assert "arm_failed" in caplog.text


def test_a_client_that_has_the_old_answer_gets_304_in_an_outage(shop: Shop) -> None:
    tag = shop.get().headers["ETag"]
    break_both(shop)
    response = shop.get(If_None_Match=tag)
    assert response.status_code == 304
    assert stale(response)


def test_what_nobody_asked_before_is_503_in_an_outage(shop: Shop) -> None:
    shop.get("?page=1")
    break_both(shop)
    response = shop.get("?page=2")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == str(RETRY_AFTER)


def test_the_wish_for_an_arm_and_the_order_of_parameters_ask_the_same_question(shop: Shop) -> None:
    shop.get("?a=1&b=2&force_domain=false")
    break_both(shop)
    assert stale(shop.get("?b=2&a=1&force_domain=true"))


def test_by_default_no_old_answer_goes_out() -> None:
    shop = alike(Shop({}))
    shop.get()
    break_both(shop)
    assert shop.get().status_code == 503


def test_an_answer_that_breaks_the_contract_is_not_a_good_one() -> None:
    shop = Shop(STALE)
    shop.legacy = lambda **_: {"name": 5}
    assert shop.get().status_code == 200
    break_both(shop)
    assert shop.get().status_code == 503


def test_an_old_answer_keeps_its_own_headers() -> None:
    shop = alike(Shop(STALE, headers=lambda value: {"Link": f"<{value['name']}>"}))
    shop.get()
    break_both(shop)
    assert shop.get().headers["Link"] == "<same>"


def test_an_answer_is_sent_again_when_it_is_good_again(shop: Shop) -> None:
    shop.get()
    break_both(shop)
    shop.get()
    shop.domain = shop.legacy = lambda **_: {"name": "mended"}
    response = shop.get()
    assert response.get_json() == {"name": "mended"}
    assert not stale(response)
