"""The Flask application, without what Flask would find out anew for every request."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from flask import Flask, Request
from flask.ctx import RequestContext
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule

PLACES = 64
"""Hosts that are remembered: what clients call this one, not one for each of them."""
QUESTIONS = 256
"""Paths that are remembered: those that are polled."""
LONGEST = 512
"""Characters; a longer host or path is not worth the memory."""


class Application(Flask):
    """Flask without coroutines, which reads a host and a path that it knows no second time.

    No view is a coroutine, and looking at each of them is not free. What Werkzeug makes of a `Host`
    header, and which rule a path is of, depends on nothing else; what raises is not remembered.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._place = lru_cache(PLACES)(self._bind)
        self._remembered = lru_cache(QUESTIONS)(self._rule_of)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """`func` as it is."""
        return func

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        """As Flask."""
        return _Context(self, environ)

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask, but that an upgrade to a websocket is not looked for: no route takes one."""
        if request is None:
            return super().create_url_adapter(None)
        if (trusted := self.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        known = request.environ
        host = known.get("HTTP_HOST")
        bind = self._place if host is None or len(host) <= LONGEST else self._bind
        request.host, bound = bind(
            host,
            known["wsgi.url_scheme"],
            known["SERVER_NAME"],
            known["SERVER_PORT"],
            known.get("SCRIPT_NAME", ""),
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

    def rule_of(self, method: str, path: str) -> tuple[Rule, Mapping[str, Any]] | None:
        """The rule that a path is of, and the arguments in it; None where that is to be looked up.

        So it is where there is none, for what is to be redirected, and for a long path.
        """
        if len(path) > LONGEST:
            return None
        try:
            return self._remembered(method, path)
        except HTTPException:
            return None

    def _bind(
        self, host: str | None, scheme: str, server: str, port: str, script_name: str
    ) -> tuple[str, MapAdapter]:
        """The host that a request is for, and the rules as bound to it.

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

    def _rule_of(self, method: str, path: str) -> tuple[Rule, Mapping[str, Any]]:
        return self.url_map.bind("").match(path, method, return_rule=True)


class _Context(RequestContext):
    """A request's context, whose rule may be known already."""

    app: Application

    def match_request(self) -> None:
        """As Flask, for all that is not found at once."""
        request = self.request
        if found := self.app.rule_of(request.method, request.path):
            request.url_rule, arguments = found
            request.view_args = dict(arguments)
        else:
            super().match_request()
