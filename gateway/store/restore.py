"""A copy of the database put in the place of the one there is, while no daemon runs.

What was done since the copy was taken is not known to it. Nothing is therefore sent that may have been sent already:
whatever waited is in doubt, and stays so until an operator says (`smsgw messages resolve`). Who opted out since is
taken over from the database that is replaced. Ids of events are never given twice, so streams get new numbers. The old
file is kept aside, and until the very last step nothing of it has changed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from gateway.model import State
from gateway.settings.own import FORWARDS, MAILS, REPLIES
from gateway.store.backup import BACKUP_AT, backup_at, sync_directory
from gateway.store.database import StoreError, file_of, lock_file, transaction
from gateway.store.erase import by_phone
from gateway.store.forgotten import KEY, SIGN, erased_since, key_of, name_of
from gateway.store.info import note
from gateway.store.queries import cursor_of
from gateway.store.revision import bring_to_newest, newest, revision_of
from gateway.store.streams import HANDLER
from gateway.store.trace import Trace, write

RESTORED_AT: Final = "restored_at"
"""Key in ``store_info`` of a database that was restored: when (ms)."""
EPOCHS: Final = 1000
"""More starts than there were since the copy: their epochs are not given again."""
PAGE: Final = 5000
_OPTOUTS_SINCE: Final = "0007"
"""The first revision of the tables that has opt-outs, consents and people who were erased."""

# What waits to be sent, or may be on the wire: not what is scheduled for a time that is still to come.
_UNSENT: Final = (
    f"(state IN ({int(State.QUEUED)}, {int(State.SUBMITTING)})"
    f" OR (state = {int(State.SCHEDULED)} AND (attempts > 0 OR coalesce(due_at, 0) <= :now)))"
)


class Restored(NamedTuple):
    """What was done. Times are ms; ``aside`` is None where there was no database before."""

    taken_at: int | None
    segments: int  # in doubt from now on
    scheduled: int  # messages that are still to come
    answers: int  # of ours to what came in, that wait and are not sent by themselves
    optouts: int  # taken over from the old database
    erased: tuple[str, ...]  # phones that were erased since, and are in it again
    aside: Path | None
    trouble: str | None  # why the old database could not be read


def restore(url: str, backup: Path, now_ms: int) -> Restored:
    """Puts ``backup`` in the place of the database at ``url``. Raises StoreError; then nothing has changed."""
    path = file_of(url)
    if path is None:
        raise StoreError("store.url: there is no file to restore")
    if not path.parent.is_dir():
        raise StoreError(f"store.url: the directory {path.parent} does not exist")
    lock = lock_file(path)
    new = path.with_name(path.name + ".restoring")
    try:
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        _give_to_owner(path, new, lock.path)
        _copy(backup, new)
        check(new, shown=backup)
        _migrate(new, backup)
        aside = _kept(path, now_ms)
        try:
            old, trouble = _settled(path)
            result = _adapt(new, old, now_ms)
            _sync(new)
        except BaseException:
            _forget(aside)
            raise
        _exchange(path, new)
        if aside is not None and trouble is None:
            Path(f"{aside}-wal").unlink(missing_ok=True)  # all of it is in the database
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{backup} cannot be restored: {error}") from error
    finally:
        for name in ("", "-wal", "-shm", "-journal"):
            Path(f"{new}{name}").unlink(missing_ok=True)
        lock.release()
    return result._replace(aside=aside, trouble=trouble)


def check(path: Path, *, shown: Path | None = None) -> int | None:
    """Looks at every page of a copy, and whether this version can use it; returns when it was taken (ms), if it says.

    Raises StoreError, of ``shown`` where the file has another name to the operator.
    """
    shown = shown or path
    try:
        con = _read_only(path)
        try:
            problems = [row[0] for row in con.execute("PRAGMA integrity_check(3)")]
            if problems != ["ok"]:
                raise StoreError(f"{shown} is damaged: {'; '.join(problems)}")
            revision = revision_of(con)
            if revision is None:
                raise StoreError(f"{shown} is not a database of smsgw")
            if revision > newest():
                raise StoreError(f"{shown} was made by a later version of smsgw (its tables are of {revision})")
            return backup_at(con)
        finally:
            con.close()
    except sqlite3.Error as error:
        raise StoreError(f"{shown} cannot be read: {error}") from None


def _give_to_owner(path: Path, *files: Path) -> None:
    """What root makes belongs to whose database it is, or that daemon could not open it."""
    if os.geteuid() == 0:
        owner = (path if path.exists() else path.parent).stat()
        for file in files:
            os.chown(file, owner.st_uid, owner.st_gid)


def _read_only(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise StoreError(f"{path} is no file")
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, isolation_level=None)


def _copy(backup: Path, new: Path) -> None:
    # By SQLite, so that what is only in a log beside the file comes along.
    source = _read_only(backup)
    try:
        target = _opened(new)
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        finally:
            target.close()
    finally:
        source.close()


def _opened(new: Path) -> sqlite3.Connection:
    con = sqlite3.connect(new, isolation_level=None)
    con.execute("PRAGMA synchronous = OFF")  # it is synced as a whole
    return con


def _migrate(new: Path, backup: Path) -> None:
    con = _opened(new)
    try:
        bring_to_newest(con)
    except LookupError as error:
        raise StoreError(f"{backup} was made by a later version of smsgw ({error})") from None
    finally:
        con.close()


def _settled(path: Path) -> tuple[Path | None, str | None]:
    """Moves the log of the old database into it; its path, where it can be read, or why it cannot."""
    if not path.exists():
        return None, None
    try:
        con = sqlite3.connect(path, isolation_level=None)
        try:
            con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if (revision := revision_of(con)) is not None and revision < _OPTOUTS_SINCE:
                return None, None  # of an earlier version, to which nobody could opt out
            con.execute("SELECT count(*) FROM optout").fetchone()
        finally:
            con.close()
    except sqlite3.Error as error:
        return None, str(error)
    return path, None


def _adapt(new: Path, old: Path | None, now_ms: int) -> Restored:
    """Makes of the copy what may be started; in one transaction."""
    con = _opened(new)
    try:
        if old is not None:
            con.execute("ATTACH ? AS old", (str(old.absolute()),))
        with transaction(con):
            taken_at = backup_at(con)
            segments = _hold(con, now_ms)
            scheduled = con.execute(
                f"SELECT count(DISTINCT message_id) FROM segment WHERE state = {int(State.SCHEDULED)}"
            ).fetchone()[0]
            answers = _hold_answers(con)
            optouts = _take_over(con) if old is not None else 0
            erased = _erased_since(con, taken_at or 0) if old is not None else ()
            _renumber(con, old is not None, now_ms)
            con.execute("UPDATE lease SET epoch = epoch + ?", (EPOCHS,))
            con.execute("DELETE FROM store_info WHERE key = ?", (BACKUP_AT,))
            note(con, RESTORED_AT, str(now_ms))
        return Restored(taken_at, segments, scheduled, answers, optouts, erased, None, None)
    finally:
        con.close()


def _hold(con: sqlite3.Connection, now_ms: int) -> int:
    """Puts in doubt what may have been sent since, and notes it in the history of each."""
    held = 0
    while True:
        found = con.execute(
            f"SELECT message_id, part, carrier FROM segment WHERE {_UNSENT} LIMIT {PAGE}", {"now": now_ms}
        ).fetchall()
        if not found:
            return held
        con.executemany(
            f"UPDATE segment SET state = {int(State.IN_DOUBT)}, in_doubt = in_doubt + 1, due_at = NULL"
            " WHERE message_id = ? AND part = ?",
            [(mid, part) for mid, part, _ in found],
        )
        detail = {"cause": "restore", "resent": False}
        write(con, [Trace(mid, part, now_ms, "doubt", carrier, detail) for mid, part, carrier in found])
        held += len(found)


def _hold_answers(con: sqlite3.Connection) -> int:
    """Answers and forwards of our own that wait become dead letters, for an operator to replay: most were sent."""
    held = 0
    for (stream,) in con.execute(
        "SELECT id FROM stream WHERE kind = ? AND name IN (?, ?, ?)", (HANDLER, FORWARDS, REPLIES, MAILS)
    ).fetchall():
        acked, done = cursor_of(con, stream)
        last = con.execute("SELECT max(seq) FROM event WHERE stream = ?", (stream,)).fetchone()[0]
        # What was tried in vain waits as a row of its own, what was not is beyond what is done.
        held += con.execute(
            "UPDATE retry SET due_at = NULL, error = 'restored' WHERE stream = ? AND due_at IS NOT NULL", (stream,)
        ).rowcount
        if last is None or last <= acked:
            continue
        fresh = [
            (stream, seq)
            for (seq,) in con.execute("SELECT seq FROM event WHERE stream = ? AND seq > ?", (stream, acked))
            if seq not in done
        ]
        con.executemany(
            "INSERT INTO retry (stream, seq, attempts, due_at, error) VALUES (?, ?, 0, NULL, 'restored')"
            " ON CONFLICT DO NOTHING",
            fresh,
        )
        held += len(fresh)
        con.execute(
            "INSERT INTO cursor (stream, acked, sparse) VALUES (?, ?, NULL)"
            " ON CONFLICT (stream) DO UPDATE SET acked = excluded.acked, sparse = NULL",
            (stream, last),
        )
    return held


def _take_over(con: sqlite3.Connection) -> int:
    """Who opted out since, by the old database; what it forgot meanwhile stays, since that is the safe side."""
    if not con.execute("SELECT count(*) FROM old.sqlite_master WHERE name = 'optout'").fetchone()[0]:
        return 0
    columns = "peer, scope, at, how, message_id, keyword"
    # How somebody is out may have changed: what was entered since, no START is to undo.
    taken = con.execute(
        f"INSERT INTO main.optout ({columns}) SELECT {columns} FROM old.optout WHERE true ON CONFLICT (peer, scope)"
        " DO UPDATE SET at = excluded.at, how = excluded.how, message_id = excluded.message_id,"
        " keyword = excluded.keyword WHERE how IS NOT excluded.how"
    ).rowcount
    con.execute(
        "INSERT INTO main.store_info (key, value) SELECT key, value FROM old.store_info WHERE key = ?"
        " ON CONFLICT DO NOTHING",
        (KEY,),
    )
    columns = "id, peer, scope, change, how, who, number, message_id, keyword, text"
    con.execute(
        f"INSERT INTO main.optout_change ({columns}) SELECT {columns} FROM old.optout_change WHERE true"
        " ON CONFLICT DO NOTHING"
    )
    _take_consents_over(con)
    return taken


def _take_consents_over(con: sqlite3.Connection) -> None:
    """What people agreed to or withdrew since, by the old database; of whom that says nothing, what the copy says.

    It may know of nobody: a daemon that was started without its database made an empty one.
    """
    if not con.execute("SELECT count(*) FROM old.sqlite_master WHERE name = 'consent'").fetchone()[0]:
        return
    con.execute(
        "DELETE FROM main.consent WHERE EXISTS (SELECT 1 FROM old.consent_change c WHERE c.peer = consent.peer"
        " AND c.class = consent.class AND c.scope = consent.scope"
        " AND NOT EXISTS (SELECT 1 FROM main.consent_change k WHERE k.id = c.id))"
    )
    columns = "peer, class, scope, at, how, change_id"
    con.execute(
        f"INSERT INTO main.consent ({columns}) SELECT {columns} FROM old.consent WHERE true"
        " ON CONFLICT (peer, class, scope) DO UPDATE SET at = excluded.at, how = excluded.how,"
        " change_id = excluded.change_id"
    )
    for table, columns in (
        ("consent_wording", "key, version, text"),
        (
            "consent_change",
            "id, peer, class, scope, change, at, how, who, opt_in, wording, number, message_id, text",
        ),
    ):
        con.execute(
            f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM old.{table} WHERE true ON CONFLICT DO NOTHING"
        )


def _erased_since(con: sqlite3.Connection, taken_at: int) -> tuple[str, ...]:
    """The phones in the copy of whom the old database says that they were erased after it was taken.

    What they agreed to is no more: the record of what they withdrew went with them.
    """
    key, names = key_of(con), erased_since(con, "old", taken_at)
    if key is None or not names:
        return ()
    tables = ("message", "inbound", "mo_message", "optout", *by_phone(con))
    phones = con.execute(
        "SELECT address FROM main.peer" + "".join(f" UNION SELECT peer FROM main.{table}" for table in tables)
    )
    found = tuple(phone for (phone,) in phones if not phone.startswith(SIGN) and name_of(key, phone) in names)
    con.executemany("DELETE FROM main.consent WHERE peer = ?", [(phone,) for phone in found])  # withdrawn, perhaps
    return found


def _renumber(con: sqlite3.Connection, with_old: bool, now_ms: int) -> None:
    """Gives streams numbers that none had: those who remember ids of events would take new events for old ones."""
    base = now_ms // 1000
    for schema in ("main", "old") if with_old else ("main",):
        row = con.execute(f"SELECT seq FROM {schema}.sqlite_sequence WHERE name = 'stream'").fetchone()
        base = max(base, row[0] if row is not None else 0)
    for (stream,) in con.execute("SELECT id FROM stream ORDER BY id").fetchall():
        base += 1
        for table, column in (("event", "stream"), ("cursor", "stream"), ("retry", "stream"),
                              ("handler_pause", "stream"), ("stream", "id")):  # fmt: skip
            con.execute(f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (base, stream))
    con.execute("DELETE FROM sqlite_sequence WHERE name = 'stream'")
    con.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('stream', ?)", (base,))


def _sync(new: Path) -> None:
    fd = os.open(new, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _kept(path: Path, now_ms: int) -> Path | None:
    """Gives the old database a second name, before anything looks at it; its log too, which a look may remove."""
    if not path.exists():
        return None
    aside = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now_ms / 1000))}")
    os.link(path, aside)
    if Path(f"{path}-wal").exists():
        os.link(f"{path}-wal", f"{aside}-wal")
    return aside


def _forget(aside: Path | None) -> None:
    if aside is not None:
        aside.unlink()
        Path(f"{aside}-wal").unlink(missing_ok=True)


def _exchange(path: Path, new: Path) -> None:
    """The new file has the usual name from here on; a kill leaves one or the other there."""
    for log in ("-wal", "-shm"):
        Path(f"{path}{log}").unlink(missing_ok=True)  # of a damaged database: it must not meet the new one
    os.replace(new, path)
    sync_directory(path.parent)
