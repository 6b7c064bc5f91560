"""An instance that answers as a test says, to be verified without a server."""

import json
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from detection_api.web.client import Client, Reply, UnreachableError

CAMERA = {
    "id": "cam0",
    "name": "Sink",
    "source": "rtsp://x",
    "location": None,
    "status": "active",
    "active": True,
    "auto_start": False,
    "resolution": None,
    "fps": 25.0,
    "region_id": None,
    "regions_file": None,
}


def reply(
    status: int,
    body: object,
    canary: str | None,
    *,
    media_type: str = "application/json",
    timing: str = "",
) -> Reply:
    """A response with these headers; a body that is no bytes is sent as JSON."""
    headers = Message()
    headers["Content-Type"] = media_type
    if canary is not None:
        headers["X-Canary"] = canary
    headers["Server-Timing"] = timing
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, headers, content)


def problem(status: int, **members: object) -> Reply:
    body = {"status": status, "detail": "It says why.", **members}
    return reply(status, body, None, media_type="application/problem+json")


def answer(arm: str, body: object, ms: float = 1.0) -> Reply:
    """A good answer of the arm that was asked for."""
    return reply(200, body, f"{arm}; reason=forced", timing=f"{arm};dur={ms}")


class Answering(Client):
    """Both arms answer for cameras as `cameras(arm)` does, and know nothing else.

    It counts what it was `asked`, arm by arm.
    """

    def __init__(self, cameras: Callable[[str], Reply | None]) -> None:
        super().__init__("http://instance")
        self.asked: list[str] = []
        self._cameras = cameras

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        arm = "domain" if "force_domain=true" in path else "legacy"
        if "perhaps" in path:
            return problem(422, errors={"active_only": ["Not a boolean."]})
        if not path.startswith("/api/v1/cameras?"):
            return problem(404)
        self.asked.append(arm)
        found = self._cameras(arm)
        if found is None:
            raise UnreachableError("no answer: Connection refused")
        return found


def cameras(*changes: Mapping[str, Any]) -> dict[str, Any]:
    """A list of cameras, each the usual one with some changes."""
    return {"cameras": [{**CAMERA, **change} for change in changes]}
