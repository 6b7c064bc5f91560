"""An endpoint whose legacy was deleted works as docs/retirement.md says."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg2
import pytest
from flask.testing import FlaskClient

from detection_api import app as application
from detection_api import create_app
from detection_api.errors import NotFoundError
from detection_api.extensions import canary
from detection_api.schemas.records import CameraPathSchema, PageQuerySchema, RecordPageSchema
from detection_api.services import records as service
from detection_api.web.openapi import Blueprint
from tests.rollout.conftest import Run, run, store  # noqa: F401 - fixtures

PAGE = "/api/v1/records/detection-records/cam0"


def retired() -> Blueprint:
    """The records of the application as they are once nobody needs the old implementation."""
    blp = Blueprint("records", __name__, url_prefix="/api/v1/records")

    @blp.get("/detection-records/<camera_id>")
    @blp.arguments(CameraPathSchema, location="path", as_kwargs=True)
    @blp.arguments(PageQuerySchema, location="query", as_kwargs=True)
    @blp.response(200)
    @canary(domain=service.detection_records, legacy=None, schema=RecordPageSchema)
    def detection_records() -> None:
        """Detection records of one camera, newest first."""

    @blp.get("/broken/<camera_id>")
    @blp.arguments(CameraPathSchema, location="path", as_kwargs=True)
    @blp.response(200)
    @canary(domain=broken, legacy=None, schema=RecordPageSchema)
    def broken_records() -> None:
        """What has a bug."""

    return blp


def broken(*, camera_id: str) -> dict[str, object]:
    """Fails in one of two ways, or does not find the camera."""
    if camera_id == "none":
        raise NotFoundError("There is no such camera.")
    if camera_id == "raises":
        raise RuntimeError("bug")
    return {"records": None}


@pytest.fixture(autouse=True)
def _retired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "BLUEPRINTS", (retired(),))


@pytest.fixture(scope="module")
def url(migrated_database: Callable[[str], str]) -> str:
    """A database of its own, as workers run on it: three records of one camera."""
    url = migrated_database("retirement")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO detection_records (timestamp, camera_id, fps)"
            " SELECT now(), 'cam0', 25 FROM generate_series(1, 3)"
        )
    return url


@contextmanager
def client(url: str, **environ: str) -> Iterator[FlaskClient]:
    made = create_app({"DATABASE_URL": url, **environ})
    yield made.test_client()
    canary.stop(made)


@pytest.mark.parametrize("query", ["", "?force_domain=false", "?force_domain=true"])
@pytest.mark.parametrize("environ", [{}, {"USE_DOMAIN_SERVICE": "false"}], ids=["", "kill switch"])
def test_the_domain_answers_whatever_is_asked_for(
    url: str, query: str, environ: dict[str, str]
) -> None:
    with client(url, **environ) as asked:
        response = asked.get(PAGE + query)
    assert response.headers["X-Canary"] == "domain; reason=finished"
    assert response.status_code == 200
    assert response.get_json()["total"] == 3


@pytest.mark.parametrize("camera", ["raises", "breaks_its_contract"])
def test_a_failure_is_a_503_as_there_is_nobody_to_fall_back_to(url: str, camera: str) -> None:
    with client(url) as asked:
        response = asked.get(f"/api/v1/records/broken/{camera}")
    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert response.headers["X-Canary"].startswith("none; reason=outage")
    assert "bug" not in response.get_data(as_text=True)


def test_an_error_that_is_an_answer_stays_one(url: str) -> None:
    with client(url) as asked:
        response = asked.get("/api/v1/records/broken/none")
    assert response.status_code == 404
    assert response.get_json()["detail"] == "There is no such camera."


def test_the_assessment_says_that_it_is_finished(run: Run) -> None:  # noqa: F811
    result = run("rollout", "assess", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["endpoints"]
    assert {row["verdict"] for row in found} == {"finished"}
    assert "finished" in run("rollout", "assess").stdout
