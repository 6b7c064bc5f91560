"""Structured JSON logs: one line per request, and every line has its request id."""

import logging
import random
import re
import sys
import time
from typing import Any

import structlog
from flask import Flask, Response, g, has_request_context, request

from detection_api import token_format

log = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}\Z")


def configure(level: str) -> None:
    """Write the process's logs, the libraries' too, to standard error as JSON lines."""
    shared: list[structlog.typing.Processor] = [
        _add_facts,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    root = logging.getLogger()
    for earlier in [h for h in root.handlers if isinstance(h.formatter, type(handler.formatter))]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("gunicorn.error").addFilter(_redact)


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Formats log lines as JSON and redacts tokens in all of them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record`."""
        return token_format.redacted(super().format(record))


def _redact(record: logging.LogRecord) -> bool:
    """Redact tokens in gunicorn's own lines, which quote headers that it cannot parse."""
    record.msg, record.args = token_format.redacted(record.getMessage()), ()
    return True


def _add_facts(_: Any, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add the fields of the current request, if there is one."""
    if has_request_context() and "facts" in g:
        for name, value in g.facts.items():
            line.setdefault(name, value)
    return line


def bind(**facts: str) -> None:
    """Add fields to all later lines of the current request, if `init_app` was called."""
    if "facts" in g:
        g.facts.update(facts)


def request_id() -> str:
    """Return the current request's id: the client's `X-Request-ID`, or a generated one."""
    identifier: str = g._get_current_object().request_id
    return identifier


def init_app(app: Flask) -> None:
    """Give every request of `app` an id, and log a line when it is answered."""
    app.before_request(_open)
    app.after_request(_close)


def _open() -> None:
    known = g._get_current_object()
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    is_taken = _REQUEST_ID.match(given) and not token_format.is_in(given)
    known.request_id = given if is_taken else f"{random.getrandbits(128):032x}"
    known.facts = {"request_id": known.request_id}
    known.started = time.perf_counter()


def _close(response: Response) -> Response:
    known = g._get_current_object()
    response.headers.add("X-Request-ID", known.request_id)
    if not log.is_enabled_for(logging.INFO):
        return response
    log.info(
        "request",
        method=request.method,
        path=request.path,
        endpoint=request.endpoint,
        status=response.status_code,
        ms=round((time.perf_counter() - known.started) * 1000, 3),
        **known.get("canary", {}),
    )
    return response
