"""Whose turn it is: one of a thread at a time, in order, and what is at odds with the receiver steps aside."""

from __future__ import annotations

import random

import msgspec
import pytest

from gateway.handlers import turns
from gateway.handlers.turns import HELD, STRIKES, Turns, key_of
from gateway.outbox import Delivery

A, B = ("+1555", "+4911"), ("+1555", "+4922")


def event(seq: int) -> Delivery:
    return Delivery(1, seq, 0, "inbound", 0, b"{}", False)


@pytest.mark.parametrize(
    ("payload", "key"),
    [
        ({"number": "+1", "peer": "+2", "text": "x"}, ("+1", "+2")),
        ({"from": "+1", "to": "+2", "state": "sent"}, ("+1", "+2")),
        ({"number": "+1", "peer": ""}, ("+1", "")),
        ({"number": 5}, ("", "")),
        ([], ("", "")),
    ],
)
def test_the_thread_of_an_event(payload: object, key: tuple[str, str]) -> None:
    assert key_of(msgspec.json.encode(payload)) == key


def test_what_is_behind_is_held_until_its_turn() -> None:
    t = Turns()
    assert t.may_start(A)
    assert not t.may_start(A)
    assert t.may_start(B)
    second, third = event(2), event(3)
    assert t.hold(A, second)
    assert t.hold(A, third)
    assert t.held == 2
    assert t.done(1, A, success=True) == (second, None)
    assert not t.may_start(A)  # the turn is that of the second
    assert t.done(2, A, success=True) == (third, None)
    assert t.done(3, A, success=True) == (None, None)
    assert t.held == 0
    assert t.may_start(A)


def test_what_is_behind_one_that_failed_waits_for_it() -> None:
    t = Turns()
    t.may_start(A)
    held = event(2)
    t.hold(A, held)
    assert t.failed(1, A) == ([held], [1])
    assert not t.may_start(A)
    assert not t.hold(A, event(3))
    assert not t.wait(3, A)
    assert [t.is_next(seq) for seq in (1, 2, 3)] == [True, False, False]
    assert not t.may_retry(2)
    assert t.may_retry(1)
    assert not t.may_retry(1)  # under way
    assert t.failed(1, A) == ([], [1])
    assert t.may_retry(1)
    assert t.done(1, A, success=True) == (None, 2)
    assert t.may_retry(2)
    assert t.done(2, A, success=True) == (None, 3)
    assert t.may_retry(3)
    assert t.done(3, A, success=True) == (None, None)
    assert t.may_start(A)


def test_one_that_is_put_back_goes_before_later_ones() -> None:
    t = Turns()
    assert t.wait(7, A)
    assert t.wait(3, A)
    assert not t.is_next(7)
    assert t.may_retry(3)
    assert t.done(3, A, success=True) == (None, 7)


def test_one_that_was_set_aside_without_a_try_lets_the_next_go() -> None:
    t = Turns()
    t.wait(1, A)
    t.wait(2, A)
    assert t.done(1, A, success=False) == (None, 2)


def test_one_that_fails_while_others_come_through_leaves_its_line() -> None:
    t = Turns()
    t.may_start(A)
    assert t.failed(1, A) == ([], [1])
    t.wait(2, A)
    for _ in range(STRIKES - 1):
        t.may_start(B)
        t.done(100, B, success=True)
        assert t.may_retry(1)
        assert t.failed(1, A) == ([], [1])
    t.may_start(B)
    t.done(100, B, success=True)
    assert t.may_retry(1)
    assert t.failed(1, A) == ([], [2, 1])  # both are due: each by itself
    assert t.may_retry(2)
    assert t.may_retry(1)
    assert t.failed(1, A) == ([], [1])
    assert t.done(2, A, success=True) == (None, None)
    assert t.may_start(A)
    assert t.done(1, A, success=True) == (None, None)
    assert not t.may_start(A)  # it says nothing of what is in the line


def test_one_that_fails_as_all_others_do_keeps_its_place() -> None:
    t = Turns()
    t.may_start(A)
    t.failed(1, A)
    for _ in range(100):
        assert t.may_retry(1)
        assert t.failed(1, A) == ([], [1])


def test_it_is_full() -> None:
    t = Turns()
    t.may_start(A)
    for seq in range(2, HELD + 2):
        assert not t.full
        t.hold(A, event(seq))
    assert t.full


@pytest.mark.parametrize("seed", range(20))
def test_any_course_of_events_keeps_the_order_and_leaves_nothing(seed: int) -> None:
    """A small handler over many events: at the end all came through, each line in order."""
    rng = random.Random(seed)
    t = Turns()
    keys = {seq: rng.choice([A, B, ("+1", "+3")]) for seq in range(1, 200)}
    new = sorted(keys)
    under_way: list[int] = []
    due: set[int] = set()
    through: list[int] = []
    taken: list[Delivery] = []
    failures: dict[int, int] = {}
    while len(through) < len(keys):
        roll = rng.random()
        if taken:
            under_way.append(taken.pop().seq)
        elif new and roll < 0.4 and len(under_way) < 4:
            seq = new.pop(0)
            if t.may_start(keys[seq]):
                under_way.append(seq)
            elif not t.hold(keys[seq], event(seq)):
                t.wait(seq, keys[seq])
        elif due and roll < 0.7:
            seq = rng.choice(sorted(due))
            due.discard(seq)
            if t.may_retry(seq):
                under_way.append(seq)
        elif under_way:
            seq = under_way.pop(rng.randrange(len(under_way)))
            if rng.random() < 0.4 and failures.get(seq, 0) < 4:
                failures[seq] = failures.get(seq, 0) + 1
                _, following = t.failed(seq, keys[seq])
                due.update(following)
            else:
                through.append(seq)
                held, following_one = t.done(seq, keys[seq], success=True)
                taken += [held] if held else []
                due.update([following_one] if following_one is not None else [])
        assert len({keys[seq] for seq in under_way}) == len(under_way)
    for key in set(keys.values()):
        line = [seq for seq in through if keys[seq] == key]
        assert line == sorted(line)
    assert (t.held, t._lines, t._keys, t._strikes) == (0, {}, {}, {})
    assert max(failures.values()) == 4


def test_the_figures_of_the_guide() -> None:
    assert (turns.STRIKES, turns.HELD) == (5, 500)
