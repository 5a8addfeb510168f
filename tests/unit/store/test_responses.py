"""What the carrier answers: sent, refused for good, refused for now; the end of a message without a receipt."""

from __future__ import annotations

import pytest

from gateway.model import State
from gateway.store import queries
from gateway.store.ends import End, EndOp
from gateway.store.hot import ALIKE
from gateway.store.sends import DoubtOp, ResponseOp, Sent, UnclaimOp
from tests.support.stores import Desk

S = State


def response(
    desk: Desk,
    *sent: tuple[int, int, str],
    receipt: bool = True,
    refused: list[End] | None = None,
    retries: list[tuple[int, int, int, int]] | None = None,
) -> ResponseOp:
    rows = [Sent(mid, part, raw, desk.now, receipt) for mid, part, raw in sent]
    return ResponseOp("acme", rows, refused or [], list(retries or []), None)


def refusal(mid: int, part: int, *, late: bool = False, status: int = 0x0B) -> list[End]:
    states = ((1, 1), (4, 4)) if late else ((2, 2),)
    return [End(mid, part, S.FAILED, "invalid_destination", status=status, low=low, high=high) for low, high in states]


async def test_a_positive_response_is_recorded_with_its_id(desk: Desk) -> None:
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    desk.now += 250
    await desk.do(response(desk, (mid, 1, "00AB"), (mid, 2, "00AC")))
    for segment, raw in zip(desk.segments(mid), ("00AB", "00AC"), strict=True):
        assert segment["state"] == S.SENT
        assert segment["smsc_message_id"] == raw
        assert segment["sent_at"] == desk.now
        assert segment["done_at"] is None
        assert segment["status"] == 0
    keys = desk.rows("SELECT carrier, key, message_id, part, raw FROM smsc_id ORDER BY key")
    assert keys == [("acme", "ab", mid, 1, "00AB"), ("acme", "ac", mid, 2, "00AC")]


async def test_responses_of_a_burst_are_recorded_as_those_of_each(desk: Desk) -> None:
    """Of several binds and times, a receipt awaited or not; of each so many that they go together, or fewer."""
    kinds = [
        (bind, after, receipt, count)
        for bind, count in (("acme-1", ALIKE), ("acme-2", ALIKE - 1), ("acme-3", 2 * ALIKE + 1))
        for after in (0, 40)
        for receipt in (1, 0)
    ]
    ops: list[ResponseOp] = []
    expected: dict[int, tuple[object, ...]] = {}
    for bind, after, receipt, count in kinds:
        sent: list[Sent] = []
        for i in range(count):
            mid = await desk.submit(state=S.SUBMITTING, receipt=receipt)
            at, written, raw = desk.now + after, desk.now - i, f"{bind} {len(expected)}"
            sent.append(Sent(mid, 1, raw, at, receipt, False, written))
            expected[mid] = (S.SENT, raw, at, None if receipt else at, bind, written, 0)
        ops.append(ResponseOp("acme", sent, [], [], None, bind=bind))
    ended = next(iter(expected))
    desk.put_in(ended, S.DELIVERED)  # by a receipt that was faster
    expected[ended] = (S.DELIVERED, *expected[ended][1:])
    await desk.do(*ops)
    columns = "state, smsc_message_id, sent_at, done_at, bind, written_at, status"
    found = desk.rows(f"SELECT message_id, {columns} FROM segment")
    assert {row[0]: row[1:] for row in found} == expected


async def test_sent_is_no_end_where_a_receipt_was_asked_for(desk: Desk) -> None:
    await desk.open()
    await desk.sent("a")
    assert desk.told() == []


async def test_a_response_without_an_id_is_sent_all_the_same(desk: Desk) -> None:
    mid = await desk.sent("")
    assert desk.states(mid) == [S.SENT]
    assert desk.rows("SELECT count(*) FROM smsc_id") == [(0,)]


async def test_a_refusal_is_final_and_told_once(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(response(desk, refused=refusal(mid, 1)))
    await desk.do(response(desk, refused=refusal(mid, 1)))
    (segment,) = desk.segments(mid)
    assert (segment["state"], segment["status"], segment["reason"]) == (S.FAILED, 0x0B, "invalid_destination")
    assert [(e["state"], e["reason"]) for e in desk.told()] == [("failed", "invalid_destination")]


async def test_a_temporary_refusal_waits_for_its_time(desk: Desk) -> None:
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(response(desk, retries=[(mid, 1, 0x58, desk.now + 5000)]))
    (segment,) = desk.segments(mid)
    assert (segment["state"], segment["status"], segment["due_at"]) == (S.QUEUED, 0x58, desk.now + 5000)
    assert (segment["attempts"], segment["in_doubt"]) == (1, 0)
    assert desk.told() == []
    await desk.claim((mid, 1))
    (segment,) = desk.segments(mid)
    assert (segment["attempts"], segment["due_at"]) == (2, None)


@pytest.mark.parametrize("back", ["retry", "unclaim", "doubt"])
async def test_what_comes_back_of_a_refused_message_is_not_sent_again(desk: Desk, back: str) -> None:
    """Part 1 was refused for good while part 2 was on its way: half a text helps nobody."""
    await desk.open()
    mid, whole = await desk.submit(parts=2, state=S.SUBMITTING), await desk.submit(parts=2, state=S.SUBMITTING)
    await desk.do(response(desk, refused=refusal(mid, 1)))
    doubt = DoubtOp([(mid, 2), (whole, 2)], True)
    await desk.do(
        {
            "retry": response(desk, retries=[(mid, 2, 0x58, desk.now), (whole, 2, 0x58, desk.now)]),
            "unclaim": UnclaimOp([(mid, 2), (whole, 2)]),
            "doubt": doubt,
        }[back]
    )
    assert desk.states(mid) == [S.FAILED, S.FAILED]
    assert desk.states(whole) == [S.SUBMITTING, S.QUEUED]
    assert await desk.claim((mid, 2)) == set()
    if back == "doubt":
        assert doubt.states == {(mid, 2): S.FAILED, (whole, 2): S.QUEUED}
    assert len(desk.told()) == 1


async def test_a_retry_and_a_refusal_in_one_burst(desk: Desk) -> None:
    mid = await desk.submit(parts=3, state=S.SUBMITTING)
    await desk.do(response(desk, (mid, 3, "c"), refused=refusal(mid, 1), retries=[(mid, 2, 0x14, desk.now)]))
    assert desk.states(mid) == [S.FAILED, S.FAILED, S.SENT]


# --- no receipt asked for ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.SCHEDULED, S.QUEUED, S.SUBMITTING, S.IN_DOUBT])
async def test_without_a_receipt_the_response_is_the_end(desk: Desk, state: S) -> None:
    """A late one too: after doubt it may be queued again by then, and held until quiet hours are over."""
    await desk.open()
    mid = await desk.submit(receipt=False, state=S.SUBMITTING)
    desk.put_in(mid, state)
    await desk.do(response(desk, (mid, 1, "a"), receipt=False))
    (segment,) = desk.segments(mid)
    assert (segment["state"], segment["done_at"]) == (S.SENT, desk.now)
    assert [(e["state"], e["reason"]) for e in desk.told()] == [("sent", None)]
    assert desk.counts["ended:sent"] == 1
    assert desk.rows("SELECT count(*) FROM smsc_id") == [(0,)]


@pytest.mark.parametrize("bursts", [[(1, 2, 3)], [(1,), (2,), (3,)], [(3, 1), (2,)], [(2,), (3, 1)]])
async def test_the_last_response_is_the_end_of_all_parts(desk: Desk, bursts: list[tuple[int, ...]]) -> None:
    await desk.open()
    mid = await desk.submit(parts=3, receipt=False, state=S.SUBMITTING)
    for i, burst in enumerate(bursts):
        assert desk.told() == [], i
        await desk.do(response(desk, *[(mid, part, f"x{part}") for part in burst], receipt=False))
    assert [e["state"] for e in desk.told()] == ["sent"]


async def test_the_end_without_a_receipt_is_told_once(desk: Desk) -> None:
    """A resent segment may be answered twice: late for the first attempt, then for the second."""
    await desk.open()
    mid = await desk.submit(receipt=False, state=S.SUBMITTING)
    await desk.do(DoubtOp([(mid, 1)], True))
    await desk.claim((mid, 1))
    await desk.do(response(desk, (mid, 1, "a"), (mid, 1, "b"), receipt=False))
    await desk.do(response(desk, (mid, 1, "c"), receipt=False))
    assert [e["state"] for e in desk.told()] == ["sent"]


@pytest.mark.parametrize("order", ["sent first", "refused first", "one burst"])
async def test_one_refused_part_is_the_end_also_without_a_receipt(desk: Desk, order: str) -> None:
    await desk.open()
    mid = await desk.submit(parts=2, receipt=False, state=S.SUBMITTING)
    sent = response(desk, (mid, 1, "a"), receipt=False)
    refused = response(desk, refused=refusal(mid, 2))
    for burst in {"sent first": [[sent], [refused]], "refused first": [[refused], [sent]]}.get(
        order, [[sent, refused]]
    ):
        await desk.do(*burst)
    assert [e["state"] for e in desk.told()] == ["failed"]
    assert desk.states(mid) == [S.SENT, S.FAILED]


async def test_a_response_after_the_end_is_kept_and_changes_no_state(desk: Desk) -> None:
    """A receipt or an operator was faster; the id is kept for the receipts that follow."""
    await desk.open()
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(EndOp([End(mid, 1, S.EXPIRED, "expired_unsent", low=2, high=2)]))
    ended = desk.now
    desk.now += 1000
    await desk.do(response(desk, (mid, 1, "late")))
    (segment,) = desk.segments(mid)
    assert (segment["state"], segment["done_at"], segment["smsc_message_id"]) == (S.EXPIRED, ended, "late")
    assert [e["state"] for e in desk.told()] == ["expired"]
    await desk.receive(desk.receipt("late"))
    assert desk.states(mid) == [S.EXPIRED]
    assert desk.counts["receipt_contradiction"] == 1


async def test_a_response_to_what_is_not_stored_harms_nobody(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(response(desk, (12345, 1, "x"), (mid, 1, "y"), refused=refusal(999, 1), retries=[(998, 1, 8, 0)]))
    assert desk.states(mid) == [S.SENT]
    await desk.receive(desk.receipt("x"))  # its id is there, its message is not
    assert queries.states(desk.con, [12345]) == {}


async def test_responses_of_one_burst_are_as_those_of_many(desk: Desk) -> None:
    """Three hundred messages with every outcome, in one operation and one by one."""

    async def outcomes(*, together: bool) -> list[tuple[object, ...]]:
        mids = [await desk.submit(parts=1 + i % 3, state=S.SUBMITTING) for i in range(300)]
        sent, refused, retries = [], [], []
        for i, mid in enumerate(mids):
            for part in range(1, 2 + i % 3):
                kind = (i + part) % 5
                if kind == 0:
                    refused += refusal(mid, part)
                elif kind == 1:
                    retries.append((mid, part, 0x58, desk.now))
                else:
                    sent.append((mid, part, f"{together}{i}.{part}"))
        if together:
            await desk.do(response(desk, *sent, refused=refused, retries=retries))
        else:
            for one in sent:
                await desk.do(response(desk, one))
            for end in refused:
                await desk.do(response(desk, refused=[end]))
            for row in retries:
                await desk.do(response(desk, retries=[row]))
        return [(s["state"], s["status"], s["reason"]) for mid in mids for s in desk.segments(mid)]

    assert await outcomes(together=True) == await outcomes(together=False)
