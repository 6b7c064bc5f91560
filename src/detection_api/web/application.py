"""The Flask application, which reads each `Host` header only once.

docs/decisions/0028-framework-internals.md has the measurement.
"""

from functools import lru_cache
from typing import Any

from flask import Flask, Request
from werkzeug.routing import MapAdapter

MAX_HOSTS = 64
"""Hosts that are remembered."""
MAX_HOST_LENGTH = 512
"""Characters; longer hosts are not remembered."""


class Application(Flask):
    """Flask, with Werkzeug's reading of a host remembered.

    The result depends on the arguments of `_bind` only. An error is not remembered.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bind_remembered = lru_cache(MAX_HOSTS)(self._bind)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Do the same as Flask, except that no route can be a websocket."""
        if request is None:
            return super().create_url_adapter(None)
        if (trusted := self.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        environ = request.environ
        host = environ.get("HTTP_HOST")
        is_short = host is None or len(host) <= MAX_HOST_LENGTH
        bind = self._bind_remembered if is_short else self._bind
        request.host, bound = bind(
            host,
            environ["wsgi.url_scheme"],
            environ["SERVER_NAME"],
            environ["SERVER_PORT"],
            environ.get("SCRIPT_NAME", ""),
        )
        return MapAdapter(
            bound.map,
            bound.server_name,
            bound.script_name,
            bound.subdomain,
            bound.url_scheme,
            request.path,
            request.method,
            request.query_string.decode(errors="replace"),
        )

    def _bind(
        self, host: str | None, scheme: str, server: str, port: str, script_name: str
    ) -> tuple[str, MapAdapter]:
        """Return the host of a request, and the routes bound to it.

        Raises werkzeug's SecurityError for a host that is not trusted.
        """
        environ = {
            "REQUEST_METHOD": "GET",
            "wsgi.url_scheme": scheme,
            "SERVER_NAME": server,
            "SERVER_PORT": port,
            "SCRIPT_NAME": script_name,
            **({} if host is None else {"HTTP_HOST": host}),
        }
        request = self.request_class(environ)
        bound = super().create_url_adapter(request)
        assert bound is not None
        return request.host, bound
