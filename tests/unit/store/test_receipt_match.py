"""A receipt finds its message, or none: never another one (field notes 2, 3; promises 15, 16)."""

from __future__ import annotations

import pytest

from gateway.model import State
from gateway.store.matching import BUCKET_MS, RECENT_BUCKETS
from gateway.store.receipts import RetryParkedOp
from gateway.store.sends import ResponseOp, Sent
from gateway.store.tx import Tuning
from tests.support.stores import DAY, PEER, Desk

S = State
OTHER = "+12125550199"

# The id in the response, and the id in the receipt.
FORMS = [
    ("1A2B", "1A2B"),
    ("1A2B", "1a2b"),
    ("1a2b", "1A2B"),
    ("1A2B", "00001A2B"),
    ("00001A2B", "1A2B"),
    ("00001a2b", "1A2B"),
    ("1A2B", "6699"),
    ("1A2B", "0000006699"),
    ("00001a2b", "6699"),
    ("6699", "1A2B"),
    ("0000006699", "00001a2b"),
    ("6699", "6699"),
    ("0000006699", "6699"),
    ("6699", " 6699 "),
    (" 6699", "6699"),
    ("4321", "10e1"),  # decimal digits alone: 0x10e1 = 4321
    ("4321", "17185"),  # and 0x4321 = 17185
    ("7FFFFFFFFFFFFFFF", "9223372036854775807"),
    ("e2b0c7d4-5a1e-4c62", "E2B0C7D4-5A1E-4C62"),
    ("id:with?odd signs", "ID:WITH?ODD SIGNS"),
    ("a" * 65, "A" * 65),
]


@pytest.mark.parametrize(("response", "receipt"), FORMS)
@pytest.mark.parametrize("early", [False, True], ids=["after", "before the response"])
async def test_every_form_finds_its_message(desk: Desk, response: str, receipt: str, early: bool) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    others = [await desk.sent(f"other-{i}") for i in range(3)]
    if early:
        await desk.receive(desk.receipt(receipt))
        assert desk.states(mid) == [S.SUBMITTING]
        await desk.respond(mid, response)
    else:
        await desk.respond(mid, response)
        await desk.receive(desk.receipt(receipt))
    assert desk.states(mid) == [S.DELIVERED]
    assert [desk.states(other) for other in others] == [[S.SENT]] * 3
    assert [e["state"] for e in desk.told()] == ["delivered"]
    assert desk.rows("SELECT count(*) FROM parked_receipt") == [(0,)]
    assert desk.counts["receipt_matched"] == 1
    assert desk.writer.base.parked == 0


@pytest.mark.parametrize(("response", "receipt"), [form for form in FORMS if form[0] != form[1]])
async def test_another_form_never_finds_another_phone(desk: Desk, response: str, receipt: str) -> None:
    mid = await desk.sent(response)
    await desk.receive(desk.receipt(receipt, peer=OTHER))
    assert desk.states(mid) == [S.SENT]
    assert desk.counts["receipt_parked"] == 1


@pytest.mark.parametrize("peer", ["12125550101", "2125550101", "0012125550101", "+12125550101"])
async def test_the_phone_may_be_written_otherwise(desk: Desk, peer: str) -> None:
    mid = await desk.sent("1A2B")
    await desk.receive(desk.receipt("6699", peer=peer))
    assert desk.states(mid) == [S.DELIVERED]


async def test_an_exact_id_alone_is_enough(desk: Desk) -> None:
    """Some carriers rewrite the address, or leave it out."""
    mid = await desk.sent("1A2B")
    await desk.receive(desk.receipt("1A2B", peer=""))
    assert desk.states(mid) == [S.DELIVERED]


async def test_another_carrier_s_receipt_is_never_taken(desk: Desk) -> None:
    """Two carriers give the same id (field note 3)."""
    ours, theirs = await desk.sent("1A2B", carrier="acme"), await desk.sent("1A2B", carrier="other")
    await desk.receive(desk.receipt("1A2B", carrier="other"))
    assert (desk.states(ours), desk.states(theirs)) == ([S.SENT], [S.DELIVERED])
    await desk.receive(desk.receipt("1A2B", S.UNDELIVERED, carrier="third"))
    assert (desk.states(ours), desk.states(theirs)) == ([S.SENT], [S.DELIVERED])
    assert desk.rows("SELECT carrier FROM parked_receipt") == [("third",)]
    # nor a parked one, when an id of another carrier comes in
    await desk.sent("1A2B", carrier="acme")
    assert desk.rows("SELECT carrier FROM parked_receipt") == [("third",)]


# --- ids that are each other's other form ---------------------------------------------------------------------------


async def test_an_id_and_its_hexadecimal_form_with_two_phones(desk: Desk) -> None:
    """16 and 10 are both live, and 10 is 16 in hexadecimal."""
    sixteen, ten = await desk.sent("16", peer=PEER), await desk.sent("10", peer=OTHER)
    await desk.receive(desk.receipt("10", peer=OTHER))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.SENT], [S.DELIVERED])
    await desk.receive(desk.receipt("16", peer=PEER))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.DELIVERED], [S.DELIVERED])
    assert desk.counts["receipt_contradiction"] == desk.counts["receipt_duplicate"] == 0


async def test_the_phone_tells_an_id_from_its_hexadecimal_form(desk: Desk) -> None:
    """Responses are decimal and receipts hexadecimal: 10 is meant for 16."""
    sixteen, ten = await desk.sent("16", peer=PEER), await desk.sent("10", peer=OTHER)
    await desk.receive(desk.receipt("10", peer=PEER))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.DELIVERED], [S.SENT])


async def test_an_id_and_its_hexadecimal_form_with_one_phone(desk: Desk) -> None:
    """Nothing tells which is meant while the form is not known; once it is, each finds its own."""
    sixteen, ten = await desk.sent("16"), await desk.sent("10")
    await desk.receive(desk.receipt("10", S.UNDELIVERED))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.SENT], [S.SENT])
    assert desk.counts["receipt_undecided"] == desk.counts["receipt_parked"] == 1
    desk.writer.base.forms.configure({"acme": "same"})
    await desk.do(RetryParkedOp(0, carriers=frozenset({"acme"})))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.SENT], [S.UNDELIVERED])
    await desk.receive(desk.receipt("16", S.DELIVERED))
    assert (desk.states(sixteen), desk.states(ten)) == ([S.DELIVERED], [S.UNDELIVERED])


async def test_two_candidates_mean_none(desk: Desk) -> None:
    """26 could be 1a and 0x26 = 38 could be it: both to the same phone."""
    low, high = await desk.sent("1a"), await desk.sent("38")
    await desk.receive(desk.receipt("26"))
    assert (desk.states(low), desk.states(high)) == ([S.SENT], [S.SENT])
    assert desk.counts["receipt_parked"] == 1
    # with two phones each is found
    await desk.receive(desk.receipt("38"))
    assert desk.states(high) == [S.DELIVERED]


async def test_two_unpadded_candidates_mean_none(desk: Desk) -> None:
    first, second = await desk.sent("07"), await desk.sent("007")
    await desk.receive(desk.receipt("7"))
    assert (desk.states(first), desk.states(second)) == ([S.SENT], [S.SENT])
    await desk.receive(desk.receipt("007"))
    assert (desk.states(first), desk.states(second)) == ([S.SENT], [S.DELIVERED])


async def test_one_segment_found_twice_is_one_candidate(desk: Desk) -> None:
    """Sent twice in doubt, and the carrier gave one id in two forms, or on both sides of a bucket's border."""
    cases = [("0a7", "00a7", 0, "A7"), ("0b7", "0b7", BUCKET_MS, "00B7"), ("1a", "38", 0, "26")]
    for first, second, step, receipt in cases:
        mid = await desk.sent(first)
        desk.now += step
        await desk.do(ResponseOp("acme", [Sent(mid, 1, second, desk.now, True)], [], [], None))
        await desk.receive(desk.receipt(receipt))
        assert desk.states(mid) == [S.DELIVERED], (first, second)


# --- ids that are used again ------------------------------------------------------------------------------------------


async def test_an_id_that_is_used_again_belongs_to_the_newest_with_that_phone(desk: Desk) -> None:
    old = await desk.sent("77")
    desk.now += 1000
    elsewhere = await desk.sent("77", peer=OTHER)
    desk.now += 1000
    new = await desk.sent("77")
    await desk.receive(desk.receipt("77"))
    assert [desk.states(mid) for mid in (old, elsewhere, new)] == [[S.SENT], [S.SENT], [S.DELIVERED]]
    await desk.receive(desk.receipt("77", S.UNDELIVERED, peer=OTHER))
    assert [desk.states(mid) for mid in (old, elsewhere, new)] == [[S.SENT], [S.UNDELIVERED], [S.DELIVERED]]


async def test_the_newest_wins_across_buckets(desk: Desk) -> None:
    old = await desk.sent("77")
    desk.now += BUCKET_MS
    new = await desk.sent("77")
    await desk.receive(desk.receipt("77"))
    assert (desk.states(old), desk.states(new)) == ([S.SENT], [S.DELIVERED])


async def test_an_id_used_again_for_another_phone_without_one_that_agrees_means_none(desk: Desk) -> None:
    first, second = await desk.sent("77", peer=PEER), await desk.sent("77", peer=OTHER)
    await desk.receive(desk.receipt("77", peer="+12125550155"))
    assert (desk.states(first), desk.states(second)) == ([S.SENT], [S.SENT])
    assert desk.counts["receipt_parked"] == 1


async def test_an_id_used_again_before_its_response_is_not_lost_to_the_old_one(desk: Desk) -> None:
    """The old message is at its end: the receipt is for one whose response is not here yet."""
    old = await desk.sent("77", peer=PEER)
    await desk.receive(desk.receipt("77", peer=PEER))
    new = await desk.submit(peer=OTHER, state=S.SUBMITTING)
    await desk.receive(desk.receipt("77", S.UNDELIVERED, peer=OTHER))
    assert desk.states(old) == [S.DELIVERED]
    await desk.respond(new, "77")
    assert (desk.states(old), desk.states(new)) == ([S.DELIVERED], [S.UNDELIVERED])
    assert desk.counts["receipt_contradiction"] == 0


# --- age --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("later", [0, BUCKET_MS, 2 * BUCKET_MS, DAY, 3 * DAY, 6 * DAY])
async def test_the_exact_form_is_found_for_a_week(desk: Desk, later: int) -> None:
    mid = await desk.sent("1A2B")
    desk.now += later
    await desk.receive(desk.receipt("1A2B"))
    assert desk.states(mid) == [S.DELIVERED]


async def test_past_the_age_of_receipts_nothing_is_found(nursery: object) -> None:
    desk = Desk(nursery, tuning=Tuning(receipt_age_ms=DAY))  # type: ignore[arg-type]
    mid = await desk.sent("1A2B")
    desk.now += DAY + BUCKET_MS
    await desk.receive(desk.receipt("1A2B"))
    assert desk.states(mid) == [S.SENT]
    assert desk.counts["receipt_parked"] == 1
    await desk.close()


@pytest.mark.parametrize(("buckets", "state"), [(RECENT_BUCKETS, S.DELIVERED), (RECENT_BUCKETS + 1, S.SENT)])
async def test_other_forms_are_for_recent_ids(desk: Desk, buckets: int, state: State) -> None:
    mid = await desk.sent("1A2B")
    desk.now += buckets * BUCKET_MS
    await desk.receive(desk.receipt("6699"))
    assert desk.states(mid) == [state]


async def test_a_large_burst_of_every_kind(desk: Desk) -> None:
    """Exact, folded, in another form, of another bucket and unknown, three hundred in one operation."""
    old = [await desk.sent(f"{i:04x}", peer=f"+1212555{i:04d}") for i in range(0x1000, 0x1064)]
    desk.now += 3 * BUCKET_MS
    new = [await desk.sent(f"{i:04X}", peer=f"+1212556{i:04d}") for i in range(0x2000, 0x2064)]
    receipts = [desk.receipt(f"{i:04x}", peer=f"+1212555{i:04d}") for i in range(0x1000, 0x1064)]
    receipts += [
        desk.receipt(str(i) if i % 2 else f"0{i:x}", S.UNDELIVERED, peer=f"+1212556{i:04d}")
        for i in range(0x2000, 0x2064)
    ]
    receipts += [desk.receipt(f"unknown{i}") for i in range(100)]
    await desk.receive(*receipts)
    assert {desk.states(mid)[0] for mid in old} == {S.DELIVERED}
    assert {desk.states(mid)[0] for mid in new} == {S.UNDELIVERED}
    assert desk.writer.base.parked == 100
    assert desk.counts["receipt_matched"] == 200
    assert desk.counts["receipt_matched_by_form"] == 100
