"""The folder in which the workers of one server share their Prometheus counters.

gunicorn's master imports this module. It may import the standard library only.
"""

import os
from pathlib import Path

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder; prometheus-client reads it once, when it is imported."""


def ensure_folder() -> None:
    """Make the folder if it does not exist, or no longer."""
    Path(os.environ[METRICS]).mkdir(mode=0o700, parents=True, exist_ok=True)
