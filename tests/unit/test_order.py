"""The order in which a test's tasks run is drawn from its name, and from a word that may be given."""

from __future__ import annotations

import pytest
import trio

from tests.support.order import draw


def _order(name: str) -> list[int]:
    """In which of many orders tasks run that are ready at once."""
    ran: list[int] = []

    async def one(number: int) -> None:
        ran.append(number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(one, number)

    draw(name)
    trio.run(main)
    return ran


def test_the_order_of_tasks_is_drawn_from_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMSGW_ORDER", raising=False)
    first = _order("a test")
    assert sorted(first) == list(range(20))
    assert _order("a test") == first
    assert _order("another test") != first
    monkeypatch.setenv("SMSGW_ORDER", "2")
    assert _order("a test") != first
