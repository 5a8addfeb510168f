"""Long messages that do not come as one: by several schemes and carriers, late, after they were told of as partial."""

from __future__ import annotations

from itertools import permutations, product

import pytest

from gateway.store.inbound import Arrival, Extra, GiveUpPartsOp, InboundOp, Ports
from tests.support.inbound import part, parts, single
from tests.support.stores import NUMBER, PEER, Desk

AGE = 1_800_000
HOUR = 3_600_000


async def receive(desk: Desk, *arrivals: Arrival) -> None:
    await desk.do(InboundOp(list(arrivals)))


async def give_up(desk: Desk, after: int = AGE + 1) -> None:
    desk.now += after
    await desk.do(GiveUpPartsOp(desk.now - AGE, desk.now - HOUR))


def told(desk: Desk) -> list[tuple[str, bool, list[str], list[int]]]:
    return [(e["text"], e["complete"], e.get("flags", []), e.get("missing", [])) for e in desk.told("inbound")]


def piece(seq: int, text: str, total: int = 3, **given: object) -> Arrival:
    return part(text.encode(), ref=7, total=total, seq=seq, **given)  # type: ignore[arg-type]


# --- schemes and carriers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schemes", list(product(("udh8", "udh16", "sar"), repeat=3)))
async def test_a_message_may_come_by_several_schemes(desk: Desk, schemes: tuple[str, ...]) -> None:
    """One carrier turns a header into TLVs, another leaves it: the reference is the same."""
    await desk.open()
    for order in permutations((1, 2, 3)):
        for seq in order:
            await receive(desk, piece(seq, f"{order}{seq} ", scheme=schemes[seq - 1], carrier=f"c{seq}"))
    assert told(desk) == [(f"{o}1 {o}2 {o}3 ", True, [], []) for o in permutations((1, 2, 3))]


async def test_a_copy_by_another_scheme_is_a_copy(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "a"), piece(1, "a", scheme="sar"))
    await receive(desk, piece(1, "a", scheme="udh16"), piece(2, "b"), piece(3, "c", scheme="sar"))
    await receive(desk, piece(2, "b", scheme="sar"))
    await give_up(desk)
    assert told(desk) == [("abc", True, [], [])]
    assert desk.counts["inbound_part_duplicate"] == 3


async def test_each_part_is_read_as_its_carrier_writes(desk: Desk) -> None:
    """data_coding 0 is GSM to one carrier and Latin-1 to another (field note 21)."""
    await desk.open()
    await receive(
        desk,
        piece(3, "\x00!", carrier="one", alphabet="gsm7"),
        part("é@".encode("latin-1"), ref=7, total=3, seq=2, carrier="two", alphabet="latin1"),
        piece(1, "\x00", carrier="one", alphabet="gsm7"),
    )
    assert [text for text, *_ in told(desk)] == ["@é@@!"]


# --- late -------------------------------------------------------------------------------------------------------------


async def test_what_comes_after_a_partial_is_told_of_as_late(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "), piece(3, "three"))
    await give_up(desk)
    await receive(desk, piece(2, "two "))
    await give_up(desk)
    assert told(desk) == [
        ("one three", False, ["partial"], [2]),
        ("two ", False, ["partial", "late"], [1, 3]),
    ]
    await receive(desk, piece(1, "one "), piece(2, "two "), piece(3, "three"))  # all of it again
    await give_up(desk)
    assert len(told(desk)) == 2
    assert desk.counts["inbound_part_duplicate"] == 3


async def test_copies_beside_a_late_part_are_not_told_again(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "))
    await give_up(desk)
    await receive(desk, piece(1, "one "), piece(3, "three"))
    await give_up(desk)
    await receive(desk, piece(3, "three"))
    await give_up(desk, 2)
    assert [text for text, *_ in told(desk)] == ["one ", "three"]
    await give_up(desk)
    assert [text for text, *_ in told(desk)] == ["one ", "three"]
    assert desk.counts["inbound_part_duplicate"] == 2


async def test_a_message_that_comes_again_in_full_is_whole(desk: Desk) -> None:
    """Its first part was told of alone; then the carrier sends all of it."""
    await desk.open()
    await receive(desk, piece(1, "one "))
    await give_up(desk)
    await receive(desk, piece(1, "one "), piece(2, "two "), piece(3, "three"))
    assert told(desk)[1:] == [("one two three", True, [], [])]


async def test_another_message_after_a_partial_is_not_late(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "))
    await give_up(desk)
    await receive(desk, piece(1, "ONE "), piece(2, "TWO "))
    await give_up(desk)
    assert told(desk)[1:] == [("ONE TWO ", False, ["partial"], [3])]


async def test_late_is_known_for_an_hour(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "))
    await give_up(desk)
    await give_up(desk, HOUR + 1)
    assert desk.rows("SELECT count(*) FROM mo_message") == [(0,)]
    await receive(desk, piece(2, "two "))
    await give_up(desk)
    assert told(desk)[1:] == [("two ", False, ["partial"], [1, 3])]


async def test_late_is_known_over_a_start(filed: Desk) -> None:
    await filed.open()
    await receive(filed, piece(1, "one "))
    await give_up(filed)
    await filed.restart()
    await receive(filed, piece(2, "two "))
    await filed.restart()
    await give_up(filed)
    assert told(filed) == [("two ", False, ["partial", "late"], [1, 3])]


# --- references used again --------------------------------------------------------------------------------------------


async def test_a_message_under_the_reference_of_one_that_waits(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "), piece(2, "two "))
    await receive(desk, piece(1, "ONE "))
    assert told(desk) == [("one two ", False, ["partial"], [3])]
    assert desk.counts["partial:reference_reused"] == 1
    await receive(desk, piece(3, "THREE"), piece(2, "TWO "))
    assert told(desk)[1:] == [("ONE TWO THREE", True, [], [])]


async def test_a_late_copy_gives_way_to_the_next_message(desk: Desk) -> None:
    """A copy that waits is no message: what comes under its number takes its place, and nothing ends as partial."""
    await desk.open()
    await receive(desk, piece(1, "one "), piece(2, "two "), piece(3, "three"))
    await receive(desk, piece(1, "one "))
    for arrival in (piece(3, "THREE"), piece(1, "ONE "), piece(2, "TWO ")):
        await receive(desk, arrival)
    assert told(desk) == [("one two three", True, [], []), ("ONE TWO THREE", True, [], [])]
    assert desk.counts["inbound_part_duplicate"] == 1
    assert desk.rows("SELECT count(*) FROM mo_part") == [(0,)]


async def test_two_whole_messages_with_one_reference_in_a_burst_and_copies_of_both(desk: Desk) -> None:
    await desk.open()
    one = [piece(1, "a", 2), piece(2, "b", 2)]
    two = [piece(1, "c", 2), piece(2, "d", 2)]
    await receive(desk, *one, *two)
    await receive(desk, *two)
    await give_up(desk)
    assert [(text, complete) for text, complete, *_ in told(desk)] == [("ab", True), ("cd", True)]
    assert desk.rows("SELECT count(*), sum(units) FROM mo_message") == [(1, 0)]


MINUTE = 60_000


@pytest.mark.parametrize("copy_first", [True, False])
async def test_a_late_copy_does_not_complete_the_next_message(desk: Desk, copy_first: bool) -> None:
    """The carrier did not get our answer and sends a part again, while the next message is under way."""
    await desk.open()
    await receive(desk, piece(1, "one ", 2), piece(2, "two", 2))
    for arrival in (piece(2, "two", 2), piece(1, "ONE ", 2))[:: 1 if copy_first else -1]:
        desk.now += MINUTE + 1
        await receive(desk, arrival)
    assert told(desk) == [("one two", True, [], [])]
    desk.now += MINUTE
    await receive(desk, piece(2, "TWO", 2))
    assert told(desk)[1:] == [("ONE TWO", True, [], [])]
    await give_up(desk)
    assert len(told(desk)) == 2


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_a_part_that_two_messages_share_is_believed_beside_another(desk: Desk, order: tuple[int, ...]) -> None:
    """A sender with one reference for all, and one ending: its parts come together."""
    await desk.open()
    await receive(desk, piece(1, "one ", 2), piece(2, "Reply STOP to end", 2))
    shared = {1: "ONE ", 2: "Reply STOP to end"}
    for seq in order:
        desk.now += MINUTE
        await receive(desk, piece(seq, shared[seq], 2))
    assert [text for text, *_ in told(desk)] == ["one Reply STOP to end", "ONE Reply STOP to end"]


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
async def test_a_late_copy_is_not_taken_for_the_shared_part_that_comes_after_it(
    desk: Desk, order: tuple[int, ...]
) -> None:
    """What waits as a copy is believed beside another part once it comes again: the copy alone was not dropped."""
    await desk.open()
    ending = {2: "the same middle ", 3: "and the same end"}
    await receive(desk, piece(1, "first "), *[piece(seq, text) for seq, text in ending.items()])
    await receive(desk, *[piece(seq, text) for seq, text in ending.items()])
    for first in ("second ", "third ", "fourth "):
        desk.now += 2 * MINUTE
        await receive(desk, *[piece(seq, (ending | {1: first})[seq]) for seq in order])
        await receive(desk, piece(3, ending[3]))
    assert told(desk) == [
        (f"{first}the same middle and the same end", True, [], [])
        for first in ("first ", "second ", "third ", "fourth ")
    ]
    await give_up(desk)
    assert len(told(desk)) == 4


async def test_a_shared_part_that_came_alone_is_believed_in_the_end(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one ", 2), piece(2, "end", 2))
    await receive(desk, piece(1, "ONE ", 2))
    desk.now += MINUTE + 1
    await receive(desk, piece(2, "end", 2))
    assert len(told(desk)) == 1
    await give_up(desk)
    assert told(desk)[1:] == [("ONE end", True, [], [])]
    assert desk.counts["inbound_partial"] == 0


async def test_a_late_copy_is_not_shown_with_a_partial_message(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "), piece(2, "two "), piece(3, "three"))
    await receive(desk, piece(2, "two "))
    desk.now += MINUTE + 1
    await receive(desk, piece(1, "ONE "))
    await give_up(desk)
    assert told(desk)[1:] == [("ONE ", False, ["partial"], [2, 3])]
    assert desk.counts["inbound_part_duplicate"] == 1


async def test_a_copy_of_the_message_before_does_not_end_the_next(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "), piece(2, "two "), piece(3, "three"))
    await receive(desk, piece(1, "ONE "), piece(2, "TWO "))
    await receive(desk, piece(1, "one "))
    await receive(desk, piece(3, "THREE"))
    assert [text for text, *_ in told(desk)] == ["one two three", "ONE TWO THREE"]


# --- damage -----------------------------------------------------------------------------------------------------------


async def test_a_damaged_part_does_not_hold_up_others(desk: Desk) -> None:
    """What it was is flagged, and its octets are shown as far as they can be read (promise 7)."""
    await desk.open()
    other = part(b"other", ref=8, total=2, seq=1)
    await receive(desk, piece(1, "one "), piece(2, "two "), other)
    desk.con.execute("UPDATE mo_part SET extra = '{\"udh_octets\":' WHERE part = 2")
    await give_up(desk)
    assert told(desk) == [("one two ", False, ["partial", "damaged"], [3]), ("other", False, ["partial"], [2])]


async def test_parts_that_are_gone_from_the_store_hold_up_nothing(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(1, "one "), part(b"other", ref=8, total=2, seq=1))
    desk.con.execute("DELETE FROM mo_part WHERE data = ?", (b"one ",))
    await give_up(desk)
    assert [text for text, *_ in told(desk)] == ["other"]
    assert desk.writer.base.waiting.units == 0


# --- beside the text --------------------------------------------------------------------------------------------------


async def test_elements_ports_and_tlvs_of_all_parts(desk: Desk) -> None:
    """Element 0x05 names ports; 0x0A, text formatting, differs by part (TS 23.040 §9.2.3.24.4, §9.2.3.24.10.1.1)."""
    await desk.open()
    port = b"\x05\x04\x0b\x84\x23\xf0"
    first = part(b"a", ref=1, total=2, seq=1, coding=4, elements=port + b"\x0a\x03\x00\x01\x02")
    second = part(b"b", ref=1, total=2, seq=2, coding=4, elements=port + b"\x0a\x03\x00\x05\x02")
    first.extra = Extra(tlvs={"0x1400": "aa"}, ports=Ports(1, 2))
    second.extra = Extra(tlvs={"0x1400": "bb", "0x1500": "cc"})
    await receive(desk, second)
    await receive(desk, first)
    (event,) = desk.told("inbound")
    assert event["data"] == "6162"
    assert event["text"] is None
    assert event["udh"] == [[5, "0b8423f0"], [10, "000102"], [10, "000502"]]
    assert event["ports"] == {"source": 9200, "destination": 2948}, "the header counts before the TLVs"
    assert event["tlvs"] == {"0x1400": "aa", "0x1500": "cc"}


async def test_ports_by_tlv_alone(desk: Desk) -> None:
    await desk.open()
    first, second = piece(1, "a", 2), piece(2, "b", 2)
    second.extra = Extra(ports=Ports(None, 5505))
    await receive(desk, first, second)
    (event,) = desk.told("inbound")
    assert event["ports"] == {"source": None, "destination": 5505}


async def test_a_single_message_with_nothing_beside_it_says_nothing_of_it(desk: Desk) -> None:
    await desk.open()
    await receive(desk, single("x"), *parts("y" * 80, ref=1))
    for event in desk.told("inbound"):
        assert not event.keys() & {"flags", "udh", "ports", "tlvs", "missing"}
    assert desk.rows("SELECT DISTINCT extra FROM inbound") == [(None,)]


async def test_the_row_says_what_the_event_says(desk: Desk) -> None:
    await desk.open()
    await receive(desk, piece(2, "two "))
    await give_up(desk)
    ((number, peer, text, complete, extra),) = desk.rows("SELECT number, peer, text, complete, extra FROM inbound")
    assert (number, peer, text, complete) == (NUMBER, PEER, "two ", 0)
    assert extra == '{"flags":["partial"],"missing":[1,3]}'
