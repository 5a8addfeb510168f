"""Messages that went to another carrier are out of the queue in memory, wherever in it they were."""

from __future__ import annotations

import pytest

from gateway.carrier.outgoing import Outgoing
from gateway.outbound.queue import CarrierQueue
from gateway.store.reroute import Moved


def message(id: int, peer: str = "+12125550101", parts: int = 1, lane: int = 0) -> Outgoing:
    return Outgoing(
        id=id, app="local", number="+15551230001", peer=peer, carrier="acme", lane=lane, rank=4, parts=parts,
        receipt=True, expires_at=1 << 60, until=1 << 60, validity=False, tlvs=(), bodies=(),
        waiting=list(range(1, parts + 1)),
    )  # fmt: skip


def went(item: Outgoing, before: int | None = None) -> Moved:
    before = item.parts if before is None else before
    return Moved(
        item.id,
        item.app,
        item.number,
        item.peer,
        item.lane,
        item.rank,
        "acme",
        "beta",
        "down",
        before,
        item.parts,
        True,
    )


@pytest.fixture
def queue() -> CarrierQueue:
    return CarrierQueue("acme", 10, ordered=True)


def put(queue: CarrierQueue, *items: Outgoing) -> None:
    for item in items:
        queue.count(item.app, len(item.waiting))
        queue.add(item)


def taken(queue: CarrierQueue) -> list[int]:
    return [item.id for item, _ in queue.take(100)]


def test_from_its_unit(queue: CarrierQueue) -> None:
    items = [message(i, f"+1212555{i:04}", parts=2) for i in range(1, 4)]
    put(queue, *items)
    queue.leave([went(items[0]), went(items[2])])
    assert queue.stored == {"local": 2}
    assert list(queue.known) == [2]
    assert taken(queue) == [2]
    assert taken(queue) == []


def test_from_behind_its_pair(queue: CarrierQueue) -> None:
    """One of the pair is under way; of those that wait for it some went, and the pair goes on."""
    items = [message(i) for i in range(1, 6)]
    put(queue, *items)
    assert taken(queue) == [1]
    items[0].open = 1
    assert queue.pairs.waiting == 4
    queue.leave([went(items[1]), went(items[3])])
    assert queue.pairs.waiting == 2
    items[0].open = 0
    queue.finished(items[0])
    assert taken(queue) == [3]
    queue.finished(items[2])
    assert taken(queue) == [5]
    queue.finished(items[4])
    assert queue.known == {}
    assert queue.passes(0, items[0].number, items[0].peer)


def test_from_the_front(queue: CarrierQueue) -> None:
    """A claim that came back holds its pair: it frees it."""
    item, behind = message(1, parts=2), message(2)
    put(queue, item, behind)
    assert taken(queue) == [1]
    item.waiting = [1, 2]
    queue.again(item)
    queue.leave([went(item)])
    assert taken(queue) == [2]
    assert 1 not in queue.known


def test_claims_under_way_are_counted_once(queue: CarrierQueue) -> None:
    """The store refuses them, and who asked takes them off the count then."""
    item = message(1, parts=3)
    put(queue, item)
    ((_, parts),) = queue.take(2)
    item.open = len(parts)
    assert queue.stored == {"local": 3}
    queue.leave([went(item)])
    assert queue.stored == {"local": 2}
    assert item.waiting == []
    assert 1 in queue.known, "its claims are still to fail"
    assert taken(queue) == []


def test_what_is_on_disk_only_is_counted_off(queue: CarrierQueue) -> None:
    queue.count("local", 5)
    queue.leave([went(message(1)), went(message(2), before=2)])
    assert queue.stored == {"local": 2}


def test_one_that_goes_on_holding_its_pair(queue: CarrierQueue) -> None:
    item, behind = message(1), message(2)
    put(queue, item, behind)
    assert taken(queue) == [1]
    item.waiting = [1]
    queue.leave([went(item)], held=item)
    assert taken(queue) == []
    queue.finished(item)
    assert taken(queue) == [2]


def test_what_comes_is_found_on_disk_and_nothing_new_goes_past(queue: CarrierQueue) -> None:
    assert queue.passes(0, "n", "p")
    queue.expect(1)
    assert not queue.passes(0, "n", "p")
    queue.expect(-1)
    put(queue, message(100, "+12125550199"))
    queue.spill(0, "local", 4, 7)
    assert not queue.passes(0, "n", "p")
    (unit,) = queue.wants_page()
    assert unit.begin_page() == 6
    queue.loaded(unit, [message(7)], last=None)
    assert taken(queue) == [100, 7]
    assert queue.unit_keys() == [(0, "local", 4)]


def test_what_is_new_waits_on_disk_for_what_is_expected(queue: CarrierQueue) -> None:
    queue.expect(1)
    put(queue, message(8))
    assert taken(queue) == []
    queue.spill(0, "local", 4, 7)
    queue.expect(-1)
    (unit,) = queue.wants_page()
    unit.begin_page()
    queue.loaded(unit, [message(7), message(8)], last=None)
    assert taken(queue) == [7]
    queue.finished(queue.known[7])
    assert taken(queue) == [8]
