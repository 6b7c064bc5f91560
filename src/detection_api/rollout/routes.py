"""The routes of an application that the canary serves."""

from typing import cast

from flask import Flask

from detection_api.canary.flask import CanariedView
from detection_api.canary.serving import Route


def routes_of(app: Flask) -> dict[str, Route]:
    """Return the canaried routes by endpoint, sorted by endpoint."""
    return {
        endpoint: cast(CanariedView, view).canary
        for endpoint, view in sorted(app.view_functions.items())
        if hasattr(view, "canary")
    }
