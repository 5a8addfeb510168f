"""A store in memory, for what is kept beside the flows."""

from collections.abc import AsyncIterator

import pytest
import trio

from tests.support.stores import Desk


@pytest.fixture
async def desk(nursery: trio.Nursery) -> AsyncIterator[Desk]:
    """A store in memory."""
    desk = Desk(nursery)
    yield desk
    await desk.close()
