"""What is on disk when the daemon starts is found, whatever comes in before its first page is read."""

import pytest

from gateway.carrier.outgoing import Outgoing
from gateway.outbound.queue import CarrierQueue
from gateway.store.queries import QueueUnit


def message(id):
    return Outgoing(
        id=id, app="local", number="+15551230001", peer=f"+1212555{id:04}", carrier="sink", lane=0, rank=4, parts=1,
        receipt=True, expires_at=1 << 60, until=1 << 60, validity=False, tlvs=(), bodies=(), waiting=[1],
    )  # fmt: skip


@pytest.fixture
def queue():
    queue = CarrierQueue("sink", 10, ordered=True)
    queue.on_disk(QueueUnit("sink", 0, "local", 4))
    return queue


def taken(queue):
    return [item.id for item, _ in queue.take(100)]


def test_a_message_that_comes_in_before_the_first_page_does_not_hide_what_is_on_disk(queue):
    queue.add(message(100))
    [unit] = queue.wants_page()
    assert unit.last == 0
    queue.loaded(unit, [message(1), message(2), message(100)], last=None)
    assert taken(queue) == [1, 2, 100]


def test_a_message_that_comes_in_while_the_first_page_is_read_is_read_with_the_next(queue):
    [unit] = queue.wants_page()
    unit.loading, unit.spilled = True, False
    queue.add(message(100))
    queue.loaded(unit, [message(1), message(2)], last=None)
    assert taken(queue) == [1, 2]
    [unit] = queue.wants_page()
    assert unit.last == 2
    unit.spilled = False
    queue.loaded(unit, [message(100)], last=None)
    assert taken(queue) == [100]
    assert queue.wants_page() == []


def test_a_message_that_a_page_had_already_is_not_taken_twice(queue):
    [unit] = queue.wants_page()
    queue.loaded(unit, [message(1), message(100)], last=None)
    queue.add(message(100))
    assert taken(queue) == [1, 100]


def test_what_does_not_fit_in_memory_any_more_is_read_from_where_memory_ends():
    queue = CarrierQueue("sink", 10, ordered=True)
    for id in range(1, 21):
        queue.add(message(id))
    assert taken(queue) == list(range(1, 11))
    [unit] = queue.wants_page()
    assert unit.last == 10
