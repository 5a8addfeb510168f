"""Pages of the queue: each message as it was stored, in order, whatever is in it, and what is damaged apart."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.model import State
from gateway.store import pages
from gateway.store.pages import Queued
from gateway.store.queries import QueueUnit
from gateway.store.sends import DoubtOp, ResponseOp
from gateway.store.submits import SubmitOp
from tests.support.stores import NUMBER, PEER, START, Desk

S = State
UNIT = QueueUnit("acme", 0, "app", 9)


def read(desk: Desk, query: Callable[..., Any], *given: Any) -> Any:
    return desk.store.read_now(lambda con: query(con, *given))


def page(desk: Desk) -> list[Queued]:
    found, following = read(desk, pages.of_unit, UNIT, 0, 100)
    assert following is None
    return found


def segments(message: Queued) -> list[tuple[Any, ...]]:
    assert message.segments is not None
    return [msgspec.structs.astuple(segment) for segment in message.segments]


async def test_pages_of_a_unit_in_the_order_of_its_messages(desk: Desk) -> None:
    mids = [await desk.submit(parts=1 + i % 3, ref=None, body=f"{i}".encode()) for i in range(25)]
    await desk.submit(lane=1)
    await desk.claim((mids[3], 1), (mids[5], 1))
    found: list[Queued] = []
    after: int | None = 0
    while after is not None:
        part, after = read(desk, pages.of_unit, UNIT, after, 10)
        found += part
    assert [message.id for message in found] == [mid for i, mid in enumerate(mids) if i != 3]
    message = next(m for m in found if m.id == mids[5])
    assert message.body == "5"
    assert segments(message) == [(part, None, 0, 0, None) for part in (2, 3)], "the claimed part does not wait"
    assert message.waiting == [2, 3]


async def test_what_waits_is_read_with_its_time_and_its_past(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING, parts=2)
    await desk.do(ResponseOp("acme", [], [], [(mid, 1, 0x58, START + 900)], None), DoubtOp([(mid, 2)], True))
    (message,) = page(desk)
    assert segments(message) == [(1, START + 900, 1, 0, 0x58), (2, None, 1, 1, None)]
    assert read(desk, pages.by_id, [mid, 999]) == [message]
    assert read(desk, pages.by_id, []) == []


async def test_a_message_is_read_as_it_was_stored(desk: Desk) -> None:
    """One that has everything, next to what is there of the numbers that JSON could bend."""
    last = (1 << 63) - 1
    mid = await desk.submit(
        id=last, body="a\0b'\"\\\n\x7fé€\u2028\U0001f600".encode(), encoding="ucs2", options='{"udh":"AA=="}',
        scheme="udh16", concat_ref=65535, parts=2, receipt=3, expires_at=last - 1, klass=2,
    )  # fmt: skip
    (message,) = page(desk)
    assert message == Queued(
        mid, "app", NUMBER, PEER, 2, "a\0b'\"\\\n\x7fé€\u2028\U0001f600", "ucs2", '{"udh":"AA=="}', "udh16", 65535, 2,
        3, last - 1, "acme", 0, 9, message.segments,
    )  # fmt: skip
    assert message.waiting == [1, 2]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("part = 1", None),
        ("part = 2", (2, None, 0, 0, None)),
        ("attempts = 1", (1, None, 1, 0, None)),
        ("in_doubt = 1", (1, None, 0, 1, None)),
        (f"due_at = {START}", (1, START, 0, 0, None)),
        ("status = 88", (1, None, 0, 0, 88)),
    ],
)
async def test_a_segment_of_which_there_is_something_to_tell(desk: Desk, change: str, expected: Any) -> None:
    await desk.submit()
    desk.con.execute(f"UPDATE segment SET {change}")
    (message,) = page(desk)
    assert (message.segments and segments(message)) == (expected and [expected])
    assert message.waiting == [expected[0] if expected else 1]


async def test_a_part_that_is_under_way_is_no_part_that_waits(desk: Desk) -> None:
    mid = await desk.submit(parts=2)
    await desk.claim((mid, 2))
    (message,) = page(desk)
    assert segments(message) == [(1, None, 0, 0, None)]


async def test_texts_and_octets_come_back_as_they_were(desk: Desk) -> None:
    rng = random.Random(7)
    edges = [0, 1, 0x1F, 0x22, 0x5C, 0x7F, 0x80, 0xD7FF, 0xE000, 0xFEFF, 0xFFFE, 0xFFFF, 0x10000, 0x10FFFF]
    texts = ["", *map(chr, edges), *(_text(rng, edges) for _ in range(60))]
    octets = [b"", bytes(range(256)), *(rng.randbytes(rng.randrange(200)) for _ in range(30))]
    await desk.do(
        SubmitOp(
            [desk.new(body=text.encode(), peer=text, encoding="ucs2") for text in texts]
            + [desk.new(body=body, encoding="binary") for body in octets]
        )
    )
    found, _ = read(desk, pages.of_unit, UNIT, 0, 500)
    assert [message.body for message in found[: len(texts)]] == texts
    assert [message.peer for message in found[: len(texts)]] == texts
    assert [bytes.fromhex(message.body) for message in found[len(texts) :]] == octets


def _text(rng: random.Random, edges: list[int]) -> str:
    return "".join(chr(rng.choice(edges) if rng.random() < 0.3 else rng.randrange(0x20, 0xD800)) for _ in range(40))


DAMAGE = {
    "octets that are no text": "UPDATE message SET body = x'61ff62' WHERE id = ?",
    "a peer that is no text": "UPDATE message SET peer = CAST(x'2b31ff' AS TEXT) WHERE id = ?",
    "a blob in the place of a text": "UPDATE message SET peer = x'2b31' WHERE id = ?",
    "a text in that of a number": "UPDATE message SET parts = 'two' WHERE id = ?",
    "a fraction": "UPDATE message SET expires_at = 1.5 WHERE id = ?",
    "a segment's time": "UPDATE segment SET due_at = 'soon' WHERE part = 2 AND message_id = ?",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_what_is_damaged_is_read_apart(desk: Desk, damage: str) -> None:
    mids = [await desk.submit(parts=2) for _ in range(5)]
    desk.con.execute(DAMAGE[damage], (mids[2],))
    found = page(desk)
    assert [message.id for message in found] == mids
    assert [bool(message.damage) for message in found] == [False, False, True, False, False]
    assert found[2].waiting == [1, 2]
    assert found[2].body is None
    assert "Hello" not in found[2].damage
    assert read(desk, pages.by_id, mids) == found
    assert read(desk, pages.of_unit, UNIT, 0, 3) == (found[:3], mids[2])


@pytest.mark.parametrize("body", ["NULL", "'Hello'", "17"])
async def test_what_has_no_octets_has_no_body(desk: Desk, body: str) -> None:
    mid = await desk.submit()
    desk.con.execute(f"UPDATE message SET body = {body} WHERE id = ?", (mid,))
    (message,) = page(desk)
    assert message.body is None


async def test_trouble_of_the_store_is_no_damage(desk: Desk) -> None:
    """Nothing is set aside for it: it is read again."""
    await desk.submit()

    class Ill:
        def execute(self, sql: str, given: Any) -> sqlite3.Cursor:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error

    with pytest.raises(sqlite3.OperationalError, match="disk"):
        pages.of_unit(Ill(), UNIT, 0, 10)  # type: ignore[arg-type]
