"""What is old is forgotten, a little at a time, and nothing that has not come to its end."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.metrics import Metrics
from gateway.model import State, id_floor
from gateway.outbound import retention as module
from gateway.outbound.retention import Retention
from gateway.outbox import Outbox
from gateway.settings import Settings
from gateway.settings.retention import Retention as RetentionSettings
from gateway.settings.service import Limits
from gateway.store import retention as purging
from gateway.store.database import checkpoint
from gateway.store.events import AckOp, RetryOp
from gateway.store.retention import PAGE, STEP
from tests.support.stores import DAY, PEER, START, Desk

TEXT = b"the text that is forgotten"


class Kept:
    """A desk and what forgets its old rows."""

    def __init__(self, desk: Desk, limits: Limits | None = None, **days: int) -> None:
        self.desk = desk
        self.settings = Settings(limits=limits or Limits(), retention=RetentionSettings(**days))
        self.outbox = Outbox(desk.store, Metrics(), self.settings)
        self.retention = Retention(desk.store, self.outbox, self.settings)

    def rows(self) -> dict[str, int]:
        tables = ("message", "segment", "smsc_id", "ref", "trace", "inbound", "thread", "event", "retry")
        return {t: n for t in tables if (n := self.desk.rows(f"SELECT count(*) FROM {t}")[0][0])}

    async def inbound(self, text: str = TEXT.decode(), peer: str = PEER) -> int:
        mid = self.desk.store.ids.next()
        self.desk.con.execute(
            "INSERT INTO inbound (id, carrier, number, peer, text, data, encoding, parts, complete)"
            " VALUES (?, 'acme', '+15551230001', ?, ?, x'00', 'gsm7', 1, 1)",
            (mid, peer, text),
        )
        self.desk.con.execute(
            "INSERT INTO thread (number, peer, first_at, read_up_to) VALUES ('+15551230001', ?, ?, 0)"
            " ON CONFLICT DO NOTHING",
            (peer, self.desk.now),
        )
        return mid

    async def delivered(self, raw: str, **given: Any) -> int:
        mid = await self.desk.sent(raw, body=TEXT, ref=raw, digest=b"d", **given)
        await self.desk.receive(self.desk.receipt(raw))
        return mid


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARE", 1.0)
    monkeypatch.setattr(purging, "LONG", math.inf)


async def test_by_default_all_is_kept(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery))
    await kept.delivered("m-1")
    kept.desk.now += 36_500 * DAY
    before = kept.rows()
    assert not kept.settings.retention.on
    await kept.retention.round()
    assert kept.rows() == before
    await kept.desk.close()


async def test_the_time_of_each_turn_is_told(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery), records=10)
    took: list[float] = []
    kept.retention.on_turn = took.append
    for i in range(PAGE + 1):
        await kept.delivered(f"m-{i}")
    await kept.inbound()
    kept.desk.now += 11 * DAY
    await kept.retention.round()
    # Two pages of messages, one of inbound messages, two of keys (the second finds none or the rest).
    assert len(took) == 5
    assert all(0 < seconds < 10 for seconds in took)
    assert kept.rows() == {}
    await kept.desk.close()


async def test_texts_go_and_records_stay(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery), texts=10)
    desk = kept.desk
    old, came = await kept.delivered("m-1"), await kept.inbound()
    desk.now += 9 * DAY
    new = await kept.delivered("m-2")
    desk.now += 2 * DAY
    before = kept.rows()
    await kept.retention.round()
    assert kept.rows() == before
    assert desk.rows("SELECT id, body FROM message ORDER BY id") == [(old, None), (new, TEXT)]
    assert desk.rows("SELECT id, text, data FROM inbound") == [(came, None, None)]
    assert desk.counts["purged:texts"] == 2
    await desk.close()


async def test_records_go_as_a_whole(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery), records=10)
    desk = kept.desk
    old = await kept.delivered("m-1")
    desk.store.read_now(lambda con: con.execute("INSERT INTO trace VALUES (?, 1, 1, 1, 'retry', 'acme', NULL)", (old,)))
    await kept.inbound(peer="+12125550177")
    await kept.inbound()
    desk.now += 11 * DAY
    new = await kept.delivered("m-2")
    await kept.retention.round()
    # The thread with PEER stays: a message of ours is in it.
    assert kept.rows() == {"message": 1, "segment": 1, "smsc_id": 1, "ref": 1, "thread": 1}
    assert desk.rows("SELECT id FROM message") == [(new,)]
    assert desk.rows("SELECT peer FROM thread") == [(PEER,)]
    assert {k: v for k, v in desk.counts.items() if k.startswith("purged")} == {
        "purged:messages": 1, "purged:inbound": 2, "purged:threads": 1, "purged:keys": 2,
    }  # fmt: skip
    await desk.close()


async def test_what_is_not_at_its_end_is_kept_however_old(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery), texts=1, records=1)
    desk = kept.desk
    alive = [
        await desk.submit(body=TEXT, expires_at=desk.now + 9999 * DAY),
        await desk.submit(body=TEXT, state=State.SCHEDULED, due_at=desk.now + 999 * DAY),
        await desk.submit(body=TEXT, state=State.SUBMITTING),
        await desk.submit(body=TEXT, state=State.IN_DOUBT),
    ]
    half = await desk.submit(body=TEXT, parts=2, state=State.SUBMITTING)
    await desk.respond(half, "m-9")
    waits = await desk.sent("m-1", body=TEXT)
    desk.now += 6 * DAY  # a receipt may come for seven
    await kept.retention.round()
    texts = "SELECT id FROM message WHERE body IS NOT NULL ORDER BY id"
    assert desk.rows(texts) == [(mid,) for mid in (*alive, half, waits)]
    # One that was sent long after it was taken in counts from then.
    await desk.claim((alive[0], 1))
    desk.now += 2 * DAY
    await desk.respond(alive[0], "m-2")
    await desk.receive(desk.receipt("m-2"))
    kept.retention._rounds = 0
    await kept.retention.round()
    assert desk.rows("SELECT id FROM message ORDER BY id") == [(m,) for m in (*alive, half)]
    desk.now += 8 * DAY
    kept.retention._rounds = 0
    await kept.retention.round()
    assert desk.rows("SELECT id FROM message ORDER BY id") == [(m,) for m in (*alive[1:], half)]
    await desk.close()


async def test_texts_of_late_ends_go_with_the_next_look_from_the_beginning(nursery: trio.Nursery, fast: None) -> None:
    kept = Kept(Desk(nursery), texts=1)
    desk = kept.desk
    first = await kept.delivered("m-1")
    late = await desk.submit(body=TEXT, state=State.SUBMITTING)
    last = await kept.delivered("m-2")
    desk.now += 2 * DAY
    await kept.retention.round()
    texts = "SELECT id FROM message WHERE body IS NOT NULL"
    assert desk.rows(texts) == [(late,)]
    assert desk.rows("SELECT value FROM store_info WHERE key = 'texts_until'") == [(str(late - 1),)]
    await desk.respond(late, "m-3", receipt=False)
    desk.now += 2 * DAY
    await kept.retention.round()
    assert desk.rows(texts) == [(late,)]
    kept.retention._rounds = module.ANEW
    await kept.retention.round()
    assert desk.rows(texts) == []
    assert int(desk.rows("SELECT value FROM store_info WHERE key = 'texts_until'")[0][0]) >= last > first
    await desk.close()


async def test_events_that_are_done_and_dead_letters_go(nursery: trio.Nursery, fast: None) -> None:
    desk = Desk(nursery)
    stream = await desk.open()
    kept = Kept(desk, events=5)
    for n in range(1, 7):
        await kept.delivered(f"m-{n}")
    feed = kept.outbox.feeds[stream]
    # 1 and 2 are done, 3 failed and is tried again, 4 is a dead letter, 5 is done beyond, 6 waits.
    await desk.do(
        AckOp([(stream, 4, [5])]),
        RetryOp([(stream, 3, 1, desk.now, "no"), (stream, 4, 9, None, "no")], []),
    )
    feed.dead = 1
    desk.now += 6 * DAY
    await kept.retention.round()
    assert desk.rows("SELECT seq FROM event") == [(3,), (5,), (6,)]
    assert desk.rows("SELECT seq FROM retry") == [(3,)]
    assert (feed.dead, desk.counts["purged:events"]) == (0, 3)
    await desk.do(AckOp([(stream, 6, [])]), RetryOp([], [(stream, 3)]))
    await kept.retention.round()
    assert desk.rows("SELECT seq FROM event") == []
    # The next one has the next number, also after a start.
    desk.store.streams.load(desk.con)
    await kept.delivered("m-7")
    assert desk.rows("SELECT seq FROM event") == [(7,)]
    await desk.close()


async def test_idempotency_keys_hold_for_two_days_whatever_is_set(nursery: trio.Nursery, fast: None) -> None:
    desk = Desk(nursery)
    kept = Kept(desk, Limits(receipt_age=60), records=1)
    await kept.delivered("m-1")
    desk.now += 2 * DAY
    await kept.retention.round()
    assert kept.rows()["ref"] == 1
    desk.now += 2 * DAY + 6 * 3_600_000
    await kept.retention.round()
    assert kept.rows() == {}
    await desk.close()


async def test_a_forgotten_text_is_not_in_the_file(tmp_path: Path, nursery: trio.Nursery, fast: None) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db", synchronous="normal")
    kept = Kept(desk, texts=1)
    rng = random.Random(1)
    for n in range(120):
        await kept.delivered(f"m-{n}", id=desk.store.ids.next()) if n % 3 else await kept.inbound()
        if n % 10 == 0:
            await desk.submit(body=TEXT * rng.randint(1, 400), state=State.IN_DOUBT)
    desk.now += 9 * DAY
    desk.con.execute("UPDATE segment SET state = 9 WHERE state = 4")
    file = tmp_path / "s.db"
    con = desk.store.database.connect()
    checkpoint(con, desk.store.writer.turns, 1, 0)
    assert file.read_bytes().count(TEXT) > 100
    await kept.retention.round()
    checkpoint(con, desk.store.writer.turns, 1, 0)
    con.close()
    assert file.read_bytes().count(TEXT) == 0
    assert (tmp_path / "s.db-wal").stat().st_size == 0
    await desk.close()


@pytest.mark.parametrize(("long", "rows"), [(math.inf, PAGE), (0.0, STEP)])
async def test_turns_are_small_and_rest(
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    long: float,
    rows: int,
) -> None:
    """One that takes long ends early, and what it leaves goes in the next."""
    monkeypatch.setattr(purging, "LONG", long)
    desk = Desk(nursery)
    kept = Kept(desk, records=1)
    ids = [(id_floor(START) + n,) for n in range(1, 1001)]
    desk.con.executemany(
        "INSERT INTO inbound (id, carrier, number, peer, text, encoding, parts, complete)"
        " VALUES (?, 'acme', '+15551230001', '+12125550101', 'x', 'gsm7', 1, 1)",
        ids,
    )
    desk.now += 99 * DAY
    bursts: list[int] = []
    desk.writer.stats.on_burst = lambda _, rows: bursts.append(rows)
    await kept.retention.round()
    steps = 4 * 10 if rows == PAGE else math.ceil(1000 / STEP)
    assert sum(bursts) == 1000 + steps, "each step with one row that sums up what goes"
    assert max(bursts) == rows + math.ceil(rows / STEP)
    assert desk.rows("SELECT messages, segments FROM usage") == [(1000, 1000)]
    await desk.close()


async def test_turns_find_their_rows_by_keys(nursery: trio.Nursery, fast: None) -> None:
    desk = Desk(nursery)
    kept = Kept(desk, records=1)
    for n in range(3):
        await kept.delivered(f"m-{n}")
        await kept.inbound()
    said: list[str] = []
    desk.con.set_trace_callback(said.append)
    desk.now += 99 * DAY
    await kept.retention.round()
    desk.con.set_trace_callback(None)
    removing = [sql for sql in said if "DELETE" in sql or "UPDATE" in sql]
    assert len(removing) >= 8
    for sql in removing:
        plan = [row[3] for row in desk.con.execute(f"EXPLAIN QUERY PLAN {sql}")]
        tables = ("message", "segment", "smsc_id", "ref", "trace", "inbound", "thread", "event", "retry")
        assert not [step for step in plan if step.removeprefix("SCAN ").split(" ")[0] in tables and "SCAN" in step], sql
        # Of a table with a key of several columns not only the first: the others are as good as all rows.
        assert "PRIMARY KEY (bucket=?)" not in str(plan), sql
