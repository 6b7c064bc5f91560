"""Answers that may be a moment old, so that many who ask the same ask PostgreSQL once.

In Redis or Valkey, where all workers and hosts share them, or in each process by itself. A cache
that is away is done without: nobody waits for it twice.
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
REST = 5.0
"""Seconds without it after it failed."""
MOST = 1000
"""Answers that a process keeps by itself."""

LOOKUPS = Counter(
    "detection_api_cache_lookups",
    "Answers looked for in the cache: found (hit), not there (miss), cache not there (away).",
    ["outcome"],
)

_T = TypeVar("_T")


class _AsItIs:
    """Bytes go in and come out: what others may write to Redis must not be unpickled."""

    def dumps(self, value: bytes) -> bytes:
        """`value`."""
        return value

    def loads(self, value: bytes | None) -> bytes | None:
        """`value`."""
        return value


class Cache:
    """Keeps answers for `ttl` seconds; none before `init_app`, nor where `ttl` is 0.

    Redis may take `timeout` seconds to connect, and to answer; `clock` is monotonic, in seconds.
    """

    def __init__(
        self, *, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeout = timeout
        self._clock = clock
        self._ttl = 0
        self._backend: Any = None
        self._rests_until = 0.0
        self._is_away = False

    def init_app(self, app: Flask, url: str, ttl: int) -> None:
        """Keep answers in the Redis at `url`, or in this process without one."""
        kept_in = (
            self._redis(url) if url else {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": MOST}
        )
        cache = flask_caching.Cache(app, config={"CACHE_KEY_PREFIX": "detection-api:", **kept_in})
        self._backend = app.extensions["cache"][cache]
        self._backend.serializer = _AsItIs()
        self._ttl = ttl
        self._rests_until = 0.0

    def remember(self, key: tuple[Any, ...], form: type[_T], make: Callable[[], _T]) -> _T:
        """What is kept under `key`, or else what `make` makes, which is kept then.

        Key and value must have a form in JSON; it is read as `form`. Raises what `make` raises.
        """
        if not self._ttl:
            return make()
        name = msgspec.json.encode(key).decode()
        found = self._try(lambda: self._backend.get(name))
        try:
            if found is not None:
                value = msgspec.json.decode(found, type=form)
                LOOKUPS.labels("hit").inc()
                return value
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.warning("cached_answer_unreadable", key=name)
        LOOKUPS.labels("away" if self._is_away else "miss").inc()
        made = make()
        self._try(lambda: self._backend.set(name, msgspec.json.encode(made), timeout=self._ttl))
        return made

    def _try(self, work: Callable[[], Any]) -> Any:
        """What `work` gives, or None where the cache is away."""
        if self._clock() < self._rests_until:
            return None
        try:
            given = work()
        except redis.RedisError as error:
            self._rests_until = self._clock() + REST
            self._say(is_away=True, error=str(error))
            return None
        self._say(is_away=False)
        return given

    def _say(self, *, is_away: bool, **facts: object) -> None:
        """Log, once, that the cache went or came back."""
        if is_away is not self._is_away:
            self._is_away = is_away
            log.warning("cache_away" if is_away else "cache_back", **facts)

    def _redis(self, url: str) -> dict[str, Any]:
        """Flask-Caching's settings; redis-py itself would wait for seconds, and try again."""
        options = {
            "socket_timeout": self._timeout,
            "socket_connect_timeout": self._timeout,
            "retry": Retry(NoBackoff(), 0),
        }
        return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url, "CACHE_OPTIONS": options}
