"""Verify endpoints for a run, at every instance that its plan names."""

from collections.abc import Collection, Mapping, Sequence

from flask import Flask

from detection_api.canary.state import Store
from detection_api.rollout.gates import GateOutcome, Verified
from detection_api.rollout.verification.http_answers import subjects_of
from detection_api.rollout.verification.inputs import read_inputs
from detection_api.rollout.verification.results import Verification
from detection_api.rollout.verification.runner import verify
from detection_api.web.client import Client, UnreachableError


class Verifier:
    """Verifies the instances at `urls`, and excuses the differences accepted in `store`."""

    def __init__(self, app: Flask, store: Store, urls: Sequence[str], token: str | None) -> None:
        self._app = app
        self._store = store
        self._clients = [Client(url, token=token) for url in urls]

    def __call__(self, endpoints: Collection[str]) -> Mapping[str, Sequence[Verified]]:
        """Return each endpoint's results, one for each instance.

        The result is inconclusive if the instance cannot be reached.
        """
        inputs = read_inputs(self._store)
        results: dict[str, list[Verified]] = {endpoint: [] for endpoint in endpoints}
        for client in self._clients:
            try:
                verification = verify(client, subjects_of(self._app, endpoints), inputs)
            except UnreachableError as error:
                for each in results.values():
                    each.append(_unreachable(client.base, error))
                continue
            for endpoint, each in results.items():
                each.append(_verified(verification, endpoint))
        return results


def _unreachable(url: str, error: UnreachableError) -> Verified:
    return Verified(url=url, outcome=GateOutcome.INCONCLUSIVE, message=str(error))


def _verified(verification: Verification, endpoint: str) -> Verified:
    evidence = verification.evidence(endpoint)
    findings = evidence["findings"]
    agreed = f"both arms agree in {evidence['cases']} cases"
    return Verified(
        url=verification.base,
        outcome=GateOutcome(evidence["verdict"]),
        message="; ".join(findings) or agreed,
        evidence=evidence,
    )
