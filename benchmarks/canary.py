"""A canaried route against the same route without the canary, in one process."""

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, Response

from benchmarks.encoder import PAGE
from detection_api.canary.contract import Contract
from detection_api.canary.decorator import Canary
from detection_api.canary.overrides import Overrides
from detection_api.schemas.records import RecordPage

TIMES = 500


def pairs() -> Iterator[tuple[str, Callable[[], int], Callable[[], int]]]:
    """Whole requests through Flask's test client."""
    app = Flask("benchmark")
    canary = Canary()
    canary.init_app(app, Overrides.from_environ({"ROLLOUT_PERCENT": "100"}))
    contract = Contract(RecordPage)

    @app.get("/canaried")
    @canary(domain=_page, legacy=_page, schema=RecordPage)
    def canaried() -> None:
        """Served by the canary."""

    @app.get("/undecorated")
    def undecorated() -> Response:
        return Response(contract.encode(_page()), mimetype="application/json")

    client = app.test_client()

    def requests(path: str) -> Callable[[], int]:
        def work() -> int:
            for _ in range(TIMES):
                assert client.get(path).status_code == 200  # noqa: PLR2004
            return TIMES

        return work

    yield (
        "a request through the canary, against the bare route",
        requests("/canaried"),
        requests("/undecorated"),
    )


def _page(**_: Any) -> dict[str, Any]:
    return PAGE
