"""Every test of this package that takes `ask` asks each implementation of an endpoint."""

from typing import Any, Protocol

import pytest

from tests.world import World, world

__all__ = ["ask", "world"]


class Ask(Protocol):
    """Return what a client gets from an endpoint, after every implementation gave the same."""

    def __call__(self, endpoint: str, **arguments: Any) -> Any: ...


@pytest.fixture
def ask(world: World) -> Ask:
    return world.ask
