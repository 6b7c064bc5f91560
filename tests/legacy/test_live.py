"""Each process keeps the latest statistics of every camera, whatever becomes of Redis."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import pytest
import redis

from detection_api.dev.embedded import EmbeddedValkey
from detection_api.legacy import live
from detection_api.legacy.live import CHANNEL, LiveStatistics
from tests.ingest.support import wait_until
from tests.world import NOW

FORK = """
import os, signal, sys, threading
from detection_api.telemetry import logs
from detection_api.legacy.live import LiveStatistics

logs.configure("INFO")
statistics = LiveStatistics(sys.argv[1])
statistics.start()
assert statistics.subscribed.wait(10)
child = os.fork()
signal.alarm(30)
statistics.start()
assert statistics.subscribed.wait(10)
print("subscribed", flush=True)
while (message := statistics.latest("cam0")) is None:
    threading.Event().wait(0.01)
print(message.data["persons"], flush=True)
if child:
    os.waitpid(child, 0)
os._exit(0)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of the test's own, which it may stop."""
    server = EmbeddedValkey(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def statistics(server: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveStatistics]:
    """Subscribed to `server`; they give up a server, and try again, within half a second."""
    monkeypatch.setattr(live, "SILENCE", 0.1)
    monkeypatch.setattr(live, "PATIENCE", 0.4)
    monkeypatch.setattr(live, "LONGEST_BACKOFF", 0.2)
    statistics = LiveStatistics(server.url)
    statistics.start()
    assert statistics.subscribed.wait(10)
    yield statistics
    statistics.stop()


def publish(server: EmbeddedValkey, persons: int, *, camera_id: str = "cam0", at: int = 0) -> None:
    publish_raw(server, payload(persons, camera_id=camera_id, at=at))


def payload(persons: int, *, camera_id: str = "cam0", at: float = 0) -> bytes:
    message = {
        "type": "stats",
        "camera_id": camera_id,
        "timestamp": NOW.timestamp() + at,
        "data": {"persons": persons},
    }
    return msgspec.json.encode(message)


def publish_raw(server: EmbeddedValkey, payload: bytes) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.publish(CHANNEL, payload)


def persons(statistics: LiveStatistics, camera_id: str = "cam0") -> int | None:
    message = statistics.latest(camera_id)
    return None if message is None else message.data["persons"]


def test_the_latest_message_of_each_camera_is_kept(
    server: EmbeddedValkey, statistics: LiveStatistics
) -> None:
    publish(server, 1, at=1)
    publish(server, 2, at=0)
    publish(server, 3, camera_id="区域")
    publish(server, 4, camera_id="last")
    wait_until(lambda: persons(statistics, "last") == 4)
    assert (persons(statistics, "cam0"), persons(statistics, "区域")) == (1, 3)
    assert statistics.latest("cam1") is None


def test_a_malformed_message_does_not_end_the_subscription(
    server: EmbeddedValkey, statistics: LiveStatistics
) -> None:
    publish_raw(server, b"\xff")
    publish(server, 1)
    wait_until(lambda: persons(statistics) == 1)


def test_a_message_from_more_than_a_minute_ahead_is_refused() -> None:
    statistics = LiveStatistics("", clock=lambda: NOW)
    for persons_seen, ahead in ((1, 60), (2, 60.001), (3, 86400)):
        statistics.receive(payload(persons_seen, at=ahead))
    assert persons(statistics) == 1


def test_the_first_use_subscribes(server: EmbeddedValkey) -> None:
    statistics = LiveStatistics(server.url)
    assert not statistics.subscribed.is_set()
    assert statistics.latest("cam0") is None
    assert statistics.subscribed.wait(10)
    statistics.stop()


def test_warming_up_ends_with_the_first_message(
    server: EmbeddedValkey, statistics: LiveStatistics
) -> None:
    """So that a new worker's first answer already has statistics."""
    warm = threading.Event()

    def warm_up() -> None:
        statistics.warm_up(60)
        warm.set()

    threading.Thread(target=warm_up).start()
    assert not warm.is_set()
    publish(server, 3)
    assert warm.wait(10)
    assert persons(statistics) == 3


def test_warming_up_without_messages_or_without_a_server_goes_on(server: EmbeddedValkey) -> None:
    silent = LiveStatistics(server.url)
    silent.warm_up(0.01)
    assert silent.latest("cam0") is None
    silent.stop()
    LiveStatistics("").warm_up(3600)


def test_simultaneous_first_uses_subscribe_once(server: EmbeddedValkey) -> None:
    everybody = [LiveStatistics(server.url) for _ in range(10)]
    with switching_threads_often():
        for statistics in everybody:
            use_simultaneously(statistics, users=16)
    for statistics in everybody:
        assert statistics.subscribed.wait(10)
    assert subscribers(server) == len(everybody)
    for statistics in everybody:
        statistics.stop()


@contextmanager
def switching_threads_often() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


def use_simultaneously(statistics: LiveStatistics, *, users: int) -> None:
    barrier = threading.Barrier(users)

    def use() -> None:
        barrier.wait(10)
        statistics.latest("cam0")

    threads = [threading.Thread(target=use) for _ in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def subscribers(server: EmbeddedValkey) -> int:
    with redis.Redis.from_url(server.url) as client:
        ((_, count),) = client.pubsub_numsub(CHANNEL)
    return int(count)


def test_stopping_ends_the_subscription_for_good(
    server: EmbeddedValkey, statistics: LiveStatistics
) -> None:
    statistics.stop()
    wait_until(lambda: not statistics.subscribed.is_set())
    statistics.latest("cam0")
    wait_until(lambda: subscribers(server) == 0)


def test_statistics_outlive_an_outage_and_go_on_after_it(
    server: EmbeddedValkey, statistics: LiveStatistics, caplog: pytest.LogCaptureFixture
) -> None:
    publish(server, 1)
    wait_until(lambda: persons(statistics) == 1)
    port = urlsplit(server.url).port
    server.stop()
    wait_until(lambda: not statistics.subscribed.is_set())
    assert persons(statistics) == 1
    assert "live_statistics_lost" in caplog.text
    server.start(port)
    assert statistics.subscribed.wait(10)
    publish(server, 2)
    wait_until(lambda: persons(statistics) == 2)


def test_a_server_that_stopped_answering_is_left_and_found_again(
    server: EmbeddedValkey, statistics: LiveStatistics
) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: not statistics.subscribed.is_set())
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert statistics.subscribed.wait(10)
    publish(server, 1)
    wait_until(lambda: persons(statistics) == 1)


def test_a_silent_server_that_answers_is_kept(
    server: EmbeddedValkey, statistics: LiveStatistics, caplog: pytest.LogCaptureFixture
) -> None:
    wait_until(lambda: pings(server) > 2)
    assert statistics.subscribed.is_set()
    assert "live_statistics_lost" not in caplog.text


def pings(server: EmbeddedValkey) -> int:
    with redis.Redis.from_url(server.url) as client:
        return int(client.info("commandstats").get("cmdstat_ping", {"calls": 0})["calls"])


def test_a_server_that_comes_late_is_found(server: EmbeddedValkey) -> None:
    port = urlsplit(server.url).port
    server.stop()
    late = LiveStatistics(f"redis://127.0.0.1:{port}")
    assert late.latest("cam0") is None
    server.start(port)
    assert late.subscribed.wait(10)
    late.stop()


def test_without_a_server_there_are_no_statistics_and_no_thread() -> None:
    before = threading.active_count()
    assert LiveStatistics("").latest("cam0") is None
    assert threading.active_count() == before


def test_a_url_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="scheme"):
        LiveStatistics("not a url")


def test_a_forked_process_subscribes_for_itself(server: EmbeddedValkey) -> None:
    command = [sys.executable, "-c", FORK, server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as parent:
        assert parent.stdout is not None
        try:
            assert [parent.stdout.readline() for _ in range(2)] == ["subscribed\n"] * 2
            assert subscribers(server) == 2
            publish(server, 7)
            assert [parent.stdout.readline() for _ in range(2)] == ["7\n"] * 2
        finally:
            os.killpg(parent.pid, signal.SIGKILL)
