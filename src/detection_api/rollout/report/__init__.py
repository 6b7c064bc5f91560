"""What a rollout run has shown, from the ledger and the events alone.

`loader` reads a run, `assembly` makes the document from `sections`, `formats` render it.
"""

from detection_api.rollout.report.assembly import assemble
from detection_api.rollout.report.document import Document
from detection_api.rollout.report.loader import read

__all__ = [
    "Document",
    "assemble",
    "read",
]
