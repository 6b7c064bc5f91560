"""Assess the legacy of several endpoints of an application, and list the code that goes with it."""

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path

from detection_api.canary.comparison import branches_of
from detection_api.canary.serving import CanarySettings, Implementation, Route
from detection_api.canary.state import Store, Usage
from detection_api.clock import utc_now
from detection_api.rollout.retirement.assessment import (
    QUIET,
    Assessment,
    EndpointRecord,
    assess,
)
from detection_api.rollout.retirement.exposure import exposures
from detection_api.rollout.retirement.unused_code import Code, Unused

MAY_GO, NOT_YET, FINISHED = "may go", "not yet", "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedEndpoint:
    """An endpoint's verdict. The `assessment` is None if its migration is finished.

    `goes` is the code that is unused once its legacy is deleted.
    """

    endpoint: str
    verdict: str
    assessment: Assessment | None
    goes: tuple[Unused, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """All endpoints. `together` is the unused code if every legacy that may go is deleted."""

    endpoints: tuple[SurveyedEndpoint, ...]
    together: tuple[Unused, ...]


def survey_endpoints(
    store: Store,
    routes: Mapping[str, Route],
    endpoints: Collection[str],
    environment: CanarySettings,
) -> Survey:
    """Assess `endpoints`, which are among `routes`."""
    found = tuple(_surveyed(store, routes, endpoints, environment))
    going = [routes[each.endpoint] for each in found if each.verdict == MAY_GO]
    return Survey(endpoints=found, together=goes_with(*going) if len(going) > 1 else ())


def _surveyed(
    store: Store,
    routes: Mapping[str, Route],
    endpoints: Collection[str],
    environment: CanarySettings,
) -> Iterator[SurveyedEndpoint]:
    retention = timedelta(days=environment.retention_days)
    events = store.events(limit=None)
    usage, recent = store.usage(retention), store.usage(QUIET)
    branches, accepted = store.branches(), store.accepted()
    for endpoint in dict.fromkeys(endpoints):
        route = routes[endpoint]
        if route.legacy is None:
            yield SurveyedEndpoint(endpoint=endpoint, verdict=FINISHED, assessment=None)
            continue
        assessment = assess(
            EndpointRecord(
                now=utc_now(),
                exposures=exposures(events, endpoint),
                usage=_by_arm(usage, endpoint),
                recent=_by_arm(recent, endpoint),
                mismatches=store.mismatches(endpoint),
                accepted=[d for d in accepted if d.endpoint == endpoint],
                missing_branches={
                    b for b in branches_of(route.rule) if (endpoint, b) not in branches
                },
                retention=retention,
                pinned=environment.pinned_percent(endpoint) if environment.use_domain else 0.0,
            )
        )
        yield SurveyedEndpoint(
            endpoint=endpoint,
            verdict=NOT_YET if assessment.missing else MAY_GO,
            assessment=assessment,
            goes=goes_with(route),
        )


def _by_arm(usage: Sequence[Usage], endpoint: str) -> Mapping[str, Usage]:
    return {each.arm: each for each in usage if each.endpoint == endpoint}


def goes_with(*routes: Route) -> tuple[Unused, ...]:
    """Return the code that is unused once the legacy of all these routes is None.

    At least one of them has a legacy.
    """
    legacies = [route.legacy for route in routes if route.legacy is not None]
    root, package, legacy_package = _location(legacies[0])
    gone = {(legacy.__module__, legacy.__qualname__) for legacy in legacies}
    return tuple(_code(root, package).unused_without(gone, legacy_package))


def _location(legacy: Implementation) -> tuple[Path, str, str]:
    """Return the application's folder, its package, and the package of its legacy."""
    module = legacy.__module__
    root = Path(inspect.getfile(legacy)).resolve().parents[module.count(".")]
    return root, module.partition(".")[0], module.rpartition(".")[0]


@cache
def _code(root: Path, package: str) -> Code:
    return Code(root, package)
