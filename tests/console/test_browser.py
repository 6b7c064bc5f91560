"""What an operator sees and does, in a browser, beside two workers under load."""

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from selenium.webdriver.common.keys import Keys

from detection_api.canary.state.store import Store
from detection_api.canary.state.types import EventKind, Status
from detection_api.db.pool import Pool
from detection_api.dev.embedded import EmbeddedValkey
from detection_api.models.tokens import Role
from detection_api.rollout.changes import own
from detection_api.services.tokens import Tokens
from tests.canary.stores import in_postgres
from tests.console.browser import CHROMIUM, DESKTOP, DRIVER, PHONE, Browser, browsing
from tests.e2e.instance import Instance, Load, wait_for
from tests.factory import build

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed"
)

NAME = "statistics.daily"
PATH = "/api/v1/statistics/daily"


class Site:
    """A running instance, and what to look at it with."""

    def __init__(self, instance: Instance, store: Store, tokens: Tokens) -> None:
        self.instance = instance
        self.store = store
        self.tokens = tokens
        self.operator = tokens.create("night", Role.OPERATOR, by="test")
        self.viewer = tokens.create("guest", Role.VIEWER, by="test")

    def wait_until_known(self, token: str) -> None:
        """Return when both workers let a bearer of a new token in, as they do within a second."""
        shown = {"Authorization": f"Bearer {token}"}
        got: list[int] = []

        def is_known() -> bool:
            got.append(self.instance.get("/api/v1/rollout", **shown).status)
            return len(got) >= 20 and set(got[-20:]) == {200}

        wait_for(is_known, "the new token is known")

    def who(self) -> str:
        return self.instance.get(PATH).who


@pytest.fixture(scope="module")
def site(
    new_database: object, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("console")
    url = new_database("console")  # type: ignore[operator]
    environ = build(folder, url, valkey.url)
    pool = Pool(url, size=1, deadline=10, name="tokens", settings={})
    workers = {**environ, "WEB_CONCURRENCY": "2", "SHADOW_PERCENT": "100"}
    with in_postgres(url) as stored, Instance(folder, workers) as instance:
        yield Site(instance, stored.store, Tokens(pool.connection))
    pool.dispose()


@pytest.fixture(scope="module")
def opened(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all: starting it takes longest."""
    base = f"http://127.0.0.1:{site.instance.port}"
    with browsing(base, tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(opened: Browser) -> Browser:
    """A browser that was never here, at a desk; at the end it must have nothing to complain of."""
    opened.resize(DESKTOP)
    opened.open("/console/login?lang=en")
    opened.forget()
    return opened


@pytest.fixture
def console(browser: Browser, site: Site) -> Browser:
    """A browser with an operator logged in."""
    browser.log_in(site.operator)
    browser.until_text("#endpoints", NAME)
    return browser


def change(site: Site, percent: float, status: Status = Status.ACTIVE) -> None:
    """Change an endpoint's state by other means than the console."""
    old = own(site.store.read().states, NAME)
    site.store.write(replace(old, percent=percent, status=status), EventKind.SET, {})


def test_a_wrong_token_is_told_and_a_right_one_opens_the_console(
    browser: Browser, site: Site
) -> None:
    browser.log_in("dapi_wrong")
    browser.until_text("[role=alert]", "This token is not valid")
    browser.forget()
    browser.log_in(site.operator)
    browser.until_text("header", "night", "operator")
    assert site.operator not in browser.driver.page_source
    assert "token" not in browser.driver.current_url
    assert browser.driver.execute_script("return document.cookie") == ""
    assert browser.complaints() == []


def test_the_page_follows_what_happens_without_being_reloaded(console: Browser, site: Site) -> None:
    console.driver.execute_script("window.isTheSamePage = true")
    change(site, 100)
    console.until_text("#endpoints", "100%")
    with Load(site.instance, clients=2, paths=(PATH,)) as load:
        load.more(50)
        console.until_text("#endpoints", "domain 100%")
    assert console.driver.execute_script("return window.isTheSamePage")
    assert console.complaints() == []


def test_a_rollback_takes_two_clicks_and_workers_follow_within_a_second(
    console: Browser, site: Site
) -> None:
    change(site, 100)
    console.until(lambda: site.who() == "domain; reason=rollout", "the domain answers")
    console.click(f"#rollback-{NAME.replace('.', chr(92) + '.')}")
    console.until(lambda: console.find("dialog #confirm").is_displayed(), "the question is asked")
    assert console.driver.switch_to.active_element.get_attribute("id") == "confirm"
    with Load(site.instance, clients=2, paths=(PATH,), pause=0.02) as load:
        load.more(20)
        confirmed = time.time()
        console.find("dialog #confirm").click()
        said = console.until_text("#attention", "2 of 2 workers apply it.")
    assert load.lost == []
    assert load.replies[-1].who == "legacy; reason=rolled_back"
    still = [r.asked_at for r in load.replies if r.who == "domain; reason=rollout"]
    assert max(still) - confirmed < 1
    assert f"Done: rollback, {NAME}, by token:night." in said
    assert console.complaints() == []


def test_everything_is_rolled_back_in_two_clicks_and_resumed_with_a_reason(
    console: Browser, site: Site
) -> None:
    console.click("#rollback-\\*")
    console.click("dialog #confirm")
    console.until_text("#attention", "Done: rollback, All endpoints")
    assert site.who() == "legacy; reason=rolled_back"
    console.click("#resume-\\*")
    console.until(lambda: console.find("dialog #reason").is_displayed(), "the question is asked")
    console.find("dialog #confirm").click()
    assert console.has("dialog #reason:invalid")
    console.type("dialog #reason", "checked")
    console.find("dialog #confirm").click()
    console.until_text("#attention", "Done: resume, All endpoints")
    assert site.store.events(limit=1)[0].reason == "checked"


def test_everything_works_from_the_keyboard_and_a_live_page_keeps_the_focus(
    console: Browser, site: Site
) -> None:
    change(site, 10)
    button = f"set-{NAME}"
    console.driver.execute_script("document.getElementById(arguments[0]).focus()", button)
    change(site, 11)
    console.until_text("#endpoints", "11%")
    assert console.driver.switch_to.active_element.get_attribute("id") == button
    console.driver.switch_to.active_element.send_keys(Keys.ENTER)
    console.until(lambda: console.find("dialog #percent").is_displayed(), "the question is asked")
    console.driver.switch_to.active_element.send_keys("12", Keys.TAB, "by keyboard", Keys.ENTER)
    console.until_text("#attention", f"Done: set, {NAME}")
    assert site.store.read().states[NAME].percent == 12
    assert console.complaints() == []


def says_offline(console: Browser, offline: bool) -> bool:
    """Return if the page says `offline` of the browser."""
    return bool(console.find("#offline").is_displayed()) is offline


def test_a_page_that_gets_no_answer_says_so_and_keeps_what_it_had(console: Browser) -> None:
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    console.driver.execute_cdp_cmd("Network.enable", {})
    for offline in (True, False):
        console.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": offline, **conditions}
        )
        console.until(
            partial(says_offline, console, offline),
            f"the page says whether it is offline: {offline}",
        )
        assert NAME in console.text("#endpoints")
    console.driver.get_log("browser")


def test_an_endpoints_page_shows_its_mismatches_and_events_with_their_evidence(
    console: Browser, site: Site
) -> None:
    with Load(site.instance, clients=1, paths=("/api/v1/cameras/cam0/stats",)) as load:
        load.more(5)
        console.open("/console/endpoints/cameras.camera_stats")
        console.until_text("#mismatches", "$.stats.total_frames", "5 samples")
    console.click("#mismatches summary")
    assert "legacy" in console.until_text("#mismatches .samples", "domain")
    console.open(f"/console/endpoints/{NAME}")
    console.click("#events summary")
    console.until_text("#events pre", "percent")
    assert console.complaints() == []


def test_an_expired_session_asks_for_the_token_again(console: Browser, site: Site) -> None:
    site.store._rows(  # type: ignore[attr-defined]
        "UPDATE operator_session SET expires_at = now() RETURNING token_id"
    )
    console.until_text("main", "Operator token")
    console.type("#token", site.operator)
    console.click(".card button")
    console.until_text("#endpoints", NAME)


def test_a_revoked_token_ends_the_session_within_two_seconds(browser: Browser, site: Site) -> None:
    leaver = site.tokens.create("leaver", Role.OPERATOR, by="test")
    site.wait_until_known(leaver)
    browser.log_in(leaver)
    browser.until_text("#endpoints", NAME)
    site.tokens.revoke("leaver", by="test", reason="has left")
    browser.until_text("main", "Operator token")


def test_another_sites_form_changes_nothing(console: Browser, site: Site) -> None:
    before = site.store.read().states
    console.driver.get(
        f"data:text/html,<form method=post action={console.base}/console/rollback/*>"
        "<input name=reason value=attack><input name=csrf value=guess></form>"
    )
    console.driver.execute_script("document.querySelector('form').submit()")
    console.until_text("main", "the form did not come from this console")
    assert site.store.read().states == before
    console.open("/console/")
    console.until_text("#endpoints", NAME)


def test_a_viewer_sees_all_and_can_change_nothing(browser: Browser, site: Site) -> None:
    browser.log_in(site.viewer)
    browser.until_text("header", "guest", "viewer")
    browser.until_text("#endpoints", NAME)
    assert not browser.has("[data-dialog]")
    browser.open(f"/console/rollback/{NAME}")
    browser.until_text("main", "Your token is read only")


@pytest.mark.parametrize("page", ["/console/", f"/console/endpoints/{NAME}", "/console/set/*"])
def test_a_phone_shows_every_page_without_scrolling_sideways(console: Browser, page: str) -> None:
    console.resize(PHONE)
    console.open(page)
    console.until(lambda: console.text("main"), "the page is there")
    widths = console.driver.execute_script(
        "return [document.documentElement.scrollWidth, window.innerWidth]"
    )
    assert widths[0] <= widths[1] == PHONE[0]
    assert console.complaints() == []


def test_the_language_is_switched_and_remembered(console: Browser) -> None:
    console.click("#language-zh")
    console.until_text("#endpoints", "新实现失败", NAME)
    console.open(f"/console/endpoints/{NAME}")
    console.until_text("#chart", "最近一小时")
    console.click("#language-en")
    console.until_text("#chart", "The last hour")
    assert console.complaints() == []
