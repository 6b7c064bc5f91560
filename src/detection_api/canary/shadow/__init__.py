"""Comparisons after the response, in a thread of their own.

`queue` bounds them and `comparer` makes them. `judge` tells moving data from a wrong answer by the
looks at legacy in `history`, and by how often legacy moves (`rates`).
"""

from detection_api.canary.shadow.comparer import Comparer
from detection_api.canary.shadow.queue import Job, Shadow

__all__ = [
    "Comparer",
    "Job",
    "Shadow",
]
