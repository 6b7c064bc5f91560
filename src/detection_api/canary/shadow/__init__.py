"""Comparisons after the response, in a thread of their own.

`queue` bounds them, `comparer` makes them, `noise` tells moving data from a wrong answer.
"""

from detection_api.canary.shadow.comparer import Comparer
from detection_api.canary.shadow.noise import lasting
from detection_api.canary.shadow.queue import Job, Shadow

__all__ = [
    "Comparer",
    "Job",
    "Shadow",
    "lasting",
]
