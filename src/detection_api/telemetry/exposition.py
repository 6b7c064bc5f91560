"""The process's metrics in Prometheus's text format."""

import os

from flask import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
    multiprocess,
)
from prometheus_client.registry import Collector


def exposition(*more: Collector) -> Response:
    """Return the metrics of all workers of this instance, and those that `more` collect now.

    Workers share metrics through files in PROMETHEUS_MULTIPROC_DIR. Without that variable only
    this process is measured.
    """
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        multiprocess.MultiProcessCollector(registry)
    else:
        registry.register(REGISTRY)
    for collector in more:
        registry.register(collector)
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
