"""A small application whose domain ends as the request says, for gunicorn to serve in tests."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from flask import Flask, jsonify
from marshmallow import Schema, fields

from detection_api.canary import Canary, CanarySettings, MemoryStore

canary = Canary()
app = Flask(__name__)


class Item(Schema):
    pid = fields.Integer(required=True)


def legacy(**_: Any) -> Any:
    return {"pid": os.getpid()}


def domain(end: str) -> Any:
    if end == "exit":
        sys.exit(3)
    if end == "interrupt":
        raise KeyboardInterrupt
    if end == "die":
        os._exit(70)
    if end == "sleep":
        time.sleep(3)
    return {"pid": os.getpid()}


@app.get("/<end>")
@canary(domain=domain, legacy=legacy, schema=Item)
def item(end: str) -> None:
    """Return the worker's process id."""


@app.get("/pid")
def pid() -> Any:
    """Return the worker's process id, without the canary."""
    return jsonify(pid=os.getpid())


canary.init_app(
    app,
    CanarySettings.from_environ({"ROLLOUT_PERCENT": "100", "SHADOW_PERCENT": "0"}),
    store=MemoryStore(),
    calls_folder=Path(os.environ["CALLS_FOLDER"]),
)
