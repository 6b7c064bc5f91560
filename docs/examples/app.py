"""Slugs for titles: an application with a canary and nothing else of detection_api."""

import re
from dataclasses import replace

from flask import Flask
from marshmallow import Schema, fields

from detection_api.canary import (
    Canary,
    CanarySettings,
    EventKind,
    MemoryStore,
    RolloutState,
    Status,
)


class Slug(Schema):
    """What both implementations promise to answer."""

    slug = fields.String(required=True)


def legacy(title: str) -> dict[str, str]:
    """The implementation that has always been there."""
    return {"slug": re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")}


def domain(title: str) -> dict[str, str]:
    """The new one, which has a bug: a title that is not ASCII raises an error."""
    return {"slug": b"-".join(re.findall(rb"[a-z0-9]+", title.lower().encode("ascii"))).decode()}


app, canary, store = Flask(__name__), Canary(), MemoryStore()


@app.get("/slugs/<title>")
@canary(domain=domain, legacy=legacy, schema=Slug)
def slug() -> None:
    """The slug of a title; the canary answers, so the function has no body."""


@app.post("/rollout/<int:percent>")
def rollout(percent: int) -> str:
    """Let the domain have `percent` of the requests; takes a rollback back, too."""
    state = store.read().states.get("slug", RolloutState(endpoint="slug"))
    state = replace(state, percent=percent, status=Status.ACTIVE, by="me", reason="a try")
    return f"epoch {store.write(state, EventKind.SET, {}).epoch}\n"


canary.init_app(app, CanarySettings.from_environ({}), store=store)
canary.start(app, within=1.0)
