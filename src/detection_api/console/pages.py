"""The console's pages; each consists of sections that update themselves."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup
from werkzeug.exceptions import NotFound

from detection_api.console.data import figures
from detection_api.console.data.snapshot import ConsoleSnapshot
from detection_api.console.service import console
from detection_api.console.session.access import wants_sections

HAVE = "Console-Have"
"""The request header by which an open page says which versions of its sections it shows."""
OVERVIEW = ("attention", "endpoints", "run", "chart", "workers", "events")
ENDPOINT = ("state", "chart", "mismatches", "events")


def init_app(blueprint: Blueprint) -> None:
    """Add the routes of the pages."""
    blueprint.add_url_rule("/", view_func=overview)
    blueprint.add_url_rule("/endpoints/<name>", view_func=endpoint)


def overview() -> ResponseReturnValue:
    """Show the overview: endpoints, concerns, workers and events."""
    view = console().snapshot.view()
    facts = _facts(view.value) if view.value else {}
    return _show("overview", OVERVIEW, facts, is_away=view.is_away)


def endpoint(name: str) -> ResponseReturnValue:
    """Show one endpoint: its state, last hour, mismatches with samples, and events."""
    details = console().details.get(name)
    if details is None:
        raise NotFound
    view, more = console().snapshot.view(), details.view()
    facts: dict[str, Any] = {}
    if view.value and more.value:
        facts = _facts(view.value, name)
        facts["row"] = next(row for row in facts["rows"] if row.name == name)
        facts |= {"mismatches": more.value.mismatches, "events": more.value.events}
    is_away = view.is_away or more.is_away
    return _show("endpoint", ENDPOINT, facts, is_away=is_away, name=name)


def _facts(snapshot: ConsoleSnapshot, endpoint: str | None = None) -> dict[str, Any]:
    """Return the template values of a snapshot; the chart covers one endpoint or all."""
    rows = figures.rows(snapshot)
    return {
        "snapshot": snapshot,
        "rows": rows,
        "concerns": figures.concerns(snapshot, rows),
        "minutes": figures.minutes(snapshot, endpoint),
        "events": snapshot.events,
        "heard": [w for w in snapshot.overview.workers if not figures.is_silent(w)],
        "run": snapshot.run,
        "done": _done(snapshot),
    }


def _done(snapshot: ConsoleSnapshot) -> Any:
    """Return the event of the change that led to this page; None until it is read."""
    changed = request.args.get("changed"), request.args.get("epoch", type=int)
    found = (event for event in snapshot.events if (event.endpoint, event.epoch) == changed)
    return next(found, None)


def _show(
    page: str, sections: Sequence[str], facts: Mapping[str, Any], **more: Any
) -> ResponseReturnValue:
    """Render a page, or only the changed sections for a page that is open.

    Before the first read there is only a banner; an open page keeps its sections.
    """
    context = {**facts, **more}
    names = ["banner", *(sections if facts else ())]
    drawn = {name: render_template(f"console/sections/{name}.html", **context) for name in names}
    versions = {name: sha256(html.encode()).hexdigest()[:16] for name, html in drawn.items()}
    if wants_sections():
        have = request.headers.get(HAVE, "").split(",")
        changed = {name: html for name, html in drawn.items() if versions[name] not in have}
        return jsonify(sections=changed, versions=versions)
    return render_template(
        f"console/{page}.html",
        names=("banner", *sections),
        drawn={name: Markup(html) for name, html in drawn.items()},  # noqa: S704 - just rendered
        versions=versions,
        **context,
    )
