"""What an instance has is learned by asking it, whatever its data looks like."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from detection_api.rollout.verification.discovery import (
    CameraRecords,
    Discovery,
    LoggedEvents,
    Stretch,
    learn,
)
from detection_api.web.client import Client, Reply
from tests.rollout.answering import problem, reply

MINUTE = "2026-11-25T21:{:02}:00Z"


class Instance(Client):
    """Knows these bodies by path, and violations by id: the domain all, legacy the newest."""

    def __init__(self, bodies: Mapping[str, Any], violations: range, legacy_knows: int = 1000):
        super().__init__("http://instance")
        self._bodies = bodies
        self._violations = violations
        self._oldest_of_legacy = (max(violations) if violations else 0) - legacy_knows

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        url = urlsplit(path)
        place, _, name = url.path.rpartition("/")
        if place.endswith("/violations"):
            is_domain = parse_qs(url.query)["force_domain"] == ["true"]
            exists = int(name) in self._violations
            knows = exists and (is_domain or int(name) > self._oldest_of_legacy)
            return reply(200, {"id": int(name)}, None) if knows else problem(404)
        body = self._bodies.get(url.path.removeprefix("/api/v1"))
        return problem(503) if body is None else reply(200, body, None)


def page(*minutes: int) -> dict[str, Any]:
    return {"records": [{"timestamp": MINUTE.format(m)} for m in minutes], "total": 7}


BODIES = {
    "/cameras": {"cameras": [{"id": "cam0"}, {"id": "a/b ü"}, {"id": "idle"}]},
    "/records/detection-records/cam0": page(9, 5, 1),
    "/records/detection-records/a%2Fb%20%C3%BC": page(3),
    "/records/detection-records/idle": page(),
    "/statistics/events": {
        "events": [
            {"timestamp": MINUTE.format(9), "type": "A"},
            {"timestamp": MINUTE.format(8), "type": "B"},
            {"timestamp": MINUTE.format(2), "type": "A"},
        ]
    },
}


def moment(minute: int) -> str:
    return MINUTE.format(minute).replace("Z", ".000000Z")


def test_cameras_with_and_without_records_moments_and_types_are_learned() -> None:
    facts = learn(Instance(BODIES, range(1, 4)))
    stretch = Stretch(oldest=moment(1), middle=moment(5), newest=moment(9))
    assert facts.cameras == ("cam0", "a/b ü", "idle")
    assert facts.records[0] == CameraRecords(camera_id="cam0", total=7, stretch=stretch)
    assert [records.camera_id for records in facts.records] == ["cam0", "a/b ü"]
    expected = Stretch(oldest=moment(2), middle=moment(8), newest=moment(9))
    assert facts.events == LoggedEvents(types=("A", "B"), stretch=expected, minutes=7)


@pytest.mark.parametrize(
    ("existing", "found"),
    [
        (range(1, 4), (3, 2)),
        (range(1, 2), (1,)),
        (range(0), ()),
        (range(1, 5001), (5000, 4999, 4992, 4973, 4936, 4875, 4784, 4657, 4488, 4271)),
        (range(3900, 5001), (5000, 4999, 4992, 4973, 4936, 4875, 4784, 4657, 4488, 4271)),
    ],
    ids=["few", "one", "none", "many", "purged"],
)
def test_the_newest_violation_is_found_and_some_of_those_that_legacy_knows(
    existing: range, found: tuple[int, ...]
) -> None:
    assert learn(Instance({}, existing)).violations == found


def test_violations_that_are_known_otherwise_are_asked_for_first() -> None:
    """Ids between two powers of two cannot be guessed; one that is gone is not believed."""
    assert learn(Instance({}, range(70_000, 70_003)), [70_002, 9, 70_000]).violations == (
        70_002,
        70_000,
    )


BROKEN: dict[str, object] = {
    "no list": [],
    "no id": {"cameras": [{}]},
    "no JSON": b"{",
    "away": None,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_an_instance_that_answers_otherwise_has_nothing(body: object) -> None:
    bodies = dict.fromkeys(("/cameras", "/statistics/events"), body)
    assert learn(Instance(bodies, range(0))) == Discovery()
