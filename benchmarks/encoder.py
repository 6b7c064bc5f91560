"""Compare the derived encoder with marshmallow's dump, on a page of 100 records."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from detection_api.canary.contract import Contract
from detection_api.schemas.records import RecordPageSchema

RECORD: dict[str, Any] = {
    "id": 1,
    "camera_id": "cam0",
    "timestamp": datetime(2025, 10, 31, 9, 15, 0, 123456, tzinfo=UTC),
    "frame_number": 12345,
    "person_count": 2,
    "hairnet_violations": 0,
    "handwash_events": 1,
    "sanitize_events": 0,
    "fps": 24.8,
    "processing_time": 0.021,
}
PAGE = {
    "records": [RECORD] * 100,
    "total": 100,
    "camera_id": "cam0",
    "limit": 100,
    "offset": 0,
}
TIMES = 200


def pairs() -> Iterator[tuple[str, Callable[[], int], Callable[[], int]]]:
    """Yield the works that encode a page: with the derived types, and with marshmallow's dump."""
    contract, schema = Contract(RecordPageSchema), RecordPageSchema()

    def derived() -> int:
        for _ in range(TIMES):
            contract.encode(PAGE)
        return TIMES

    def marshmallow() -> int:
        for _ in range(TIMES // 10):
            json.dumps(schema.dump(PAGE))
        return TIMES // 10

    yield (
        "100 records checked and encoded, against marshmallow's unchecked dump",
        derived,
        marshmallow,
    )
