"""Whatever detectors write, both implementations answer every endpoint with the same bytes.

Facts are generated and written as detectors write them, ingested by the ingestion itself, and
asked for through each endpoint's contract.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detection_api.canary.comparison.diff import compare_outcomes
from detection_api.canary.comparison.differences import ComparedOutcome
from detection_api.db.cursor import PagePosition
from detection_api.errors import NotFoundError
from detection_api.models.records import VIOLATION_STATUSES, VIOLATION_TYPES
from tests.world import NOW, ROUTES, World, arms, world

__all__ = ["world"]

# The world is cleared at the start of every example.
agreement = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

INT64 = st.integers(-(2**63), 2**63 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | FLOAT | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)

CAMERA_IDS = st.sampled_from(["cam0", "区域", "7", "a'b\\c%s"])
MIDNIGHT = datetime(2025, 10, 31, tzinfo=UTC)
MOMENTS = st.sampled_from(
    [
        NOW,
        NOW + timedelta(microseconds=1),
        MIDNIGHT,
        MIDNIGHT - timedelta(microseconds=1),
        MIDNIGHT - timedelta(days=2),
        MIDNIGHT + timedelta(days=1),
    ]
) | st.datetimes(datetime(2025, 10, 28), datetime(2025, 11, 2), timezones=st.just(UTC))


def assert_agreed(world: World, endpoint: str, **arguments: Any) -> None:
    """Assert that the arms answer with the same bytes, and that a shadow comparison says so."""
    route = ROUTES[endpoint]
    answers, compared = [], []
    for implementation in arms(endpoint).values():
        try:
            value = implementation(**arguments)
            answers.append(route.contract.encode(value))
            compared.append(ComparedOutcome(value=route.contract.wire(value)))
        except NotFoundError as error:
            answers.append(str(error).encode())
            compared.append(ComparedOutcome(error=(type(error).__name__, str(error))))
    assert len(set(answers)) == 1
    domain, *legacy = compared
    assert [compare_outcomes(route.rule, each, domain) for each in legacy] == [()] * len(legacy)


RECORD = st.fixed_dictionaries(
    {
        "camera_id": CAMERA_IDS,
        "timestamp": MOMENTS,
        "frame_number": st.none() | INT64,
        "person_count": INT64,
        "hairnet_violations": INT64,
        "handwash_events": INT64,
        "sanitize_events": INT64,
        "fps": st.none() | FLOAT,
        "processing_time": st.none() | FLOAT,
    }
)
PAGE = st.fixed_dictionaries(
    {
        "camera_id": CAMERA_IDS,
        "limit": st.integers(1, 4) | st.integers(1, 1000),
        "offset": st.integers(0, 4) | st.integers(0, 2**63 - 1),
        "cursor": st.none() | st.builds(PagePosition, MOMENTS, st.integers(0, 9) | INT64),
        "start_time": st.none() | MOMENTS,
        "end_time": st.none() | MOMENTS,
    }
)


@agreement
@given(records=st.lists(RECORD, max_size=8), pages=st.lists(PAGE, min_size=1, max_size=5))
def test_detection_records(
    world: World, records: list[Mapping[str, Any]], pages: list[dict[str, Any]]
) -> None:
    world.clear()
    if records:
        world.insert("detection_records", *records)
    for page in pages:
        assert_agreed(world, "records.detection_records", **page)


VIOLATION = st.fixed_dictionaries(
    {
        "id": st.integers(-3, 3) | INT64,
        "camera_id": CAMERA_IDS,
        "timestamp": MOMENTS,
        "violation_type": st.sampled_from(VIOLATION_TYPES),
        "track_id": st.none() | INT64,
        "confidence": st.none() | FLOAT,
        "status": st.sampled_from(VIOLATION_STATUSES),
        "snapshot_path": st.none() | TEXT,
        "bbox": st.none()
        | st.fixed_dictionaries(
            dict.fromkeys(("height", "width", "y", "x"), FLOAT | st.integers(-(10**9), 10**9))
        ),
        "handled_at": st.none() | MOMENTS,
        "handled_by": st.none() | TEXT,
        "notes": st.none() | TEXT,
        "created_at": MOMENTS,
        "updated_at": MOMENTS,
    }
)


@agreement
@given(violations=st.lists(VIOLATION, max_size=5, unique_by=lambda row: row["id"]))
def test_violations(world: World, violations: list[Mapping[str, Any]]) -> None:
    world.clear()
    if violations:
        world.insert("violation_events", *violations)
    for violation_id in {0, 1, *(row["id"] for row in violations)}:
        assert_agreed(world, "records.violation", violation_id=violation_id)


EPOCHS = (
    MOMENTS.map(datetime.timestamp)
    | MOMENTS.map(lambda moment: int(moment.timestamp()))
    | MOMENTS.map(lambda moment: moment.timestamp() + 0.0000004)
    | st.sampled_from([0, -0.0, 1e-7, 253402300799])
)
EVIDENCE = st.dictionaries(ANY_TEXT, JSON, max_size=3) | st.fixed_dictionaries(
    {}, optional={"region": JSON | TEXT, "confidence": JSON | FLOAT, "其他": JSON}
)
TYPES = st.sampled_from(["NO_HAIRNET", "no_hairnet", "é", "ｚ", "😀"]) | TEXT
EVENT = st.fixed_dictionaries(
    {"ts": EPOCHS, "type": TYPES, "camera_id": CAMERA_IDS},
    optional={"track_id": st.none() | INT64, "evidence": st.none() | EVIDENCE, "extra": JSON},
)
ODD_EVENT = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("ts", "type", "camera_id", "track_id", "evidence"), JSON | EPOCHS)
)
LINE = (EVENT | EVENT | ODD_EVENT | JSON).map(msgspec.json.encode) | st.binary(max_size=20).filter(
    lambda line: b"\n" not in line
)
FILTERS = {"camera_id": st.none() | CAMERA_IDS, "limit": st.integers(1, 4) | st.integers(1, 1000)}
DAILY = st.fixed_dictionaries(
    {
        "days": st.integers(1, 5) | st.integers(1, 90),
        "today": MOMENTS.map(datetime.date),
        "camera_id": st.none() | CAMERA_IDS,
    }
)
EVENTS = st.fixed_dictionaries(
    {"start_time": MOMENTS, "end_time": MOMENTS, "event_type": st.none() | TYPES, **FILTERS}
)
HISTORY = st.fixed_dictionaries({"since": MOMENTS, **FILTERS})


@agreement
@given(
    lines=st.lists(LINE, max_size=12),
    daily=DAILY,
    events=st.lists(EVENTS, min_size=1, max_size=3),
    history=st.lists(HISTORY, min_size=1, max_size=3),
)
def test_statistics(
    world: World,
    lines: list[bytes],
    daily: dict[str, Any],
    events: list[dict[str, Any]],
    history: list[dict[str, Any]],
) -> None:
    world.clear()
    world.log_events(*lines)
    assert_agreed(world, "statistics.daily", **daily)
    for arguments in events:
        assert_agreed(world, "statistics.events", **arguments)
    for arguments in history:
        assert_agreed(world, "statistics.history", **arguments)


YAML = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT, max_size=2)
CAMERA = st.fixed_dictionaries(
    {},
    optional={
        "id": CAMERA_IDS | st.just(7) | YAML,
        **dict.fromkeys(
            (
                "name",
                "source",
                "location",
                "status",
                "active",
                "auto_start",
                "resolution",
                "fps",
                "region_id",
                "regions_file",
                "env",
            ),
            YAML,
        ),
    },
)
COUNTS = ("persons", "hairnets", "handwash", "total_frames", "processed_frames")
MESSAGE = st.fixed_dictionaries(
    {"type": st.just("stats"), "camera_id": CAMERA_IDS, "timestamp": EPOCHS},
    optional={
        "data": st.dictionaries(st.sampled_from([*COUNTS, "fps", "avg_detection_time"]), JSON)
        | st.fixed_dictionaries(dict.fromkeys(COUNTS, st.integers(0, 2**63 - 1)))
    },
)
PAYLOAD = (MESSAGE | MESSAGE | JSON).map(msgspec.json.encode) | st.binary(max_size=20)


@agreement
@given(
    cameras=st.lists(CAMERA | YAML, max_size=6),
    payloads=st.lists(PAYLOAD, max_size=6),
    now=MOMENTS,
)
def test_cameras(world: World, cameras: list[Any], payloads: list[bytes], now: datetime) -> None:
    world.clear()
    world.write_cameras(yaml.safe_dump({"cameras": cameras}, allow_unicode=True))
    for payload in payloads:
        world.publish(payload)
    assert_agreed(world, "cameras.cameras", active_only=False)
    assert_agreed(world, "cameras.cameras", active_only=True)
    for camera_id in ("cam0", "区域", "7", "a'b\\c%s", "unknown"):
        assert_agreed(world, "cameras.camera_stats", camera_id=camera_id, now=now)
