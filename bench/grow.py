"""Make a database as a daemon would have left it after many messages: `python -m bench.grow FILE --messages N`.

    python -m bench.grow /var/tmp/large.db --messages 50000000 [--days 30] [--check]
    python -m bench.run --store /var/tmp/large.db

The size is told first, measured on a small one; where the disk has not that much it is refused. Rows go in by their
keys, and what is not in that order (three indexes) is made at the end. It is made beside FILE as FILE.part and has its
name once it is whole. `--check` reads all of it again: SQLite's integrity check, and what belongs to what.
bench/grown.py says what is in it.
"""

from __future__ import annotations

import argparse
import gc
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from bench.grown import APP, CARRIER, CHUNK, STREAM, Grown, Plan, Row
from gateway.model import IdText
from gateway.store.store import Store

SAMPLE: Final = 20_000
"""Messages of the database by which the size is told."""
ROOM: Final = 1.25
"""So many times the size has to be free: the indexes are sorted in files beside it."""
SPARE: Final = 1 << 30
_ROWS: Final = {
    "messages": "INSERT INTO message (id, app, number, peer, class, body, encoding, scheme, concat_ref, parts, receipt,"
    f" expires_at, door) VALUES (?1, '{APP}', ?2, ?3, 0, ?4, ?5, 'udh8', ?6, ?7, 1, ?8, 'socket')",
    "segments": "INSERT INTO segment (message_id, part, carrier, app, lane, rank, shard, state, epoch, attempts,"
    " in_doubt, expires_at, status, reason, error, receipt_state, smsc_message_id, sent_at, done_at, bind, written_at,"
    f" carrier_done_at) VALUES (?1, ?2, '{CARRIER}', '{APP}', 0, 9, ?3, ?4, 1, 1, 0, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11,"
    f" '{CARRIER}/1', ?12, ?13)",
    "inbound": "INSERT INTO inbound (id, carrier, number, peer, text, encoding, parts, complete)"
    f" VALUES (?1, '{CARRIER}', ?2, ?3, ?4, ?5, ?6, 1)",
    "events": f"INSERT INTO event (stream, seq, at, kind, subject, payload) VALUES ({STREAM}, ?1, ?2, ?3, ?4, ?5)",
    "smsc_ids": "INSERT INTO smsc_id (bucket, carrier, key, message_id, part, raw)"
    f" VALUES (?1, '{CARRIER}', ?2, ?3, ?4, ?5)",
    "threads": "INSERT INTO thread (number, peer, first_at, read_up_to) VALUES (?, ?, ?, ?)",
    "peers": "INSERT INTO peer (address, created_at) VALUES (?, ?)",
}
_LATER: Final = ("message_peer", "inbound_pair", "thread_peer")
"""Indexes that are in another order than their rows come in."""
_WRONG: Final = {
    "messages without all of their segments": "SELECT count(*) FROM message m WHERE m.parts !="
    " (SELECT count(*) FROM segment s WHERE s.message_id = m.id)",
    "segments without a message": "SELECT count(*) FROM segment s WHERE NOT EXISTS"
    " (SELECT 1 FROM message m WHERE m.id = s.message_id)",
    "ids of no segment": "SELECT count(*) FROM smsc_id d WHERE NOT EXISTS (SELECT 1 FROM segment s"
    " WHERE s.message_id = d.message_id AND s.part = d.part AND s.smsc_message_id = d.raw)",
    "inbound messages without a thread": "SELECT count(*) FROM inbound i WHERE NOT EXISTS"
    " (SELECT 1 FROM thread t WHERE t.number = i.number AND t.peer = i.peer)",
    "threads without a message": "SELECT count(*) FROM thread t WHERE NOT EXISTS"
    " (SELECT 1 FROM inbound i WHERE i.peer = t.peer AND i.number = t.number)",
    "threads without a peer": "SELECT count(*) FROM thread t WHERE NOT EXISTS"
    " (SELECT 1 FROM peer p WHERE p.address = t.peer)",
}
"""What must not be there, as a count."""


class GrowError(Exception):
    """It cannot be made; the text says why."""


def fill(con: sqlite3.Connection, plan: Plan, say: Callable[[int], None] = lambda _: None) -> None:
    """Puts all rows of a plan into a database of the newest schema that has none. ``say`` is told the messages done."""
    row = con.execute("SELECT value FROM store_info WHERE key = 'install'").fetchone()
    grown = Grown(plan, IdText(int(row[0])))
    con.execute("BEGIN")
    con.execute(
        "INSERT INTO stream (id, kind, app, name, numbers, events, created_at)"
        f" VALUES ({STREAM}, 'subscription', '{APP}', 'bench', NULL, '[\"inbound\",\"receipt\"]', ?)",
        (plan.at(0),),
    )
    ids: list[Row] = []
    done = 0
    for chunk in grown.chunks():
        for name in ("messages", "segments", "inbound", "events"):
            con.executemany(_ROWS[name], getattr(chunk, name))
        # In order within six hours only: what is gathered of such a time goes in sorted.
        if ids and chunk.smsc_ids and ids[0][0] != chunk.smsc_ids[0][0]:
            _put_ids(con, ids)
            ids = []
        ids += chunk.smsc_ids
        done += len(chunk.messages)
        con.execute("COMMIT")
        say(done)
        con.execute("BEGIN")
    _put_ids(con, ids)
    for name, rows in (("threads", grown.threads()), ("peers", grown.peers())):
        for page in _pages(rows):
            con.executemany(_ROWS[name], page)
    con.execute(f"INSERT INTO cursor (stream, acked) VALUES ({STREAM}, ?)", (grown.seq,))
    con.execute("COMMIT")


def _put_ids(con: sqlite3.Connection, rows: list[Row]) -> None:
    rows.sort()
    con.executemany(_ROWS["smsc_ids"], rows)


def _pages(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while page := list(islice(rows, CHUNK)):
        yield page


def expected(plan: Plan) -> int:
    """Octets that the database of a plan will have, by a small one of its kind in memory."""
    store = Store("sqlite://", inline=True)
    try:
        con = store.read_now(lambda con: con)
        sample = Plan(min(SAMPLE, plan.messages), plan.end, plan.days, 0)
        empty = _octets(con)
        fill(con, sample)
        each = (_octets(con) - empty) / sample.messages
    finally:
        store.close()
    return int(each * plan.messages + min(plan.events, plan.messages) * 400)


def _octets(con: sqlite3.Connection) -> int:
    pages: int = con.execute("PRAGMA page_count").fetchone()[0]
    size: int = con.execute("PRAGMA page_size").fetchone()[0]
    return pages * size


def grow(path: Path, plan: Plan, say: Callable[[int], None] = lambda _: None) -> None:
    """Makes the database file. Raises GrowError when there is one already, or too little room."""
    if path.exists():
        raise GrowError(f"{path} exists already")
    if not path.parent.is_dir():
        raise GrowError(f"the directory {path.parent} does not exist")
    needed = int(expected(plan) * ROOM) + SPARE
    stat = os.statvfs(path.parent)
    free = stat.f_bavail * stat.f_frsize
    if free < needed:
        raise GrowError(f"{needed / 1e9:.1f} GB of disk are needed at {path.parent}, {free / 1e9:.1f} are free")
    part = path.with_name(path.name + ".part")
    for left in _files(part):
        left.unlink(missing_ok=True)
    Store(f"sqlite:///{part.resolve()}", inline=True).close()
    # What is sorted lies beside it, not in a /tmp that may be smaller or in memory.
    os.environ["SQLITE_TMPDIR"] = str(path.parent.resolve())
    con = sqlite3.connect(part, isolation_level=None)
    try:
        # Killed halfway it is of no use, so nothing is written twice for that.
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF", "cache_size = -262144"):
            con.execute(f"PRAGMA {pragma}").fetchone()
        marks = ", ".join("?" * len(_LATER))
        later = con.execute(f"SELECT name, sql FROM sqlite_master WHERE name IN ({marks})", _LATER).fetchall()
        if len(later) != len(_LATER):
            raise GrowError(f"of the indexes {', '.join(_LATER)} there are {[name for name, _ in later]} only")
        for name, _ in later:
            con.execute(f"DROP INDEX {name}")
        fill(con, plan, say)
        for _, sql in later:
            con.execute(sql)
        con.execute("PRAGMA journal_mode = WAL").fetchone()
    finally:
        con.close()
    descriptor = os.open(part, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)
    part.replace(path)
    for left in _files(part):
        left.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", ".lock"))]


def check(con: sqlite3.Connection) -> list[str]:
    """What is wrong with such a database; nothing when it is as it should be."""
    found = [str(row[0]) for row in con.execute("PRAGMA integrity_check").fetchall() if row[0] != "ok"]
    for name, sql in _WRONG.items():
        if count := con.execute(sql).fetchone()[0]:
            found.append(f"{count} {name}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one, print its size; 1 when that cannot be done, or the check finds something."""
    parser = argparse.ArgumentParser("bench.grow", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="the database to be made; must not be there yet")
    parser.add_argument("--messages", type=int, default=1_000_000, help="sent (%(default)s)")
    parser.add_argument("--days", type=float, default=30.0, help="over which they were sent (%(default)s)")
    parser.add_argument("--events", type=int, default=200_000, help="of the last ones are kept (%(default)s)")
    parser.add_argument("--check", action="store_true", help="read all of it again, and say what is wrong")
    chosen = parser.parse_args(arguments)
    if chosen.messages < 1 or chosen.days <= 0 or chosen.events < 0:
        parser.error("--messages: at least 1; --days: more than 0; --events: 0 or more")
    plan = Plan(chosen.messages, int(time.time() * 1000), chosen.days, chosen.events)
    print(f"{plan.messages:,} messages over {plan.days:g} days, about {expected(plan) / 1e9:.2f} GB", flush=True)
    began = told = time.monotonic()
    gc.disable()  # millions of tuples, and no cycle among them: looking for one takes a fifth of the time

    def say(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told > 5.0:
            told = now
            print(f"{done:,} messages, {done / (now - began):,.0f} a second", file=sys.stderr, flush=True)

    try:
        grow(chosen.file, plan, say)
    except GrowError as error:
        print(f"bench.grow: {error}", file=sys.stderr)
        return 1
    took, size = time.monotonic() - began, chosen.file.stat().st_size
    print(
        f"{chosen.file}: {size / 1e9:.2f} GB, {size / plan.messages:.0f} octets a message, in {took:.0f} s:"
        f" {plan.messages / took:,.0f} messages a second, indexes included"
    )
    if not chosen.check:
        return 0
    con = sqlite3.connect(chosen.file)
    try:
        wrong = check(con)
    finally:
        con.close()
    print("\n".join(f"WRONG: {one}" for one in wrong) or f"checked in {time.monotonic() - began - took:.0f} s: sound")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
