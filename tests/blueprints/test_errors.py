"""Whatever goes wrong is a problem that names what is at fault and leaks nothing."""

import json
from collections.abc import Mapping

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.blueprints.conftest import forced
from tests.log_lines import logged

RECORDS = "/api/v1/records/detection-records/cam0"
VIOLATION = "/api/v1/records/violations/1"
DAILY = "/api/v1/statistics/daily"
EVENTS = "/api/v1/statistics/events"
HISTORY = "/api/v1/statistics/history"
CAMERAS = "/api/v1/cameras"
STATS = "/api/v1/cameras/cam0/stats"
CANARIED = (RECORDS, VIOLATION, DAILY, EVENTS, HISTORY, CAMERAS, STATS)

NUMBERS = ("ten", "", "1.5", "1e2", "nan", "9" * 5000, "0x10", "-1", "1_0", " 10 ", "１０", "+5")
TIMES = (
    "yesterday",
    "",
    "2025-13-01",
    "1761900000",
    "0001-01-01T00:00:00+10:00",
    "2025-10-31T25:00",
)
NAMES = ("", "a" * 256, "a\x00b", "a\nb")
CURSORS = (
    "",
    "AQAGQoGYE4E",
    "A" * 23,
    "AQAGQoGYE4EAAAAAAAAAAAc=",
    "AgAGQoGYE4EAAAAAAAAAAAc",
    "AQAGQoGYE4EAAAAAAAAAAAd",
    "AX__________AAAAAAAAAAc",
    "AQAGQoGYE4E\x00AAAAAAAAAAc",
    "页" * 23,
)
LIMITS = (*NUMBERS, "0", "1001")
BAD: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    RECORDS: {
        "limit": LIMITS,
        "offset": (*NUMBERS, str(2**63)),
        "cursor": CURSORS,
        "start_time": TIMES,
        "end_time": TIMES,
    },
    DAILY: {"days": (*NUMBERS, "0", "91"), "camera_id": NAMES},
    EVENTS: {
        "start_time": TIMES,
        "end_time": TIMES,
        "event_type": NAMES,
        "camera_id": NAMES,
        "limit": LIMITS,
    },
    HISTORY: {"minutes": (*NUMBERS, "0", "1441"), "limit": LIMITS, "camera_id": NAMES},
    CAMERAS: {"active_only": ("maybe", "", "2")},
}
CASES = [
    (path, name, value)
    for path, parameters in BAD.items()
    for name, values in parameters.items()
    for value in values
]
FORCE_CASES = [(path, "force_domain", word) for path in CANARIED for word in ("maybe", "", "TRUE")]


@pytest.mark.parametrize(
    ("path", "name", "value"),
    CASES + FORCE_CASES,
    ids=lambda value: repr(value)[1:40],
)
def test_a_bad_parameter_is_422_and_named(
    client: FlaskClient, path: str, name: str, value: str
) -> None:
    response = client.get(path, query_string={name: value})
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    problem = json.loads(response.data)
    assert list(problem) == ["type", "title", "status", "detail", "request_id", "errors"]
    assert list(problem["errors"]) == [name]
    assert all(isinstance(message, str) for message in problem["errors"][name])
    assert problem["detail"].startswith(f"{name}: ")


@pytest.mark.parametrize("word", ["abc", "1.5", "", str(2**63), "9" * 5000, "1_0", "%2010"])
def test_a_violation_id_that_is_no_id_is_422_and_named(client: FlaskClient, word: str) -> None:
    response = client.get(f"/api/v1/records/violations/{word}")
    if word:
        assert (response.status_code, list(response.get_json()["errors"])) == (
            422,
            ["violation_id"],
        )
    else:
        assert response.status_code == 404


@pytest.mark.parametrize("name", ["a%00b", "a" * 256, "a%0ab"])
@pytest.mark.parametrize(
    "path", ["/api/v1/records/detection-records/{}", "/api/v1/cameras/{}/stats"]
)
def test_a_camera_in_the_path_that_cannot_be_is_422_and_named(
    client: FlaskClient, path: str, name: str
) -> None:
    response = client.get(path.format(name))
    assert (response.status_code, list(response.get_json()["errors"])) == (422, ["camera_id"])


def test_every_bad_parameter_is_named_at_once(client: FlaskClient) -> None:
    response = client.get(RECORDS, query_string={"limit": 0, "offset": "x", "start_time": "y"})
    assert set(response.get_json()["errors"]) == {"limit", "offset", "start_time"}


@pytest.mark.parametrize("path", [RECORDS, EVENTS])
def test_a_window_that_ends_before_it_starts_is_422(client: FlaskClient, path: str) -> None:
    window = {"start_time": "2025-10-31T10:00:00", "end_time": "2025-10-31T09:00:00"}
    response = client.get(path, query_string=window)
    assert (response.status_code, list(response.get_json()["errors"])) == (422, ["end_time"])


@pytest.mark.parametrize("path", CANARIED)
def test_unknown_parameters_are_ignored(client: FlaskClient, path: str) -> None:
    assert client.get(path, query_string={"page": "x", "_": "1"}).status_code == 200


def test_what_does_not_exist_is_a_404_problem(client: FlaskClient) -> None:
    response = client.get("/api/v1/nothing")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


def test_a_method_that_is_not_allowed_is_405_and_says_which_are(client: FlaskClient) -> None:
    response = client.post(CAMERAS)
    assert response.status_code == 405
    assert response.content_type == "application/problem+json"
    assert "GET" in response.headers["Allow"]


def test_a_bug_is_500_without_a_word_of_it_and_whole_in_the_log(
    app: Flask, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("password=hunter2 in /srv/app")

    monkeypatch.setitem(app.view_functions, "monitoring.healthz", broken)
    response = app.test_client().get("/healthz")
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert "hunter2" not in response.get_data(as_text=True)
    assert "hunter2" in caplog.text
    assert response.get_json()["request_id"] in caplog.text


def test_every_request_has_one_line_in_the_log(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.get(CAMERAS, headers={"X-Request-ID": "r-77"}, query_string={"force_domain": "true"})
    lines = [line for line in logged(caplog) if line.get("request_id") == "r-77"]
    assert len(lines) == 1
    line = lines[0]
    assert line["endpoint"] == "cameras.cameras"
    assert f"{line['arm']}; reason={line['reason']}" == forced(app, CAMERAS, "domain")
    assert line["status"] == 200
    assert line["ms"] > 0
