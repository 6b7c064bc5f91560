"""Every test of this package that takes `ask` runs against both implementations."""

from functools import partial
from typing import Any, Protocol

import pytest

from tests.world import ARMS, World, world

__all__ = ["ask", "world"]


class Ask(Protocol):
    """Asks one implementation for what an endpoint answers, as a client gets it."""

    def __call__(self, endpoint: str, **arguments: Any) -> Any: ...


@pytest.fixture(params=ARMS)
def ask(request: pytest.FixtureRequest, world: World) -> Ask:
    return partial(world.ask, request.param)
