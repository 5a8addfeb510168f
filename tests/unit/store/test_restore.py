"""A backup in the place of the database: what may have been sent is not sent, and no id is given twice."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import trio

from gateway.model import State, id_ms
from gateway.settings.own import REPLIES
from gateway.store.agreed import held_by as agreed_to
from gateway.store.backup import Backup
from gateway.store.consents import Source, Wording
from gateway.store.database import FileLock, StoreError
from gateway.store.erase import ForgetOp
from gateway.store.events import AckOp
from gateway.store.inbound import InboundOp
from gateway.store.migrate import upgrade
from gateway.store.optouts import OptOutChange, OptOutOp, held_by
from gateway.store.recorded import ConsentChange, ConsentOp
from gateway.store.restore import Restored, check, restore
from gateway.store.trace import read as traces
from tests.support.inbound import single
from tests.support.stores import DAY, PEER, START, Desk


def taken(desk: Desk, path: Path) -> Path:
    made = Backup(path, threading.Lock(), rate=1 << 40)
    made.open()
    made.run(desk.con, desk.now)
    return path


async def restored(desk: Desk, path: Path) -> Restored:
    """Puts a copy in the place of the database of ``desk``, which goes on with it."""
    await desk.close()
    done = restore(desk._url, path, desk.now)
    desk._open()
    desk.store.recover({"acme": True})
    return done


def leftovers(directory: Path, *more: str) -> list[str]:
    """Files that a restore makes on its way."""
    return [f.name for f in directory.iterdir() if any(word in f.name for word in ("restoring", "-wal", *more))]


async def test_what_may_have_been_sent_since_is_held(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    queued = await desk.submit()
    claimed = await desk.submit()
    await desk.claim((claimed, 1))
    sent = await desk.sent("m-one")
    ended = await desk.sent("m-two")
    await desk.receive(desk.receipt("m-two"))
    half = await desk.submit(parts=2)
    await desk.claim((half, 1))
    await desk.respond(half, "m-three")
    soon = await desk.submit(state=State.SCHEDULED, due_at=desk.now + 1000)
    later = await desk.submit(state=State.SCHEDULED, due_at=desk.now + DAY)
    copy = taken(desk, tmp_path / "copy.db")
    desk.now += 60_000
    gone = await desk.submit()
    done = await restored(desk, copy)
    assert (done.taken_at, done.segments, done.scheduled, done.trouble) == (START, 4, 1, None)
    states = {mid: desk.states(mid) for mid in (queued, claimed, sent, ended, half, soon, later)}
    assert states == {
        queued: [State.IN_DOUBT],
        claimed: [State.IN_DOUBT],
        sent: [State.SENT],
        ended: [State.DELIVERED],
        half: [State.SENT, State.IN_DOUBT],
        soon: [State.IN_DOUBT],
        later: [State.SCHEDULED],
    }
    assert desk.segments(gone) == []
    (trace,) = desk.store.read_now(lambda con: traces(con, queued))
    assert (trace.kind, trace.at, trace.detail) == ("doubt", desk.now, {"cause": "restore", "resent": False})
    # What is told of later still finds its message.
    await desk.receive(desk.receipt("m-one"))
    assert desk.states(sent) == [State.DELIVERED]
    await desk.close()


async def test_no_number_is_given_twice(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    stream = await desk.open()
    first = await desk.sent("m-one")
    copy = taken(desk, tmp_path / "copy.db")
    epoch, install = desk.store.epoch, desk.store.id_text.format(first)
    await desk.receive(desk.receipt("m-one"))
    assert [(e.stream, e.seq) for e in desk.events] == [(stream, 1)]
    seen = {stream}
    for _ in range(2):  # of the same copy, in the same second
        desk.events = []
        await restored(desk, copy)
        assert desk.store.epoch > epoch + 100
        assert desk.store.id_text.format(first) == install
        await desk.receive(desk.receipt("m-one"))
        ((new, seq),) = [(e.stream, e.seq) for e in desk.events]
        assert seq == 1
        assert new not in seen
        seen.add(new)
        desk.now += 1000
    later = await desk.open("other")
    assert later not in seen
    assert id_ms(await desk.submit()) >= desk.now
    await desk.close()


async def test_events_that_wait_are_told_under_their_new_number(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    stream = await desk.open()
    for raw in ("m-one", "m-two", "m-three"):
        await desk.sent(raw)
        await desk.receive(desk.receipt(raw))
    await desk.do(AckOp([(stream, 1, [3])]))
    await restored(desk, taken(desk, tmp_path / "copy.db"))
    (info,) = desk.store.streams.by_id.values()
    assert desk.rows("SELECT stream, acked, sparse FROM cursor") == [(info.id, 1, "[3]")]
    assert desk.rows("SELECT stream, seq FROM event") == [(info.id, seq) for seq in (1, 2, 3)]
    assert desk.store.streams.last_seq[info.id] == 3
    await desk.close()


async def test_answers_of_ours_that_waited_are_not_sent_by_themselves(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    stream = await desk.open(REPLIES, app="", kind="handler")
    desk.con.execute("BEGIN")
    for seq in range(1, 6):
        desk.con.execute("INSERT INTO event VALUES (?, ?, ?, 'inbound', 0, '{}')", (stream, seq, desk.now))
    desk.con.execute("INSERT INTO cursor VALUES (?, 2, '[4]')", (stream,))
    desk.con.execute("INSERT INTO retry VALUES (?, 2, 3, ?, 'no', NULL)", (stream, desk.now))
    desk.con.execute("COMMIT")
    done = await restored(desk, taken(desk, tmp_path / "copy.db"))
    assert done.answers == 3
    assert desk.rows("SELECT seq, due_at, error FROM retry ORDER BY seq") == [
        (2, None, "restored"),
        (3, None, "restored"),
        (5, None, "restored"),
    ]
    assert desk.rows("SELECT acked, sparse FROM cursor") == [(5, None)]
    await desk.close()


async def test_who_opted_out_since_stays_out(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    copy = taken(desk, tmp_path / "copy.db")
    await desk.do(OptOutOp([OptOutChange(PEER, "all", True)], how="operator", who="operator"))
    done = await restored(desk, copy)
    assert done.optouts == 1
    assert [one.scope for one in desk.store.read_now(lambda con: held_by(con, PEER))] == ["all"]
    assert desk.rows("SELECT peer, change FROM optout_change") == [(PEER, "optout")]
    await desk.close()


async def test_consent_is_what_it_was_last(tmp_path: Path, nursery: trio.Nursery) -> None:
    """What was withdrawn after the copy was made stays so, what was given is there, and both are on record."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")

    async def record(scope: str, *, granted: bool) -> None:
        source = Source("web", "shop", wording=Wording(f"Offers of {scope}"))
        await desk.do(ConsentOp([ConsentChange(PEER, (2,), scope, granted, source)]))

    await record("set:a", granted=True)
    copy = taken(desk, tmp_path / "copy.db")
    await record("set:a", granted=False)
    await record("set:b", granted=True)
    await restored(desk, copy)
    found = desk.store.read_now(lambda con: agreed_to(con, PEER))
    assert [(one.scope, one.wording) for one in found] == [("set:b", "Offers of set:b")]
    assert desk.rows("SELECT change, scope FROM consent_change ORDER BY id") == [
        ("granted", "set:a"),
        ("withdrawn", "set:a"),
        ("granted", "set:b"),
    ]
    await desk.close()


async def test_consent_stays_where_the_daemon_was_started_without_its_database(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """What is replaced is then an empty database, which knows of nobody who agreed, and of who did so since."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    one, other = (
        ConsentOp([ConsentChange(peer, (2,), "all", True, Source("web", "shop", wording=Wording("Offers")))])
        for peer in (PEER, "+12125550178")
    )
    await desk.do(one)
    copy = taken(desk, tmp_path / "copy.db")
    await desk.close()
    (tmp_path / "s.db").unlink()
    desk._open()
    desk.now += 1000
    await desk.do(other)
    await restored(desk, copy)
    assert desk.rows("SELECT peer FROM consent") == [(PEER,), ("+12125550178",)]
    await desk.close()


async def test_what_was_entered_since_stays_entered(tmp_path: Path, nursery: trio.Nursery) -> None:
    """The copy knows of their own STOP alone, which a START would undo."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    await desk.do(InboundOp([single("STOP"), single("STOP", peer="+12125550177")]))
    copy = taken(desk, tmp_path / "copy.db")
    await desk.do(OptOutOp([OptOutChange(PEER, "set:default", True)], how="operator", who="operator"))
    done = await restored(desk, copy)
    assert done.optouts == 1
    assert desk.rows("SELECT how, keyword FROM optout WHERE peer = ?", PEER) == [("operator+keyword", "STOP")]
    await desk.close()


async def test_who_was_erased_since_is_named(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    before = "+12125550177"
    await desk.do(ForgetOp(before))
    for peer in (PEER, before, "+12125550178"):
        await desk.submit(peer=peer)
    desk.now += 1000
    copy = taken(desk, tmp_path / "copy.db")
    desk.now += 1000
    await desk.do(ForgetOp(PEER))
    done = await restored(desk, copy)
    assert done.erased == (PEER,)
    assert not desk.rows("SELECT 1 FROM store_info WHERE value LIKE ? OR key LIKE ?", f"%{PEER}%", f"%{PEER}%")
    await desk.close()


async def test_who_only_agreed_or_opted_out_and_was_erased_since_is_named(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    agreed, out = "+12125550177", "+12125550178"
    source = Source("web", "shop", wording=Wording("Offers"))
    await desk.do(ConsentOp([ConsentChange(agreed, (2,), "all", True, source)]))
    await desk.do(OptOutOp([OptOutChange(out, "all", True)], how="operator", who="operator"))
    copy = taken(desk, tmp_path / "copy.db")
    desk.now += 1000
    await desk.do(ForgetOp(agreed))
    await desk.do(ForgetOp(out))
    done = await restored(desk, copy)
    assert done.erased == (agreed, out)
    assert desk.rows("SELECT peer FROM consent") == []
    await desk.close()


async def test_the_old_file_is_kept(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    copy = taken(desk, tmp_path / "copy.db")
    mid = await desk.submit()
    done = await restored(desk, copy)
    assert done.aside is not None
    assert stat.S_IMODE(done.aside.stat().st_mode) == stat.S_IMODE((tmp_path / "s.db").stat().st_mode) == 0o600
    con = sqlite3.connect(done.aside)
    assert con.execute("SELECT id FROM message").fetchall() == [(mid,)]
    con.close()
    assert copy.exists()
    await desk.close()
    assert not leftovers(tmp_path)


async def test_in_the_place_of_one_that_is_damaged(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    mid = await desk.submit()
    copy = taken(desk, tmp_path / "copy.db")
    await desk.close()
    (tmp_path / "s.db").write_bytes(b"not a database, long enough to be looked at as one" * 100)
    (tmp_path / "s.db-wal").write_bytes(b"its log")
    done = restore(desk._url, copy, desk.now)
    assert done.trouble is not None
    assert done.aside is not None
    assert done.aside.with_name(f"{done.aside.name}-wal").read_bytes() == b"its log"
    desk._open()
    assert desk.states(mid) == [State.IN_DOUBT]
    await desk.close()


async def test_in_the_place_of_one_of_an_earlier_version(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Nobody could opt out of that: nothing is missing, and nothing of it is unreadable."""
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    mid = await desk.submit()
    copy = taken(desk, tmp_path / "copy.db")
    await desk.close()
    (tmp_path / "s.db").unlink()
    con = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    upgrade(con, "0006")
    con.close()
    done = restore(desk._url, copy, desk.now)
    assert (done.optouts, done.trouble, done.segments) == (0, None, 1)
    desk._open()
    assert desk.states(mid) == [State.IN_DOUBT]
    await desk.close()


async def test_where_there_was_none(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    await desk.submit()
    copy = taken(desk, tmp_path / "copy.db")
    await desk.close()
    (tmp_path / "new").mkdir()
    done = restore(f"sqlite:///{tmp_path}/new/s.db", copy, desk.now)
    assert (done.segments, done.aside, done.optouts) == (1, None, 0)
    assert sorted(f.name for f in (tmp_path / "new").iterdir()) == ["s.db", "s.db.lock"]


async def test_not_while_a_daemon_has_it(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    copy = taken(desk, tmp_path / "copy.db")
    with pytest.raises(StoreError, match="in use by another smsgw"):
        restore(desk._url, copy, desk.now)
    await desk.submit()
    await desk.close()


async def test_what_cannot_be_restored_changes_nothing(tmp_path: Path, nursery: trio.Nursery) -> None:
    desk = Desk(nursery, f"sqlite:///{tmp_path}/s.db")
    mid = await desk.submit()
    copy = taken(desk, tmp_path / "copy.db")
    await desk.close()
    before = (tmp_path / "s.db").read_bytes()
    later = tmp_path / "later.db"
    shutil.copy(copy, later)
    con = sqlite3.connect(later)
    con.execute("UPDATE alembic_version SET version_num = '9999'")
    con.commit()
    con.close()
    foreign = tmp_path / "foreign.db"
    con = sqlite3.connect(foreign)
    con.execute("CREATE TABLE cats (name)")
    con.close()
    cut = tmp_path / "cut.db"
    cut.write_bytes(copy.read_bytes()[: -3 * 4096])
    text = tmp_path / "text.db"
    text.write_text("not one")
    for path, words in (
        (later, "later version"),
        (foreign, "not a database of smsgw"),
        (cut, "damaged|malformed"),
        (text, "not a database"),
        (tmp_path / "none.db", "is no file"),
    ):
        with pytest.raises(StoreError, match=words):
            restore(desk._url, path, desk.now)
        with pytest.raises(StoreError, match=words):
            check(path)
    assert (tmp_path / "s.db").read_bytes() == before
    assert not leftovers(tmp_path, "before")
    lock = FileLock(tmp_path / "s.db.lock")
    lock.acquire("it")  # is given up
    lock.release()
    desk._open()
    assert desk.states(mid) == [State.QUEUED]
    await desk.close()
