"""Receive the statistics of detectors from Redis, and keep the latest of each camera."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import redis
import structlog
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.retry import Retry

from detection_api.clock import utc_now
from detection_api.legacy.json_values import is_name, moment

log = structlog.get_logger(__name__)

CHANNEL = "hbd:stats"

LONGEST_LEAD = timedelta(seconds=60)
"""A message with a later time is refused: it would hide all others until that time."""

SILENCE = 1.0
"""Seconds without a message after which the server is pinged."""
PATIENCE = 5.0
"""Time limit to connect, and for an answer, in seconds."""
FIRST_BACKOFF = 0.1
LONGEST_BACKOFF = 30.0
"""Maximum time between two attempts to connect, in seconds; it doubles with each attempt."""

_UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a camera's detector; `data` has its figures unchanged."""

    camera_id: str
    timestamp: datetime
    data: Mapping[str, Any]


class LiveStatistics:
    """Keeps the latest message of each camera, received by a thread that the first use starts.

    A forked process starts its own thread and connection. `url` is Redis's; if it is empty, there
    are no messages. `clock` returns the arrival time of a message. Raises ValueError if `url` is
    invalid.
    """

    def __init__(self, url: str, clock: Callable[[], datetime] = utc_now) -> None:
        self.subscribed = threading.Event()
        self._received = threading.Event()
        self._client = _client(url) if url else None
        self._clock = clock
        self._latest: dict[str, Message] = {}
        self._stopped = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def latest(self, camera_id: str) -> Message | None:
        """Return the camera's latest message; None if this process has not received one."""
        self.start()
        return self._latest.get(camera_id)

    def start(self) -> None:
        """Start the thread unless it runs; it sets `subscribed` after it has subscribed."""
        if self._client is None or self._is_listening():
            return
        with self._starting:
            if not self._is_listening():
                self.subscribed.clear()
                self._thread = threading.Thread(
                    target=self._listen, args=(self._client,), name="live-statistics", daemon=True
                )
                self._thread.start()

    def warm_up(self, seconds: float) -> None:
        """Subscribe, and wait at most `seconds` for a first message; do nothing without Redis."""
        self.start()
        if self._client is not None:
            self._received.wait(seconds)

    def stop(self) -> None:
        """End the thread within `SILENCE` seconds; it does not start again."""
        self._stopped.set()

    def receive(self, payload: bytes | str) -> None:
        """Keep the message in `payload` if it is the latest of its camera.

        Ignores a malformed message, and one that is more than LONGEST_LEAD in the future.
        """
        message = parse(payload)
        if message is None or message.timestamp - self._clock() > LONGEST_LEAD:
            return
        kept = self._latest.get(message.camera_id)
        if kept is None or kept.timestamp <= message.timestamp:
            self._latest[message.camera_id] = message
            self._received.set()

    def _is_listening(self) -> bool:
        # A forked process does not have the thread of its parent.
        return self._thread is not None and self._thread.is_alive()

    def _listen(self, client: redis.Redis) -> None:
        backoff = FIRST_BACKOFF
        while not self._stopped.is_set():
            try:
                with client.pubsub() as pubsub:  # type: ignore[no-untyped-call]
                    pubsub.subscribe(CHANNEL)
                    self._receive_from(pubsub)
            except (redis.RedisError, OSError) as error:
                if self.subscribed.is_set():
                    backoff = FIRST_BACKOFF
                self.subscribed.clear()
                log.warning("live_statistics_lost", error=str(error), retry_in_seconds=backoff)
                self._stopped.wait(backoff)
                backoff = min(2 * backoff, LONGEST_BACKOFF)
        self.subscribed.clear()

    def _receive_from(self, pubsub: PubSub) -> None:
        while not self._stopped.is_set():
            arrived = _next(pubsub)
            if arrived["type"] == "subscribe":
                log.info("live_statistics_subscribed", channel=CHANNEL)
                self.subscribed.set()
            elif arrived["type"] == "message":
                self.receive(arrived["data"])


def parse(payload: bytes | str) -> Message | None:
    """Return the statistics message in `payload`; None if it is malformed."""
    try:
        message = msgspec.json.decode(payload)
    except _UNDECODABLE:
        return None
    if not isinstance(message, dict) or message.get("type") != "stats":
        return None
    camera_id, data = message.get("camera_id"), message.get("data")
    timestamp = moment(message.get("timestamp"))
    if not (is_name(camera_id) and isinstance(data, dict) and timestamp):
        return None
    return Message(camera_id, timestamp, data)


def _client(url: str) -> redis.Redis:
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=PATIENCE,
        socket_timeout=PATIENCE,
        retry=Retry(NoBackoff(), 0),
    )


def _next(pubsub: PubSub) -> dict[str, Any]:
    """Return the next message; raises TimeoutError if a silent server does not answer a ping."""
    arrived = pubsub.get_message(timeout=SILENCE)
    if arrived is None:
        pubsub.ping()
        arrived = pubsub.get_message(timeout=PATIENCE)
    if arrived is None:
        raise redis.TimeoutError("no answer to a ping")
    message: dict[str, Any] = arrived
    return message
