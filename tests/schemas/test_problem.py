"""A problem has the members of RFC 9457."""

from detection_api.schemas.problem import ProblemSchema


def test_a_problem_without_bad_parameters_is_complete() -> None:
    problem = {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is no violation 7.",
        "request_id": "1a2b",
    }
    assert ProblemSchema().validate(problem) == {}


def test_bad_parameters_have_their_messages_by_name() -> None:
    schema = ProblemSchema(only=["errors"])
    assert schema.validate({"errors": {"limit": ["Not a valid integer."]}}) == {}
