"""Verification's questions follow from the parameters that a route declares."""

from itertools import combinations
from typing import Any

import pytest
from flask import Flask
from marshmallow import Schema, fields, validate

from detection_api import create_app
from detection_api.canary.flask import Canary
from detection_api.rollout.verification.cases import Case, plan
from detection_api.rollout.verification.discovery import Discovery, learn
from detection_api.rollout.verification.http_answers import Subject, subjects_of
from detection_api.schemas.common import Cursor, StrictInteger, WindowSchema, camera_filter
from detection_api.web.openapi import Blueprint
from tests.rollout.verification.test_discovery import BODIES, Instance

MAX_CASES = 80
"""A verification stays a matter of seconds."""
FACTS = learn(Instance(BODIES, range(1, 4)))
OLDEST, MIDDLE, NEWEST = (f"2026-11-25T21:{minute}:00.000000Z" for minute in ("01", "05", "09"))


def canaried(app: Flask) -> tuple[Subject, ...]:
    names = [name for name, view in app.view_functions.items() if hasattr(view, "canary")]
    return subjects_of(app, names)


SUBJECTS = {
    subject.endpoint: subject
    for subject in canaried(create_app({"DATABASE_URL": "postgresql:///nowhere"}))
}


def asked(endpoint: str, facts: Discovery = FACTS) -> list[Case]:
    return plan(SUBJECTS[endpoint].parameters, facts)


@pytest.mark.parametrize("endpoint", SUBJECTS)
@pytest.mark.parametrize("facts", [Discovery(), FACTS], ids=["without data", "with data"])
def test_cases_are_few_and_distinct_and_include_bad_input(endpoint: str, facts: Discovery) -> None:
    cases = asked(endpoint, facts)
    assert 0 < len(cases) <= MAX_CASES
    assert len({case.name for case in cases}) == len(cases)
    assert any(case.refused for case in cases)
    assert any(not case.refused for case in cases)


CAM = {"camera_id": "cam0"}
UNTIL = {"end_time": NEWEST}
LONG_AGO = {"start_time": "2000-01-01T00:00:00Z", "end_time": "2000-01-02T00:00:00Z"}
EVENTS = {"start_time": "2026-11-25T21:02:00.000000Z", **UNTIL}
ASKED: dict[str, list[dict[str, Any]]] = {
    "records.detection_records": [
        CAM,
        {**CAM, "limit": 1},
        {**CAM, "limit": 1000},
        {**CAM, "limit": 10, "offset": 10, **UNTIL},
        {**CAM, "offset": 6, **UNTIL},
        {**CAM, "offset": 7, **UNTIL},
        {**CAM, "limit": 1000, "start_time": OLDEST, **UNTIL},
        {**CAM, "limit": 1000, "start_time": MIDDLE, **UNTIL},
        {**CAM, **LONG_AGO},
        {**CAM, "start_time": MIDDLE},
        {"camera_id": "idle"},
        {"camera_id": "no-such-thing"},
        {"camera_id": "no-such-thing", "limit": 0},
        {"camera_id": "no-such-thing", "offset": -1},
        {"camera_id": "no-such-thing", "start_time": "yesterday"},
        {"camera_id": "no-such-thing", "cursor": "nowhere"},
    ],
    "records.violation": [{"violation_id": n} for n in (2, 3, 0, 2**62, "first")],
    "statistics.daily": [
        {},
        {"days": 1},
        {"days": 90},
        {"days": 0},
        {"days": 91},
        *({"camera_id": camera} for camera in ("cam0", "a/b ü", "idle", "no-such-thing")),
    ],
    "statistics.events": [
        {},
        {"limit": 1},
        {"limit": 1000},
        LONG_AGO,
        EVENTS,
        {**EVENTS, "event_type": "A"},
        {**EVENTS, "event_type": "B"},
        {**EVENTS, "camera_id": "cam0"},
        {**EVENTS, "event_type": "A", "camera_id": "cam0"},
        {"event_type": "no-such-thing"},
        {"camera_id": "no-such-thing"},
        {"limit": 1001},
        {"end_time": "yesterday"},
    ],
    "statistics.history": [
        {},
        {"minutes": 1},
        {"minutes": 1440, "limit": 1000},
        {"minutes": 1440, "limit": 1},
        {"minutes": 7, "camera_id": "cam0"},
        {"minutes": 1441},
        {"limit": 0},
    ],
    "cameras.cameras": [{}, *({"active_only": word} for word in ("true", "false", "perhaps"))],
    "cameras.camera_stats": [{"camera_id": camera} for camera in ("cam0", "idle", "no-such-thing")],
}


@pytest.mark.parametrize("endpoint", ASKED)
def test_what_is_known_to_matter_is_asked(endpoint: str) -> None:
    found = [case.arguments for case in asked(endpoint)]
    assert [arguments for arguments in ASKED[endpoint] if arguments not in found] == []


class Query(WindowSchema):
    """Each kind of parameter that a route may have."""

    kind = fields.String(load_default="a", validate=validate.OneOf(["a", "b"]))
    level = StrictInteger(load_default=1, validate=validate.Range(-3, 20))
    is_new = fields.Boolean(load_default=False)
    camera_id = camera_filter()
    source = fields.String(load_default=None, metadata={"takes": "camera_id"})
    cursor = Cursor(load_default=None)


@pytest.fixture(scope="module")
def subject() -> Subject:
    """An endpoint that no list has heard of."""
    app, blueprint = Flask("new"), Blueprint("new", __name__)

    def things() -> None:
        """Things."""

    view = Canary()(domain=dict, legacy=dict, schema=Schema)(things)
    with_query = blueprint.arguments(Query, location="query", as_kwargs=True)(view)
    blueprint.get("/things")(with_query)
    app.register_blueprint(blueprint)
    return canaried(app)[0]


def test_each_optional_parameter_is_absent_and_present(subject: Subject) -> None:
    cases = [case.arguments for case in plan(subject.parameters, FACTS)]
    for parameter in subject.parameters:
        assert any(parameter.name in arguments for arguments in cases), parameter.name
    assert {} in cases


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kind", {"a", "b"}),
        ("level", {-3, 0, 20}),
        ("is_new", {"true", "false"}),
        ("camera_id", {"cam0", "a/b ü", "idle", "no-such-thing"}),
        ("source", {"cam0", "a/b ü", "idle", "no-such-thing"}),
    ],
)
def test_bounds_members_and_known_and_unknown_names_are_asked(
    subject: Subject, name: str, values: set[Any]
) -> None:
    good = [case.arguments for case in plan(subject.parameters, FACTS) if not case.refused]
    assert {arguments[name] for arguments in good if name in arguments} >= values


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("kind", {"no-such-thing"}),
        ("level", {-4, 21, "first"}),
        ("is_new", {"perhaps"}),
        ("camera_id", {"", "x" * 256}),
        ("start_time", {"yesterday"}),
        ("end_time", {"yesterday", LONG_AGO["start_time"]}),
        ("cursor", {"nowhere"}),
    ],
)
def test_what_is_not_allowed_has_to_be_refused(
    subject: Subject, name: str, values: set[Any]
) -> None:
    cases = [case for case in plan(subject.parameters, FACTS) if case.refused == name]
    assert {case.arguments[name] for case in cases} == values


def test_each_two_optional_parameters_are_given_together(subject: Subject) -> None:
    good = [set(case.arguments) for case in plan(subject.parameters, FACTS) if not case.refused]
    names = [parameter.name for parameter in subject.parameters if parameter.name != "cursor"]
    missing = [pair for pair in combinations(names, 2) if not any(set(pair) <= g for g in good)]
    assert missing == []
