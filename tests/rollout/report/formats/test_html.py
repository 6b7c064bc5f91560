"""An HTML report can be shown to anybody: it runs, loads and links to nothing outside."""

from html.parser import HTMLParser

import pytest

from tests.rollout.report.conftest import Reported

LANGUAGES = ("en", "zh")


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def ids(self) -> list[str]:
        return [attrs["id"] or "" for _, attrs in self.tags if "id" in attrs]


@pytest.fixture(scope="module", params=LANGUAGES)
def page(broken: Reported, request: pytest.FixtureRequest) -> Page:
    return Page(broken.show("html", request.param))


def test_a_page_is_well_formed(page: Page) -> None:
    assert page.open == []
    assert len(page.ids()) == len(set(page.ids()))


def test_a_page_loads_and_runs_nothing(page: Page) -> None:
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "link", "object", "form", "base"}
    for tag, attrs in page.tags:
        assert not any(name.startswith("on") or name == "src" for name in attrs), tag
        assert (attrs.get("href") or "#").startswith("#"), attrs
    policies = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_every_link_of_a_page_leads_somewhere(page: Page) -> None:
    targets = {str(attrs["href"])[1:] for tag, attrs in page.tags if tag == "a"}
    assert targets <= set(page.ids())


def test_a_page_shows_what_clients_wrote_as_they_wrote_it(page: Page) -> None:
    assert "<script>alert(1)</script>" in page.text
