"""The commands run as an operator runs them; their fixtures are those of the rollout's tests."""

from tests.rollout.conftest import changed, run, store

__all__ = ["changed", "run", "store"]
