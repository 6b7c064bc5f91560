"""What is shown while a run bakes: what happens at once, what is waited for, and how long."""

from dataclasses import replace
from datetime import timedelta

import pytest

from detection_api.canary.state.types import EventKind
from detection_api.rollout import changes
from detection_api.rollout.controller.display import Block, Lines
from tests.rollout.fleet import Clock, Fleet, clock, fleet, settled

__all__ = ["clock", "fleet"]

GOOD, BAD = "records.violation", "statistics.daily"


def test_lines_tell_what_happens_once_and_what_is_waited_for_every_minute(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Lines()
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}, patience=1000))
    lines.show(controller.turn())
    assert capsys.readouterr().out == f"2026-11-25 12:00:00Z  {GOOD} at 50%: stage 1 of 2\n"
    for _ in range(70):
        fleet.second([GOOD], requests=1)
        lines.show(controller.turn())
    told = capsys.readouterr().out.splitlines()
    assert len(told) == 1
    assert told[0].startswith(f"2026-11-25 12:01:00Z  {GOOD} waits, ")
    assert "traffic: the domain answered" in told[0]


def test_lines_say_about_how_long_where_that_is_known(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0}, bake=3600, patience=9000))
    lines = Lines()
    lines.show(controller.turn())
    for _ in range(61):
        fleet.second([GOOD], requests=20)
    lines.show(controller.turn())
    assert "waits, about 58 min more: bake: baked 1 min of 1 h" in capsys.readouterr().out


def test_a_block_has_a_line_for_each_endpoint_and_is_drawn_over_itself(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    block = Block()
    controller = fleet.controller(fleet.begin(endpoints={GOOD: 0.0, BAD: 0.0}))
    changes.write(
        fleet.store,
        changes.own({}, BAD),
        changes.rolled_back,
        EventKind.ROLLBACK,
        by="bob",
        reason="wrong totals",
    )
    block.show(settled(controller))
    fleet.second([GOOD])
    capsys.readouterr()
    block.show(controller.turn())
    drawn = capsys.readouterr().out
    title, header, good, wait, bad, why = drawn.removeprefix("\r\x1b[6A\x1b[J").splitlines()
    assert title.startswith("run ")
    assert title.endswith("Ctrl-C stops and leaves everything as it is")
    assert header.split()[:4] == ["ENDPOINT", "STAGE", "%", "PHASE"]
    assert good.split()[:8] == [GOOD, "1", "of", "2", "50", "baking", "0", "0"]
    assert wait.startswith("    no estimate: ")
    assert bad.split()[:6] == [BAD, "1", "of", "2", "0", "left"]
    assert why == "    rolled back: wrong totals"
    assert max(map(len, (title, header, good, wait, bad, why))) < 80


def test_who_waits_for_a_hold_to_be_taken_back_is_shown_to(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = Fleet(clock)
    held = replace(changes.own({}, GOOD), by="bob", reason="for the release")
    fleet.store.write(changes.held(held), EventKind.HOLD, {})
    turn = fleet.controller(fleet.begin(endpoints={GOOD: 0.0})).turn()
    Block().show(turn)
    said = f"held until `rollout resume --endpoint {GOOD}`: for the release"
    assert said in capsys.readouterr().out
    Lines().show(replace(turn, at=turn.at + timedelta(minutes=2)))
    assert f"waits, no estimate: {said}" in capsys.readouterr().out
