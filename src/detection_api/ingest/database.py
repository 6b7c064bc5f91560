"""Connections that write to PostgreSQL, and the delays between retries during an outage."""

import psycopg2
import structlog
from psycopg2 import extensions

log = structlog.get_logger(__name__)

CONNECT_TIMEOUT = 5
"""Seconds."""
FIRST_DELAY = 0.2
LONGEST_DELAY = 5.0


def connect(url: str, name: str) -> extensions.connection:
    """Return an autocommit connection to the libpq URL `url`; `with connection:` is a transaction.

    `name` shows in `pg_stat_activity`. A lost server is noticed within 30 seconds.
    """
    options = extensions.parse_dsn(url).get("options", "")
    connection = psycopg2.connect(
        url,
        application_name=name,
        client_encoding="UTF8",
        options=f"{options} -c TimeZone=UTC",
        connect_timeout=CONNECT_TIMEOUT,
        keepalives=1,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=25_000,
    )
    connection.autocommit = True
    return connection


class Outage:
    """An outage of one dependency: log it once, and retry less and less often."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._failures = 0

    def failed(self, error: Exception) -> float:
        """Count one more failure; return the seconds to wait before the next attempt."""
        if self._failures == 0:
            log.warning("outage", what=self._what, error=str(error).strip(), exc_info=error)
        delay = min(FIRST_DELAY * 2**self._failures, LONGEST_DELAY)
        self._failures += 1
        return float(delay)

    def over(self) -> None:
        """Log the end of the outage, if there was one."""
        if self._failures:
            log.info("outage_over", what=self._what, failures=self._failures)
        self._failures = 0
