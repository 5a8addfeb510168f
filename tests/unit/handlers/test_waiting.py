"""The order of failed deliveries."""

from __future__ import annotations

from gateway.handlers.waiting import Waiting


def test_by_time_and_without_dead_letters() -> None:
    waiting = Waiting({1: (1, 300, ""), 2: (5, None, ""), 3: (1, 100, ""), 4: (2, 200, "")})
    assert (len(waiting), waiting.next_due()) == (0, None)
    waiting.load()
    assert len(waiting) == 3
    order = []
    while waiting.next_due() is not None:
        order.append((waiting.next_due(), waiting.take()))
    assert order == [(100, 3), (200, 4), (300, 1)]


def test_what_the_outbox_no_longer_holds_is_passed_over() -> None:
    retries: dict[int, tuple[int, int | None, str]] = {1: (1, 100, ""), 2: (1, 200, ""), 3: (1, 300, "")}
    waiting = Waiting(retries)
    waiting.load()
    del retries[1]
    retries[2] = (2, 400, "")
    assert waiting.next_due() == 300
    waiting.add(400, 2)
    assert waiting.take() == 3
    assert waiting.take() == 2


def test_what_is_under_way_counts_and_is_not_taken_up_twice() -> None:
    retries: dict[int, tuple[int, int | None, str]] = {1: (1, 100, "")}
    waiting = Waiting(retries)
    waiting.load()
    assert waiting.take() == 1
    waiting.load()
    assert (len(waiting), waiting.next_due()) == (1, None)
    waiting.settled(1)
    assert len(waiting) == 0
    waiting.load()
    assert waiting.next_due() == 100
