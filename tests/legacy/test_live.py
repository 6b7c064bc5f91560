"""Each process keeps the latest statistics of every camera, whatever becomes of Redis."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import redis

from detection_api.embedded import EmbeddedValkey
from detection_api.legacy import live
from detection_api.legacy.live import CHANNEL, LiveStatistics
from tests.ingest.support import wait_until
from tests.world import NOW

FORK = """
import os, sys
from detection_api.legacy.live import LiveStatistics

def listen(statistics, report):
    statistics.start()
    assert statistics.subscribed.wait(10)
    os.write(report, b"subscribed\\n")
    while (message := statistics.latest("cam0")) is None:
        statistics.subscribed.wait(0.01)
    os.write(report, b"%d\\n" % message.data["persons"])

statistics = LiveStatistics(sys.argv[1])
statistics.start()
assert statistics.subscribed.wait(10)
child = os.fork()
listen(statistics, sys.stdout.fileno())
if child:
    os.waitpid(child, 0)
os._exit(0)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server that the test may stop; it is running."""
    server = EmbeddedValkey(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not answer is given up within half a second, and retried as soon."""
    monkeypatch.setattr(live, "SILENCE", 0.1)
    monkeypatch.setattr(live, "PATIENCE", 0.4)
    monkeypatch.setattr(live, "LONGEST_BACKOFF", 0.2)


@pytest.fixture
def statistics(valkey_url: str, impatient: None) -> Iterator[LiveStatistics]:
    """Statistics that are subscribed to the server."""
    statistics = LiveStatistics(valkey_url)
    statistics.start()
    assert statistics.subscribed.wait(10)
    yield statistics
    statistics.stop()
"""
"""
