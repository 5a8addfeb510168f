"""What is known of peers: names, fields and lists; several phones of one person share a record.

A person with several phones has the record at one of them; the others say by ``same_as`` where it is. What was known
of such a phone before stays in its row, which nobody reads until it is somebody's own again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from gateway.store.hot import Row, Values
from gateway.store.tx import Op, Tx

MOST_FIELDS: Final = 50
MOST_LISTS: Final = 100
MOST_PHONES: Final = 20
MOST_OCTETS: Final = 8192
"""Of one record: fields, lists, phones, and octets of fields and lists as they are stored."""
SCAN_ROWS: Final = 20_000
"""Peers that one page looks at, at most."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of a peer; what is not given stays. Who is none is made.

    ``name``: null takes it away. ``fields``: by name, null takes one away. ``lists`` are all of them; ``join`` and
    ``leave`` add to them and take away. ``phones`` are further ones of the same person: such as nothing else is known
    of.
    """

    address: str
    name: str | msgspec.UnsetType | None = msgspec.UNSET
    fields: dict[str, str | None] = {}
    lists: tuple[str, ...] | None = None
    join: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()


class Record(msgspec.Struct):
    """A record as it is stored, with all its phones, the one that has the record first."""

    address: str
    created_at: int
    name: str | None
    fields: dict[str, str]
    lists: list[str]
    phones: list[str]


_COLUMNS: Final = "address, created_at, name, fields, lists"
_FIND: Final = Values(
    "WITH v(address) AS (VALUES {values}) SELECT v.address, p.address, p.created_at, p.name, p.fields, p.lists FROM v"
    " CROSS JOIN peer o ON o.address = v.address CROSS JOIN peer p ON p.address = coalesce(o.same_as, o.address)",
    1,
)
_PUT: Final = Values(
    "INSERT INTO peer (address, created_at, name, fields, lists) VALUES {values} ON CONFLICT (address)"
    " DO UPDATE SET created_at = min(peer.created_at, excluded.created_at), name = excluded.name,"
    " fields = excluded.fields, lists = excluded.lists",
    5,
)
_JOIN: Final = Values(
    "INSERT INTO peer (address, created_at, same_as) VALUES {values} ON CONFLICT (address)"
    " DO UPDATE SET same_as = excluded.same_as",
    3,
)
_LISTS: Final = Values(
    "WITH v(address) AS (VALUES {values}) SELECT v.address, p.lists FROM v CROSS JOIN peer o ON o.address = v.address"
    " CROSS JOIN peer p ON p.address = coalesce(o.same_as, o.address) WHERE p.lists IS NOT NULL",
    1,
)
_PHONES: Final = Values(
    "WITH v(address) AS (VALUES {values}) SELECT p.same_as, p.address FROM v CROSS JOIN peer p"
    " ON p.same_as = v.address ORDER BY p.address",
    1,
)


def _record(row: Row) -> Record:
    address, created_at, name, fields, lists = row
    return Record(
        address,
        created_at,
        name,
        msgspec.json.decode(fields) if fields is not None else {},
        msgspec.json.decode(lists) if lists is not None else [],
        [address],
    )


def _row(record: Record) -> Row:
    return (
        record.address,
        record.created_at,
        record.name,
        msgspec.json.encode(record.fields).decode() if record.fields else None,
        msgspec.json.encode(record.lists).decode() if record.lists else None,
    )


def _full(record: Record) -> str | None:
    """What of a record is more than may be, in words."""
    if len(record.fields) > MOST_FIELDS:
        return f"more than {MOST_FIELDS} fields"
    if len(record.lists) > MOST_LISTS:
        return f"more than {MOST_LISTS} lists"
    if sum(len(text) for text in _row(record)[3:] if text is not None) > MOST_OCTETS:
        return f"fields and lists of more than {MOST_OCTETS} octets"
    return None


class PeersOp(Op):
    """Changes to peers, in their order. ``refused`` says afterwards by place which were not made: which member of a
    change it is for, and why."""

    __slots__ = ("changes", "made", "refused")
    order: ClassVar[int] = 73
    name: ClassVar[str] = "peers"

    def __init__(self, changes: list[Change]) -> None:
        super().__init__()
        self.changes = changes
        self.refused: dict[int, tuple[str, str]] = {}
        self.made = 0  # peers that were none before

    @property
    def weight(self) -> tuple[int, int]:
        rows = sum(1 + len(change.phones) for change in self.changes)
        return rows, sum(300 + 2 * sum(map(len, c.fields)) for c in self.changes)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        wanted = {address: None for op in ops for c in op.changes for address in (c.address, *c.phones)}
        found = {row[0]: _record(row[1:]) for row in _FIND.fetch(tx.con, [(address,) for address in wanted])}
        # Several phones of one person are one record here too.
        records = {record.address: record for record in found.values()}
        book = {address: records[record.address] for address, record in found.items()}
        if any(change.phones for op in ops for change in op.changes):
            for address, phone in _PHONES.fetch(tx.con, [(address,) for address in records]):
                records[address].phones.append(phone)
        joined: dict[str, tuple[Record, int]] = {}
        for op in ops:
            op.refused, op.made = {}, 0
            for place, change in enumerate(op.changes):
                known = book.get(change.address)
                record = _changed(known or Record(change.address, tx.now, None, {}, [], [change.address]), change)
                more = [phone for phone in dict.fromkeys(change.phones) if phone not in record.phones]
                if (problem := _full(record)) is not None:
                    op.refused[place] = "fields", problem
                    continue
                if (problem := _taken(record, more, book)) is not None:
                    op.refused[place] = "phones", problem
                    continue
                if known is None:
                    book[change.address] = known = record
                    op.made += 1
                else:
                    known.name, known.fields, known.lists = record.name, record.fields, record.lists
                for phone in more:
                    since = book[phone].created_at if phone in book else tx.now
                    joined[phone] = known, since
                    known.created_at = min(known.created_at, since)
                    known.phones.append(phone)
                    book[phone] = known
        _PUT.run(tx.con, list({record.address: _row(record) for record in book.values()}.values()))
        _JOIN.run(tx.con, [(phone, since, record.address) for phone, (record, since) in joined.items()])


def _changed(record: Record, change: Change) -> Record:
    fields = {**record.fields, **change.fields}
    lists = dict.fromkeys([*(record.lists if change.lists is None else change.lists), *change.join])
    return Record(
        record.address,
        record.created_at,
        record.name if change.name is msgspec.UNSET else change.name,
        {name: value for name, value in fields.items() if value is not None},
        sorted(set(lists).difference(change.leave)),
        record.phones,
    )


def _taken(record: Record, more: list[str], book: Mapping[str, Record]) -> str | None:
    """Why phones cannot be further ones of a record: another's, or too many; None where they can.

    Only two whom somebody names are made one: what a column of a file repeats in each line is of nobody.
    """
    for phone in more:
        other = book.get(phone)
        if other is not None and other.address != phone:
            return f"{phone} is one of {other.address}; if these are the same person, merge them"
        if other is not None and (other.name or other.fields or other.lists or len(other.phones) > 1):
            return f"something is known of {phone} by itself; if it is the same person, merge them"
    if len(record.phones) + len(more) > MOST_PHONES:
        return f"more than {MOST_PHONES} phones"
    return None


class MergeOp(Op):
    """Makes the person of one phone the person of another: the second has the record of both.

    What both have is taken from the second. ``into`` None gives the phone a record of its own again: the one that it
    had.
    ``problem`` says afterwards why it was not done.
    """

    __slots__ = ("address", "into", "problem")
    order: ClassVar[int] = 74
    name: ClassVar[str] = "merge_peers"

    def __init__(self, address: str, into: str | None) -> None:
        super().__init__()
        self.address = address
        self.into = into
        self.problem: str | None = None

    @property
    def weight(self) -> tuple[int, int]:
        return MOST_PHONES + 2, 1000

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            op.problem = op._apply(tx)

    def _apply(self, tx: Tx) -> str | None:
        con = tx.con
        if self.into is None:
            done = con.execute(
                "UPDATE peer SET same_as = NULL WHERE address = ? AND same_as IS NOT NULL", (self.address,)
            )
            return None if done.rowcount else f"{self.address} is no further phone of somebody"
        first, second = record_of(con, self.address), record_of(con, self.into)
        if first is None or second is None:
            return f"{self.address if first is None else self.into} is no peer"
        if first.address == second.address:
            return None
        merged = Record(
            second.address,
            min(first.created_at, second.created_at),
            second.name if second.name is not None else first.name,
            {**first.fields, **second.fields},
            sorted({*first.lists, *second.lists}),
            [*second.phones, *first.phones],
        )
        problem = _full(merged)
        if problem is None and len(merged.phones) > MOST_PHONES:
            problem = f"more than {MOST_PHONES} phones"
        if problem is not None:
            return f"together they have {problem}"
        _PUT.run(con, [_row(merged)])
        marks = ",".join("?" * len(first.phones))
        con.execute(
            f"UPDATE peer SET same_as = ? WHERE address IN ({marks})",
            (second.address, *first.phones),
        )
        return None


# --- reads ------------------------------------------------------------------------------------------------------------


def record_of(con: sqlite3.Connection, address: str) -> Record | None:
    """The record of the person with this phone."""
    found = _FIND.fetch(con, [(address,)])
    if not found:
        return None
    record = _record(found[0][1:])
    record.phones += [phone for _, phone in _PHONES.fetch(con, [(record.address,)])]
    return record


def known_addresses(con: sqlite3.Connection, addresses: list[str]) -> set[str]:
    """Those of these that are peers."""
    return {row[0] for row in _FIND.fetch(con, [(address,) for address in addresses])}


def lists_of(con: sqlite3.Connection, addresses: Iterable[str]) -> dict[str, frozenset[str]]:
    """The lists that those with these phones are on, by the phone; one statement for all of a burst."""
    rows = _LISTS.fetch(con, [(address,) for address in addresses])
    return {address: frozenset(msgspec.json.decode(lists, type=list[str])) for address, lists in rows}


class Page(NamedTuple):
    """Records in the order of their addresses, and the address after which the next page begins, or None."""

    records: list[Record]
    next: str | None


def record_page(con: sqlite3.Connection, after: str, of_list: str | None, limit: int) -> Page:
    """A page of all records, or of those on a list; further phones are with their person."""
    found: list[Record] = []
    seen, last, full = 0, after, False
    cursor = con.execute(
        f"SELECT same_as, {_COLUMNS} FROM peer WHERE address > ? ORDER BY address LIMIT ?", (after, SCAN_ROWS)
    )
    for same_as, *row in cursor:
        seen, last = seen + 1, row[0]
        if same_as is not None:
            continue
        record = _record(tuple(row))
        if of_list is None or of_list in record.lists:
            found.append(record)
            if len(found) == limit:
                full = True
                break
    cursor.close()
    phones = {record.address: record.phones for record in found}
    for address, phone in _PHONES.fetch(con, [(address,) for address in phones]):
        phones[address].append(phone)
    return Page(found, last if full or seen == SCAN_ROWS else None)
