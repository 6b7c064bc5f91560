"""`GET /api/v1/events/recent` is added to a copy of the tree by the steps of the README."""

from pathlib import Path

import pytest

from tests.copies import Copy

CHECK = (
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    "tests/test_endpoints.py",
    "-k",
    "events or blue",
)

SCHEMAS = '''"""Recent events."""

from marshmallow import Schema

from detection_api.schemas.common import camera_filter, limit_field


class RecentQuerySchema(Schema):
    """How many events, and of which camera."""

    limit = limit_field()
    camera_id = camera_filter()
'''
SERVICE = '''"""Recent events."""

from typing import Any

from sqlalchemy import BigInteger, Text, bindparam, select

from detection_api.models.statistics import Event
from detection_api.services.filtered_query import FilteredQuery

_event = Event.__table__.c

RECENT = FilteredQuery(
    "events_recent",
    select(_event.ts, _event.camera_id, _event.type, _event.track_id, _event.region,
           _event.evidence.label("detail"))
    .order_by(_event.timestamp.desc(), _event.id.desc())
    .limit(bindparam("limit", type_=BigInteger)),
    camera_id=_event.camera_id == bindparam("camera_id", type_=Text),
)


def recent(*, limit: int, camera_id: str | None) -> list[Any]:
    """Return the newest events, newest first."""
    return RECENT.rows({"camera_id": camera_id}, limit=limit)
'''
LEGACY = '''"""Recent events, from the tail of the event log."""

from datetime import UTC, datetime
from typing import Any

from detection_api.legacy import statistics


def recent(*, limit: int, camera_id: str | None) -> list[dict[str, Any]]:
    """Return the newest events, newest first."""
    since = datetime.fromtimestamp(0, UTC)
    return statistics.history(since=since, limit=limit, camera_id=camera_id)
'''
BLUEPRINT = '''"""Recent events."""

from detection_api.extensions import canary
from detection_api.legacy import events as legacy
from detection_api.schemas.events import RecentQuerySchema
from detection_api.schemas.statistics import HistoryItemSchema
from detection_api.services import events as service
from detection_api.web.openapi import Blueprint

blp = Blueprint("events", __name__, url_prefix="/api/v1/events")


@blp.get("/recent")
@blp.arguments(RecentQuerySchema, location="query", as_kwargs=True)
@blp.response(200)
@canary(domain=service.recent, legacy=legacy.recent, schema=HistoryItemSchema(many=True))
def recent() -> None:
    """Newest events, newest first."""
'''
BLUEPRINT_TEST = '''"""Recent events over HTTP."""

from tests.blueprints.conftest import Get

RECENT = "/api/v1/events/recent"


def test_recent_events_are_limited(get: Get) -> None:
    assert len(get(RECENT, limit=3).get_json()) == 3


def test_recent_events_can_be_of_one_camera(get: Get) -> None:
    items = get(RECENT, camera_id="vid1").get_json()
    assert {item["camera_id"] for item in items} == {"vid1"}
'''
ARMS_TEST = '''"""What the arms promise about recent events."""

from tests.arms.conftest import Ask
from tests.world import NOW, World, event


def test_recent_events_are_newest_first(world: World, ask: Ask) -> None:
    world.log_events(*(event(NOW.timestamp() + n, track_id=n) for n in range(3)))
    found = ask("events.recent", limit=2, camera_id=None)
    assert [item["track_id"] for item in found] == [2, 1]
'''
CODE = {
    "src/detection_api/schemas/events.py": SCHEMAS,
    "src/detection_api/services/events.py": SERVICE,
    "src/detection_api/legacy/events.py": LEGACY,
    "src/detection_api/blueprints/events.py": BLUEPRINT,
}
TESTS = {
    "tests/blueprints/test_events.py": BLUEPRINT_TEST,
    "tests/arms/test_events.py": ARMS_TEST,
}
REGISTERED = (
    (
        "src/detection_api/app.py",
        "import cameras, monitoring,",
        "import cameras, events, monitoring,",
    ),
    (
        "src/detection_api/app.py",
        "BLUEPRINTS = (records.blp,",
        "BLUEPRINTS = (events.blp, records.blp,",
    ),
)
KNOWN = (
    (
        "tests/test_arms_agree.py",
        '        assert_agreed(world, "statistics.history", **arguments)\n',
        '        assert_agreed(world, "statistics.history", **arguments)\n'
        '    assert_agreed(world, "events.recent", limit=3, camera_id=None)\n',
    ),
    (
        "tests/services/test_statements.py",
        "CALLS: dict[str, dict[str, Any]] = {\n",
        "CALLS: dict[str, dict[str, Any]] = {\n"
        '    "events.recent": {"limit": 1, "camera_id": None},\n',
    ),
    (
        "tests/e2e/instance.py",
        "PATH_OF = {\n",
        'PATH_OF = {\n    "events.recent": "/api/v1/events/recent",\n',
    ),
    (
        "benchmarks/endpoints.py",
        '        "statistics.daily": [',
        '        "events.recent": ["/api/v1/events/recent"],\n        "statistics.daily": [',
    ),
)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """A copy that has the code of the endpoint, and nothing that joins or tests it."""
    made = Copy(tmp_path)
    for file, text in CODE.items():
        (made.root / file).write_text(text)
    return made


def test_a_complete_endpoint_passes_and_each_forgotten_place_is_named(copy: Copy) -> None:
    forgotten = copy.run(*CHECK)
    assert "app.py: BLUEPRINTS lacks detection_api.blueprints.events" in forgotten.stdout
    for change in REGISTERED:
        copy.replace(*change)
    forgotten = copy.run(*CHECK)
    for file in (*TESTS, *(file for file, *_ in KNOWN)):
        assert f"{file}: " in forgotten.stdout, forgotten.stdout
    for file, text in TESTS.items():
        (copy.root / file).write_text(text)
    for change in KNOWN:
        copy.replace(*change)
    complete = copy.run(*CHECK)
    assert complete.returncode == 0, complete.stdout
    works = copy.run("pytest", "-q", "-p", "no:cacheprovider", *TESTS)
    assert works.returncode == 0, works.stdout


WRONG = {
    "blueprints/events.py: no schema declares place of the path": (
        ("src/detection_api/blueprints/events.py", '"/recent"', '"/recent/<place>"'),
    ),
    "schemas/events.py: verification knows no values for zone": (
        ("src/detection_api/schemas/events.py", "    camera_id = ", "    zone = "),
    ),
    "schemas/events.py: HistoryItemSchema.detail is not required=True": (
        (
            "src/detection_api/schemas/statistics.py",
            "detail = fields.Dict(keys=fields.String(), required=True)",
            "detail = fields.Dict(keys=fields.String())",
        ),
    ),
    "services/events.py and legacy/events.py: other arguments": (
        ("src/detection_api/services/events.py", "*, limit: int,", "*, count: int,"),
    ),
}


def test_what_a_declaration_lacks_is_named(copy: Copy) -> None:
    for changes in (REGISTERED, *WRONG.values()):
        for change in changes:
            copy.replace(*change)
    found = copy.run(*CHECK)
    for message in WRONG:
        assert message in found.stdout, found.stdout
