"""Gives templates the words of the reader's language, and formats for figures."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Blueprint, g, request, url_for

from detection_api.canary.state import DEFAULT, RolloutEvent
from detection_api.clock import utc_now
from detection_api.console import language, reasons
from detection_api.console.data import charts, figures
from detection_api.rollout.extension import rollout_of
from detection_api.rollout.text import line
from detection_api.web.translations import HTML_LANGUAGES, LANGUAGES

NOTHING = "–"


def init_app(blueprint: Blueprint) -> None:
    """Give the templates their words and formats."""
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
        "concern_text": concern_text,
        "reason_of": reasons.reason_of,
        "translated": reasons.translated,
        "is_silent": figures.is_silent,
        "CAUSES": figures.CAUSES,
        "line": line,
        "pretty": pretty,
        "compact": compact,
    }


def concern_text(concern: figures.Concern, events: Iterable[RolloutEvent]) -> str:
    """Return the sentence about a concern; `events` may explain its reason."""
    facts = {name: _UNITS.get(name, str)(value) for name, value in concern.facts.items()}
    if "reason" in facts:
        facts["reason"] = line(reasons.translated(facts["reason"], events))
    return language.text(concern.text, **facts)


def span(seconds: float) -> str:
    """Return a time span in its largest unit: `8 s`, `5 min`, `2 h`, `3 d`."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            return language.text(f"span_{unit}", n=f"{seconds // length:.0f}")
    return language.text("span_second", n=f"{seconds:.0f}")


def in_language(code: str) -> str:
    """Return the address of this page in another language."""
    is_page = request.endpoint is not None and request.method == "GET"
    query = request.args.to_dict() | {language.PARAMETER: code}
    endpoint = request.endpoint if is_page and request.endpoint else "console.overview"
    return url_for(endpoint, **{**(request.view_args or {}), **query})


def count(number: int) -> str:
    """Return a count with separated thousands."""
    return f"{number:,}"


def percent(share: float | None) -> str:
    """Return a share (0..1) as a percentage; small ones are not rounded to 0."""
    if share is None:
        return NOTHING
    exact = share * 100
    return f"{exact:.2g}%" if 0 < exact < 1 else f"{exact:.0f}%"


def milliseconds(duration: float | None) -> str:
    """Return a duration in ms with its unit."""
    if duration is None:
        return NOTHING
    return f"{duration:.0f} ms" if duration >= 10 else f"{duration:.1f} ms"  # noqa: PLR2004


def rate(per_second: float) -> str:
    """Return a rate, with one decimal if it is below 10."""
    return f"{per_second:.0f}" if per_second >= 10 else f"{per_second:.1f}"  # noqa: PLR2004


def clock(at: datetime) -> str:
    """Return the time of day in UTC."""
    return at.astimezone(UTC).strftime("%H:%M:%S")


def moment(at: datetime) -> str:
    """Return day and time in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def compact(value: Any) -> str:
    """Return a value as JSON in one line."""
    return msgspec.json.encode(value).decode()


def pretty(facts: Any) -> str:
    """Return evidence as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(facts), indent=2).decode()


_UNITS: Mapping[str, Callable[[Any], str]] = {
    "share": percent,
    "domain": milliseconds,
    "legacy": milliseconds,
    "count": count,
    "fallbacks": count,
    "compared": count,
}
"""The formats of a concern's facts, by name."""
