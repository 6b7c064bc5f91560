"""Keep answers for a moment, so that many equal requests read PostgreSQL once.

Answers are kept in Redis or Valkey, shared by all workers and hosts, or in each process. After
a failure the cache is not used for PAUSE seconds, so not every request waits for it.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import flask_caching
import msgspec
import redis
import structlog
from flask import Flask
from prometheus_client import Counter
from redis.backoff import NoBackoff
from redis.retry import Retry

log = structlog.get_logger(__name__)

TIMEOUT = 0.05
"""Seconds that the cache may take to connect or to answer."""
PAUSE = 5.0
"""Seconds without the cache after it failed."""
MAX_ANSWERS = 1000
"""Maximum number of answers that a process keeps without Redis."""

LOOKUPS = Counter(
    "detection_api_cache_lookups",
    "Lookups in the cache by outcome: hit, miss, or away (the cache did not answer).",
    ["outcome"],
)

_T = TypeVar("_T")


class _AsItIs:
    """A serializer that leaves bytes unchanged: data from Redis must not be unpickled."""

    def dumps(self, value: bytes) -> bytes:
        """Return `value` unchanged."""
        return value

    def loads(self, value: bytes | None) -> bytes | None:
        """Return `value` unchanged."""
        return value


class Cache:
    """Keeps answers for `ttl` seconds; keeps none before `init_app`, or if `ttl` is 0.

    Redis may take `timeout` seconds to connect, and to answer; `clock` is monotonic, in seconds.
    """

    def __init__(
        self, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._ttl = 0
        self._backend: Any = None
        self._unused_until = 0.0
        self._is_away = False

    def init_app(self, app: Flask, url: str, ttl: int) -> None:
        """Keep answers in the Redis at `url`, or in this process without one."""
        kept_in = (
            self._redis(url)
            if url
            else {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": MAX_ANSWERS}
        )
        cache = flask_caching.Cache(app, config={"CACHE_KEY_PREFIX": "detection-api:", **kept_in})
        self._backend = app.extensions["cache"][cache]
        self._backend.serializer = _AsItIs()
        self._ttl = ttl
        self._unused_until = 0.0

    def remember(self, key: tuple[Any, ...], form: type[_T], make: Callable[[], _T]) -> _T:
        """Return the value kept under `key`; if there is none, keep and return `make()`.

        Key and value must have a form in JSON; it is read as `form`. Raises what `make` raises.
        """
        if not self._ttl:
            return make()
        name = msgspec.json.encode(key).decode()
        cached = self._try(lambda: self._backend.get(name))
        try:
            if cached is not None:
                value = msgspec.json.decode(cached, type=form)
                LOOKUPS.labels("hit").inc()
                return value
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.warning("cached_answer_unreadable", key=name)
        LOOKUPS.labels("away" if self._is_away else "miss").inc()
        made = make()
        self._try(lambda: self._backend.set(name, msgspec.json.encode(made), timeout=self._ttl))
        return made

    def _try(self, work: Callable[[], Any]) -> Any:
        """Return the result of `work`; None while the cache is away."""
        if self._clock() < self._unused_until:
            return None
        try:
            result = work()
        except redis.RedisError as error:
            self._unused_until = self._clock() + PAUSE
            self._log_change(is_away=True, error=str(error))
            return None
        self._log_change(is_away=False)
        return result

    def _log_change(self, *, is_away: bool, **facts: object) -> None:
        """Log once that the cache went away or came back."""
        if is_away is not self._is_away:
            self._is_away = is_away
            log.warning("cache_away" if is_away else "cache_back", **facts)

    def _redis(self, url: str) -> dict[str, Any]:
        """Return Flask-Caching's settings, with short timeouts and without redis-py's retries."""
        options = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
        }
        return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url, "CACHE_OPTIONS": options}
