"""A new endpoint is complete, or a test names the place that was forgotten."""

import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from marshmallow import Schema, fields

from benchmarks import endpoints as measured
from detection_api import blueprints
from detection_api.app import BLUEPRINTS
from detection_api.rollout.verification.values import FACTS, is_known
from tests.e2e.instance import PATH_OF
from tests.services.test_statements import CALLS
from tests.world import PARAMETERS, ROUTES, RULES, arms

ROOT = Path(__file__).parents[1]
READMES = {"README.md": "## Add an endpoint", "README.zh-CN.md": "## 新增端点"}


def implementations(endpoint: str) -> Iterator[str]:
    """Yield what is wrong with the functions of an endpoint."""
    blueprint = endpoint.partition(".")[0]
    packages = {"domain": "services", "legacy": "legacy"}
    found = arms(endpoint)
    for arm, implementation in found.items():
        module = f"detection_api.{packages[arm]}.{blueprint}"
        if implementation.__module__ != module:
            yield f"{packages[arm]}/{blueprint}.py: has no {arm} of {endpoint}"
    parameters = {arm: set(inspect.signature(each).parameters) for arm, each in found.items()}
    if len(set(map(frozenset, parameters.values()))) > 1:
        yield f"services/{blueprint}.py and legacy/{blueprint}.py: other arguments: {parameters}"


def parameters(endpoint: str) -> Iterator[str]:
    """Yield what is missing in the declaration of an endpoint's parameters."""
    blueprint = endpoint.partition(".")[0]
    declared = {parameter.name for parameter in PARAMETERS[endpoint]}
    for part in RULES[endpoint].split("<")[1:]:
        name = part.partition(">")[0].rpartition(":")[2]
        if name not in declared:
            yield f"blueprints/{blueprint}.py: no schema declares {name} of the path"
    for parameter in PARAMETERS[endpoint]:
        if not is_known(parameter):
            yield (
                f"schemas/{blueprint}.py: verification knows no values for {parameter.name}:"
                f" give it a range, a OneOf, or metadata takes= one of {', '.join(FACTS)}"
            )


def answers(endpoint: str) -> Iterator[str]:
    """Yield the fields of an endpoint's answer that are not required."""
    for name in _optional(ROUTES[endpoint].contract.schema):
        yield f"schemas/{endpoint.partition('.')[0]}.py: {name} is not required=True"


def _optional(schema: Schema) -> Iterator[str]:
    for name, field in schema.fields.items():
        inner = field.inner if isinstance(field, fields.List) else field
        if not field.required:
            yield f"{type(schema).__name__}.{name}"
        if isinstance(inner, fields.Nested):
            yield from _optional(inner.schema)


def suite(endpoint: str) -> Iterator[str]:
    """Yield the tests that do not know an endpoint."""
    blueprint = endpoint.partition(".")[0]
    path = RULES[endpoint].partition("<")[0]
    for file, text in (
        (f"tests/blueprints/test_{blueprint}.py", path),
        (f"tests/arms/test_{blueprint}.py", endpoint),
        ("tests/test_arms_agree.py", endpoint),
    ):
        place = ROOT / file
        if not place.exists() or f'"{text}' not in place.read_text():
            yield f"{file}: does not ask {endpoint} ({text})"
    if endpoint not in CALLS:
        yield f"tests/services/test_statements.py: CALLS lacks {endpoint}"
    if endpoint not in PATH_OF:
        yield f"tests/e2e/instance.py: PATH_OF lacks {endpoint}"


def benchmark(endpoint: str) -> Iterator[str]:
    """Yield whether the speed of an endpoint is not measured."""
    if endpoint not in measured.paths(1):
        yield f"benchmarks/endpoints.py: paths lacks {endpoint}"


@pytest.mark.parametrize("check", [implementations, parameters, answers, suite, benchmark])
@pytest.mark.parametrize("endpoint", ROUTES)
def test_every_place_knows_the_endpoint(
    endpoint: str, check: Callable[[str], Iterator[str]]
) -> None:
    forgotten = list(check(endpoint))
    assert not forgotten, "\n".join(forgotten)


def test_every_blueprint_is_registered() -> None:
    names = [
        module.name for module in iter_modules(blueprints.__path__, "detection_api.blueprints.")
    ]
    unregistered = [
        f"app.py: BLUEPRINTS lacks {name}"
        for name in names
        if (blp := getattr(import_module(name), "blp", None)) and blp not in BLUEPRINTS
    ]
    assert not unregistered, "\n".join(unregistered)


@pytest.mark.parametrize("readme", READMES)
def test_the_readme_names_every_place(readme: str) -> None:
    section = (ROOT / readme).read_text().partition(READMES[readme])[2].partition("\n## ")[0]
    places = (
        *("schemas/", "services/", "legacy/", "blueprints/", "app.py", "tests/blueprints/"),
        *("tests/arms/", "tests/test_arms_agree.py", "tests/services/test_statements.py"),
        *("tests/e2e/instance.py", "benchmarks/endpoints.py"),
    )
    assert [place for place in places if f"`{place}" not in section] == []
