"""Usage: sums of what is recorded and of what was removed, page by page, the same before and after."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from gateway.model import State
from gateway.sms.kinds import country_of_number
from gateway.store import usage
from gateway.store.ends import End, EndOp
from gateway.store.retention import DeleteInboundOp, DeleteMessagesOp, Until
from gateway.store.sends import DoubtOp, ResponseOp
from gateway.store.submits import SubmitOp
from gateway.store.usage import BY, DAY_MS, FIRST, By, Line, page
from tests.support.stores import NUMBER, START, Desk

DAY = START // DAY_MS
PHONES = {"US": "+12125550101", "CA": "+14165550101", "GB": "+447700900101", "DE": "+4915112345678", "": "12345"}
Sums = Counter[tuple[str, ...]]


def summed(desk: Desk, *by: By, days: tuple[int, int] = (DAY, DAY), limit: int = 10_000) -> dict[tuple[str, ...], Any]:
    """All pages: messages, segments, accepted."""
    found: dict[tuple[str, ...], list[int]] = {}
    after: str | None = FIRST
    kept: set[int] = set()
    while after is not None:
        one = desk.store.read_now(lambda con, at=after: page(con, days, by, at, limit))  # type: ignore[misc]
        assert isinstance(one, usage.Page)
        for line in one.lines:
            sums = found.setdefault((line.direction, *line.of), [0, 0, 0])
            for place, value in enumerate(line[2:]):
                sums[place] += value
        kept.add(one.kept)
        after = one.following
    assert len(kept) == 1
    return {key: tuple(sums) for key, sums in found.items()}


def inbound(desk: Desk, peer: str, *, parts: int = 1, complete: bool = True) -> int:
    mid = desk.store.ids.next()
    desk.con.execute(
        "INSERT INTO inbound (id, carrier, number, peer, encoding, parts, complete) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (mid, "acme", NUMBER, peer, "gsm7", parts, complete),
    )
    return mid


async def some(desk: Desk) -> None:
    """Messages in every state, of two apps, over two carriers."""
    await desk.sent("a1", "a2", app="crm", peer=PHONES["GB"])
    await desk.receive(desk.receipt("a1", peer=PHONES["GB"]), desk.receipt("a2", peer=PHONES["GB"]))
    await desk.sent("b1", app="crm", peer=PHONES["DE"], carrier="other")
    refused = await desk.submit(app="crm", parts=3, state=State.SUBMITTING)
    await desk.respond(refused, "c1")
    await desk.do(
        ResponseOp("acme", [], [End(refused, 2, State.FAILED, "carrier_refused", status=11, low=2)], [], None)
    )
    cancelled = await desk.submit(app="shop", klass=2, peer=PHONES["CA"])
    await desk.do(EndOp([End(cancelled, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    doubted = await desk.submit(app="shop", state=State.SUBMITTING)
    await desk.do(DoubtOp([(doubted, 1)], False))
    await desk.submit(app="shop", peer=PHONES[""])
    whole = desk.new(app="shop", scheme="payload", peer=PHONES["GB"])
    whole.cut = 4
    await desk.do(SubmitOp([whole]))
    inbound(desk, PHONES["GB"], parts=2)
    inbound(desk, PHONES["US"], complete=False)


EXPECTED = {
    ("out", "crm", "acme", "GB", "delivered"): (1, 2, 2),
    ("out", "crm", "other", "DE", "sent"): (1, 1, 1),
    ("out", "crm", "acme", "US", "failed"): (1, 3, 1),
    ("out", "shop", "acme", "CA", "cancelled"): (1, 1, 0),
    ("out", "shop", "acme", "US", "in_doubt"): (1, 1, 0),
    ("out", "shop", "acme", "", "queued"): (1, 1, 0),
    ("out", "shop", "acme", "GB", "queued"): (1, 4, 0),
    ("in", "", "acme", "GB", "received"): (1, 2, 2),
    ("in", "", "acme", "US", "partial"): (1, 1, 1),
}


@pytest.mark.parametrize("limit", [1, 2, 10_000])
async def test_it_is_told_apart_as_it_is_asked_in_pages_of_any_size(desk: Desk, limit: int) -> None:
    await some(desk)
    assert summed(desk, "app", "carrier", "country", "status", limit=limit) == EXPECTED
    assert summed(desk, limit=limit) == {("out",): (7, 13, 4), ("in",): (2, 3, 3)}
    assert summed(desk, "class", "number", limit=limit) == {
        ("out", "transactional", NUMBER): (6, 12, 4),
        ("out", "marketing", NUMBER): (1, 1, 0),
        ("in", "", NUMBER): (2, 3, 3),
    }


async def test_days_are_those_of_the_messages_in_utc(desk: Desk) -> None:
    desk.now = (DAY + 1) * DAY_MS - 1
    await desk.submit()
    desk.now += 1
    await desk.submit()
    inbound(desk, PHONES["US"])
    assert summed(desk, "day", days=(DAY - 9, DAY + 9)) == {
        ("out", "2025-10-09"): (1, 1, 0),
        ("out", "2025-10-10"): (1, 1, 0),
        ("in", "2025-10-10"): (1, 1, 1),
    }
    assert summed(desk, "month", days=(DAY, DAY)) == {("out", "2025-10"): (1, 1, 0)}
    assert summed(desk, days=(DAY + 2, DAY + 2)) == {}


async def test_what_is_removed_is_summed_up_and_nothing_is_counted_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "KEPT_PAGE", 2)
    await some(desk)
    ids = [mid for (mid,) in desk.rows("SELECT id FROM message ORDER BY id")]
    came = [mid for (mid,) in desk.rows("SELECT id FROM inbound ORDER BY id")]
    before = summed(desk, *BY)
    states = Counter(key[-1] for key in before)
    assert states["failed"] == 1
    now = desk.now + 1
    for start in range(0, len(ids), 2):
        await desk.do(
            DeleteMessagesOp(ids[start : start + 2], Until(now, now)), DeleteMessagesOp(ids[:1], Until(now, now))
        )
        assert summed(desk, *BY, limit=2) == before
    await desk.do(DeleteInboundOp(came), DeleteInboundOp(came))
    assert summed(desk, *BY) == before
    # What is not at its end stays.
    assert desk.rows("SELECT count(*) FROM message") == [(4,)]
    assert desk.rows("SELECT count(*), sum(messages) FROM usage") == [(5, 5)]
    desk.now += DAY_MS
    await some(desk)
    both = summed(desk, "app", "carrier", "country", "status", days=(DAY - 1, DAY + 1), limit=3)
    assert both == {key: tuple(2 * n for n in sums) for key, sums in EXPECTED.items()}


async def test_records_that_are_removed_meanwhile_are_noticed(desk: Desk) -> None:
    await some(desk)
    mids = [mid for (mid,) in desk.rows("SELECT id FROM message ORDER BY id")]
    first = desk.store.read_now(lambda con: page(con, (DAY, DAY), (), FIRST))
    await desk.do(DeleteMessagesOp(mids, Until(desk.now + 1, desk.now + 1)))
    second = desk.store.read_now(lambda con: page(con, (DAY, DAY), (), first.following or ""))
    assert (first.kept, second.kept) == (0, 3)


def test_the_first_digits_tell_the_country() -> None:
    rng = random.Random(11)
    wrong = []
    for _ in range(600):
        code, digits = rng.choice([("1", 10), ("44", 10), ("7", 10), ("358", 9), ("599", 7), ("61", 9), ("39", 10)])
        stem = code + str(rng.choice((2, 4, 7, 8, 9))) + "".join(rng.choices("0123456789", k=digits - 1))
        one, other = (f"+{stem[:-3]}{rng.randrange(1000):03}" for _ in range(2))
        usage._countries.clear()
        usage._country(one)
        if usage._country(other) != (country_of_number(other) or ""):
            wrong.append((one, other))
    assert not wrong


async def test_another_place_is_none(desk: Desk) -> None:
    with pytest.raises(ValueError, match="other:1"):
        desk.store.read_now(lambda con: page(con, (DAY, DAY), (), "other:1"))
    assert not desk.con.in_transaction


async def test_lines_are_sums(desk: Desk) -> None:
    await desk.submit()
    await desk.submit()
    one = desk.store.read_now(lambda con: page(con, (DAY, DAY), ("status",), "out:0"))
    assert one.lines == [Line("out", ("queued",), 2, 2, 0)]
