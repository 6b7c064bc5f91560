"""Domains that are wrong in data that moves."""

from dataclasses import replace

from tests.corpus.case import Call, Kind
from tests.corpus.domains.registry import Registry
from tests.corpus.world import READS, Answer

CASES = Registry(Kind.LIVE)
BESIDE = "one field that moves excuses every field of its object"


def _camera(answer: Answer, name: str) -> Answer:
    """Return a camera of a list of cameras, or a throw-away one."""
    return next((camera for camera in answer["cameras"] if camera["id"] == name), {"frames": 0})


@CASES.wrong("stats", missed=BESIDE)
def one_cameras_frames_times_ten(_: Call, answer: Answer) -> Answer:
    return {**answer, "frames": answer["frames"] * 10} if answer["id"] == "cam0" else answer


@CASES.wrong("cameras", missed=BESIDE)
def one_cameras_frames_in_the_list_times_ten(_: Call, answer: Answer) -> Answer:
    _camera(answer, "cam0")["frames"] *= 10
    return answer


@CASES.wrong("cameras")
def frames_a_thousand_too_many(_: Call, answer: Answer) -> Answer:
    _camera(answer, "cam1")["frames"] += 1000
    return answer


@CASES.wrong("stats")
def counters_of_a_minute_ago(call: Call, answer: Answer) -> Answer:
    old = max(0.0, call.ingested - 60)
    return READS["stats"](call.world, old, **call.arguments)


@CASES.wrong("stats")
def counters_that_stand_still(call: Call, answer: Answer) -> Answer:
    return call.memory.setdefault(answer["id"], answer)


@CASES.wrong("stats", missed=BESIDE)
def two_counters_swapped(_: Call, answer: Answer) -> Answer:
    if answer["id"] != "cam0":
        return answer
    return {**answer, "frames": answer["persons"], "persons": answer["frames"]}


@CASES.wrong("stats", missed=BESIDE)
def a_fixed_field_of_a_moving_object(_: Call, answer: Answer) -> Answer:
    return {**answer, "location": "attic"} if answer["id"] == "cam0" else answer


@CASES.wrong("cameras")
def a_moving_camera_is_left_out(_: Call, answer: Answer) -> Answer:
    return {"cameras": [camera for camera in answer["cameras"] if camera["id"] != "cam0"]}


@CASES.wrong("stats")
def a_rate_without_its_fraction(_: Call, answer: Answer) -> Answer:
    return {**answer, "rate": float(int(answer["rate"]))}


@CASES.wrong("records")
def the_newest_row_is_always_missing(call: Call, answer: Answer) -> Answer:
    if call.arguments["camera_id"] != "cam0":
        return answer
    return {**answer, "records": answer["records"][1:]}


@CASES.wrong("records")
def a_moving_total_is_off_by_one(call: Call, answer: Answer) -> Answer:
    is_live = call.arguments["camera_id"] == "cam0"
    return {**answer, "total": answer["total"] + 1} if is_live else answer


@CASES.wrong("records")
def rows_of_a_minute_ago(call: Call, answer: Answer) -> Answer:
    old = max(0.0, call.ingested - 60)
    return READS["records"](call.world, old, **call.arguments)


@CASES.wrong("records")
def new_rows_are_altered(call: Call, answer: Answer) -> Answer:
    """Rows of the last half minute have another status."""
    for row in answer["records"]:
        if row["timestamp"] > call.world.at(call.now - 30):
            row["status"] = "closed"
    return answer


@CASES.wrong("daily")
def today_counts_twice(_: Call, answer: Answer) -> Answer:
    if answer:
        answer[-1]["total"] *= 2
    return answer


@CASES.wrong("daily")
def today_in_another_zone(call: Call, answer: Answer) -> Answer:
    """The day begins eight hours later."""
    world = replace(call.world, start=call.world.at(-16 * 3600))
    return READS["daily"](world, call.ingested, **call.arguments)
