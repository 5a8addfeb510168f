"""Receipts of one burst settle as they would one by one, however many say the same."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import State
from gateway.store.events import OpenStreamOp
from gateway.store.hot import ALIKE
from gateway.store.sends import ResponseOp, Sent
from gateway.store.submits import SubmitOp
from tests.support.stores import Desk

ENDS: dict[str, dict[str, Any]] = {
    "delivered": {"done": 1_000},
    "later": {"done": 61_000},
    "no time": {"done": None},
    "other code": {"done": 1_000, "error": "001"},
    "no code": {"done": 1_000, "error": None},
    "no state": {"done": 1_000, "receipt_state": None},
    "undelivered": {"done": 1_000, "state": State.UNDELIVERED, "reason": "absent", "receipt_state": 5},
    "expired": {"done": 1_000, "state": State.EXPIRED, "reason": "expired", "receipt_state": 3},
}


async def told(
    desk: Desk, counts: dict[str, int], parts: int, *, at_once: bool
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Sends messages, brings their receipts, and returns the segments and the events that come of it."""
    if desk.store.streams.find("subscription", "app", "default") is None:
        await desk.do(OpenStreamOp("subscription", "app", "default"))
    ends = [end for name, count in counts.items() for end in [ENDS[name]] * count]
    messages = [desk.new(state=State.SUBMITTING, receipt=i % 5 > 0, parts=parts) for i in range(len(ends))]
    await desk.do(SubmitOp(messages))
    # Ids that are used by nobody else, of the form that is learnt from them.
    keys = [(m.id, part) for m in messages for part in range(1, parts + 1)]
    raws = [f"G{mid:x}-{part}" for mid, part in keys]
    sent = [Sent(mid, part, raw, desk.now, True) for (mid, part), raw in zip(keys, raws, strict=True)]
    await desk.do(ResponseOp("acme", sent, [], [], None))
    # Interleaved: what says the same does not come in a row.
    order = sorted(range(len(raws)), key=lambda i: (i * 7919) % 104_729)
    receipts = [desk.receipt(raws[i], **ends[i // parts]) for i in order]
    first = len(desk.events)
    if at_once:
        await desk.receive(*receipts)
    else:
        for receipt in receipts:
            await desk.receive(receipt)
    segments = [segment for m in messages for segment in desk.segments(m.id)]
    seen = [(e["state"], e["reason"], e["error_code"], e["to"]) for e in desk.told()[first:]]
    return [{k: v for k, v in s.items() if k not in ("message_id", "smsc_message_id")} for s in segments], seen


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(
    "counts",
    [
        {"delivered": 1},
        {"delivered": ALIKE - 1, "later": ALIKE - 1},
        {"delivered": ALIKE, "later": ALIKE - 1, "undelivered": 1},
        dict.fromkeys(ENDS, ALIKE),
        {"delivered": 300, **dict.fromkeys(ENDS, 3)},
    ],
    ids=str,
)
async def test_many_at_once_end_as_one_by_one(desk: Desk, counts: dict[str, int], parts: int) -> None:
    together, seen = await told(desk, counts, parts, at_once=True)
    apart, seen_apart = await told(desk, counts, parts, at_once=False)
    assert together == apart
    if parts == 1:
        assert seen == seen_apart
    else:  # a burst tells of messages in the order of their first receipt
        assert sorted(seen, key=repr) == sorted(seen_apart, key=repr)
    assert {s["state"] for s in together} <= {State.DELIVERED, State.UNDELIVERED, State.EXPIRED}
    assert desk.counts["receipt_matched"] == 2 * len(together)
    assert sum(count for name, count in desk.counts.items() if name.startswith("ended:")) == len(seen) * 2


async def test_what_ended_otherwise_is_left_alone(desk: Desk) -> None:
    """Of many that say the same some have no open segment any more; a second one in the burst counts as such."""
    await desk.open()
    mids = [await desk.sent(f"G{i}", peer=f"+4917000000{i:02}") for i in range(2 * ALIKE)]
    peers = [f"+4917000000{i:02}" for i in range(2 * ALIKE)]
    await desk.receive(desk.receipt("G3", State.UNDELIVERED, peer=peers[3]))
    desk.now += 1000
    before = desk.segments(mids[3])
    again = [desk.receipt(f"G{i}", peer=peers[i]) for i in (*range(2 * ALIKE), 5)]
    await desk.receive(*again)
    assert desk.segments(mids[3]) == before
    assert [desk.states(mid) for i, mid in enumerate(mids) if i != 3] == [[State.DELIVERED]] * (2 * ALIKE - 1)
    assert desk.counts["receipt_contradiction"] == 1
    assert desk.counts["receipt_duplicate"] == 1
    assert [e["state"] for e in desk.told()].count("delivered") == 2 * ALIKE - 1
