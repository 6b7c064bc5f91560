"""The published description is what the application does; schemathesis tries to disprove it."""

import re
from typing import Any

import pytest
import schemathesis
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from tests.world import RULES

EXAMPLES = 40
ALL = list(HealthCheck)
CANARIED = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule) for rule in RULES.values()}


@pytest.fixture(scope="module")
def schema(app: Flask) -> Any:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


@pytest.mark.parametrize("mode", GenerationMode, ids=["valid input", "invalid input"])
@pytest.mark.parametrize("word", ["true", "false"], ids=["domain", "legacy"])
@pytest.mark.parametrize("path", sorted(CANARIED))
def test_no_request_gets_what_the_description_does_not_allow(
    schema: Any, path: str, word: str, mode: GenerationMode
) -> None:
    """No 5xx, no undocumented status or body, no bad input accepted, no good one refused."""

    @settings(max_examples=EXAMPLES, derandomize=True, suppress_health_check=ALL)
    @given(schema[path]["GET"].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case[Any]) -> None:
        case.query.setdefault("force_domain", word)
        if mode is GenerationMode.POSITIVE:
            # No description can express that a window must not be inverted, nor that a cursor
            # comes from a link.
            case.query.pop("cursor", None)
            if "start_time" in case.query:
                case.query.pop("end_time", None)
        case.call_and_validate()

    check()


def test_every_canaried_route_documents_what_the_canary_adds(client: FlaskClient) -> None:
    paths = client.get("/openapi.json").get_json()["paths"]
    assert set(paths) >= CANARIED
    for path in CANARIED:
        operation = paths[path]["get"]
        assert "force_domain" in {parameter["name"] for parameter in operation["parameters"]}
        assert set(operation["responses"]) >= {"200", "422", "503"}
        assert "X-Canary" in operation["responses"]["200"]["headers"]
    assert "404" in paths["/api/v1/records/violations/{violation_id}"]["get"]["responses"]
    assert "force_domain" not in str(paths["/api/v1/monitoring/health"])


def test_it_is_openapi_3_1_with_problems_for_errors(client: FlaskClient) -> None:
    document = client.get("/openapi.json").get_json()
    assert document["openapi"].startswith("3.1")
    content = document["components"]["responses"]["UNPROCESSABLE_ENTITY"]["content"]
    assert content == {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
    }


def test_the_pages_come_from_this_server_alone(client: FlaskClient) -> None:
    page = client.get("/docs/")
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "https://" not in text.replace("http://localhost", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-ui.css"):
        assert f'"/docs/{asset}"' in text
        with client.get(f"/docs/{asset}") as response:
            assert response.status_code == 200
    assert client.get("/docs").status_code == 308
