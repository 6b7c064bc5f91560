"""`python -m detection_api.ingest`: the same as `detection-api ingest`, with fewer imports.

This entry point stands above every layer: nothing imports it.
"""

import sys

from detection_api.cli.__main__ import hold_signals_if_long_running

if __name__ == "__main__":
    hold_signals_if_long_running(["ingest", *sys.argv[1:]])
    from detection_api.cli.ingest import ingest

    ingest(prog_name="python -m detection_api.ingest")
