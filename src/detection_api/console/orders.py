"""The console's changes: roll back, set, hold and resume, each after a confirmation."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden, NotFound

from detection_api.canary.state import DEFAULT, EventKind, StaleEpochError
from detection_api.console.language import text
from detection_api.console.service import console
from detection_api.console.session.access import session
from detection_api.db import UNAVAILABLE
from detection_api.errors import ConflictError
from detection_api.rollout import changes
from detection_api.rollout.extension import rollout_of
from detection_api.rollout.orders import Order, carry_out

log = structlog.get_logger(__name__)

MAX_PERCENT = 100
MAX_REASON = 500
"""Characters."""


class _UnreadableError(ValueError):
    """A form field is invalid; the message is a key of the console's texts."""


def _percent_set(form: Mapping[str, str]) -> changes.Change:
    try:
        percent = float(form.get("percent", ""))
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= MAX_PERCENT:  # which NaN is not either
        raise _UnreadableError("percent_unreadable")
    return changes.percent_set(percent)


def _reason(form: Mapping[str, str]) -> str:
    reason = form.get("reason", "").strip()
    if not 0 < len(reason) <= MAX_REASON:
        raise _UnreadableError("reason_unreadable")
    return reason


@dataclass(frozen=True, slots=True)
class Action:
    """A change that an operator can make; `change` reads it from the form."""

    kind: EventKind
    change: Callable[[Mapping[str, str]], changes.Change]


ACTIONS: Mapping[str, Action] = {
    "rollback": Action(EventKind.ROLLBACK, lambda _: changes.rolled_back),
    "set": Action(EventKind.SET, _percent_set),
    "hold": Action(EventKind.HOLD, lambda _: changes.held),
    "resume": Action(EventKind.RESUME, lambda _: changes.resumed),
}


def init_app(blueprint: Blueprint) -> None:
    """Add the routes of the forms."""
    blueprint.add_url_rule("/<action>/<name>", view_func=ask, methods=["GET"])
    blueprint.add_url_rule("/<action>/<name>", view_func=give, methods=["POST"])


def ask(action: str, name: str) -> ResponseReturnValue:
    """Show the confirmation of a change: its effect, and a field for the reason."""
    _known(action, name)
    return _question_of_now(action, name)


def give(action: str, name: str) -> ResponseReturnValue:
    """Make the change and its event, then redirect to the page that shows it."""
    wanted = _known(action, name)
    rollout = rollout_of()
    try:
        order = _order(wanted, name, request.form)
        done = carry_out(rollout.store, order, rollout.endpoints, rollout.settings)
    except _UnreadableError as error:
        return _question(action, name, error=str(error)), 422
    except StaleEpochError:
        return _question_of_now(action, name, error="stale"), 409
    except ConflictError:
        return _question(action, name, error="held_stays"), 409
    except UNAVAILABLE as error:
        log.warning("console_order_failed", action=action, endpoint=name, error=str(error).strip())
        return _question(action, name, error="nothing_done"), 503
    finally:
        console().forget()
    if not done.changed:
        return _question(action, name, error="is_so_already"), 422
    page = url_for("console.overview", changed=name, epoch=done.state.epoch)
    return redirect(page, 303)


def _order(wanted: Action, name: str, form: Mapping[str, str]) -> Order:
    """Return the form's order; only a rollback ignores changes made since the page was shown."""
    epoch = form.get("epoch", "")
    is_bound = epoch.isdecimal() and wanted.kind is not EventKind.ROLLBACK
    return Order(
        endpoint=name,
        kind=wanted.kind,
        change=wanted.change(form),
        by=session().operator.by,
        reason=_reason(form),
        expected_epoch=int(epoch) if is_bound else None,
    )


def _known(action: str, name: str) -> Action:
    """Return the action of this name; raises NotFound, or Forbidden for read-only operators."""
    if action not in ACTIONS or name not in (DEFAULT, *console().details):
        raise NotFound
    if not session().may_change:
        raise Forbidden
    return ACTIONS[action]


def _question_of_now(action: str, name: str, error: str = "") -> str:
    """Render a confirmation from fresh data; another worker may have shown newer data than ours."""
    console().forget()
    return _question(action, name, error)


def _question(action: str, name: str, error: str = "") -> str:
    snapshot = console().snapshot.view().value
    found = snapshot.overview.endpoints if snapshot else ()
    return render_template(
        "console/order.html",
        action=action,
        name=name,
        status=next((each for each in found if each.state.endpoint == name), None),
        snapshot=snapshot,
        error=error,
        percent_given=request.form.get("percent", ""),
        reason=request.form.get("reason", text("reason_rollback") if action == "rollback" else ""),
    )
