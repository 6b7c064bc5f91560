"""Metrics of one process, or of all workers that share a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from detection_api.telemetry.exposition import exposition


class Answer(Collector):
    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("shop_answer", "The answer.", value=42)


def test_a_single_process_exposes_its_own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    response = exposition(Answer())
    assert response.content_type.startswith("text/plain")
    assert "shop_answer 42.0" in response.get_data(as_text=True)
    assert "python_info" in response.get_data(as_text=True)


def test_workers_expose_what_they_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = exposition(Answer()).get_data(as_text=True)
    assert "shop_answer 42.0" in text
    assert "python_info" not in text
