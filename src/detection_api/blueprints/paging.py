"""The link from a page to the next one (RFC 8288)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from flask import request

from detection_api.db import PagePosition

LINK: Mapping[str, Any] = {
    "Link": {
        "description": 'The next page, `</...?cursor=...>; rel="next"`; absent on the last one.',
        "schema": {"type": "string"},
    }
}
"""The header as OpenAPI documents it."""

_NOT_KEPT = ("cursor", "offset")


def next_page(page: Mapping[str, Any]) -> dict[str, str]:
    """Return the `Link` header of a full page; empty if nothing follows it.

    A page that ends with the very last record may have a link to an empty one.
    """
    if len(page["records"]) < page["limit"]:
        return {}
    last = page["records"][-1]
    cursor = PagePosition(_moment(last["timestamp"]), last["id"]).text()
    kept = [item for item in request.args.items(multi=True) if item[0] not in _NOT_KEPT]
    target = f"{quote(request.script_root + request.path)}?{urlencode([*kept, ('cursor', cursor)])}"
    return {"Link": f'<{target}>; rel="next"'}


def _moment(timestamp: datetime | str) -> datetime:
    """Return a timestamp as a datetime; legacy gives it as text."""
    return datetime.fromisoformat(timestamp) if isinstance(timestamp, str) else timestamp
