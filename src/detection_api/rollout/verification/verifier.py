"""Verifies endpoints for a run, at every instance that its plan names."""

from collections.abc import Collection, Mapping, Sequence

from flask import Flask

from detection_api.canary.state import Store
from detection_api.rollout.gates import GateOutcome, Verified
from detection_api.rollout.verification.http_answers import subjects_of
from detection_api.rollout.verification.inputs import read_terms
from detection_api.rollout.verification.results import Verification
from detection_api.rollout.verification.runner import verify
from detection_api.web.client import Client, UnreachableError


class Verifier:
    """Calls the instances at `urls`; differences are excused that `store` has as accepted."""

    def __init__(self, app: Flask, store: Store, urls: Sequence[str], token: str | None) -> None:
        self._app = app
        self._store = store
        self._clients = [Client(url, token=token) for url in urls]

    def __call__(self, endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        """What came of each endpoint at each instance; one that cannot be reached shows nothing."""
        terms = read_terms(self._store)
        found: dict[str, list[Verified]] = {endpoint: [] for endpoint in endpoints}
        for client in self._clients:
            try:
                result = verify(client, subjects_of(self._app, endpoints), terms)
            except UnreachableError as error:
                for each in found.values():
                    each.append(_unreachable(client.base, error))
                continue
            for endpoint, each in found.items():
                each.append(_verified(result, endpoint))
        return found


def _unreachable(url: str, error: UnreachableError) -> Verified:
    return Verified(url=url, outcome=GateOutcome.INCONCLUSIVE, said=str(error))


def _verified(result: Verification, endpoint: str) -> Verified:
    facts = result.evidence(endpoint)
    findings = facts["findings"]
    said = "; ".join(findings) if findings else f"both arms agree in {facts['cases']} cases"
    return Verified(url=result.base, outcome=GateOutcome(facts["verdict"]), said=said, facts=facts)
