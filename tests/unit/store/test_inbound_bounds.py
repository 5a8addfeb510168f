"""What waits of long messages is bounded, for each peer and in all; what goes over it is told of, never dropped."""

from __future__ import annotations

import random

import pytest

from gateway.store.inbound import Arrival, Extra, GiveUpPartsOp, InboundOp
from gateway.store.tx import Tuning
from gateway.store.waiting import Waiting, units_of
from tests.support.inbound import part, parts, single
from tests.support.stores import PEER, Desk

AGE = 1_800_000
HOUR = 3_600_000


async def receive(desk: Desk, *arrivals: Arrival) -> None:
    await desk.do(InboundOp(list(arrivals)))


def bound(desk: Desk, *, peer: int = 1000, total: int = 50_000, marks: int = 250_000) -> None:
    desk.writer.base.tuning = Tuning(waiting_max_peer=peer, waiting_max=total, marks_max=marks)


def peer(i: int) -> str:
    return f"+1212{i:07d}"


def first(i: int, *, ref: int = 1, total: int = 2, by: str = PEER, data: bytes | None = None) -> Arrival:
    """The first part of a message that says which it is."""
    return part(b"%d" % i if data is None else data, ref=ref, total=total, seq=1, scheme="udh16", peer=by)


def second(i: int, *, ref: int = 1, by: str = PEER) -> Arrival:
    return part(b"/%d" % i, ref=ref, total=2, seq=2, peer=by)


def texts(desk: Desk) -> list[str]:
    return [e["text"] for e in desk.told("inbound")]


def counted(desk: Desk) -> tuple[int, dict[str, int], int]:
    """The counts in memory, which have to be those of the rows."""
    held, read = desk.writer.base.waiting, Waiting()
    read.load(desk.con)
    assert (held.units, held.peers, held.marks) == (read.units, read.peers, read.marks)
    for id, units in desk.rows("SELECT id, units FROM mo_message"):
        rows = desk.rows("SELECT length(data) + length(coalesce(extra, '')) FROM mo_part WHERE message_id = ?", id)
        assert sum(units_of(row[0]) for row in rows) == units
    assert desk.rows("SELECT count(*) FROM mo_part WHERE message_id NOT IN (SELECT id FROM mo_message)") == [(0,)]
    return held.units, held.peers, held.marks


@pytest.mark.parametrize(("octets", "units"), [(0, 1), (1, 1), (256, 1), (257, 2), (512, 2), (65_535, 256)])
def test_what_a_part_counts_for(octets: int, units: int) -> None:
    assert units_of(octets) == units


# --- one peer ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_one_burst", [True, False])
async def test_beyond_the_bound_of_a_peer_its_oldest_is_told_of(desk: Desk, in_one_burst: bool) -> None:
    bound(desk, peer=3)
    await desk.open()
    arrivals = [first(i, ref=i) for i in range(5)]
    for burst in [arrivals] if in_one_burst else [[a] for a in arrivals]:
        desk.now += 1000
        await receive(desk, *burst)
    assert texts(desk) == ["0", "1"]
    for event in desk.told("inbound"):
        assert (event["complete"], event["flags"], event["missing"]) == (False, ["partial", "evicted"], [2])
    assert desk.counts["partial:peer_limit"] == desk.counts["inbound_partial"] == 2
    assert counted(desk) == (3, {PEER: 3}, 2)
    await receive(desk, *[second(i, ref=i) for i in (2, 3, 4)])
    assert texts(desk)[2:] == ["2/2", "3/3", "4/4"]
    assert counted(desk) == (0, {}, 5)


async def test_the_oldest_is_what_waited_longest_for_its_next_part(desk: Desk) -> None:
    bound(desk, peer=4)
    await desk.open()
    await receive(desk, first(1, ref=1, total=3))
    desk.now += 1000
    await receive(desk, first(2, ref=2))
    desk.now += 1000
    await receive(desk, part(b"-", ref=1, total=3, seq=2))  # the first goes on
    desk.now += 1000
    await receive(desk, first(3, ref=3))
    assert texts(desk) == []
    desk.now += 1000
    await receive(desk, first(4, ref=4))
    assert texts(desk) == ["2"]
    await receive(desk, part(b"+", ref=1, total=3, seq=3))
    assert texts(desk) == ["2", "1-+"]


async def test_a_copy_does_not_make_a_message_younger(desk: Desk) -> None:
    bound(desk, peer=2)
    await desk.open()
    await receive(desk, first(1, ref=1))
    desk.now += 1000
    await receive(desk, first(2, ref=2))
    desk.now += 1000
    await receive(desk, first(1, ref=1))
    await receive(desk, first(3, ref=3))
    assert texts(desk) == ["1"]


async def test_a_peer_at_its_bound_does_not_touch_others(desk: Desk) -> None:
    bound(desk, peer=3)
    await desk.open()
    await receive(desk, first(0, by=peer(0)))
    for i in range(20):
        desk.now += 1000
        await receive(desk, first(i, ref=i, by=peer(1)))
    await receive(desk, second(0, by=peer(0)))
    assert texts(desk)[-1] == "0/0"
    assert desk.counts["partial:peer_limit"] == 17
    assert counted(desk)[1] == {peer(1): 3}


async def test_a_message_that_became_whole_in_the_burst_is_within_any_bound(desk: Desk) -> None:
    """The bound is for what waits afterwards."""
    bound(desk, peer=1)
    await desk.open()
    long = parts("long " * 100, ref=9)
    assert len(long) > 5
    await receive(desk, *reversed(long))
    assert texts(desk) == ["long " * 100]
    assert counted(desk) == (0, {}, 1)


async def test_a_message_larger_than_the_bound_is_told_of_in_pieces(desk: Desk) -> None:
    bound(desk, peer=3)
    await desk.open()
    long = parts("".join(chr(0x400 + i) for i in range(7)), ref=9, size=1)
    for arrival in long:
        desk.now += 1000
        await receive(desk, arrival)
    desk.now += AGE + 1
    await desk.do(GiveUpPartsOp(desk.now - AGE, 0))
    assert "".join(texts(desk)) == "ЀЁЂЃЄЅІ"
    assert {event["complete"] for event in desk.told("inbound")} == {False}


async def test_octets_count(desk: Desk) -> None:
    """A part of 64 KiB is no smaller than the 256 parts that it could be."""
    bound(desk, peer=300, total=600)
    await desk.open()
    big = b"x" * 65_000
    await receive(desk, first(0, ref=1, data=big), first(1, ref=2))
    units = counted(desk)[0]
    assert units == 1 + units_of(65_000 + len('{"udh_octets":6}'))
    await receive(desk, first(2, ref=3, data=big))
    assert [len(text) for text in texts(desk)] == [65_000]
    for i in range(3):
        await receive(desk, first(2, ref=3, data=big, by=peer(i)))
    assert counted(desk)[0] <= 600
    assert desk.counts["partial:total_limit"] >= 1


async def test_what_comes_beside_the_octets_counts_too(desk: Desk) -> None:
    bound(desk)
    arrival = first(0)
    arrival.extra = Extra(tlvs={"0x1400": "00" * 5000})
    await receive(desk, arrival)
    assert counted(desk)[0] == 40


# --- all --------------------------------------------------------------------------------------------------------------


async def test_beyond_the_bound_of_all_the_oldest_of_all_is_told_of(desk: Desk) -> None:
    bound(desk, total=10)
    await desk.open()
    for i in range(25):
        desk.now += 1
        await receive(desk, first(i, by=peer(i)))
    assert texts(desk) == [str(i) for i in range(15)]
    assert desk.counts["partial:total_limit"] == 15
    assert counted(desk) == (10, {peer(i): 1 for i in range(15, 25)}, 15)
    await receive(desk, *[second(i, by=peer(i)) for i in range(15, 25)])
    assert texts(desk)[15:] == [f"{i}/{i}" for i in range(15, 25)]


async def test_a_flood_of_first_parts(desk: Desk) -> None:
    """The quick form of promise 25: nothing is lost, what waits is bounded, a real long message arrives."""
    bound(desk, peer=300, total=1000, marks=2000)
    await desk.open()
    rng = random.Random(3)
    real = parts("A real message of several parts. " * 10, ref=77, peer=peer(0))
    flood = [first(i, ref=i, by=peer(1) if rng.random() < 0.5 else peer(i + 2)) for i in range(6000)]
    for burst in range(30):
        batch = flood[burst * 200 : burst * 200 + 200]
        if 10 <= burst < 10 + len(real):
            batch.insert(rng.randrange(200), real[burst - 10])
        await receive(desk, *batch)
        desk.now += 10
        units, peers, marks = counted(desk)
        assert units <= 1000
        assert max(peers.values()) <= 300
        assert marks <= 2000
    whole = [e for e in desk.told("inbound") if e["complete"]]
    assert [e["text"] for e in whole] == ["A real message of several parts. " * 10]
    assert desk.counts["partial:peer_limit"] > 2000
    assert desk.counts["partial:total_limit"] > 1500
    assert desk.counts["inbound_mark_evicted"] > 0
    desk.now += AGE + 1
    op = GiveUpPartsOp(desk.now - AGE, 0)
    op.more = True
    while op.more:
        await desk.do(op)
    told = sorted(e["text"] for e in desk.told("inbound") if not e["complete"])
    assert told == sorted(str(i) for i in range(6000)), "each that was acknowledged is told of once"
    assert counted(desk)[:2] == (0, {})


async def test_counts_after_a_start(filed: Desk) -> None:
    bound(filed, total=5)
    await receive(filed, *[first(i, ref=i, by=peer(i % 2)) for i in range(4)], *parts("whole " * 30, ref=9))
    before = counted(filed)
    assert before == (4, {peer(0): 2, peer(1): 2}, 1)
    await filed.restart()
    assert counted(filed) == before
    bound(filed, total=5)
    await filed.open()
    await receive(filed, first(8, ref=8), first(9, ref=9))
    assert texts(filed) == ["0"]
    assert counted(filed)[0] == 5


async def test_a_burst_that_failed_leaves_the_counts(desk: Desk) -> None:
    bound(desk, peer=2)
    await desk.open()
    await receive(desk, first(1, ref=1), first(2, ref=2))
    poison = single("x", carrier=1 << 70)
    errors = await desk.burst(InboundOp([first(3, ref=3), poison]))
    assert isinstance(errors[0], OverflowError)
    assert counted(desk) == (2, {PEER: 2}, 0)
    assert texts(desk) == []
    assert desk.counts["inbound_partial"] == 0


async def test_a_lowered_bound_is_reached_in_turns(desk: Desk) -> None:
    await receive(desk, *[first(i, by=peer(i)) for i in range(1500)])
    await desk.open()
    bound(desk, total=300)
    await receive(desk, first(1500, by=peer(1500)))
    assert counted(desk)[0] == 1000, "a single arrival does not wait for all of it"
    op = GiveUpPartsOp(0, 0)
    turns = 0
    op.more = True
    while op.more:
        await desk.do(op)
        turns += 1
    assert counted(desk)[0] == 300
    assert turns == 3
    assert texts(desk) == [str(i) for i in range(1201)]


# --- marks ------------------------------------------------------------------------------------------------------------


async def test_marks_are_bounded_and_the_oldest_goes(desk: Desk) -> None:
    bound(desk, marks=3)
    await desk.open()
    for i in range(5):
        desk.now += 1
        await receive(desk, first(i, ref=i), second(i, ref=i))
    assert counted(desk)[2] == 3
    assert desk.counts["inbound_mark_evicted"] == 2
    await receive(desk, first(4, ref=4), second(4, ref=4))
    assert desk.counts["inbound_part_duplicate"] == 2, "still known"
    await receive(desk, first(0, ref=0), second(0, ref=0))
    assert texts(desk) == ["0/0", "1/1", "2/2", "3/3", "4/4", "0/0"], "known no longer"


async def test_a_mark_does_not_grow_with_what_a_part_claims(desk: Desk) -> None:
    """A first part of 255 that is told of as partial is remembered by its own nine octets."""
    await receive(desk, first(0, total=255))
    await desk.do(GiveUpPartsOp(desk.now + 1, 0))
    assert desk.rows("SELECT length(told), units FROM mo_message") == [(9, 0)]


async def test_marks_go_after_their_time_in_turns(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.parts.FORGET_AT_ONCE", 10)
    for i in range(25):
        await receive(desk, first(i, ref=i), second(i, ref=i))
    desk.now += HOUR
    turns = []
    for _ in range(4):
        op = GiveUpPartsOp(0, desk.now)
        await desk.do(op)
        turns.append((op.more, counted(desk)[2]))
    assert turns == [(True, 15), (True, 5), (False, 0), (False, 0)]


async def test_a_start_within_the_same_millisecond_gives_no_id_twice(filed: Desk) -> None:
    await receive(filed, first(1, ref=1))
    await filed.restart()
    await filed.open()
    await receive(filed, first(2, ref=2))
    await receive(filed, second(1, ref=1), second(2, ref=2))
    assert texts(filed) == ["1/1", "2/2"]
    assert counted(filed) == (0, {}, 2)
