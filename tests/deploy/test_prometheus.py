"""The alerts fire when they should, name what exists, and tell an operator what to do."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from detection_api.canary.comparison.differences import Kind
from detection_api.canary.serving.observation import FailureCause
from detection_api.canary.state.types import Arm
from detection_api.dev.embedded import EmbeddedValkey
from tests.factory import build

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
METRIC = re.compile(r"(?<![:\w])(?:canary|detection_api)_\w+(?![:\w])")
RECORDED = re.compile(r"\w+:\w+:\w+")
UNUSED = "statistics.daily"
"""An endpoint that SCRAPE sends nothing to."""
SCRAPE = """
from detection_api import create_app
client = create_app().test_client()
for arm in ("true", "false"):
    client.get(f"/api/v1/cameras?force_domain={arm}")
print(client.get("/metrics").text)
"""

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian and Ubuntu: apt-get install prometheus)",
)


def rules() -> Iterator[dict[str, Any]]:
    """Every recording and alerting rule, in their order."""
    for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"]:
        yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["promtool", *arguments], cwd=FOLDER, check=False, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def scrape(
    new_database: Callable[[str], str],
    valkey: EmbeddedValkey,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Metric]:
    """What a process that has just started tells Prometheus after a few requests."""
    folder = tmp_path_factory.mktemp("prometheus")
    environ = build(folder, new_database("prometheus"), valkey.url)
    text = subprocess.run(
        [sys.executable, "-c", SCRAPE], env=environ, check=True, capture_output=True, text=True
    ).stdout
    return list(text_string_to_metric_families(text))


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "--lint=all", "--lint-fatal", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=["the configuration is valid", "the rules are valid", "alerts fire when they should"],
)
def test_promtool_has_nothing_to_say_against(arguments: tuple[str, ...]) -> None:
    result = promtool(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_metric_that_a_rule_names_is_in_a_scrape(scrape: list[Metric]) -> None:
    named = {name for rule in rules() for name in METRIC.findall(rule["expr"])}
    assert named
    assert named <= {
        family.name + suffix for family in scrape for suffix in SUFFIXES.get(family.type, ("",))
    }


def test_a_rule_uses_only_what_a_rule_before_it_records() -> None:
    recorded: set[str] = set()
    for rule in rules():
        assert set(RECORDED.findall(rule["expr"])) <= recorded
        recorded.add(rule.get("record", ""))


def series_at_zero() -> Iterator[tuple[str, dict[str, str]]]:
    """The counters of one endpoint whose growth an alert is about."""
    arms, causes = [arm.value for arm in Arm], [cause.value for cause in FailureCause]
    yield "canary_outages_total", {}
    yield "canary_shadow_drops_total", {}
    yield "canary_fallbacks_total", {}
    for arm, cause in product(arms, causes):
        yield "canary_failures_total", {"arm": arm, "cause": cause}
    for arm in (*arms, "none"):
        yield "canary_responses_total", {"arm": arm, "status": "5xx"}
    for kind in Kind:
        yield "canary_mismatches_total", {"kind": kind.value}


def test_what_an_alert_counts_stands_at_zero_before_the_first(scrape: list[Metric]) -> None:
    """A counter that appears with its first event has not grown, as Prometheus sees it."""
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in scrape
        for sample in family.samples
    }
    for name, labels in series_at_zero():
        series = (name, *sorted({**labels, "endpoint": UNUSED}.items()))
        assert values.get(series) == 0, series


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_both_firing_and_silent(name: str) -> None:
    tests = yaml.safe_load((FOLDER / "rules_test.yml").read_text())["tests"]
    expectations = [
        bool(expected["exp_alerts"])
        for test in tests
        for expected in test.get("alert_rule_test", ())
        if expected["alertname"] == name
    ]
    assert set(expectations) == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in {"warning", "critical"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook"}


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_leads_to_a_chapter_of_the_runbook(name: str) -> None:
    document, anchor = ALERTS[name]["annotations"]["runbook"].split("#")
    assert anchor in anchors(ROOT / document)


def test_the_readme_has_every_alert_and_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert dict(rows) == {name: alert["labels"]["severity"] for name, alert in ALERTS.items()}
