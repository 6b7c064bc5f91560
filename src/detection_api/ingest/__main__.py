"""`python -m detection_api.ingest`: the same as `detection-api ingest`.

This entry point stands above every layer: nothing imports it.
"""

from detection_api.cli.ingest import ingest

ingest(prog_name="python -m detection_api.ingest")
