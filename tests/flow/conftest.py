"""What every flow test leaves behind is closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import events


@pytest.fixture(autouse=True)
def _stores_are_closed() -> Iterator[None]:
    yield
    while events.OPEN:
        events.OPEN.pop().close()
