"""A copy is whole whatever is written meanwhile, private, never over another file, and leaves nothing when it fails."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.backup import PAGES, Backup, BackupError, StoppedError
from gateway.store.database import Database
from gateway.store.restore import check

NOW = 1_760_000_000_000


@pytest.fixture
def source(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A database of some 500 pages."""
    database = Database(f"sqlite:///{tmp_path}/s.db", synchronous="normal")
    con = database.connect()
    add(con, range(1, 1001), "before")
    yield con
    con.close()
    database.close()


def add(con: sqlite3.Connection, ids: range, text: str) -> None:
    con.execute("BEGIN IMMEDIATE")
    con.executemany(
        "INSERT INTO inbound (id, carrier, number, peer, text, encoding, parts, complete)"
        " VALUES (?, 'acme', '+15551230001', '+12125550101', ?, 'gsm7', 1, 1)",
        [(i, text * 300) for i in ids],
    )
    con.execute("COMMIT")


def backup(path: Path, turns: threading.Lock | None = None, **given: int) -> Backup:
    made = Backup(path, turns or threading.Lock(), **({"rate": 1 << 40} | given))
    made.open()
    return made


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    con = sqlite3.connect(path)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


class Between:
    """In place of the writer's lock: does something each time that the connection is free."""

    def __init__(self, act: object) -> None:
        self.act = act
        self.held = False
        self.turns = 0

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        assert not self.held
        self.held = True

    def release(self) -> None:
        self.held = False
        self.turns += 1
        self.act(self.turns)  # type: ignore[operator]


def test_it_has_what_is_written_while_it_is_made(tmp_path: Path, source: sqlite3.Connection) -> None:
    source.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def write(turn: int) -> None:
        if turn == 4:  # both to what is copied already and to what is not
            source.execute("UPDATE inbound SET text = 'during' WHERE id IN (1, 1000)")
            add(source, range(2001, 2101), "new")
            source.execute("DELETE FROM inbound WHERE id = 2")

    turns = Between(write)
    made = backup(tmp_path / "copy.db", turns)  # type: ignore[arg-type]
    made.run(source, NOW)
    assert turns.turns > 8, f"made in {turns.turns} turns of {PAGES} pages"
    assert read(tmp_path / "copy.db", "PRAGMA integrity_check") == [("ok",)]
    assert read(tmp_path / "copy.db", "SELECT count(*) FROM inbound") == [(1099,)]
    assert read(tmp_path / "copy.db", "SELECT id FROM inbound WHERE text = 'during'") == [(1,), (1000,)]
    assert check(tmp_path / "copy.db") == NOW
    assert made.octets == made.total > 1 << 20


def test_no_snapshot_is_held_meanwhile(tmp_path: Path, source: sqlite3.Connection) -> None:
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    moved: list[bool] = []

    def write(turn: int) -> None:
        if 2 <= turn <= 6:
            add(source, range(turn * 1000, turn * 1000 + 50), "new")
            _, frames, done = other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            moved.append(frames == done)

    backup(tmp_path / "copy.db", Between(write)).run(source, NOW)  # type: ignore[arg-type]
    other.close()
    assert moved == [True] * 5


def test_a_log_that_is_cut_has_it_begin_anew(tmp_path: Path, source: sqlite3.Connection) -> None:
    other = sqlite3.connect(tmp_path / "s.db", isolation_level=None)

    def write(turn: int) -> None:
        if turn == 5:
            add(source, range(5000, 5050), "new")
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            add(source, range(6000, 6050), "new")

    backup(tmp_path / "copy.db", Between(write)).run(source, NOW)  # type: ignore[arg-type]
    other.close()
    assert read(tmp_path / "copy.db", "PRAGMA integrity_check") == [("ok",)]
    assert read(tmp_path / "copy.db", "SELECT count(*) FROM inbound") == [(1100,)]


def test_it_is_one_file_and_its_owner_s_alone(tmp_path: Path, source: sqlite3.Connection) -> None:
    (tmp_path / "there").mkdir()
    before = os.umask(0)
    try:
        backup(tmp_path / "there" / "copy.db").run(source, NOW)
    finally:
        os.umask(before)
    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in (tmp_path / "there").iterdir()} == {"copy.db": 0o600}


def test_nothing_is_overwritten(tmp_path: Path, source: sqlite3.Connection) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("mine")
    with pytest.raises(BackupError, match="is there already"):
        backup(copy)
    copy.unlink()
    copy.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackupError, match="is there already"):
        backup(copy)
    copy.unlink()
    made = backup(copy)
    copy.write_text("mine")  # while it was made
    with pytest.raises(BackupError, match="is there already"):
        made.run(source, NOW)
    assert copy.read_text() == "mine"
    assert sorted(f.name for f in tmp_path.iterdir() if f.name.startswith("copy")) == ["copy.db"]


def test_what_a_kill_left_is_made_anew_and_two_do_not_meet(tmp_path: Path, source: sqlite3.Connection) -> None:
    (tmp_path / "copy.db.part").write_bytes(b"x" * 100_000)
    first = backup(tmp_path / "copy.db")
    with pytest.raises(BackupError, match="by another backup"):
        backup(tmp_path / "copy.db")
    first.run(source, NOW)
    assert check(tmp_path / "copy.db") == NOW


def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "copy.db.part").symlink_to(tmp_path / "victim")
    with pytest.raises(BackupError, match="cannot be written"):
        backup(tmp_path / "copy.db")
    (tmp_path / "copy.db.part").unlink()
    os.link(tmp_path / "victim", tmp_path / "copy.db.part")
    with pytest.raises(BackupError, match="not a file of ours"):
        backup(tmp_path / "copy.db")
    assert (tmp_path / "victim").read_text() == "mine"


def test_it_keeps_to_its_rate(tmp_path: Path, source: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waited = [100.0], [0.0]
    made = backup(tmp_path / "copy.db", rate=1 << 20)

    def wait(seconds: float) -> bool:
        clock[0] += seconds
        waited[0] += seconds
        return False

    monkeypatch.setattr("gateway.store.backup.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(made._stopped, "wait", wait)
    made.run(source, NOW)
    assert waited[0] == pytest.approx(made.total / (1 << 20), abs=0.01)


def test_a_disk_without_room_is_said_before_anything_is_copied(tmp_path: Path, source: sqlite3.Connection) -> None:
    made = backup(tmp_path / "copy.db", room=1 << 60)
    with pytest.raises(BackupError, match=r"MiB free; [1-9]\d* are to be copied, and \d+ have to stay free"):
        made.run(source, NOW)
    assert not [f for f in tmp_path.iterdir() if f.name.startswith("copy")]


def test_one_that_is_given_up_leaves_nothing(tmp_path: Path, source: sqlite3.Connection) -> None:
    turns = threading.Lock()
    made = backup(tmp_path / "copy.db", turns)
    made.stop()
    with pytest.raises(StoppedError):
        made.run(source, NOW)
    assert not [f for f in tmp_path.iterdir() if f.name.startswith("copy")]
    assert not turns.locked()
