"""An HTTP client for a running instance of this API."""

import http.client
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from urllib.parse import SplitResult, urlsplit

TOKEN = "DETECTION_API_TOKEN"  # noqa: S105 - the variable's name
"""The variable that has an operator's token, for instances where only these may force an arm."""
TIMEOUT = 10.0
"""Seconds without a word after which an answer is given up."""


class UnreachableError(Exception):
    """The instance did not answer; the message is one line with the cause."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to one request."""

    status: int
    headers: Message
    body: bytes

    @property
    def canary(self) -> dict[str, str]:
        """Return the parts of `X-Canary`: `arm`, `reason` and perhaps `cause`; empty without it."""
        arm, *why = self.headers.get("X-Canary", "").split("; ")
        return {"arm": arm, **dict(part.split("=", 1) for part in why if "=" in part)}


class Client:
    """Sends requests to `base`, each on a new connection, so that any worker may answer."""

    def __init__(self, base: str, *, token: str | None = None, timeout: float = TIMEOUT) -> None:
        self.base = base.rstrip("/")
        self._url = read_url(self.base)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = timeout

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Return the response to GET `path`, with its query; raises UnreachableError."""
        with closing(self._connection()) as connection:
            try:
                connection.request(
                    "GET", self._url.path + path, headers={**self._headers, **(headers or {})}
                )
                response = connection.getresponse()
                return Reply(response.status, response.headers, response.read())
            except TimeoutError as error:
                raise UnreachableError(f"no answer within {self._timeout:g} s") from error
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise UnreachableError(f"no answer: {reason}") from error

    def _connection(self) -> http.client.HTTPConnection:
        is_tls = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if is_tls else http.client.HTTPConnection
        assert self._url.hostname is not None
        return kind(self._url.hostname, self._url.port, timeout=self._timeout)


def read_url(text: str) -> SplitResult:
    """Return the parts of an instance's address; raises ValueError if it is invalid."""
    url = urlsplit(text)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("must be an http:// or https:// URL")
    if url.username is not None or url.query or url.fragment:
        raise ValueError("must be a plain address: no user, query or fragment")
    if url.port == 0:  # reading `port` raises ValueError if it is not a number
        raise ValueError("must have a port above 0")
    return url
