"""Each combination of filters is a query of its own."""

from sqlalchemy import Text, bindparam, select

from detection_api.models.statistics import Event
from detection_api.services.filtered_query import FilteredQuery, subsets
from tests.world import NOW, World, event

_event = Event.__table__.c
NAMES = ("event_type", "camera_id")
EVENTS = FilteredQuery(
    "test_filtered_query",
    select(_event.type, _event.camera_id).order_by(_event.id),
    event_type=_event.type == bindparam("event_type", type_=Text),
    camera_id=_event.camera_id == bindparam("camera_id", type_=Text),
)


def test_subsets_are_all_selections_in_order() -> None:
    assert list(subsets("ab")) == [(), ("a",), ("b",), ("a", "b")]


def test_a_query_has_the_parameters_of_its_filters_only() -> None:
    parameters = {names: set(query.parameters) for names, query in EVENTS.queries.items()}
    assert parameters == {names: set(names) for names in map(frozenset, subsets(NAMES))}
    assert len({query.name for query in EVENTS.queries.values()}) == 4


def test_rows_match_every_filter_that_is_given(world: World) -> None:
    for kind, camera in (("A", "cam0"), ("A", "cam1"), ("B", "cam0")):
        world.log_events(event(NOW.timestamp(), type=kind, camera_id=camera))

    def found(kind: str | None, camera: str | None) -> list[tuple[str, str]]:
        rows = EVENTS.rows({"event_type": kind, "camera_id": camera})
        return [(row.type, row.camera_id) for row in rows]

    assert len(found(None, None)) == 3
    assert found("A", None) == [("A", "cam0"), ("A", "cam1")]
    assert found(None, "cam0") == [("A", "cam0"), ("B", "cam0")]
    assert found("A", "cam1") == [("A", "cam1")]
    assert found("B", "cam1") == []
