"""A shop whose prices are behind a canary, and nothing else."""

import os

import prices
from flask import Flask
from werkzeug.exceptions import NotFound

from detection_api.canary import Canary, CanarySettings

app, canary = Flask(__name__), Canary()


@app.get("/prices/<product>")
@canary(domain=prices.domain, legacy=prices.legacy, schema=prices.Price)
def price() -> None:
    """Serve the price of a product; the canary calls an implementation, so this has no body."""


canary.init_app(app, CanarySettings.from_environ(os.environ), answers=(NotFound,))
