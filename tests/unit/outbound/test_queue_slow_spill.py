"""What comes from another carrier while messages of a number with a rate of its own wait on disk, and are read."""

from __future__ import annotations

from trio.testing import MockClock

from gateway.carrier.gate import Gate
from gateway.carrier.outgoing import Outgoing
from gateway.outbound.queue import CarrierQueue

NUMBER = "+15551230001"


def message(id: int, peer: str) -> Outgoing:
    return Outgoing(
        id=id, app="local", number=NUMBER, peer=peer, carrier="sink", lane=0, rank=4, parts=1,
        receipt=True, expires_at=1 << 60, until=1 << 60, validity=False, tlvs=(), bodies=(), waiting=[1],
    )  # fmt: skip


async def test_a_later_one_of_a_pair_is_not_taken_without_the_one_before_it(autojump_clock: MockClock) -> None:
    gates = {NUMBER: Gate(1)}
    queue = CarrierQueue("sink", 500, ordered=True, gates=gates)
    others = [message(id, f"+1212555{id}") for id in range(1000, 1120)]
    for item in others:
        queue.add(item)
    assert [item.id for item, _ in queue.take(1000)] == [1000]
    for item in others[1:61]:
        item.waiting = []
    queue.slow.without_done()
    (left,) = queue.slow.wants()
    assert left.after == 1100
    queue.slow.begin(left)
    # Two of a pair come while it is read, which finds the second.
    first, second = message(7, "+12125550100"), message(2000, "+12125550100")
    queue.spill(0, "local", 4, first.id, NUMBER)
    queue.spill(0, "local", 4, second.id, NUMBER)
    rest = others[101:]
    queue.loaded_slow(left, [*rest, second], None)
    assert second.id not in queue.known
    (unit,) = queue.wants_page()
    unit.begin_page()
    queue.loaded(unit, [first, *rest, second], last=None)
    assert queue.take(1000) == []
    (left,) = queue.slow.wants()
    assert left.after == first.id - 1
    queue.slow.begin(left)
    queue.loaded_slow(left, [first, *rest, second], None)
    assert queue.slow.wants() == []
    gates.clear()
    assert [item.id for item, _ in queue.take(1000)] == [*range(1061, 1101), first.id, *(item.id for item in rest)]
    queue.finished(first)
    assert [item.id for item, _ in queue.take(1000)] == [second.id]
