"""An endpoint that did not pass is reported with the reason."""

import pytest

from detection_api.canary.state.types import EventKind
from tests.rollout.report.conftest import Make, Reported
from tests.rollout.report.past_run import Trouble
from tests.rollout.report.sections.test_summary import lead


def test_an_endpoint_that_was_rolled_back_afterwards_has_not_passed(make: Make) -> None:
    run = make(endpoints=["records.violation"]).go()
    run.history.event(
        "records.violation", EventKind.ROLLBACK, run.now, by="guard", reason="failing"
    )
    undone = Reported(run.end("incomplete", status="rolled_back", reason="failing"))
    assert lead(undone)[:2] == [
        "The endpoint did not pass every stage up to 100%.",
        "records.violation passed every stage and was rolled back afterwards (failing).",
    ]
    assert "guard rolled the endpoint back: failing" in undone.show("md")


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        ("patience", "its time in the stage ran out before there was enough evidence for: "),
        ("pinned", "the environment pins its percentage"),
        ("rolled_back", "was rolled back at 10%: ann set 5%; 0 requests failed, 24 succeeded"),
        ("of a later release", "ann set 5%"),
    ],
)
def test_an_endpoint_left_behind_has_its_cause(make: Make, cause: str, says: str) -> None:
    trouble = {"records.violation": Trouble(stage=1, leave=cause, branches=())}
    run = make(endpoints=["records.violation"], trouble=trouble)
    assert says in lead(Reported(run.go(1).end()))[1]
