"""Raises endpoints stage by stage.

Read `controller.Controller.turn` first; `transitions` decides, `loop` repeats
turns, `display` shows them.
"""

from detection_api.rollout.controller.controller import Controller, abandon, begin
from detection_api.rollout.controller.display import Block, Lines, outcome_rows, plan_in_words
from detection_api.rollout.controller.loop import drive

__all__ = [
    "Block",
    "Controller",
    "Lines",
    "abandon",
    "begin",
    "drive",
    "outcome_rows",
    "plan_in_words",
]
