"""What the documents say exists, exists."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from detection_api.config import Settings

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")
TABLES = ("docs/configuration.md", "docs/configuration.zh-CN.md")
VARIABLE = re.compile(r"^\| `([A-Z_<>]+)`", re.MULTILINE)
OTHERS = {
    "ENV_FILE",
    "USE_DOMAIN_SERVICE",
    "ROLLOUT_PERCENT",
    "ROLLOUT_PERCENT_<ENDPOINT>",
    "FORCE_DOMAIN",
    "CANARY_STICKY",
    "CANARY_STALE_AFTER",
    "CANARY_RETENTION_DAYS",
    "CANARY_STORE_VALUES",
    "STALE_IF_ERROR",
    "SHADOW_PERCENT",
    "SHADOW_MAX_PER_SECOND",
    "PORT",
    "WEB_CONCURRENCY",
    "THREADS",
}


@pytest.mark.parametrize("name", TABLES)
def test_the_configuration_table_has_every_setting_and_no_other(name: str) -> None:
    settings = {setting.metadata["variable"] for setting in fields(Settings)}
    assert set(VARIABLE.findall((ROOT / name).read_text())) == settings | OTHERS


@pytest.mark.parametrize("name", TABLES)
def test_defaults_in_the_table_are_the_defaults(name: str) -> None:
    rows = dict(
        re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]*)`? \|", (ROOT / name).read_text(), re.MULTILINE)
    )
    for setting in fields(Settings):
        default = setting.metadata["default"]
        if default:
            assert rows[setting.metadata["variable"]].strip() == default


def commands(name: str) -> list[str]:
    blocks = re.findall(r"^```\w*\n(.*?)^```", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize("name", ["README", "docs/rollout", "docs/operations"])
def test_both_languages_give_the_same_commands(name: str) -> None:
    pages = (f"{name}.md", f"{name}.zh-CN.md")
    first, second = ([c.split("#")[0].strip() for c in commands(page)] for page in pages)
    assert first == second


@pytest.mark.parametrize("name", READMES)
def test_a_readme_has_at_most_250_lines(name: str) -> None:
    assert len((ROOT / name).read_text().splitlines()) <= 250


@pytest.mark.parametrize(
    "document",
    [*READMES, "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))],
)
def test_links_between_documents_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / link).exists(), link
