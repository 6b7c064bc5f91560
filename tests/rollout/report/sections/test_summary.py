"""The first lines tell how the run ended, and what it has not proven."""

import pytest

from tests.rollout.report.conftest import Make, Reported
from tests.rollout.report.recount import all_rows, counted, within

LANGUAGES = ("en", "zh")


def lead(reported: Reported, language: str = "en") -> list[str]:
    return [cell["text"] for cell in reported.data(language)["lead"]]


def unproven(reported: Reported) -> list[str]:
    (section,) = (s for s in reported.data()["sections"] if s["key"] == "unproven")
    return [cell["text"] for block in section["blocks"] for cell in block["paragraph"]]


def test_a_healthy_run_is_reported_as_complete_without_failures(healthy: Reported) -> None:
    assert lead(healthy) == [
        "All 7 endpoints passed every stage. The domain answers 100% of their requests.",
        "The domain failed none of its 3,108 requests, and legacy answered none in its place.",
    ]
    assert lead(healthy, "zh")[0] == "全部 7 个端点已通过所有阶段，其 100% 的请求由新实现处理。"


def test_failed_endpoints_come_first_with_where_and_why(broken: Reported) -> None:
    first, *others = lead(broken)
    assert first == "4 of 7 endpoints passed every stage up to 100%. The others did not."
    assert others == [
        "statistics.daily failed at 25% and went back to 10%: 48 requests failed, 12 succeeded;"
        " the guard reports: failing",
        "statistics.events failed at 10% and went back to 0%: its answers differ from legacy's:"
        " $.events[*].timestamp, another type or format (31)",
        "cameras.cameras was left behind at 50%: its percentage was changed by hand during the run"
        " (ann set 5%)",
        "The domain failed 48 of 2,256 requests (30 errors, 18 timeouts)."
        " Legacy answered 48 of them in its place. Each one counts as a failure,"
        " whatever the client saw.",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("form", ["md", "html"])
def test_every_format_begins_with_the_same_lines(
    broken: Reported, form: str, language: str
) -> None:
    shown = broken.show(form, language)
    section = broken.data(language)["sections"][0]["title"]
    places = [shown.index(part) for part in ("statistics.daily", "statistics.events", "cameras.c")]
    assert places == sorted(places)
    assert places[-1] < shown.index(f"{section}</h2>" if form == "html" else f"## {section}")


def test_each_endpoint_has_its_unproven_stages_and_branches(broken: Reported) -> None:
    texts = unproven(broken)
    assert "statistics.daily did not pass the stages 25%, 50%, 100%." in texts
    assert any(
        line.startswith("records.violation: no comparison exercised $.rows:i") for line in texts
    )
    assert any(line.startswith("No instance was verified over HTTP") for line in texts)
    assert not any("cameras.camera_stats" in line for line in texts)


def test_a_run_that_has_not_ended_is_reported_as_such(make: Make) -> None:
    run = make(endpoints=["records.violation", "statistics.daily"]).go(2)
    run.open_stage("records.violation", 3)
    running = Reported(run)
    first, *others = lead(running)
    assert first.startswith("The run has not ended. As of 20")
    assert first.endswith("0 of 2 endpoints have passed every stage up to 100%.")
    assert others[:2] == [
        "records.violation is at 50%, undecided.",
        "statistics.daily is at 25%, undecided.",
    ]
    assert "statistics.daily did not pass the stages 50%, 100%." in unproven(running)
    for form in ("md", "html"):
        assert "not ended; as of" in running.show(form)
        assert "尚未结束" in running.show(form, "zh")


def test_a_run_that_met_no_traffic_has_proven_nothing(make: Make) -> None:
    run = make(endpoints=["records.violation"])
    run.open_stage("records.violation", 1)
    first, *others = lead(Reported(run.end("abandoned")))
    assert first.startswith("An operator ended the run before its endpoint had passed")
    assert others[-1] == "The domain received no request in this run. The run proves nothing."


def test_the_whole_runs_figures_are_the_ledgers(reported: Reported) -> None:
    began = reported.run.began
    for table, _, row in all_rows(reported):
        if table == "verdicts":
            endpoint = row["endpoint"]["value"]
            domain, legacy = (
                counted(reported, endpoint, arm, began, reported.run.now)
                for arm in ("domain", "legacy")
            )
            assert row["requests"]["value"] == domain.requests
            assert row["failures"]["value"] == domain.errors + domain.timeouts + domain.violations
            assert row["fallbacks"]["value"] == legacy.fallbacks
            assert row["domain_p95"]["value"] == pytest.approx(within(domain, 95), abs=1e-3)
            assert row["legacy_p95"]["value"] == pytest.approx(within(legacy, 95), abs=1e-3)
