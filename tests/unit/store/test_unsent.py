"""What waits for a person: the same whichever way it is found and ended, without a look at all that was ever sent."""

from __future__ import annotations

import json

import pytest
import trio

from gateway.model import State
from gateway.store import unsent as ways
from gateway.store.ends import End, end_segments
from gateway.store.events import OpenStreamOp
from gateway.store.sends import ClaimOp, ResponseOp
from gateway.store.submits import SubmitOp
from gateway.store.tx import Tx
from gateway.store.unsent import Unsent, end_unsent, unsent
from tests.support.stores import DAY, PEER, Desk

OTHERS = ("+12125550102", "+12125550103")


@pytest.fixture
async def desk(nursery: trio.Nursery) -> Desk:
    return Desk(nursery)


@pytest.mark.parametrize(("few", "near"), [(2000, 20_000), (2, 20_000), (2, 2), (0, 0)])
async def test_all_that_waits_is_found(monkeypatch: pytest.MonkeyPatch, desk: Desk, few: int, near: int) -> None:
    """Of who has few messages, and of who has many while few or many wait: queued, scheduled, in other units."""
    monkeypatch.setattr(ways, "FEW", few)
    monkeypatch.setattr(ways, "NEAR", near)
    for name, text in ways.COUNT_WAITING.items():
        monkeypatch.setitem(ways.COUNT_WAITING, name, text.replace("20001", str(near + 1)))
    count = ways.COUNT_STORED.text.replace("2001", str(few + 1))
    monkeypatch.setattr(ways, "COUNT_STORED", ways.Values(count, 1))
    wanted = []
    for at, peer in enumerate((PEER, *OTHERS, PEER, OTHERS[0])):
        await desk.submit(peer=peer, state=State.SUBMITTING)
        for given in (
            {},
            {"state": State.SCHEDULED, "due_at": desk.now + DAY},
            {"parts": 2, "carrier": "other", "lane": 1, "rank": 3},
        ):
            mid = await desk.submit(peer=peer, klass=at, **given)
            if peer != OTHERS[1]:
                wanted += [mid] * int(given.get("parts", 1))
        claimed = await desk.submit(peer=peer)
        await desk.do(ClaimOp([(claimed, 1)]))
        desk.now += 1000
    found = unsent(desk.con, [PEER, OTHERS[0]])
    assert sorted(one.id for one in found) == sorted(wanted)
    assert {(one.peer, one.klass) for one in found} == {(PEER, 0), (PEER, 3), (OTHERS[0], 1), (OTHERS[0], 4)}
    assert {(one.carrier, one.state) for one in found} == {
        ("acme", State.QUEUED),
        ("acme", State.SCHEDULED),
        ("other", State.QUEUED),
    }


@pytest.mark.parametrize("reason", ["opted_out", "no_consent"])
async def test_what_was_never_sent_ends_as_everything_else_does(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery, reason: str
) -> None:
    """Ended together, or each looked at by itself: the same is stored, told, counted and given back."""

    def one_by_one(tx: Tx, messages: dict[int, list[Unsent]], reason: str) -> None:
        ends = [End(mid, 0, State.REJECTED, reason, low=State.SCHEDULED, high=State.QUEUED) for mid in messages]
        assert len(end_segments(tx, ends)) == len(messages) > 0

    async def stopped() -> tuple[object, ...]:
        desk = Desk(nursery)
        await desk.do(OpenStreamOp("subscription", "app", "default"))
        tx = Tx(desk.con, desk.now, desk.writer.base)
        tx.charges = True
        later = {"state": State.SCHEDULED, "due_at": desk.now + DAY}
        for given in ({}, {"parts": 3, "ref": "a", "meta": '{"a":1}'}, later, {"parts": 2, "receipt": 0, **later}):
            await desk.submit(**given)
        again = await desk.submit(parts=2, state=State.SUBMITTING)
        retries = [(again, part, 0x14, desk.now + 5) for part in (1, 2)]
        await desk.do(ResponseOp("acme", [], [], retries, None))
        places = {mid: place for place, (mid,) in enumerate(desk.con.execute("SELECT id FROM message ORDER BY id"))}
        assert end_unsent(tx, unsent(desk.con, [PEER]), reason) == len(places)
        tx.write_events()
        stored = desk.con.execute(
            "SELECT message_id, part, state, status, reason, error, receipt_state, due_at, attempts, done_at >= ?"
            " FROM segment ORDER BY message_id, part",
            (desk.now,),
        ).fetchall()
        told = [json.loads(event.payload) | {"id": places[event.subject]} for event in tx.events]
        return (
            [(places[row[0]], *row[1:]) for row in stored],
            sorted(told, key=lambda event: event["id"]),
            sorted((places[mid], part) for mid, part in tx.unused),
            sorted((places[one.id], one.queued) for one in tx.ended),
            tx.counts,
        )

    together = await stopped()
    monkeypatch.setattr(ways, "_end_whole", one_by_one)
    assert together == await stopped()
    assert len(together[1]) == 5  # type: ignore[arg-type]


async def test_who_got_many_messages_is_not_looked_through(desk: Desk) -> None:
    """Counted by SQLite itself, in hundreds of steps of its machine: three times as many messages cost no more."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    async def cost(messages: int) -> int:
        nonlocal steps
        for _ in range(messages // 500):
            await desk.do(SubmitOp([desk.new(state=State.SUBMITTING) for _ in range(500)]))
        waiting = await desk.submit(state=State.SCHEDULED, due_at=desk.now + DAY)
        steps = 0
        desk.con.set_progress_handler(step, 100)
        found = unsent(desk.con, [PEER])
        desk.con.set_progress_handler(None, 0)
        assert found[-1].id == waiting
        return steps

    first = await cost(ways.FEW + 500)
    assert await cost(3 * ways.FEW) < first + 20
