"""The time from a response to its receipt, as the metrics are given it: once for each segment."""

from __future__ import annotations

import pytest

from gateway.model import State
from tests.support.stores import Desk


@pytest.fixture
def times(desk: Desk) -> list[dict[str, list[float]]]:
    told: list[dict[str, list[float]]] = []
    desk.writer.on_receipt_times = told.append
    return told


async def test_it_is_told_once_a_burst_by_carrier(desk: Desk, times: list[dict[str, list[float]]]) -> None:
    await desk.sent("1", "2")
    await desk.sent("7", carrier="other")
    desk.now += 2500
    receipts = [desk.receipt("1"), desk.receipt("2", State.UNDELIVERED), desk.receipt("7", carrier="other")]
    await desk.receive(*receipts)
    assert times == [{"acme": [2.5, 2.5], "other": [2.5]}]


async def test_a_receipt_is_timed_when_it_came_not_when_it_was_stored(
    desk: Desk, times: list[dict[str, list[float]]]
) -> None:
    await desk.sent("1")
    desk.now += 1000
    receipt = desk.receipt("1")
    desk.now += 700  # the store was busy
    await desk.receive(receipt)
    assert times == [{"acme": [1.0]}]


async def test_only_what_changes_a_segment_is_timed(desk: Desk, times: list[dict[str, list[float]]]) -> None:
    await desk.sent("1")
    desk.now += 1000
    await desk.receive(desk.receipt("1", None))
    assert times == []
    await desk.receive(desk.receipt("1"))
    await desk.receive(desk.receipt("1"), desk.receipt("1", State.UNDELIVERED), desk.receipt("nobody's"))
    assert times == [{"acme": [1.0]}]


async def test_a_receipt_before_its_response_took_no_time(desk: Desk, times: list[dict[str, list[float]]]) -> None:
    mid = await desk.submit(state=State.SUBMITTING)
    await desk.receive(desk.receipt("1"))
    assert times == []
    desk.now += 3000
    await desk.respond(mid, "1")
    assert desk.states(mid) == [State.DELIVERED]
    assert times == [{"acme": [0.0]}]
