"""Guards the console's routes, and restricts its pages in the browser."""

from hmac import compare_digest
from urllib.parse import urlsplit

import structlog
from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, NotFound
from werkzeug.wrappers import Response as AnyResponse

from detection_api.console import language
from detection_api.console.service import console
from detection_api.console.session.sessions import LIFETIME, Session
from detection_api.db import UNAVAILABLE
from detection_api.web.translations import LANGUAGES

log = structlog.get_logger(__name__)

COOKIE = "detection_api_console"
CSRF_FIELD = "csrf"
PUBLIC = frozenset({"console.login", "console.static"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}
YEAR = 365 * 24 * 3600


def init_app(blueprint: Blueprint) -> None:
    """Guard every route of the console."""
    blueprint.before_request(admit)
    blueprint.after_request(close)
    blueprint.register_error_handler(Forbidden, lambda _: _message("forbidden", 403))
    blueprint.register_error_handler(NotFound, lambda _: _message("not_found", 404))


def _message(about: str, status: int) -> tuple[str, int]:
    """Return a page with an error and nothing else."""
    return render_template("console/message.html", about=about), status


def admit() -> ResponseReturnValue | None:
    """Refuse requests without a session, and forms that another site sent."""
    is_form = request.method == "POST"
    if is_form and not _is_from_here():
        log.warning("console_form_refused", origin=request.headers.get("Origin"))
        raise Forbidden
    if request.endpoint in PUBLIC:
        return None
    try:
        session = console().sessions.find(request.cookies.get(COOKIE, ""))
    except UNAVAILABLE:
        return _message("session_unknown", 503)
    if session is None:
        return _refused()
    if is_form and not compare_digest(
        request.form.get(CSRF_FIELD, "").encode(errors="replace"), session.csrf.encode()
    ):
        log.warning("console_form_refused", name=session.operator.name)
        raise Forbidden
    g.session = session
    return None


def session() -> Session:
    """Return the session of the current request."""
    found: Session = g.session
    return found


def _is_from_here() -> bool:
    """Return whether a page of this site sent the current form, by the browser's headers.

    Browsers send Sec-Fetch-Site on a trustworthy connection, and Origin on others.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _refused() -> ResponseReturnValue:
    """Return a redirect to the login.

    A browser that follows another site's link withholds a strict cookie; a reload sends it.
    """
    if wants_sections():
        return "", 401
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return _message("one_moment", 200)
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("console.login", next=back), 303)


def wants_sections() -> bool:
    """Return whether an open page requests its changed sections."""
    return request.headers.get("Accept") == "application/json"


def keep(response: AnyResponse, key: str) -> None:
    """Set the session's cookie, which scripts and other sites cannot read."""
    response.set_cookie(
        COOKIE,
        key,
        max_age=LIFETIME,
        path=url_for("console.overview"),
        secure=request.is_secure,
        httponly=True,
        samesite="Strict",
    )


def close(response: Response) -> Response:
    """Add the console's headers, and store the language that the query names in a cookie."""
    response.headers.update(HEADERS)
    if request.endpoint == "console.static":
        response.headers["Cache-Control"] = "no-cache"
    if request.args.get(language.PARAMETER) in LANGUAGES:
        response.set_cookie(
            language.COOKIE,
            language.current(),
            max_age=YEAR,
            path=url_for("console.overview"),
            secure=request.is_secure,
            samesite="Lax",
        )
    return response
