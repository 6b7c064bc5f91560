"""The parameters of a route are read from its schemas."""

from marshmallow import Schema, fields, validate

from detection_api.web.parameters import TAKES, Parameter, declare, parameters_of


class _Path(Schema):
    camera_id = fields.String(required=True, validate=validate.Length(1, 255))


class _Query(Schema):
    limit = fields.Integer(validate=validate.Range(1, 1000))
    offset = fields.Integer(validate=validate.Range(min=0))
    active = fields.Boolean()
    order = fields.String(validate=validate.OneOf(("asc", "desc")))
    source = fields.String(data_key="from", metadata={TAKES: "camera_id"})


def _declared() -> dict[str, Parameter]:
    def view() -> None:
        """A view with parameters in its query and its path."""

    declare(view, "query", _Query())
    declare(view, "path", _Path())
    return {parameter.name: parameter for parameter in parameters_of(view)}


def test_parameters_have_their_names_in_requests_and_the_path_is_first() -> None:
    assert list(_declared()) == ["camera_id", "limit", "offset", "active", "order", "from"]


def test_a_parameter_knows_its_values() -> None:
    found = _declared()
    assert (found["camera_id"].is_required, found["limit"].is_required) == (True, False)
    assert (found["limit"].bounds, found["offset"].bounds) == ((1, 1000), None)
    assert (found["camera_id"].lengths, found["limit"].lengths) == ((1, 255), (0, None))
    assert found["active"].members == ("true", "false")
    assert found["order"].members == ("asc", "desc")
    assert found["limit"].members == ()
    assert (found["from"].fact, found["limit"].fact) == ("camera_id", "limit")


def test_a_view_that_declares_nothing_has_no_parameters() -> None:
    assert parameters_of(lambda: None) == ()
