"""The pages that follow a first one, by the links between them."""

from collections.abc import Iterator
from itertools import islice
from urllib.parse import parse_qs, urlsplit

from detection_api.canary.state import Arm
from detection_api.rollout.verification.cases import Case
from detection_api.rollout.verification.http_answers import Subject, ask
from detection_api.schemas.common import Cursor
from detection_api.web.client import Client

MAX_PAGES = 8
"""At most so many pages are followed."""


def following(client: Client, subject: Subject, first: Case) -> Iterator[Case]:
    """Yield the pages after `first` up to the last one, as legacy links them.

    The second page is also asked for with nothing but its cursor.
    """
    name = next(each.name for each in subject.parameters if isinstance(each.field, Cursor))
    required = {each.name for each in subject.parameters if each.is_required}
    for number, cursor in enumerate(islice(_cursors(client, subject, first, name), MAX_PAGES), 2):
        yield Case(f"{first.name}, page {number}", {**first.arguments, name: cursor})
        if number == 2:  # noqa: PLR2004 - the first page that has a cursor
            alone = {key: value for key, value in first.arguments.items() if key in required}
            yield Case(f"{name} of page 2", {**alone, name: cursor})


def _cursors(client: Client, subject: Subject, first: Case, name: str) -> Iterator[str]:
    """Yield the cursor of each page after `first`."""
    arguments = dict(first.arguments)
    while link := ask(client, subject, Arm.LEGACY, arguments, None).next_page:
        found = parse_qs(urlsplit(link).query).get(name)
        if not found or found[0] == arguments.get(name):
            return
        arguments[name] = found[0]
        yield found[0]
