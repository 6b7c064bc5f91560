"""The canary works with a MemoryStore where psycopg2 and SQLAlchemy are not installed."""

import subprocess
import sys

APPLICATION = r"""
import sys

for name in ("psycopg2", "psycopg2.extensions", "sqlalchemy"):
    sys.modules[name] = None

from flask import Flask
from marshmallow import Schema, fields

from detection_api.canary import Canary, CanarySettings, MemoryStore


class Title(Schema):
    title = fields.String(required=True)


def domain(name):
    if name == "broken":
        raise RuntimeError("the domain fails")
    return {"title": "new"}


def legacy(name):
    return {"title": "old"}


app = Flask("titles")
canary = Canary()


@app.get("/titles/<name>")
@canary(domain=domain, legacy=legacy, schema=Title)
def title():
    pass


canary.init_app(app, CanarySettings(pinned={}), store=MemoryStore())
canary.start(app, within=10)
client = app.test_client()
results = []
for path in ("a?force_domain=false", "a?force_domain=true", "broken?force_domain=true"):
    response = client.get(f"/titles/{path}")
    results.append(f'{response.get_json()["title"]} {response.headers["X-Canary"]}')
canary.stop(app)
try:
    from detection_api.canary import PostgresStore
except ImportError:
    results.append("PostgresStore needs psycopg2")
print(*results, sep="\n")
"""


def test_both_arms_and_a_fallback_answer_without_psycopg2() -> None:
    process = subprocess.run(
        [sys.executable, "-c", APPLICATION],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.stdout.splitlines()[-4:] == [
        "old legacy; reason=forced",
        "new domain; reason=forced",
        "old legacy; reason=fallback; cause=error",
        "PostgresStore needs psycopg2",
    ]
