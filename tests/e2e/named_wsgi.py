"""The faulty application, in whose answers a client sees which worker served which endpoint."""

import os

from flask import Response, request

from tests.e2e.faulty_wsgi import app

__all__ = ["app"]


@app.after_request
def name_worker(response: Response) -> Response:
    response.headers["X-Worker"] = str(os.getpid())
    response.headers["X-Endpoint"] = request.endpoint or ""
    return response
