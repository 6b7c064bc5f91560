"""Pages are followed by the links of legacy, from the first one to the last."""

from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit

import pytest

from detection_api import create_app
from detection_api.rollout.verification.cases import Case
from detection_api.rollout.verification.http_answers import subjects_of
from detection_api.rollout.verification.pages import MAX_PAGES, following
from detection_api.web.client import Client, Reply
from tests.rollout.answering import answer

FIRST = Case("first", {"camera_id": "cam0", "limit": 2}, is_first_page=True)


class Paged(Client):
    """An instance with so many pages, each with a link to the next."""

    def __init__(self, pages: int) -> None:
        super().__init__("http://instance")
        self._pages = pages

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        query = parse_qs(urlsplit(path).query)
        number = int(query.get("cursor", ["1"])[0])
        reply = answer("legacy", {})
        if number < self._pages:
            reply.headers["Link"] = f'<{urlsplit(path).path}?cursor={number + 1}>; rel="next"'
        return reply


@pytest.mark.parametrize(("pages", "last"), [(1, None), (2, "2"), (4, "4"), (99, MAX_PAGES + 1)])
def test_every_page_is_asked_for_up_to_a_bound(pages: int, last: object) -> None:
    app = create_app({"DATABASE_URL": "postgresql:///nowhere"})
    (subject,) = subjects_of(app, ["records.detection_records"])
    cases = list(following(Paged(pages), subject, FIRST))
    cursors = [case.arguments["cursor"] for case in cases if case.name.startswith("first, page")]
    assert cursors == [str(number) for number in range(2, int(str(last or 1)) + 1)]
    assert all(case.arguments["camera_id"] == "cam0" for case in cases)
    alone = [case.arguments for case in cases if "limit" not in case.arguments]
    assert alone == ([{"camera_id": "cam0", "cursor": "2"}] if cursors else [])
