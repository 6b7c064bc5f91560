"""Wait until an instance is healthy."""

import time
from http import HTTPStatus

from detection_api.web.client import Client, UnreachableError

HEALTH = "/api/v1/monitoring/health"
POLL_INTERVAL = 0.5
"""Seconds between two requests."""


def wait_until_healthy(client: Client, seconds: float) -> None:
    """Return once the instance is healthy; without `seconds`, return at once.

    Raises UnreachableError after `seconds`, with the last answer.
    """
    deadline = time.monotonic() + seconds
    while seconds:
        try:
            status = client.get(HEALTH).status
        except UnreachableError as error:
            reason = str(error)
        else:
            if status == HTTPStatus.OK:
                return
            reason = f"{HEALTH} answers with {status}"
        if time.monotonic() > deadline:
            raise UnreachableError(f"not healthy after {seconds} s: {reason}")
        time.sleep(POLL_INTERVAL)
