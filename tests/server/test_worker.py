"""A worker has the rollout's state and live statistics before its first request."""

import gc
import sys

import pytest
from flask import Flask

from detection_api.extensions import canary
from detection_api.legacy.sources import sources
from detection_api.server import worker


class Live:
    """Live statistics that note how long they were waited for."""

    def __init__(self) -> None:
        self.waited: list[float] = []

    def warm_up(self, within: float) -> None:
        self.waited.append(within)


def test_a_worker_waits_for_state_and_statistics_and_freezes_what_it_has_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, live = Flask(__name__), Live()
    started: list[tuple[Flask, float]] = []
    monkeypatch.setattr(canary, "start", lambda app, within: started.append((app, within)))
    monkeypatch.setattr(sources, "live", live, raising=False)
    interval = sys.getswitchinterval()
    try:
        worker.begin(app)
        assert started == [(app, worker.ROLLOUT_STATE_TIMEOUT)]
        assert live.waited == [worker.LIVE_STATISTICS_TIMEOUT]
        assert sys.getswitchinterval() == pytest.approx(worker.SWITCH_INTERVAL)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
