"""The same shop with all that its operators need: store, commands, console and metrics."""

import os

import prices
from flask import Flask
from werkzeug.exceptions import NotFound

from detection_api import operations
from detection_api.canary import Canary, CanarySettings

app, canary = Flask(__name__), Canary()


@app.get("/prices/<product>")
@canary(domain=prices.domain, legacy=prices.legacy, schema=prices.Price)
def price() -> None:
    """Serve the price of a product; the canary calls an implementation, so this has no body."""


operations.init_app(
    app,
    canary,
    database_url=os.environ["DATABASE_URL"],
    settings=CanarySettings.from_environ(os.environ),
    answers=(NotFound,),
)
