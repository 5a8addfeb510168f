"""A message that ends while it waits for its pair does not get the pair afterwards: nothing would ever free it."""

from gateway.carrier.outgoing import Outgoing
from gateway.outbound.queue import CarrierQueue


def message(id, lane=0):
    return Outgoing(
        id=id, app="local", number="+15551230001", peer="+12125550001", carrier="sink", lane=lane, rank=4, parts=1,
        receipt=True, expires_at=1 << 60, until=1 << 60, validity=False, tlvs=(), bodies=(), waiting=[1],
    )  # fmt: skip


def taken(queue):
    return [item.id for item, _ in queue.take(100)]


def sent(queue, item):
    queue.finished(item)


def test_a_copy_whose_first_attempt_is_answered_late_while_another_has_its_pair():
    queue = CarrierQueue("sink", 10, ordered=True)
    bulk, code, last = message(1, lane=1), message(2), message(3, lane=1)
    queue.add(bulk)
    assert taken(queue) == [1]
    # In doubt: its copy waits for its time, and meanwhile it steps back for a code.
    bulk.waiting, bulk.placed = [1], True
    queue.add(code)
    assert taken(queue) == [2]
    # Its time comes: it waits for its pair.
    queue.again(bulk)
    assert taken(queue) == []
    queue.add(last)
    assert taken(queue) == []
    # The answer to its first attempt comes after all.
    bulk.waiting = []
    queue.finished(bulk)
    sent(queue, code)
    assert taken(queue) == [3]
    sent(queue, last)
    assert queue.passes(0, bulk.number, bulk.peer)
    assert queue.pairs.waiting == 0
