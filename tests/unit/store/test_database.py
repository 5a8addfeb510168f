"""The file is private, locked, and refused in words when it cannot be opened; a kill leaves nothing in the way."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import ValidationError

from gateway.settings.service import Store as SettingsStore
from gateway.store.database import (
    BUSY_TIMEOUT_MS,
    READER_PAGES,
    Database,
    StoreError,
    checkpoint,
    file_of,
    install_number,
    next_epoch,
)
from gateway.store.store import Store


def open_file(path: Path, **given: object) -> Store:
    return Store(f"sqlite:///{path}", inline=True, **given)  # type: ignore[arg-type]


def test_the_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = open_file(tmp_path / "s.db")
    finally:
        os.umask(before)
    assert {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()} == {
        "s.db": 0o600,
        "s.db-wal": 0o600,
        "s.db-shm": 0o600,
        "s.db.lock": 0o600,
    }
    store.close()


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1)])
def test_a_commit_is_on_disk_when_it_returns(tmp_path: Path, synchronous: str, number: int) -> None:
    database = Database(f"sqlite:///{tmp_path}/s.db", synchronous=synchronous)
    con = database.connect()
    expected = {"journal_mode": "wal", "synchronous": number, "wal_autocheckpoint": 0, "busy_timeout": 2000}
    assert {name: con.execute(f"PRAGMA {name}").fetchone()[0] for name in expected} == expected
    con.close()
    database.close()


def test_full_is_the_default(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    assert store.read_now(lambda con: con.execute("PRAGMA synchronous").fetchone()) == (2,)
    store.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    con = store.database.connect(read_only=True)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        con.execute("DELETE FROM message")
    con.close()
    store.close()


def test_a_long_search_takes_no_memory_for_good(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 's.db'}")
    con = database.connect()
    con.execute("CREATE TABLE filler (octets BLOB)")
    con.execute(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "INSERT INTO filler SELECT zeroblob(16384) FROM n"
    )
    reader = database.connect(read_only=True)
    before = _resident()
    assert reader.execute("SELECT sum(length(octets)), max(hex(octets)) FROM filler").fetchone()[0] == 16_384_000
    assert _resident() - before < READER_PAGES + 2048
    reader.close()
    con.close()
    database.close()


def _resident() -> int:
    """Resident memory of this process in KiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def test_a_second_daemon_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    with pytest.raises(StoreError, match=f"in use by another smsgw .process {os.getpid()}"):
        open_file(tmp_path / "s.db")
    store.close()
    open_file(tmp_path / "s.db").close()


def test_a_kill_leaves_nothing_that_refuses_the_next_start(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "from gateway.store.store import Store\n"
        f"store = Store('sqlite:///{tmp_path}/s.db', inline=True)\n"
        "store.read_now(lambda con: con.execute('BEGIN IMMEDIATE'))\n"
        "print('open', flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -9, done.stderr
    assert done.stdout == "open\n"
    assert (tmp_path / "s.db.lock").read_text().strip().isdigit()
    store = open_file(tmp_path / "s.db")
    assert store.epoch == 2
    store.close()


def test_every_start_has_its_epoch_and_all_have_one_install_number(tmp_path: Path) -> None:
    epochs, installs = [], set()
    for _ in range(3):
        store = open_file(tmp_path / "s.db")
        epochs.append(store.epoch)
        installs.add(store.read_now(install_number))
        store.close()
    assert epochs == [1, 2, 3]
    assert len(installs) == 1
    store = open_file(tmp_path / "other.db")
    assert store.read_now(install_number) not in installs
    assert store.read_now(lambda con: next_epoch(con, 5)) == 2
    assert store.read_now(lambda con: con.execute("SELECT node FROM lease").fetchall()) == [(5,)]
    store.close()


def test_ids_rise_over_a_start(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    given = [store.ids.next() for _ in range(3)]
    store.read_now(
        lambda con: con.execute("INSERT INTO parked_receipt VALUES (?, 'acme', 'k', x'')", (given[-1] + (1 << 40),))
    )
    store.close()
    store = open_file(tmp_path / "s.db")
    assert store.ids.next() > given[-1] + (1 << 40)
    store.close()


@pytest.mark.parametrize("url", ["postgresql+psycopg://localhost/x", "mysql://x/y"])
def test_another_dialect_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="only sqlite:// is supported"):
        file_of(url)


def test_urls() -> None:
    assert file_of("sqlite:////var/lib/smsgw/smsgw.db") == Path("/var/lib/smsgw/smsgw.db")
    assert file_of("sqlite:///relative.db") == Path("relative.db")
    assert file_of("sqlite://") is None
    assert file_of("sqlite:///:memory:") is None


@pytest.mark.parametrize("name", ["/var/lib/smsgw/a b.db", "/var/lib/a%20b/50%.db", "/srv/é.db"])
def test_the_settings_name_the_file_that_is_opened(name: str) -> None:
    for url in (f"sqlite:///{quote(name)}", f"sqlite:///{name.replace('%', '%25')}"):
        assert file_of(url) == SettingsStore(url=url).path == Path(name)


@pytest.mark.parametrize("url", ["sqlite:////var/lib/a%00b.db", "sqlite:////var/lib/a%2F"])
def test_what_is_no_name_of_a_file_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="a file as"):
        SettingsStore(url=url)


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"the directory .*/none does not exist"):
        open_file(tmp_path / "none" / "s.db")


@pytest.mark.parametrize("octets", [b"this is no database, but a text of some length" * 50, os.urandom(4096)])
def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "s.db"
    path.write_bytes(octets)
    with pytest.raises(StoreError, match=r"s\.db"):
        open_file(path)
    assert path.read_bytes() == octets, "and is left alone"
    # nor is the lock kept
    path.unlink()
    open_file(path).close()


def test_a_database_of_another_program_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    con = sqlite3.connect(path)
    con.execute("CREATE TABLE message (other TEXT)")
    con.close()
    with pytest.raises(StoreError, match=r"s\.db"):
        open_file(path)


def test_a_database_of_a_later_version_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    open_file(path).close()
    con = sqlite3.connect(path)
    con.execute("UPDATE alembic_version SET version_num = '9999'")
    con.commit()
    con.close()
    with pytest.raises(StoreError, match="later version"):
        open_file(path)


def test_a_database_that_another_holds_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.database.BUSY_TIMEOUT_MS", 1)
    path = tmp_path / "s.db"
    open_file(path).close()
    con = sqlite3.connect(path, isolation_level=None)
    con.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match=r"s\.db"):
        open_file(path)
    con.execute("ROLLBACK")
    con.close()
    open_file(path).close()


def test_a_checkpoint_moves_the_log(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    for i in range(50):
        store.read_now(lambda con, i=i: con.execute("INSERT INTO store_info VALUES (?, ?)", (f"k{i}", "x" * 2000)))
    assert store.database.wal_size() > 50 * 2000
    con = store.database.connect()
    size = store.database.wal_size()
    assert 50 * 2000 < checkpoint(con, store.writer.turns, size, 4 * size) <= size
    assert store.database.wal_size() == size
    con.close()
    store.close()
    again = open_file(tmp_path / "s.db")
    count = "SELECT count(*) FROM store_info WHERE key LIKE 'k%'"
    assert again.read_now(lambda con: con.execute(count).fetchone()) == (50,)
    again.close()


def test_a_log_that_a_reader_let_grow_starts_over_or_is_cut_once_it_is_gone(tmp_path: Path) -> None:
    store = open_file(tmp_path / "s.db")
    reader, con = store.database.connect(read_only=True), store.database.connect()

    def grow() -> None:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM store_info").fetchone()
        store.read_now(lambda con: con.execute("INSERT INTO store_info VALUES (hex(randomblob(9)), zeroblob(100000))"))

    grow()
    size = store.database.wal_size()
    began = time.monotonic()
    checkpoint(con, store.writer.turns, size, size)  # more than a quarter of the limit
    checkpoint(con, store.writer.turns, size, size - 1)  # more than the limit
    assert time.monotonic() - began < BUSY_TIMEOUT_MS / 1000, "it gives up before the writer does"
    assert store.database.wal_size() == size
    reader.execute("COMMIT")
    checkpoint(con, store.writer.turns, size, size)
    grow()
    assert store.database.wal_size() == size, "the log started over in the same file"
    reader.execute("COMMIT")
    checkpoint(con, store.writer.turns, size, size - 1)
    assert store.database.wal_size() == 0
    for one in (reader, con):
        one.close()
    store.close()


def test_a_log_starts_over_beside_a_writer_that_hardly_pauses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has its turn after the transaction that is under way, however long that takes, and not the next one."""
    monkeypatch.setattr("gateway.store.database.RESTART_WAIT_MS", 1)
    store = open_file(tmp_path / "s.db")
    turns, asked = store.writer.turns, threading.Event()
    con = store.database.connect()

    def write(commit: bool = True) -> None:
        store.read_now(lambda con: con.execute("BEGIN IMMEDIATE"))
        store.read_now(lambda con: con.execute("INSERT INTO store_info VALUES (hex(randomblob(9)), zeroblob(100000))"))
        if commit:
            store.read_now(lambda con: con.execute("COMMIT"))

    class Asked:
        def __enter__(self) -> None:
            asked.set()
            turns.acquire()

        def __exit__(self, *_: object) -> None:
            turns.release()

    write()
    size = store.database.wal_size()
    with turns:
        write(commit=False)
        thread = threading.Thread(target=checkpoint, args=(con, Asked(), size, size))
        thread.start()
        assert asked.wait(10)
        store.read_now(lambda con: con.execute("COMMIT"))
        grown = store.database.wal_size()
        assert grown > size
    thread.join()
    write()
    assert store.database.wal_size() == grown, "the log started over in the same file"
    con.close()
    store.close()
