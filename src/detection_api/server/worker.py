"""The start of a worker, whichever server runs it.

gunicorn calls `begin` through `gunicorn_hooks`, granian through `wsgi.py`.
"""

import gc
import sys

from flask import Flask

ROLLOUT_STATE_TIMEOUT = 1.5
"""Seconds to wait for the rollout's state."""
LIVE_STATISTICS_TIMEOUT = 1.5
"""Seconds to wait for live statistics; detectors publish every second."""
SWITCH_INTERVAL = 0.0005
"""Seconds for which a computing thread, such as a comparison, may hold the interpreter while
another thread has a request to serve. Python's default of 0.005 is longer than most requests."""


def begin(app: Flask) -> None:
    """Read the rollout's state and live statistics before the first request.

    Without them, a reload would send the domain's clients to legacy for a moment, and legacy would
    show zeros for a second. Also keeps other threads and the garbage collector from delaying
    requests.
    """
    from detection_api.extensions import canary  # noqa: PLC0415 - after `granian.join`
    from detection_api.legacy.sources import sources  # noqa: PLC0415

    canary.start(app, within=ROLLOUT_STATE_TIMEOUT)
    sources.live.warm_up(LIVE_STATISTICS_TIMEOUT)
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.collect()
    gc.freeze()  # the collector never again walks through the objects that exist now
