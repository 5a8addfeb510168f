"""Parts of long inbound messages: any order, copies, over a start; none lost, none twice (promise 19)."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from gateway.model import State
from gateway.store.inbound import Arrival, Extra, GiveUpPartsOp, InboundOp
from gateway.store.sends import ResponseOp, Sent
from tests.support.inbound import part, parts, single
from tests.support.stores import Desk

TEXT = "Grüße an alle 👋 und noch viel mehr Text, der nicht in einen Teil passt. " * 3
HOUR = 3_600_000
AGE = 1_800_000


async def receive(desk: Desk, *arrivals: Arrival) -> None:
    await desk.do(InboundOp(list(arrivals)))


async def give_up(desk: Desk) -> int:
    op = GiveUpPartsOp(desk.now - AGE, desk.now - HOUR)
    await desk.do(op)
    return op.given_up


def texts(desk: Desk) -> list[tuple[str, bool]]:
    return [(e["text"], e["complete"]) for e in desk.told("inbound")]


def waiting(desk: Desk) -> int:
    return int(desk.rows("SELECT count(*) FROM mo_part WHERE part > 0")[0][0])


THREE = parts(TEXT, ref=7, size=80)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("one_burst", [True, False])
async def test_any_order(desk: Desk, order: tuple[int, ...], one_burst: bool) -> None:
    await desk.open()
    assert len(THREE) == 3
    if one_burst:
        await receive(desk, *[THREE[i] for i in order])
    else:
        for i in order:
            assert texts(desk) == []
            await receive(desk, THREE[i])
    assert texts(desk) == [(TEXT, True)]
    assert desk.rows("SELECT parts, complete, encoding FROM inbound") == [(3, 1, "ucs2")]
    assert waiting(desk) == 0


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar"])
async def test_every_scheme(desk: Desk, scheme: str) -> None:
    await desk.open()
    ref = 200 if scheme == "udh8" else 40_000
    await receive(desk, *reversed(parts(TEXT, ref=ref, scheme=scheme)))
    assert texts(desk) == [(TEXT, True)]


async def test_copies_between_the_parts(desk: Desk) -> None:
    await desk.open()
    for i in (2, 2, 0, 2, 0, 1):
        await receive(desk, THREE[i])
    assert texts(desk) == [(TEXT, True)]
    assert desk.counts["inbound_part_duplicate"] == 3


@pytest.mark.parametrize("late", [[0], [1, 1], [0, 1, 2], [2, 0], [2, 1, 0, 0]])
async def test_late_copies_make_no_message(desk: Desk, late: list[int]) -> None:
    """The carrier did not get our answer and sends parts again, or all of them."""
    await desk.open()
    await receive(desk, *THREE)
    for i in late:
        desk.now += 60_000
        await receive(desk, THREE[i])
        await give_up(desk)
    for _ in range(20):
        desk.now += HOUR // 4
        await give_up(desk)
    assert texts(desk) == [(TEXT, True)]
    assert desk.rows("SELECT count(*) FROM mo_message") == [(0,)]
    assert desk.counts["inbound_part_duplicate"] == len(late)
    assert desk.counts["inbound_partial"] == 0


async def test_parts_wait_over_a_start(filed: Desk) -> None:
    stream = await filed.open()
    await receive(filed, THREE[2])
    await filed.restart()
    await receive(filed, THREE[0])
    await filed.restart()
    await receive(filed, THREE[1])
    await filed.restart()
    await receive(filed, THREE[1])  # a late copy after the start
    assert filed.rows("SELECT text, complete FROM inbound") == [(TEXT, 1)]
    assert filed.rows("SELECT stream, seq FROM event") == [(stream, 1)]


async def test_parts_over_two_binds_and_carriers(desk: Desk) -> None:
    await desk.open()
    first, second, third = parts(TEXT, ref=7, size=80, carrier="acme")
    await desk.do(InboundOp([first]), InboundOp([parts(TEXT, ref=7, size=80, carrier="other")[1]]))
    await desk.do(InboundOp([third]), InboundOp([second]))
    assert texts(desk) == [(TEXT, True)]


async def test_what_tells_messages_apart(desk: Desk) -> None:
    """Source, destination, reference and number of parts (TS 23.040 §9.2.3.24.8; field note 8)."""
    await desk.open()
    variants = [
        {"ref": 7},
        {"ref": 8},
        {"ref": 7, "peer": "+12125550199"},
        {"ref": 7, "number": "+15551230002"},
        {"ref": 1800, "scheme": "udh16"},
        {"ref": 7 + 256, "scheme": "sar"},
    ]
    messages = [parts(f"{i} " * 40, **variant) for i, variant in enumerate(variants)]  # type: ignore[arg-type]
    messages.append(parts("three parts " * 14, ref=7))
    assert {len(m) for m in messages} == {2, 3}
    shuffled = [arrival for message in messages for arrival in message]
    random.Random(5).shuffle(shuffled)
    await receive(desk, *shuffled)
    assert sorted(texts(desk)) == sorted([(f"{i} " * 40, True) for i in range(6)] + [("three parts " * 14, True)])


async def test_a_pair_of_surrogates_cut_in_two_survives(desk: Desk) -> None:
    text = "a" * 66 + "👋" + "b" * 20
    await desk.open()
    await receive(desk, *reversed(parts(text, ref=3)))
    assert texts(desk) == [(text, True)]


async def test_binary_parts_are_joined(desk: Desk) -> None:
    await desk.open()
    await receive(
        desk, part(b"\x02\xff", ref=1, total=2, seq=2, coding=4), part(b"\x00\x01", ref=1, total=2, seq=1, coding=4)
    )
    (event,) = desk.told("inbound")
    assert (event["text"], event["data"], event["parts"]) == (None, "000102ff", 2)


async def test_as_many_parts_as_there_can_be(desk: Desk) -> None:
    await desk.open()
    text = "".join(chr(0x400 + i % 200) for i in range(255 * 3))
    arrivals = parts(text, ref=1, size=3)
    assert len(arrivals) == 255
    random.Random(1).shuffle(arrivals)
    for i in range(0, 255, 50):
        await receive(desk, *arrivals[i : i + 50])
    assert texts(desk) == [(text, True)]


# --- what does not come -----------------------------------------------------------------------------------------------


async def test_missing_parts_are_told_of_as_partial_after_the_age(desk: Desk) -> None:
    await desk.open()
    await receive(desk, THREE[0])
    desk.now += AGE // 2
    await receive(desk, THREE[2])
    desk.now += AGE - 1
    assert await give_up(desk) == 0, "the age counts from the last part"
    desk.now += 2
    assert await give_up(desk) == 1
    (event,) = desk.told("inbound")
    assert (event["complete"], event["flags"], event["missing"]) == (False, ["partial"], [2])
    units = TEXT.encode("utf-16-be")
    assert texts(desk)[0][0] == (units[:160] + units[320:]).decode("utf-16-be")
    assert desk.rows("SELECT parts, complete FROM inbound") == [(3, 0)]
    assert waiting(desk) == 0
    assert desk.counts["inbound_partial"] == desk.counts["partial:age"] == 1
    assert await give_up(desk) == 0
    assert len(desk.told("inbound")) == 1


async def test_what_comes_after_a_partial_is_not_dropped(desk: Desk) -> None:
    await desk.open()
    await receive(desk, THREE[0], THREE[2])
    desk.now += AGE + 1
    await give_up(desk)
    await receive(desk, THREE[1])
    desk.now += AGE + 1
    await give_up(desk)
    assert [complete for _, complete in texts(desk)] == [False, False]
    assert len("".join(text for text, _ in texts(desk))) == len(TEXT)


async def test_giving_up_goes_in_turns(desk: Desk) -> None:
    await desk.open()
    await receive(desk, *[parts("x" * 100, ref=1, peer=f"+1212555{i:04d}")[0] for i in range(450)])
    desk.now += AGE + 1
    assert [await give_up(desk) for _ in range(4)] == [200, 200, 50, 0]
    assert len(desk.told("inbound")) == 450
    assert {complete for _, complete in texts(desk)} == {False}


async def test_a_whole_message_is_not_given_up(desk: Desk) -> None:
    await desk.open()
    await receive(desk, *THREE)
    desk.now += 2 * HOUR
    assert await give_up(desk) == 0
    assert texts(desk) == [(TEXT, True)]
    assert desk.rows("SELECT count(*) FROM mo_message") == [(0,)], "its mark went after its time"


# --- references that are used again -----------------------------------------------------------------------------------


async def test_a_reference_used_again_is_another_message(desk: Desk) -> None:
    """Eight bits are used again soon, and some phones always send the same."""
    await desk.open()
    other = TEXT.upper()
    again = parts(other, ref=7, size=80)
    await receive(desk, *THREE)
    desk.now += 60_000
    for arrival in again:
        await receive(desk, arrival)
    assert texts(desk) == [(TEXT, True), (other, True)]
    # and copies of the newer are known as such
    await receive(desk, *again)
    assert len(texts(desk)) == 2


async def test_two_messages_with_one_reference_in_one_burst(desk: Desk) -> None:
    await desk.open()
    other = TEXT.upper()
    await receive(desk, *THREE, single("between"), *parts(other, ref=7, size=80))
    assert texts(desk) == [(TEXT, True), ("between", True), (other, True)]
    assert waiting(desk) == 0


async def test_a_message_that_shares_a_part_with_the_one_before(desk: Desk) -> None:
    await desk.open()
    first = "the same beginning of eighty units ".ljust(80, ".") + "one end"
    second = first[:80] + "another end"
    await receive(desk, *parts(first, ref=7, size=80))
    for arrival in parts(second, ref=7, size=80):
        await receive(desk, arrival)
    assert texts(desk) == [(first, True), (second, True)]


async def test_another_message_under_the_reference_of_an_unfinished_one(desk: Desk) -> None:
    """What was acknowledged is not dropped, and two texts are not mixed."""
    await desk.open()
    other = TEXT.upper()
    again = parts(other, ref=7, size=80)
    await receive(desk, THREE[0])
    await receive(desk, *again)
    told = texts(desk)
    assert [complete for _, complete in told] == [False, True]
    assert TEXT.startswith(told[0][0])
    assert told[1] == (other, True)
    assert desk.counts["inbound_partial"] == 1
    assert waiting(desk) == 0


async def test_copies_and_another_message_under_one_reference(desk: Desk) -> None:
    await desk.open()
    other = TEXT.upper()
    again = parts(other, ref=7, size=80)
    await receive(desk, *THREE)
    await receive(desk, THREE[0])  # a late copy
    await receive(desk, *again)
    assert texts(desk) == [(TEXT, True), (other, True)]
    assert desk.counts["inbound_part_duplicate"] == 1
    assert waiting(desk) == 0


async def test_random_arrivals_are_each_told_once(desk: Desk) -> None:
    """A hundred texts from ten phones, shuffled, repeated, in bursts of any size, late copies included."""
    await desk.open()
    for seed in range(4):
        rng = random.Random(seed)
        desk.events.clear()
        expected, arrivals = [], []
        for i in range(100):
            text = f"{seed}/{i} " * rng.randint(20, 70)
            peer = f"+1212555{seed}{i % 10:03d}"
            pieces = parts(text, ref=i // 10, peer=peer)
            expected.append((text, True))
            arrivals += pieces + [rng.choice(pieces) for _ in range(rng.randint(0, 3))]
        rng.shuffle(arrivals)
        while arrivals:
            size = rng.randint(1, 60)
            await receive(desk, *arrivals[:size])
            arrivals = arrivals[size:]
            desk.now += 1000
        assert sorted(texts(desk)) == sorted(expected)


async def test_parts_and_answers_to_other_messages_share_a_burst(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=State.SUBMITTING)
    await desk.do(
        InboundOp(THREE[:2]), ResponseOp("acme", [Sent(mid, 1, "a", 0, True)], [], [], None), InboundOp(THREE[2:])
    )
    assert texts(desk) == [(TEXT, True)]
    assert desk.states(mid) == [State.SENT]


async def test_a_burst_that_failed_left_no_part_behind(desk: Desk) -> None:
    await desk.open()
    poison = single("x", carrier=1 << 70)
    errors = await desk.burst(InboundOp(THREE[:2]), InboundOp([poison, THREE[2]]))
    assert errors[0] is None
    assert isinstance(errors[1], OverflowError)
    assert waiting(desk) == 2
    await receive(desk, THREE[2])
    assert texts(desk) == [(TEXT, True)]
    assert desk.rows("SELECT count(*) FROM inbound") == [(1,)]


async def test_what_a_part_says_beside_its_text_is_kept(desk: Desk) -> None:
    """TLVs that we do not know, and what is odd about the octets, are there for handlers as with a single message."""
    first, second = part(b"\x00A\x00", ref=9, total=2, seq=1, coding=8), part(b"B\xd8", ref=9, total=2, seq=2, coding=8)
    first.extra, second.extra = Extra(tlvs={"0x1400": "aa"}), Extra(tlvs={"0x1400": "bb", "0x1401": "cc"})
    await desk.open()
    await receive(desk, second)
    await receive(desk, first)
    ((extra,),) = desk.rows("SELECT extra FROM inbound")
    kept = json.loads(extra)
    assert kept["tlvs"] == {"0x1400": "aa", "0x1401": "cc"}
    assert kept["flags"]
    (event,) = desk.told("inbound")
    assert {name: event[name] for name in kept} == kept
