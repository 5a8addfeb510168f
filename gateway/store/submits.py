"""New messages into the store, with their idempotency keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, ClassVar, Final

import msgspec

from gateway.model import State
from gateway.store.hot import (
    ALIKE,
    INSERT_ALIKE,
    INSERT_ALIKE_NOTED,
    INSERT_MESSAGE,
    INSERT_REF,
    INSERT_SEGMENT,
    INSERT_SEGMENTS_ALIKE,
    INSERT_TOLD,
    SELECT_REF,
    Row,
)
from gateway.store.optins import asked
from gateway.store.tx import Base, Op, Tx
from gateway.store.verdicts import Check, Verdict, judge

REF_BUCKET_MS: Final = 86_400_000
"""A key is looked for in the bucket of today and the two before, so it holds for at least 48 hours.

And in tomorrow's, for a clock that stepped back over midnight.
"""


class NewMessage(msgspec.Struct, eq=False, gc=False):
    """One message to insert, as the door made it; the result is in ``duplicate_of``, ``conflict`` and ``refused``.

    A struct, as `gateway.carrier.outgoing.Outgoing` is and for the same reasons. ``state`` is a plain number: SQLite
    takes half a microsecond to find out that another kind of one is a number too.
    """

    id: int
    app: str
    number: str
    peer: str
    klass: int
    body: bytes
    meta: str | None
    ref: str | None
    digest: bytes
    encoding: str
    options: str | None
    scheme: str
    concat_ref: int
    parts: int
    receipt: int
    expires_at: int
    carrier: str
    lane: int
    rank: int
    shard: int
    state: int
    due_at: int | None
    door: str | None = None
    route: str | None = None
    cut: int | None = None  # parts on the air, where the carrier does the cutting
    charged: int | None = None  # segments taken from a balance
    duplicate_of: int | None = None
    conflict: bool = False
    refused: Verdict | None = None
    noted: str | None = None  # what a check has to say of one that it lets pass
    alike: str | None = None  # another text that says the same, for who may not repeat it
    tells: bool = False  # it is the first from its number that tells the peer how to stop its marketing

    @property
    def air(self) -> int:
        """Its parts on the air."""
        return self.parts if self.cut is None else self.cut

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"<NewMessage {self.id} from {self.number}, {self.parts} parts>"


class SubmitOp(Op):
    """A burst of new messages. Those whose ``ref`` is taken, or that may not be sent, are not inserted."""

    __slots__ = ("context", "messages", "octets", "rows")
    order: ClassVar[int] = 10
    passed: ClassVar[bool] = True
    first: ClassVar[bool] = True  # answers of the same burst free slots, of which the first is for a one-time code
    name: ClassVar[str] = "submit"

    def __init__(self, messages: list[NewMessage], context: Any = None) -> None:
        super().__init__()
        self.messages = messages
        self.context = context
        self.rows = 0
        self.octets = 0
        for m in messages:
            self.rows += 1 + m.parts
            self.octets += len(m.body) + 300

    @property
    def weight(self) -> tuple[int, int]:
        return self.rows, self.octets

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        messages: list[NewMessage] = [m for op in ops for m in op.messages]
        for m in messages:
            m.refused = None
            m.charged = None
        with_ref = [m for m in messages if m.ref is not None]
        if not with_ref:
            cls._insert(tx, judge(tx, messages))
            return
        first = cls._known_refs(tx, with_ref)
        holders = [m for m in messages if m.duplicate_of is None]
        while holders:
            taken = judge(tx, holders)
            cls._insert(tx, taken)
            holders = cls._next_for_refs(with_ref, first) if len(taken) < len(holders) else []

    @staticmethod
    def _insert(tx: Tx, messages: list[NewMessage]) -> None:
        """Stores messages, and the refs of those that have one."""
        con, today = tx.con, tx.now // REF_BUCKET_MS
        INSERT_REF.run(con, [(today, m.app, m.ref, m.id, m.digest) for m in messages if m.ref is not None])
        alike: dict[Row, list[NewMessage]] = {}
        odd: list[NewMessage] = []
        for m in messages:
            if m.charged is not None or m.cut is not None:
                odd.append(m)
                continue
            shared = (
                m.app, m.klass, m.options, m.scheme, m.receipt, m.door, m.route, m.carrier, m.lane, m.rank, m.state,
                m.due_at, m.meta is None and m.ref is None,
            )  # fmt: skip
            group = alike.get(shared)
            if group is None:
                group = alike[shared] = []
            group.append(m)
        for group in alike.values():
            if len(group) < ALIKE:
                odd += group
            else:
                _insert_alike(tx, group)
        _insert_each(tx, odd)
        told: list[Row] = [(m.peer, m.number, m.id) for m in messages if m.tells]
        if told:
            INSERT_TOLD.run(con, told)
        if tx.consents.opt_ins:
            asked(tx, messages)

    @staticmethod
    def _known_refs(tx: Tx, messages: list[NewMessage]) -> dict[int, NewMessage]:
        """Finds the messages whose ``ref`` is taken; returns, by id, those of this burst that took one first."""
        taken = _taken(tx, [(m.app, m.ref) for m in messages])
        first: dict[int, NewMessage] = {}
        for m in messages:
            winner = taken.get((m.app, m.ref))
            if winner is None:
                taken[m.app, m.ref] = (m.id, m.digest)
                first[m.id] = m
                m.duplicate_of = None
                m.conflict = False
            else:
                m.duplicate_of = winner[0]
                m.conflict = winner[1] != m.digest
        return first

    @staticmethod
    def _next_for_refs(with_ref: list[NewMessage], first: dict[int, NewMessage]) -> list[NewMessage]:
        """Has those asked next that wanted something else under the ref of one that is refused, and so holds none.

        Who asks for the same as that one is refused as well. ``first`` are those that were asked, by id.
        """
        holders: dict[tuple[str, str | None], NewMessage] = {}
        for m in with_ref:
            before = first.get(m.duplicate_of) if m.duplicate_of is not None else None
            if before is None or before.refused is None:
                continue
            if not m.conflict:
                m.duplicate_of, m.refused = None, before.refused
                continue
            holder = holders.setdefault((m.app, m.ref), m)
            m.duplicate_of = None if holder is m else holder.id
            m.conflict = holder is not m and holder.digest != m.digest
        first |= {m.id: m for m in holders.values()}
        return list(holders.values())


def _insert_each(tx: Tx, messages: list[NewMessage]) -> None:
    """Stores messages of any kind."""
    rows: list[Row] = []
    segments: list[Row] = []
    for m in messages:
        rows.append(
            (
                m.id, m.app, m.number, m.peer, m.klass, m.body, m.meta, m.ref, m.encoding, m.options, m.scheme,
                m.concat_ref, m.parts, m.receipt, m.expires_at, m.door, m.route, m.cut, m.charged,
            )
        )  # fmt: skip
        epoch, attempts = _claim(tx, m)
        for part in range(1, m.parts + 1):
            segments.append(
                (m.id, part, m.carrier, m.app, m.lane, m.rank, m.shard, m.state, epoch, attempts, 0, m.due_at,
                 m.expires_at)
            )  # fmt: skip
    INSERT_MESSAGE.run(tx.con, rows)
    INSERT_SEGMENT.run(tx.con, segments)


def _insert_alike(tx: Tx, messages: list[NewMessage]) -> None:
    """Stores messages that are alike: what they share is that of the first."""
    m = messages[0]
    shared: Row = (m.app, m.klass, m.options, m.scheme, m.receipt, m.door, m.route)
    if m.meta is None and m.ref is None:
        rows: list[Row] = [
            (m.id, m.number, m.peer, m.body, m.encoding, m.concat_ref, m.parts, m.expires_at) for m in messages
        ]
        INSERT_ALIKE.run(tx.con, rows, shared)
    else:
        rows = [
            (m.id, m.number, m.peer, m.body, m.encoding, m.concat_ref, m.parts, m.expires_at, m.meta, m.ref)
            for m in messages
        ]
        INSERT_ALIKE_NOTED.run(tx.con, rows, shared)
    segments: list[Row] = [(m.id, part, m.shard, m.expires_at) for m in messages for part in range(1, m.parts + 1)]
    shared = (m.carrier, m.app, m.lane, m.rank, m.state, *_claim(tx, m), 0, m.due_at)
    INSERT_SEGMENTS_ALIKE.run(tx.con, segments, shared)


def _claim(tx: Tx, message: NewMessage) -> tuple[int, int]:
    """Epoch and attempts of a new segment: some are claimed as they are stored."""
    return (tx.epoch, 1) if message.state == State.SUBMITTING else (0, 0)


class RefsOp(Op):
    """Asks which refs of an app were taken, where nothing is to be stored: ``found`` has id and digest by ref."""

    __slots__ = ("app", "context", "found", "refs")
    order: ClassVar[int] = 11  # after those that take some
    name: ClassVar[str] = "refs"

    def __init__(self, app: str, refs: list[str], context: Any = None) -> None:
        super().__init__()
        self.app = app
        self.refs = refs
        self.context = context
        self.found: dict[str, tuple[int, bytes]] = {}

    @property
    def weight(self) -> tuple[int, int]:
        return len(self.refs), 300 * len(self.refs)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        taken = _taken(tx, {(op.app, ref) for op in ops for ref in op.refs})
        for op in ops:
            op.found = {ref: taken[op.app, ref] for ref in op.refs if (op.app, ref) in taken}


def _taken(tx: Tx, refs: Iterable[tuple[str, str | None]]) -> dict[tuple[str, str | None], tuple[int, bytes]]:
    """The messages, by id and digest, that are stored under refs of apps."""
    today = tx.now // REF_BUCKET_MS
    found = SELECT_REF.fetch(tx.con, list(refs), (today - 2, today - 1, today, today + 1))
    found.sort(reverse=True)  # in two buckets, after a clock that stepped back by days: the first one has it
    return {(app, ref): (mid, digest) for _, app, ref, mid, digest in found}


def weigh(con: sqlite3.Connection, message: NewMessage, now: int, base: Base, checks: tuple[Check, ...]) -> None:
    """Sets of a message what storing it would: ``refused`` and ``noted``, or ``duplicate_of`` and ``conflict``.

    Nothing is written. ``checks`` are of their own, and dry: those of the writer are in use (`gateway.store.checks`).
    """
    tx = Tx(con, now, base)
    tx.checks = checks
    if message.ref is not None:
        SubmitOp._known_refs(tx, [message])
    if message.duplicate_of is None:
        judge(tx, [message])
