"""The camera file: what it says, whole or not at all."""

import os
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import yaml

from detection_api.ingest import cameras
from detection_api.ingest.cameras import CameraFileError, ParsedCamera, parse, sync
from tests.ingest.support import has_logged, query, running, wait_until
from tests.log_lines import logged

PLAIN = ParsedCamera(
    id="cam0",
    name="cam0",
    source="",
    location=None,
    status="active",
    active=True,
    auto_start=False,
    resolution=None,
    fps=None,
    region_id=None,
    regions_file=None,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cameras.yaml"


def _camera(**fields: Any) -> ParsedCamera:
    (camera,) = parse(yaml.safe_dump({"cameras": [{"id": "cam0"} | fields]}))
    return camera


def _stored(url: str) -> list[str]:
    return [camera for (camera,) in query(url, "SELECT id FROM cameras ORDER BY position")]


def _write(file: Path, *ids: str) -> None:
    file.write_text(yaml.safe_dump({"cameras": [{"id": camera} for camera in ids]}))


def _count(caplog: pytest.LogCaptureFixture, event: str) -> int:
    return sum(entry["event"] == event for entry in logged(caplog))


def test_a_camera_needs_no_more_than_an_id() -> None:
    assert _camera() == PLAIN


def test_every_field_of_a_camera_is_taken_over_but_its_secrets() -> None:
    fields = {
        "name": "Sink",
        "source": "rtsp://sink",
        "location": "Hall 2",
        "status": "maintenance",
        "active": False,
        "auto_start": True,
        "resolution": "1920x1080",
        "fps": 25,
        "region_id": "r1",
        "regions_file": "regions.json",
    }
    camera = _camera(**fields, env={"PASSWORD": "hunter2"})
    assert camera._asdict() == {"id": "cam0", **fields}
    assert "hunter2" not in repr(camera)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": 7}, {"id": "7", "name": "7"}),
        (
            {"name": 7, "source": 0, "location": 1.5},
            {"name": "7", "source": "0", "location": "1.5"},
        ),
        ({"name": "", "source": None, "location": True}, {"name": "cam0", "source": ""}),
        ({"name": ["a"], "resolution": {"a": 1}}, {}),
        ({"active": False}, {"active": False, "status": "inactive"}),
        ({"active": "no", "auto_start": 1}, {}),
        ({"active": False, "status": ""}, {"active": False, "status": "inactive"}),
        ({"fps": 24.5}, {"fps": 24.5}),
        ({"fps": "25"}, {}),
        ({"fps": True}, {}),
        ({"fps": float("nan")}, {}),
        ({"fps": 10**400}, {}),
    ],
    ids=str,
)
def test_a_field_of_another_type_is_read_as_text_or_left_out(
    fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert _camera(**fields) == PLAIN._replace(**expected)


def test_entries_without_an_id_are_left_out_and_the_first_of_two_counts() -> None:
    found = parse(
        "cameras: [{id: b, name: first}, {name: none}, {id: true}, {id: 1.5}, {id: null}, text,"
        " {id: a}, {id: b, name: second}]"
    )
    assert [(camera.id, camera.name) for camera in found] == [("b", "first"), ("a", "a")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no list of cameras"),
        ("- id: cam0", "it has no list of cameras"),
        ("cameras: {id: cam0}", "it has no list of cameras"),
        ("cameras:\n- id: 'cam0", "line 2: found unexpected end of stream"),
        ("!!python/object:os.system x", "line 1: could not determine a constructor"),
        ("\x00", "it holds characters that YAML does not allow"),
        ("[" * 500, "it is nested too deep"),
        ('cameras: [{id: !!int ""}]', "it holds a value that does not fit its YAML type"),
        ("password: !!bool hunter2", "it holds a value that does not fit its YAML type"),
        ("since: 2026-13-01", "it holds a value that does not fit its YAML type"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_that_is_none_of_cameras_is_refused_without_showing_its_content(
    text: str, reason: str
) -> None:
    with pytest.raises(CameraFileError) as caught:
        parse(text)
    assert str(caught.value).startswith(reason)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_table_becomes_what_the_file_says(database: str, file: Path) -> None:
    _write(file, "c", "a", "b")
    assert sync(database, file) == 3
    assert _stored(database) == ["c", "a", "b"]
    file.write_text("cameras: [{id: b, name: New, fps: 12.5}, {id: d}]")
    assert sync(database, file) == 2
    assert query(database, "SELECT * FROM cameras ORDER BY position") == [
        (
            *("b", 0, "New", "", None, "active", True, False),
            *(None, 12.5, None, None),
        ),
        (
            *("d", 1, "d", "", None, "active", True, False),
            *(None, None, None, None),
        ),
    ]
    file.write_text("cameras: []")
    assert sync(database, file) == 0
    assert _stored(database) == []


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"cameras: [",
        b"cameras: [{id: caf\xe9}]",
        b'cameras: [{id: "a\\0b"}]',
        b'cameras: [{id: "\\ud800"}]',
        b"cameras: [{id: 0x" + b"f" * 5000 + b"}]",
    ],
    ids=["missing", "torn", "not UTF-8", "null character", "surrogate", "enormous number"],
)
def test_a_file_that_cannot_be_used_changes_nothing(
    database: str, file: Path, content: bytes | None
) -> None:
    _write(file, "cam0")
    sync(database, file)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CameraFileError, match=r"^\S+/cameras.yaml cannot be used: "):
        sync(database, file)
    assert _stored(database) == ["cam0"]


def test_a_follower_syncs_at_every_change_and_sits_out_a_bad_file(
    database: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with running(cameras.follow, database, file):
        wait_until(lambda: has_logged(caplog, "outage", "No such file"))
        _write(file, "cam0")
        wait_until(lambda: _stored(database) == ["cam0"])
        file.write_text("cameras: [")
        wait_until(lambda: has_logged(caplog, "camera_file_unusable"))
        assert _stored(database) == ["cam0"]
        _write(file, "cam0", "cam1")
        wait_until(lambda: _stored(database) == ["cam0", "cam1"])
    assert _count(caplog, "cameras_synced") == 2
    assert _count(caplog, "camera_file_unusable") == 1


def test_a_follower_tries_again_a_file_that_could_not_be_read_and_logs_it_once(
    database: str, file: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the file is the same before and after."""
    failures = iter(range(3))
    read_text = Path.read_text

    def flaky(path: Path, encoding: str | None = None) -> str:
        if path == file and next(failures, None) is not None:
            raise OSError(5, "Input/output error")
        return read_text(path, encoding)

    _write(file, "cam0")
    monkeypatch.setattr(Path, "read_text", flaky)
    with running(cameras.follow, database, file):
        wait_until(lambda: _stored(database) == ["cam0"])
        wait_until(lambda: has_logged(caplog, "outage_over"))
    assert has_logged(caplog, "outage", "Input/output error")
    assert _count(caplog, "outage") == 1


def test_a_follower_notices_a_change_of_neither_size_nor_modification_time(
    database: str, file: Path
) -> None:
    _write(file, "cam0")
    status = file.stat()
    with running(cameras.follow, database, file):
        wait_until(lambda: _stored(database) == ["cam0"])
        _write(file, "cam1")
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        wait_until(lambda: _stored(database) == ["cam1"])


def test_a_follower_sits_out_a_database_that_is_away(
    database: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(file, "cam0")
    query(database, "ALTER TABLE cameras RENAME TO away")
    try:
        with running(cameras.follow, database, file):
            wait_until(lambda: has_logged(caplog, "outage"))
            query(database, "ALTER TABLE away RENAME TO cameras")
            wait_until(lambda: has_logged(caplog, "outage_over"))
            assert _stored(database) == ["cam0"]
    except BaseException:
        query(database, "ALTER TABLE IF EXISTS away RENAME TO cameras")
        raise


def test_readers_see_all_old_or_all_new_cameras(database: str, file: Path) -> None:
    _write(file, *(f"cam{number}" for number in range(1000)))
    sync(database, file)
    query(
        database,
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'refused'; END $$",
    )
    query(database, "CREATE TRIGGER fail AFTER INSERT ON cameras EXECUTE FUNCTION fail()")
    _write(file, "other")
    try:
        with pytest.raises(psycopg2.Error, match="refused"):
            sync(database, file)
    finally:
        query(database, "DROP FUNCTION fail CASCADE")
    assert len(_stored(database)) == 1000
