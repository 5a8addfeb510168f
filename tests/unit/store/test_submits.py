"""New messages and their idempotency keys: one message for a key, across bursts, days and starts."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import State
from gateway.store.hot import ALIKE
from gateway.store.submits import REF_BUCKET_MS, NewMessage, RefsOp, SubmitOp
from gateway.store.tx import Tx
from gateway.store.verdicts import Check, Verdict
from tests.support.stores import DAY, NUMBER, PEER, START, Desk

S = State


def stored(desk: Desk) -> int:
    return int(desk.rows("SELECT count(*) FROM message")[0][0])


async def submit(desk: Desk, *messages: NewMessage) -> None:
    await desk.do(SubmitOp(list(messages)))


async def test_a_message_is_stored_as_it_was_given(desk: Desk) -> None:
    mid = await desk.submit(
        ref="r", meta='{"k":1}', klass=2, lane=1, rank=3, shard=41, parts=2, options='{"flash":true}', scheme="sar",
        concat_ref=65535, receipt=False, encoding="ucs2", body="Grüße 👋".encode(), door="socket", route="uk",
    )  # fmt: skip
    (row,) = desk.rows("SELECT * FROM message")
    assert row == (
        mid, "app", NUMBER, PEER, 2, "Grüße 👋".encode(), '{"k":1}', "r", "ucs2", '{"flash":true}', "sar", 65535, 2, 0,
        START + DAY, "socket", "uk", None, None, None,
    )  # fmt: skip
    for part, segment in enumerate(desk.segments(mid), 1):
        assert segment == {
            "message_id": mid, "part": part, "carrier": "acme", "app": "app", "lane": 1, "rank": 3, "shard": 41,
            "state": S.QUEUED, "epoch": 0, "attempts": 0, "in_doubt": 0, "due_at": None, "expires_at": START + DAY,
            "status": None, "reason": None, "error": None, "receipt_state": None, "smsc_message_id": None,
            "sent_at": None, "done_at": None, "bind": None, "written_at": None, "carrier_done_at": None,
        }  # fmt: skip


KINDS: list[dict[str, Any]] = [
    {},
    {"parts": 3, "body": b"long", "concat_ref": 4242, "encoding": "ucs2", "shard": 63, "peer": "+15557654321"},
    {"meta": '{"order":1}', "ref": "with both"},
    {"meta": "{}", "number": "+15550009999"},
    {"ref": "r"},
    {"state": S.SUBMITTING, "door": "socket", "route": "uk"},
    {"state": S.SUBMITTING, "parts": 2, "scheme": "sar", "receipt": 0},
    {"state": S.SCHEDULED, "due_at": START + 5000, "options": '{"flash":true}'},
    {"klass": 2, "lane": 1, "rank": 3, "app": "other", "carrier": "second", "receipt": 2, "expires_at": START + 7},
    {"charged": 1},
    {"cut": 3},
]


@pytest.mark.parametrize("alike", [1, ALIKE - 1, ALIKE, 4 * ALIKE])
async def test_what_is_alike_in_a_burst_is_stored_as_each_by_itself(desk: Desk, alike: int) -> None:
    """Of every kind so many, mixed."""
    messages = []
    for i in range(alike):
        for kind in KINDS:
            given = kind | {"ref": f"{kind['ref']} {i}"} if "ref" in kind else kind
            messages.append(desk.new(**given))

    def rows(*bursts: list[NewMessage]) -> list[Any]:
        desk.con.execute("SAVEPOINT before")
        for burst in bursts:
            SubmitOp._insert(Tx(desk.con, desk.now, desk.writer.base), burst)
        found = [desk.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("message", "segment", "ref")]
        desk.con.execute("ROLLBACK TO before")
        desk.con.execute("RELEASE before")
        return found

    together = rows(messages)
    assert together == rows(*([m] for m in messages))
    assert [len(found) for found in together] == [11 * alike, 14 * alike, 2 * alike]
    assert [row[-2:] for row in together[0]] == [(m.cut, m.charged) for m in messages]


async def test_a_scheduled_message_waits_for_its_time(desk: Desk) -> None:
    mid = await desk.submit(state=S.SCHEDULED, due_at=START + 5000, parts=2)
    assert [(s["state"], s["due_at"]) for s in desk.segments(mid)] == [(S.SCHEDULED, START + 5000)] * 2


async def test_the_same_key_in_one_burst(desk: Desk) -> None:
    first, again, third = [desk.new(ref="k") for _ in range(3)]
    await desk.do(SubmitOp([first, again]), SubmitOp([third]))
    assert [m.duplicate_of for m in (first, again, third)] == [None, first.id, first.id]
    assert not any(m.conflict for m in (first, again, third))
    assert stored(desk) == 1
    assert desk.segments(again.id) == []


async def test_the_same_key_in_another_burst(desk: Desk) -> None:
    first, again = desk.new(ref="k"), desk.new(ref="k")
    await submit(desk, first)
    await submit(desk, again)
    assert again.duplicate_of == first.id
    assert stored(desk) == 1


async def test_the_same_key_for_another_message_is_a_conflict(desk: Desk) -> None:
    first = desk.new(ref="k", digest=b"one")
    same_burst, later = desk.new(ref="k", digest=b"two"), desk.new(ref="k", digest=b"three")
    await submit(desk, first, same_burst)
    await submit(desk, later)
    for m in (same_burst, later):
        assert (m.duplicate_of, m.conflict) == (first.id, True)
    again = desk.new(ref="k", digest=b"one")
    await submit(desk, again)
    assert (again.duplicate_of, again.conflict) == (first.id, False)
    assert stored(desk) == 1


async def test_a_key_belongs_to_its_app(desk: Desk) -> None:
    a, b = desk.new(ref="k", app="a"), desk.new(ref="k", app="b")
    await submit(desk, a, b)
    assert (a.duplicate_of, b.duplicate_of) == (None, None)
    assert stored(desk) == 2


@pytest.mark.parametrize("refs", [("k", "K"), ("k", "k "), ("\u00e9", "e\u0301"), ("", "0"), ("a\0b", "a")])
async def test_keys_are_compared_by_every_character(desk: Desk, refs: tuple[str, str]) -> None:
    messages = [desk.new(ref=ref) for ref in refs]
    await submit(desk, *messages)
    assert [m.duplicate_of for m in messages] == [None, None]
    again = [desk.new(ref=ref) for ref in refs]
    await submit(desk, *again)
    assert [m.duplicate_of for m in again] == [m.id for m in messages]


async def test_without_a_key_nothing_is_a_duplicate(desk: Desk) -> None:
    messages = [desk.new() for _ in range(3)]
    await submit(desk, *messages)
    assert [m.duplicate_of for m in messages] == [None] * 3
    assert stored(desk) == 3
    assert desk.rows("SELECT count(*) FROM ref") == [(0,)]


async def test_a_key_holds_over_a_start(filed: Desk) -> None:
    first, other = filed.new(ref="k"), filed.new(ref="k", digest=b"other")
    await submit(filed, first)
    await filed.restart()
    again = filed.new(ref="k")
    await submit(filed, again, other)
    assert (again.duplicate_of, again.conflict) == (first.id, False)
    assert (other.duplicate_of, other.conflict) == (first.id, True)
    assert stored(filed) == 1


MIDNIGHT = (START // REF_BUCKET_MS + 1) * REF_BUCKET_MS


@pytest.mark.parametrize(
    ("first_at", "again_at"),
    [
        (MIDNIGHT - 1, MIDNIGHT),
        (MIDNIGHT, MIDNIGHT + DAY - 1),
        (MIDNIGHT, MIDNIGHT + DAY),
        (MIDNIGHT - 1, MIDNIGHT + DAY),
        (START, START + 24 * 3_600_000),
        (START, START + 48 * 3_600_000),
        (MIDNIGHT - 1, MIDNIGHT + 2 * DAY - 1),
    ],
)
async def test_a_key_holds_for_48_hours_across_days(desk: Desk, first_at: int, again_at: int) -> None:
    desk.now = first_at
    first = desk.new(ref="k")
    await submit(desk, first)
    desk.now = again_at
    again, conflict = desk.new(ref="k"), desk.new(ref="k", digest=b"other")
    await submit(desk, again, conflict)
    assert again.duplicate_of == first.id
    assert conflict.conflict
    assert stored(desk) == 1


async def test_a_key_is_free_again_after_three_days(desk: Desk) -> None:
    first = desk.new(ref="k")
    await submit(desk, first)
    desk.now += 3 * DAY
    again = desk.new(ref="k")
    await submit(desk, again)
    assert again.duplicate_of is None
    assert stored(desk) == 2
    last = desk.new(ref="k")
    await submit(desk, last)
    assert last.duplicate_of == again.id


def refuses(*ids: int) -> Check:
    """A check that refuses some messages."""

    def check(tx: Tx, messages: list[NewMessage]) -> bool:
        bad = [m for m in messages if m.id in ids]
        for m in bad:
            m.refused = Verdict("too_long")
        return bool(bad)

    return check


async def test_a_refused_message_holds_no_key(desk: Desk) -> None:
    """Who wants something else under it is judged by itself, in the same burst; who wants the same is refused too."""
    first, same, worse, also, good, again, late = [
        desk.new(ref="k", digest=digest) for digest in (b"1", b"1", b"2", b"2", b"3", b"3", b"1")
    ]
    other = desk.new(ref="l")
    desk.writer.base.checks = (refuses(first.id, worse.id),)
    await desk.do(SubmitOp([first, same, worse, other]), SubmitOp([also, good, again, late]))
    assert [m.refused is not None for m in (first, same, worse, also)] == [True] * 4
    # It was asked again after the first one was refused, and is another one's now.
    assert [(m.duplicate_of, m.conflict, m.refused) for m in (good, other)] == [(None, False, None)] * 2
    assert (again.duplicate_of, again.conflict, again.refused) == (good.id, False, None)
    assert late.refused is not None
    assert sorted(desk.rows("SELECT id FROM message")) == [(good.id,), (other.id,)]
    assert sorted(desk.rows("SELECT ref, message_id FROM ref")) == [("k", good.id), ("l", other.id)]
    after = desk.new(ref="k", digest=b"3")
    await submit(desk, after)
    assert (after.duplicate_of, after.conflict) == (good.id, False)


async def test_what_is_asked_of_keys_takes_none(desk: Desk) -> None:
    before, now = desk.new(ref="k", digest=b"1"), desk.new(ref="m", digest=b"2")
    await submit(desk, before)
    asks, others = RefsOp("app", ["k", "l", "m"]), RefsOp("other", ["k"])
    await desk.do(asks, others, SubmitOp([now]))
    assert asks.found == {"k": (before.id, b"1"), "m": (now.id, b"2")}
    assert others.found == {}
    desk.now += 3 * DAY
    late = RefsOp("app", ["k"])
    await desk.do(late)
    assert late.found == {}
    assert stored(desk) == 2


async def test_many_keys_in_one_burst(desk: Desk) -> None:
    first = [desk.new(ref=f"k{i}") for i in range(300)]
    await submit(desk, *first)
    mixed = [desk.new(ref=f"k{i}") for i in range(200, 600)]
    await submit(desk, *mixed)
    assert [m.duplicate_of for m in mixed[:100]] == [m.id for m in first[200:]]
    assert all(m.duplicate_of is None for m in mixed[100:])
    assert stored(desk) == 600
    assert desk.rows("SELECT count(*) FROM segment") == [(600,)]


async def test_a_key_whose_message_was_not_stored_is_not_taken(desk: Desk) -> None:
    """The whole burst is undone with the one that cannot be stored, then each goes on its own."""
    poison = desk.new(ref="k", digest=b"poison", expires_at=1 << 70)
    good = desk.new(ref="k")
    errors = await desk.burst(SubmitOp([poison]), SubmitOp([good]))
    assert isinstance(errors[0], OverflowError)
    assert errors[1] is None
    assert (good.duplicate_of, good.conflict) == (None, False)
    again = desk.new(ref="k")
    await submit(desk, again)
    assert again.duplicate_of == good.id
    assert stored(desk) == 1


def test_the_weight_of_a_burst_counts_segments_and_octets() -> None:
    fields = {"number": NUMBER, "peer": PEER, "klass": 0, "meta": None, "ref": None, "digest": b"", "encoding": "gsm7",
              "options": None, "scheme": "udh8", "concat_ref": 0, "receipt": True, "expires_at": 0, "carrier": "c",
              "lane": 0, "rank": 0, "shard": 0, "state": 1, "due_at": None, "app": "a"}  # fmt: skip
    op = SubmitOp([NewMessage(id=i, body=b"x" * 100, parts=3, **fields) for i in range(4)])
    rows, octets = op.weight
    assert rows == 16
    assert octets >= 400
