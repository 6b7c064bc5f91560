"""A report can be shown to anybody: nothing in it runs, loads or leads elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from detection_api.rollout.report.formats.markdown import escape
from tests.rollout.conftest import Run
from tests.rollout.report.conftest import HOSTILE, Reported

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


def test_every_picture_says_in_words_what_it_shows(page: Page) -> None:
    pictures = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert len(pictures) == 14
    assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in pictures)


@pytest.mark.parametrize("language", LANGUAGES)
def test_markdown_is_text_whatever_clients_wrote(broken: Reported, language: str) -> None:
    shown = broken.show("md", language)
    assert r"\<script\>alert(1)" in shown
    own = re.sub(r'<a id="source-\d+"></a>', "", shown)
    assert not re.search(r"(?<!\\)<", re.sub(r"^ {8}.*$", "", own, flags=re.MULTILINE))
    links = re.findall(r"(?<!\\)\]\(([^)]*)\)", shown)
    assert links
    assert all(re.fullmatch(r"#source-\d+", link) for link in links)


def test_every_row_of_a_markdown_table_has_the_cells_of_its_header(broken: Reported) -> None:
    width = None
    for line in broken.show("md").splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert None in (width, cells) or width == cells, line
        width = cells


def test_every_source_of_a_markdown_report_is_there(broken: Reported) -> None:
    shown = broken.show("md")
    targets = set(re.findall(r"\(#(source-\d+)\)", shown))
    assert targets <= set(re.findall(r'<a id="(source-\d+)"></a>', shown))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("records.violation_count", "records.violation_count"),
        ("_a_ b", r"\_a\_ b"),
        ("[a](http://x)", r"\[a\](http\://x)"),
        ("www.evil.example a@b", r"www\.evil.example a\@b"),
        ("a|b\n# c", r"a\|b \# c"),
        ("\x1b[31m", r"?\[31m"),
    ],
)
def test_recorded_text_becomes_no_markup(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_json_keeps_what_clients_wrote(broken: Reported) -> None:
    assert HOSTILE in str(broken.data()) or "<script>alert(1)</script>|`x`" in str(broken.data())


@pytest.mark.parametrize("form", ["md", "html", "json"])
def test_the_command_writes_to_a_file_or_to_the_terminal(
    healthy: Reported, run: Run, form: str, tmp_path: Path
) -> None:
    url, file = healthy.run.history.url, tmp_path / "report"
    command = ("rollout", "report", healthy.run.id, "--format", form, "--lang", "zh")
    result = run(*command, "--output", file, DATABASE_URL=url)
    assert (result.exit_code, result.stdout) == (0, f"wrote {file}\n")
    assert file.read_text() == run(*command, DATABASE_URL=url).stdout == healthy.show(form, "zh")


def test_without_a_number_the_last_run_is_reported(healthy: Reported, run: Run) -> None:
    result = run("rollout", "report", DATABASE_URL=healthy.run.history.url)
    last = max(event.run for event in healthy.run.store.events(limit=None))
    assert result.stdout.startswith(f"# Rollout run {last}\n")
