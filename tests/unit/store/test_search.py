"""The search for messages: by what they are shown with, newest first, in pages that end."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gateway.model import REASONS, State
from gateway.store import messages
from gateway.store.ends import End, EndOp
from gateway.store.messages import Search, View
from gateway.store.sends import DoubtOp
from tests.support.stores import NUMBER, PEER, START, Desk

S = State
HOUR = 3_600_000


def search(desk: Desk, **given: Any) -> list[int]:
    """All pages of a search."""
    found: list[int] = []
    before: int | None = None
    for _ in range(1000):
        ids, before = desk.store.read_now(lambda con, b=before: messages.search_ids(con, Search(before=b, **given)))
        found += ids
        if before is None:
            return found
    raise AssertionError("the pages do not end")


async def test_newest_first(desk: Desk) -> None:
    mids = [await desk.submit() for _ in range(5)]
    assert search(desk) == mids[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10, 11, 50])
async def test_pages_are_whole_and_end(desk: Desk, limit: int) -> None:
    mids = [await desk.submit(peer=PEER if i % 3 else "+12125550199") for i in range(30)]
    assert search(desk, limit=limit) == mids[::-1]
    assert search(desk, limit=limit, peer=PEER) == [m for i, m in enumerate(mids) if i % 3][::-1]
    assert search(desk, limit=limit, peer="+19999999999") == []


async def test_a_page_is_not_disturbed_by_what_comes_in(desk: Desk) -> None:
    mids = [await desk.submit() for _ in range(6)]
    ids, before = desk.store.read_now(lambda con: messages.search_ids(con, Search(limit=3)))
    await desk.submit()
    rest, _ = desk.store.read_now(lambda con: messages.search_ids(con, Search(limit=3, before=before)))
    assert ids + rest == mids[::-1]


async def test_by_peer_number_app_and_time(desk: Desk) -> None:
    mids = []
    for i in range(8):
        desk.now = START + i * 1000
        mids.append(
            await desk.submit(
                peer=PEER if i & 1 else "+12125550199",
                number=NUMBER if i & 2 else "+15551230002",
                app="app" if i & 4 else "other",
            )
        )
    assert search(desk, peer=PEER) == [mids[i] for i in (7, 5, 3, 1)]
    assert search(desk, number=NUMBER) == [mids[i] for i in (7, 6, 3, 2)]
    assert search(desk, app="app") == [mids[i] for i in (7, 6, 5, 4)]
    assert search(desk, peer=PEER, number=NUMBER, app="app") == [mids[7]]
    assert search(desk, since=START + 3000) == [mids[i] for i in (7, 6, 5, 4, 3)]
    assert search(desk, until=START + 3000) == [mids[i] for i in (2, 1, 0)]
    assert search(desk, since=START + 2000, until=START + 5000, peer=PEER) == [mids[3]]


async def outcomes(desk: Desk) -> dict[str, int]:
    """A message for every state and reason that there can be, by a name."""
    made = {
        "scheduled": await desk.submit(state=S.SCHEDULED, due_at=START + HOUR),
        "queued": await desk.submit(),
        "submitting": await desk.submit(state=S.SUBMITTING),
        "sent": await desk.sent("sent"),
        "sent, unasked": await desk.sent("unasked", receipt=False),
        "overdue": await desk.sent("overdue"),
        "in doubt": await desk.submit(state=S.SUBMITTING, parts=2),
        "in doubt, past validity": await desk.submit(state=S.SUBMITTING),
        "delivered": await desk.sent("delivered"),
        "half delivered": await desk.sent("half", "other half"),
        "undelivered": await desk.sent("undelivered"),
        "expired": await desk.sent("expired"),
        "failed": await desk.submit(parts=3),
        "cancelled": await desk.submit(),
        "two ends": await desk.sent("one", "two"),
    }
    desk.con.execute("UPDATE segment SET sent_at = sent_at - ? WHERE message_id = ?", (48 * HOUR, made["overdue"]))
    desk.con.execute("UPDATE message SET expires_at = ? WHERE id = ?", (desk.now, made["in doubt, past validity"]))
    await desk.do(DoubtOp([(made["in doubt"], 1), (made["in doubt, past validity"], 1)], False))
    await desk.receive(
        desk.receipt("delivered"),
        desk.receipt("half"),
        desk.receipt("undelivered", S.UNDELIVERED),
        desk.receipt("expired", S.EXPIRED, reason="expired_at_carrier"),
    )
    await desk.do(
        EndOp(
            [
                End(made["failed"], 2, S.FAILED, "carrier_refused", high=1),
                End(made["cancelled"], 0, S.CANCELLED, "cancelled", high=1),
            ]
        )
    )
    await desk.receive(desk.receipt("two", S.UNDELIVERED, reason="deleted"))
    await desk.receive(desk.receipt("one", S.EXPIRED, reason="expired_at_carrier"))
    return made


async def test_by_state_and_reason_as_they_are_shown(desk: Desk) -> None:
    """Whatever a search is for, it finds exactly those that are shown with it."""
    made = await outcomes(desk)
    view = View(desk.store.id_text, 24 * HOUR)
    shown = desk.store.read_now(
        lambda con: view.messages(con, list(made.values()), desk.now, app=None, with_text=False)
    )
    overdue = desk.now - 24 * HOUR
    for state in State:
        expected = {mid for mid, message in shown.items() if message["state"] == state.word}
        assert set(search(desk, state=state.word, limit=2)) == expected, state
    for reason in REASONS:
        expected = {mid for mid, message in shown.items() if message["reason"] == reason}
        assert set(search(desk, reason=reason, limit=2, overdue_before=overdue, now=desk.now)) == expected, reason
    names = {mid: name for name, mid in made.items()}
    assert {names[mid] for mid in search(desk, reason="no_receipt", overdue_before=overdue)} == {"overdue"}
    assert {names[mid] for mid in search(desk, reason="in_doubt", now=desk.now)} == {"in doubt"}
    past = {names[mid] for mid in search(desk, reason="validity_over", now=desk.now)}
    assert past == {"in doubt, past validity"}
    assert {names[mid] for mid in search(desk, reason="delivered")} == {"delivered"}
    assert {names[mid] for mid in search(desk, reason="deleted")} == {"two ends"}
    assert search(desk, state="queued", reason="in_doubt") == []


async def test_a_search_for_what_is_rare_pages_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page looks at a bounded number of messages, so it may hold fewer than asked for, or none, and go on."""
    monkeypatch.setattr(messages, "SCAN_ROWS", 10)
    mids = [await desk.sent(f"id{i}") for i in range(45)]
    await desk.receive(desk.receipt("id3"), desk.receipt("id30"))
    ids, before = desk.store.read_now(lambda con: messages.search_ids(con, Search(state="delivered", limit=5)))
    assert ids == []
    assert before is not None
    assert search(desk, state="delivered", limit=5) == [mids[30], mids[3]]


async def test_an_app_s_search_finds_its_own(desk: Desk) -> None:
    rng = random.Random(3)
    mids = {app: [] for app in ("a", "b")}  # type: dict[str, list[int]]
    for _ in range(40):
        app = rng.choice("ab")
        mids[app].append(await desk.submit(app=app, state=S(rng.choice([0, 1])), due_at=START))
    for app in "ab":
        assert search(desk, app=app, limit=3) == mids[app][::-1]
        assert set(search(desk, app=app, state="queued") + search(desk, app=app, state="scheduled")) == set(mids[app])


async def test_searches_go_by_index(desk: Desk) -> None:
    statements: list[str] = []
    await desk.submit()
    desk.con.set_trace_callback(statements.append)
    for given in ({"peer": PEER}, {"state": "queued"}, {"state": "failed"}, {"since": START}, {}):
        search(desk, **given)
    desk.con.set_trace_callback(None)
    plans = [
        " / ".join(row[3] for row in desk.con.execute("EXPLAIN QUERY PLAN " + sql))
        for sql in statements
        if "FROM message" in sql
    ]
    assert "USING COVERING INDEX message_peer (peer=?)" in plans[0] or "INDEX message_peer (peer=?)" in plans[0]
    assert "segment_queued" in plans[1]
    assert "segment_failed" in plans[2]
    assert "INTEGER PRIMARY KEY (rowid>?)" in plans[3]
    assert plans[4] == "SCAN m", "from the newest on, until the page is full"
    assert not any("TEMP B-TREE FOR ORDER BY" in plan for plan in (plans[0], plans[3], plans[4]))
