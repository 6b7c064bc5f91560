"""Raise endpoints stage by stage.

Read `controller.Controller.turn` first. `transitions` decides, `loop` repeats turns, `display`
shows them, `lifecycle` begins and ends runs.
"""

from detection_api.rollout.controller.controller import Controller
from detection_api.rollout.controller.display import Block, Lines, outcome_rows, plan_in_words
from detection_api.rollout.controller.lifecycle import (
    abandon,
    begin,
    new_plan,
    refuse_other_plan,
    unfinished,
)
from detection_api.rollout.controller.loop import drive

__all__ = [
    "Block",
    "Controller",
    "Lines",
    "abandon",
    "begin",
    "drive",
    "new_plan",
    "outcome_rows",
    "plan_in_words",
    "refuse_other_plan",
    "unfinished",
]
