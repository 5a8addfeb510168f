"""The stores of these tests: in memory, or in a file where something has to outlive a start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.support.stores import Desk


@pytest.fixture
async def desk(nursery: trio.Nursery) -> AsyncIterator[Desk]:
    """A store in memory."""
    desk = Desk(nursery)
    yield desk
    await desk.close()


@pytest.fixture
async def filed(nursery: trio.Nursery, tmp_path: Path) -> AsyncIterator[Desk]:
    """A store in a file, which can be restarted."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/smsgw.db")
    yield desk
    await desk.close()
