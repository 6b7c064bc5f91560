"""A Prometheus with the configuration that is shipped, in a hurry."""

import json
import subprocess
import threading
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from tests.e2e.instance import free_port

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
READY_SECONDS = 30


class Prometheus:
    """Scrapes `targets` and evaluates the rules every second; keeps its data in `folder`."""

    def __init__(self, folder: Path, targets: list[str]) -> None:
        self._port = free_port()
        self._folder = folder
        config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(FOLDER / "rules.yml")]
        (job,) = config["scrape_configs"]
        job["scrape_timeout"] = "1s"
        job["static_configs"] = [{"targets": targets}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        log = self._folder / "prometheus.log"
        with log.open("wb") as stream:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                ],
                stdout=stream,
                stderr=subprocess.STDOUT,
            )
        for _ in range(READY_SECONDS * 10):
            assert self._process.poll() is None, log.read_text()
            if self._is_ready():
                return self
            threading.Event().wait(0.1)
        raise TimeoutError(log.read_text())

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=30)

    def _is_ready(self) -> bool:
        try:
            return bool(self._get("/-/ready"))
        except OSError:
            return False

    def query(self, expression: str, by: str) -> dict[str, float]:
        """What `expression` is now, by the label `by`."""
        parameters = urllib.parse.urlencode({"query": expression})
        answer = json.loads(self._get(f"/api/v1/query?{parameters}"))
        samples: list[dict[str, Any]] = answer["data"]["result"]
        return {sample["metric"].get(by, ""): float(sample["value"][1]) for sample in samples}

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=10) as response:
            body: bytes = response.read()
        return body
