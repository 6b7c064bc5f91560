"""The application with a domain that ends its process, for gunicorn to serve.

The file named by `FAULT_FILE` holds what `Instance.break_domain` has ordered; each call reads it.
"""

import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from detection_api import create_app
from detection_api.services import records
from tests.corpus.ending import FAULTS


def _faulty(implementation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(implementation)
    def broken(**arguments: Any) -> Any:
        if order := json.loads(Path(os.environ["FAULT_FILE"]).read_text()):
            FAULTS[order["fault"]]()
        return implementation(**arguments)

    return broken


setattr(records, "violation", _faulty(records.violation))  # noqa: B010 - mypy allows no assignment

app = create_app()
