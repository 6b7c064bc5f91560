"""The report of a rollout run, made from the ledger and the events alone.

`loader` reads the record of a run, `assembly` turns it into a document, `formats` render that.
"""

from detection_api.rollout.report.assembly import assemble
from detection_api.rollout.report.document import Document
from detection_api.rollout.report.formats import RENDERERS
from detection_api.rollout.report.loader import read

__all__ = [
    "RENDERERS",
    "Document",
    "assemble",
    "read",
]
