"""An answer has data if it says more than that there is none."""

import pytest
from marshmallow import Schema

from detection_api.rollout.verification.substance import has_data
from detection_api.schemas.cameras import CameraListSchema, CameraStatsSchema
from detection_api.schemas.records import RecordPageSchema
from detection_api.schemas.statistics import DailyCountSchema

ZEROS = {"total_frames": 0, "avg_fps": 0.0, "last_detection_time": None}
STATS = {"camera_id": "cam0", "running": False, "pid": 0, "log_file": "", "stats": ZEROS}
DAY = {"date": "2025-10-31", "total_events": 0, "counts_by_type": {}}
PAGE = {"records": [], "total": 0, "camera_id": "cam0", "limit": 100, "offset": 0}
ECHOED = frozenset({"camera_id", "limit", "offset"})


@pytest.mark.parametrize(
    ("schema", "answer", "expected"),
    [
        (CameraListSchema(), {"cameras": []}, False),
        (CameraListSchema(), {"cameras": [{"id": "cam0"}]}, True),
        (DailyCountSchema(many=True), [], False),
        (DailyCountSchema(many=True), [DAY, DAY], False),
        (DailyCountSchema(many=True), [DAY, {**DAY, "total_events": 1}], True),
        (CameraStatsSchema(), STATS, False),
        (CameraStatsSchema(), {**STATS, "stats": {**ZEROS, "avg_fps": 0.5}}, True),
        (RecordPageSchema(), PAGE, False),
        (RecordPageSchema(), {**PAGE, "records": [{"id": 7}]}, True),
    ],
)
def test_zeros_dates_and_the_requests_own_parameters_are_no_data(
    schema: Schema, answer: object, expected: bool
) -> None:
    assert has_data(schema, answer, ECHOED) is expected
