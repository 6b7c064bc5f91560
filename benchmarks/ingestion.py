"""A backlog of a million lines through `detection-api ingest events`, as an operator runs it."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from detection_api import create_app, schema
from detection_api.embedded import EmbeddedPostgres

LINES = 1_000_000
FIRST = 1_761_900_000
COMMAND = Path(sys.executable).parent / "detection-api"


def report() -> str:
    """What the command prints at its end."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "events.jsonl"
        _write(log)
        server = EmbeddedPostgres(folder / "postgres")
        environ = {"DATABASE_URL": server.start()}
        schema.upgrade(create_app(environ))
        done = subprocess.run(
            [COMMAND, "ingest", "events", str(log)],
            env=environ,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        server.stop()
    return f"ingestion  {done.stdout.strip()}"


def _write(log: Path) -> None:
    """A line every half second of two cameras, eight types and a thousand tracks."""
    with log.open("w") as stream:
        for number in range(LINES):
            event = {
                "ts": FIRST + number / 2,
                "type": f"TYPE_{number % 8}",
                "camera_id": f"cam{number % 2}",
                "track_id": number % 1000,
                "evidence": {"confidence": 0.91, "region": "sink", "bbox": [1, 2, 3, 4]},
            }
            stream.write(json.dumps(event) + "\n")
