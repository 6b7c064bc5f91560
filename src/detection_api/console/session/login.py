"""Login with an operator's token, and logout."""

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from detection_api.console.service import console
from detection_api.console.session.access import COOKIE, keep
from detection_api.db import UNAVAILABLE
from detection_api.errors import InvalidTokenError, ThrottledError, UnauthenticatedError
from detection_api.web import auth

log = structlog.get_logger(__name__)


def init_app(blueprint: Blueprint) -> None:
    """Add the routes."""
    blueprint.add_url_rule("/login", view_func=login, methods=["GET", "POST"])
    blueprint.add_url_rule("/logout", view_func=logout, methods=["POST"])


def login() -> ResponseReturnValue:
    """Show the login form; open a session if the token is valid."""
    if request.method == "GET":
        return render_template("console/login.html", error=None)
    token = request.form.get("token", "").strip()
    try:
        operator = auth.authenticate(token, request.remote_addr or "")
        key = console().sessions.open(operator)
    except ThrottledError as error:
        page = render_template("console/login.html", error="throttled", wait=error.retry_after)
        return page, 429, {"Retry-After": str(error.retry_after)}
    except InvalidTokenError:
        return render_template("console/login.html", error="wrong_token"), 401
    except UnauthenticatedError:  # the form has no token, or no token exists
        why = "no_tokens" if token else "wrong_token"
        return render_template("console/login.html", error=why), 401
    except UNAVAILABLE as error:
        log.warning("console_login_failed", error=str(error).strip())
        return render_template("console/login.html", error="login_away"), 503
    response = redirect(_next(), 303)
    keep(response, key)
    return response


def logout() -> ResponseReturnValue:
    """Log out: end the session."""
    console().sessions.close(request.cookies[COOKIE])
    response = redirect(url_for("console.login"), 303)
    response.delete_cookie(COOKIE, path=url_for("console.overview"))
    return response


def _next() -> str:
    """Return the console page to show after the login."""
    home = url_for("console.overview")
    page = request.args.get("next", home)
    return page if page.startswith(home) else home
