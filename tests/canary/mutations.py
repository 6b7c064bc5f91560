"""Answers of all endpoints as they are on the wire, and what can go wrong with them.

Every mutation says which differences it makes, from tables of its own: what a comparison finds
is held against them.
"""

import copy
import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import Schema

from detection_api.canary.comparison.differences import Kind
from detection_api.schemas.cameras import CameraListSchema, CameraStatsSchema
from detection_api.schemas.records import RecordPageSchema, ViolationSchema
from detection_api.schemas.statistics import DailyCountSchema, EventPageSchema, HistoryItemSchema

SCHEMAS: Mapping[str, Schema] = {
    "detection_records": RecordPageSchema(),
    "violation": ViolationSchema(),
    "daily": DailyCountSchema(many=True),
    "events": EventPageSchema(),
    "history": HistoryItemSchema(many=True),
    "cameras": CameraListSchema(),
    "camera_stats": CameraStatsSchema(),
}

Found = frozenset[tuple[str, Kind]]

START = datetime(2026, 1, 1, tzinfo=UTC)
TYPES = ("NO_HAIRNET_AT_SINK", "HANDWASH_COMPLETED", "CAFÉ_CLOSED")
FREE = ("$.events[*].metadata", "$[*].detail")
KEYED = ("$[*].counts_by_type", *FREE)
"""Objects with arbitrary keys, and those of them where anything may be below the keys."""
MOMENTS = frozenset(
    {
        "$.records[*].timestamp",
        "$.timestamp",
        "$.handled_at",
        "$.created_at",
        "$.updated_at",
        "$.events[*].timestamp",
        "$.stats.last_detection_time",
    }
)
DATES = frozenset({"$[*].date"})
FLOATS = frozenset(
    {
        "$.records[*].fps",
        "$.records[*].processing_time",
        "$.confidence",
        *(f"$.bbox.{name}" for name in ("x", "y", "width", "height")),
        "$.events[*].confidence",
        "$[*].ts",
        "$.cameras[*].fps",
        "$.stats.avg_fps",
        "$.stats.avg_detection_time",
    }
)


def moment(rng: random.Random) -> str:
    """A moment of 2026 with microseconds."""
    then = START + timedelta(seconds=rng.randrange(10**7), microseconds=rng.randrange(1, 10**6))
    return then.isoformat().replace("+00:00", "Z")


def _maybe(rng: random.Random, value: Any) -> Any:
    return value if rng.random() < 0.7 else None


def _measure(rng: random.Random) -> float:
    return round(rng.uniform(0.1, 99.9), 3) + 0.0001


def evidence(rng: random.Random) -> dict[str, Any]:
    """What a detector of one of several kinds had seen."""
    box = [100 + rng.randrange(9), 200 + rng.randrange(9), 300.5]
    kinds: list[dict[str, Any]] = [
        {},
        {"confidence": rng.choice([1, 0.5, "high", None]), "bbox": box},
        {"region": "洗手池", "seen": {"frames": [box, box[:2]], "by": None}},
        {"bbox": {"x": 1, "y": 2.5}, "note": "café", "tries": rng.randrange(9)},
    ]
    return rng.choice(kinds)


def event(rng: random.Random) -> dict[str, Any]:
    """One item of the events' page."""
    return {
        "id": f"{rng.random()}_{rng.randrange(99)}",
        "timestamp": moment(rng),
        "type": rng.choice(TYPES),
        "camera_id": f"cam{rng.randrange(3)}",
        "confidence": _measure(rng),
        "track_id": _maybe(rng, rng.randrange(99)),
        "region": _maybe(rng, "café"),
        "metadata": evidence(rng),
    }


def history_item(rng: random.Random) -> dict[str, Any]:
    """One item of the history."""
    of_page = event(rng)
    kept = {name: of_page[name] for name in ("camera_id", "type", "track_id", "region")}
    return {"ts": 1767225600 + rng.random(), **kept, "detail": of_page["metadata"]}


def record(rng: random.Random) -> dict[str, Any]:
    """One detection record."""
    return {
        "id": rng.randrange(10**9),
        "camera_id": "cam0",
        "timestamp": moment(rng),
        "frame_number": _maybe(rng, rng.randrange(10**6)),
        "person_count": rng.randrange(9),
        "hairnet_violations": rng.randrange(9),
        "handwash_events": rng.randrange(9),
        "sanitize_events": rng.randrange(9),
        "fps": _maybe(rng, _measure(rng)),
        "processing_time": _maybe(rng, _measure(rng)),
    }


def camera(rng: random.Random, number: int) -> dict[str, Any]:
    """One configured camera."""
    return {
        "id": f"cam{number}",
        "name": f"Café {number}",
        "source": "rtsp://camera",
        "location": _maybe(rng, "车间"),
        "status": "active",
        "active": rng.random() < 0.5,
        "auto_start": rng.random() < 0.5,
        "resolution": _maybe(rng, "1920x1080"),
        "fps": _maybe(rng, _measure(rng)),
        "region_id": None,
        "regions_file": _maybe(rng, "regions.json"),
    }


def day(rng: random.Random, number: int) -> dict[str, Any]:
    """The counts of one day."""
    counts = {name: rng.randrange(1, 99) for name in TYPES[: rng.randrange(len(TYPES) + 1)]}
    date = (START + timedelta(days=number)).date().isoformat()
    return {"date": date, "total_events": sum(counts.values()), "counts_by_type": counts}


def violation(rng: random.Random) -> dict[str, Any]:
    """One violation."""
    return {
        "id": rng.randrange(10**9),
        "camera_id": "cam0",
        "timestamp": moment(rng),
        "violation_type": "no_hairnet",
        "track_id": _maybe(rng, rng.randrange(99)),
        "confidence": _maybe(rng, _measure(rng)),
        "status": "pending",
        "snapshot_path": _maybe(rng, "/snapshots/café.jpg"),
        "bbox": _maybe(rng, {name: _measure(rng) for name in ("x", "y", "width", "height")}),
        "handled_at": _maybe(rng, moment(rng)),
        "handled_by": _maybe(rng, "Zoë"),
        "notes": _maybe(rng, "Ångström"),
        "created_at": moment(rng),
        "updated_at": moment(rng),
    }


def camera_stats(rng: random.Random) -> dict[str, Any]:
    """One camera's live statistics."""
    stats = {
        "total_frames": rng.randrange(10**6),
        "processed_frames": rng.randrange(10**6),
        "detected_persons": rng.randrange(99),
        "detected_hairnets": rng.randrange(99),
        "detected_handwash": rng.randrange(99),
        "avg_fps": _measure(rng),
        "avg_detection_time": _measure(rng),
        "last_detection_time": _maybe(rng, moment(rng)),
    }
    running = rng.random() < 0.5
    return {"camera_id": "cam0", "running": running, "pid": 0, "log_file": "", "stats": stats}


def answer(endpoint: str, rng: random.Random, size: int) -> Any:
    """An answer of one endpoint, its list, if it has one, of `size` items."""
    makers: dict[str, Callable[[], Any]] = {
        "detection_records": lambda: {
            "records": [record(rng) for _ in range(size)],
            "total": size + 900,
            "camera_id": "cam0",
            "limit": 100,
            "offset": 0,
        },
        "violation": lambda: violation(rng),
        "daily": lambda: [day(rng, number) for number in range(size)],
        "events": lambda: {"events": [event(rng) for _ in range(size)], "total": size},
        "history": lambda: [history_item(rng) for _ in range(size)],
        "cameras": lambda: {"cameras": [camera(rng, number) for number in range(size)]},
        "camera_stats": lambda: camera_stats(rng),
    }
    return makers[endpoint]()


@dataclass(frozen=True)
class Node:
    """A value inside an answer, and where it hangs."""

    path: str
    parent: Any
    key: Any
    value: Any

    def put(self, value: Any) -> None:
        """Replace it."""
        self.parent[self.key] = value

    @property
    def is_free(self) -> bool:
        """Whether it is in free-form JSON."""
        return any(self.path.startswith((f"{root}.", f"{root}[")) for root in FREE)

    def step(self, key: str) -> str:
        """The path of a member of it."""
        return f"{self.path}.*" if self.is_free or self.path in KEYED else f"{self.path}.{key}"


def walk(node: Node) -> Iterator[Node]:
    """Everything below a node."""
    if isinstance(node.value, dict):
        below = [Node(node.step(key), node.value, key, value) for key, value in node.value.items()]
    elif isinstance(node.value, list):
        items = enumerate(node.value)
        below = [Node(f"{node.path}[*]", node.value, index, value) for index, value in items]
    else:
        return
    for each in below:
        yield each
        yield from walk(each)


Mutate = Callable[[Node, random.Random], Found | None]
"""Changes the answer at a node and says what differs then; None where it does not apply."""


def _at(node: Node, kind: Kind) -> Found:
    return frozenset({(node.path, kind)})


def _is_member(node: Node) -> bool:
    return isinstance(node.parent, dict)


def remove(node: Node, _: random.Random) -> Found | None:
    if not _is_member(node):
        return None
    del node.parent[node.key]
    return _at(node, Kind.MISSING)


def add(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.value, dict):
        return None
    node.value["unexpected"] = 1
    return frozenset({(node.step("unexpected"), Kind.EXTRA)})


def rename(node: Node, _: random.Random) -> Found | None:
    if not _is_member(node):
        return None
    name = f"{node.key}2"
    node.parent[name] = node.parent.pop(node.key)
    other = node.path if node.path.endswith("*") else f"{node.path}2"
    return frozenset({(node.path, Kind.MISSING), (other, Kind.EXTRA)})


def make_null(node: Node, _: random.Random) -> Found | None:
    if node.value is None:
        return None
    node.put(None)
    return _at(node, Kind.NULL)


def fill_null(node: Node, rng: random.Random) -> Found | None:
    if node.value is not None:
        return None
    node.put(rng.choice(["text", 5, {}]))
    return _at(node, Kind.NULL)


def _is_whole(node: Node) -> bool:
    return type(node.value) is int and node.path not in FLOATS


def whole_as_float(node: Node, _: random.Random) -> Found | None:
    if not _is_whole(node):
        return None
    node.put(float(node.value))
    return _at(node, Kind.TYPE)


def number_as_text(node: Node, _: random.Random) -> Found | None:
    if type(node.value) not in (int, float):
        return None
    node.put(str(node.value))
    return _at(node, Kind.TYPE)


def boolean_as_number(node: Node, _: random.Random) -> Found | None:
    if type(node.value) is not bool:
        return None
    node.put(int(node.value))
    return _at(node, Kind.TYPE)


def one_as_true(node: Node, _: random.Random) -> Found | None:
    if type(node.value) is not int:
        return None
    node.put(bool(node.value))
    return _at(node, Kind.TYPE)


def epoch_as_moment(node: Node, rng: random.Random) -> Found | None:
    if node.path not in FLOATS or node.value is None:
        return None
    node.put(moment(rng))
    return _at(node, Kind.TYPE)


def _of_moment(change: Callable[[str], Any], kind: Kind) -> Mutate:
    def mutate(node: Node, _: random.Random) -> Found | None:
        if node.path not in MOMENTS or node.value is None:
            return None
        node.put(change(node.value))
        return _at(node, kind)

    return mutate


def date_as_midnight(node: Node, _: random.Random) -> Found | None:
    if node.path not in DATES:
        return None
    node.put(f"{node.value}T00:00:00Z")
    return _at(node, Kind.TYPE)


def shuffle(node: Node, rng: random.Random) -> Found | None:
    if not isinstance(node.value, list) or len(node.value) < 2:
        return None
    before = list(node.value)
    while node.value == before:
        rng.shuffle(node.value)
    return _at(node, Kind.ORDER)


def truncate(node: Node, rng: random.Random) -> Found | None:
    if not isinstance(node.value, list) or not node.value:
        return None
    del node.value[rng.randrange(len(node.value)) :]
    return _at(node, Kind.LENGTH)


def drop_one(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.parent, list):
        return None
    del node.parent[node.key]
    return frozenset({(node.path.removesuffix("[*]"), Kind.LENGTH)})


def duplicate(node: Node, rng: random.Random) -> Found | None:
    if not isinstance(node.parent, list):
        return None
    node.parent.insert(rng.choice([0, node.key, len(node.parent)]), copy.deepcopy(node.value))
    return frozenset({(node.path.removesuffix("[*]"), Kind.LENGTH)})


def empty_list(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.value, list) or not node.value:
        return None
    node.value.clear()
    return _at(node, Kind.LENGTH)


def other_container(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.value, dict | list):
        return None
    node.put([node.value] if isinstance(node.value, dict) else {"items": node.value})
    return _at(node, Kind.TYPE)


def decompose(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.value, str) or unicodedata.is_normalized("NFD", node.value):
        return None
    node.put(unicodedata.normalize("NFD", node.value))
    return _at(node, Kind.VALUE)


def other_number(node: Node, _: random.Random) -> Found | None:
    if type(node.value) not in (int, float):
        return None
    node.put(node.value + 1000)
    return _at(node, Kind.VALUE)


def other_text(node: Node, _: random.Random) -> Found | None:
    if not isinstance(node.value, str) or node.path in MOMENTS | DATES:
        return None
    node.put(f"{node.value} ")
    return _at(node, Kind.VALUE)


def page_length_as_total(node: Node, _: random.Random) -> Found | None:
    if node.path != "$.total" or "records" not in node.parent:
        return None
    node.put(len(node.parent["records"]))
    return _at(node, Kind.VALUE)


def remove_everywhere(node: Node, _: random.Random) -> Found | None:
    """Also take away the last item, so that lists differ in more than one way."""
    if node.path not in ("$.records", "$.events", "$.cameras"):
        return None
    for item in node.value:
        del item["camera_id" if "camera_id" in item else "name"]
    name = "name" if node.path == "$.cameras" else "camera_id"
    node.value.pop()
    return frozenset({(node.path, Kind.LENGTH), (f"{node.path}[*].{name}", Kind.MISSING)})


def shift(node: Node, rng: random.Random) -> Found | None:
    """One item in front, and every number as text in it: only the length differs."""
    if node.path not in ("$.records", "$.events"):
        return None
    item = record(rng) if node.path == "$.records" else event(rng)
    node.value.insert(0, {**item, "camera_id": 7})
    return _at(node, Kind.LENGTH)


MUTATIONS: Mapping[str, Mutate] = {
    "field missing": remove,
    "field extra": add,
    "field renamed": rename,
    "null": make_null,
    "value for null": fill_null,
    "int as float": whole_as_float,
    "number as string": number_as_text,
    "boolean as int": boolean_as_number,
    "int as boolean": one_as_true,
    "epoch as ISO": epoch_as_moment,
    "moment as epoch": _of_moment(lambda _: 1767225600.5, Kind.TYPE),
    "moment as whole epoch": _of_moment(lambda _: 1767225600, Kind.TYPE),
    "naive moment": _of_moment(lambda text: text[:-1], Kind.TYPE),
    "moment as date": _of_moment(lambda text: text[:10], Kind.TYPE),
    "no moment": _of_moment(lambda text: "2026-02-30" + text[10:], Kind.TYPE),
    "moment in another zone": _of_moment(lambda text: text[:-1] + "+08:00", Kind.TYPE),
    "moment with a space": _of_moment(lambda text: text.replace("T", " "), Kind.TYPE),
    "offset for Z": _of_moment(lambda text: text[:-1] + "+00:00", Kind.VALUE),
    "other fraction": _of_moment(lambda text: text[:-1] + "0Z", Kind.VALUE),
    "moment cut to seconds": _of_moment(lambda text: text[:19] + "Z", Kind.VALUE),
    "date as moment": date_as_midnight,
    "reordered": shuffle,
    "truncated": truncate,
    "item dropped": drop_one,
    "item duplicated": duplicate,
    "empty list": empty_list,
    "array for object": other_container,
    "NFD for NFC": decompose,
    "other number": other_number,
    "other text": other_text,
    "total is the page's length": page_length_as_total,
    "missing everywhere and truncated": remove_everywhere,
    "shifted": shift,
}


@dataclass(frozen=True)
class Mutation:
    """An answer, what became of it, and the differences that has to make."""

    name: str
    endpoint: str
    reference: Any
    candidate: Any
    expected: Found


def mutation(name: str, endpoint: str, rng: random.Random) -> Mutation | None:
    """One mutation somewhere in an answer of `endpoint`; None where it applies nowhere."""
    box = {"answer": answer(endpoint, rng, size=rng.randrange(2, 7))}
    reference = copy.deepcopy(box["answer"])
    root = Node("$", box, "answer", box["answer"])
    nodes = [node for node in (root, *walk(root)) if _applies(name, node)]
    rng.shuffle(nodes)
    for node in nodes:
        expected = MUTATIONS[name](node, rng)
        if expected is not None:
            return Mutation(name, endpoint, reference, box["answer"], expected)
    return None


def _applies(name: str, node: Node) -> bool:
    """The whole answer is no member of anything."""
    return node.path != "$" or MUTATIONS[name] not in (remove, rename)


def corpus(seed: int, each: int = 5) -> list[Mutation]:
    """`each` of every mutation of every endpoint, where it applies."""
    rng = random.Random(seed)
    candidates = (
        mutation(name, endpoint, rng)
        for endpoint in SCHEMAS
        for name in MUTATIONS
        for _ in range(each)
    )
    return [made for made in candidates if made is not None]
