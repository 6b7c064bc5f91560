"""What the console's templates write with: the reader's language, figures as people read them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Blueprint, g, request, url_for

from detection_api.canary.state import DEFAULT
from detection_api.clock import utc_now
from detection_api.console import language
from detection_api.console.data import charts, figures
from detection_api.rollout.extension import rollout_of
from detection_api.rollout.text import line, span
from detection_api.web.translations import HTML_LANGUAGES, LANGUAGES

NOTHING = "–"


def init_app(blueprint: Blueprint) -> None:
    """Give the templates their words."""
    blueprint.context_processor(_context)


def _context() -> dict[str, Any]:
    return {
        "t": language.text,
        "language": language.current(),
        "html_language": HTML_LANGUAGES[language.current()],
        "languages": LANGUAGES,
        "session": g.get("session"),
        "in_language": in_language,
        "DEFAULT": DEFAULT,
        "charts": charts,
        "command": rollout_of().command,
        "count": count,
        "ms": milliseconds,
        "percent": percent,
        "rate": rate,
        "clock": clock,
        "moment": moment,
        "span": span,
        "age": lambda at: (utc_now() - at).total_seconds(),
        "say": say,
        "is_silent": figures.is_silent,
        "CAUSES": figures.CAUSES,
        "line": line,
        "pretty": pretty,
        "compact": compact,
    }


def say(concern: figures.Concern) -> str:
    """What a concern is about, in words."""
    facts = {name: _UNITS.get(name, str)(value) for name, value in concern.facts.items()}
    return language.text(concern.text, **facts)


def in_language(code: str) -> str:
    """The address of this page in another language."""
    known = request.endpoint is not None and request.method == "GET"
    asked = request.args.to_dict() | {language.PARAMETER: code}
    where: dict[str, Any] = {**(request.view_args or {}), **asked}
    return url_for(request.endpoint if known and request.endpoint else "console.overview", **where)


def count(number: int) -> str:
    """A count with its thousands apart."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """A share (0..1) as a percentage: small ones are not rounded to nothing."""
    if share is None:
        return NOTHING
    exact = share * 100
    return f"{exact:.2g}%" if 0 < exact < 1 else f"{exact:.0f}%"


def milliseconds(duration: float | None) -> str:
    """A duration in ms."""
    if duration is None:
        return NOTHING
    return f"{duration:.0f} ms" if duration >= 10 else f"{duration:.1f} ms"  # noqa: PLR2004


def rate(per_second: float) -> str:
    """Something a second."""
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.1f}"  # noqa: PLR2004


def clock(at: datetime) -> str:
    """The time of day, UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def moment(at: datetime) -> str:
    """Day and time, UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def compact(value: Any) -> str:
    """A value as JSON in one line."""
    return msgspec.json.encode(value).decode()


def pretty(facts: Any) -> str:
    """Evidence as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2).decode()


_UNITS: Mapping[str, Callable[[Any], str]] = {
    "share": percent,
    "domain": milliseconds,
    "legacy": milliseconds,
    "count": count,
    "fallbacks": count,
    "compared": count,
}
"""How a concern's facts are written, by name."""
