"""A message as users see it, and only by whom it may be seen; the events that told of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.model import State
from gateway.store import messages
from gateway.store.ends import End, EndOp, rfc3339
from gateway.store.messages import View
from gateway.store.sends import DoubtOp, ResponseOp
from tests.support.stores import DAY, NUMBER, PEER, START, Desk

S = State
HOUR = 3_600_000


def view(desk: Desk, *mids: int, app: str | None = "app", with_text: bool = False) -> dict[int, dict[str, Any]]:
    shown = View(desk.store.id_text, 24 * HOUR)
    found = desk.store.read_now(lambda con: shown.messages(con, list(mids), desk.now, app=app, with_text=with_text))
    return {mid: msgspec.json.decode(msgspec.json.encode(message)) for mid, message in found.items()}


async def test_a_message_on_its_way(desk: Desk) -> None:
    mid = await desk.submit(ref="r", meta='{"a":[1,{"é":null}]}', klass=2, parts=2)
    assert view(desk, mid)[mid] == {
        "id": desk.store.id_text.format(mid),
        "app": "app",
        "ref": "r",
        "from": NUMBER,
        "to": PEER,
        "class": "marketing",
        "encoding": "gsm7",
        "state": "queued",
        "reason": None,
        "carrier": "acme",
        "segments": 2,
        "created_at": rfc3339(START),
        "send_at": None,
        "sent_at": None,
        "done_at": None,
        "expires_at": rfc3339(START + DAY),
        "meta": {"a": [1, {"é": None}]},
        "parts": [
            {
                "part": part,
                "state": "queued",
                "smsc_message_id": None,
                "command_status": None,
                "receipt_state": None,
                "error_code": None,
                "attempts": 0,
                "in_doubt": 0,
                "sent_at": None,
                "done_at": None,
            }
            for part in (1, 2)
        ],
    }


async def test_a_message_at_its_end(desk: Desk) -> None:
    mid = await desk.submit(parts=2, state=S.SUBMITTING)
    desk.now += 100
    await desk.respond(mid, "0A")
    desk.now += 100
    await desk.respond(mid, "0B", first=2)
    desk.now += 100
    await desk.receive(desk.receipt("0B", error="000"))
    desk.now += 100
    await desk.receive(desk.receipt("0A", error="000"))
    shown = view(desk, mid)[mid]
    assert (shown["state"], shown["reason"]) == ("delivered", "delivered")
    assert shown["sent_at"] == rfc3339(START + 100)
    assert shown["done_at"] == rfc3339(START + 400)
    assert shown["parts"][0] == {
        "part": 1,
        "state": "delivered",
        "smsc_message_id": "0A",
        "command_status": 0,
        "receipt_state": 2,
        "error_code": "000",
        "attempts": 1,
        "in_doubt": 0,
        "sent_at": rfc3339(START + 100),
        "done_at": rfc3339(START + 400),
    }


async def test_a_bad_end_is_shown_with_its_first_cause_and_time(desk: Desk) -> None:
    mid = await desk.sent("a", "b", "c")
    desk.now += 100
    await desk.receive(desk.receipt("c", S.UNDELIVERED, error="069"))
    before = view(desk, mid)[mid]
    assert (before["state"], before["reason"], before["done_at"]) == (
        "undelivered",
        "undelivered",
        rfc3339(START + 100),
    )
    desk.now += HOUR
    await desk.receive(desk.receipt("a", S.EXPIRED, reason="expired_at_carrier"), desk.receipt("b"))
    after = view(desk, mid)[mid]
    assert {k: v for k, v in after.items() if k != "parts"} == {k: v for k, v in before.items() if k != "parts"}
    assert [p["state"] for p in after["parts"]] == ["expired", "delivered", "undelivered"]


async def test_what_is_shown_is_what_was_told(desk: Desk) -> None:
    """State, reason and time of a cancelled message of three parts."""
    await desk.open()
    mid = await desk.submit(parts=3)
    desk.now += 50
    await desk.do(EndOp([End(mid, 0, S.CANCELLED, "cancelled", high=1)]))
    shown, (told,) = view(desk, mid)[mid], desk.told()
    assert (shown["state"], shown["reason"], shown["done_at"]) == (told["state"], told["reason"], told["at"])


async def test_sent_is_the_end_without_a_receipt(desk: Desk) -> None:
    asked, unasked = await desk.sent("a"), await desk.sent("b", receipt=False)
    shown = view(desk, asked, unasked)
    assert [(shown[m]["state"], shown[m]["done_at"]) for m in (asked, unasked)] == [
        ("sent", None),
        ("sent", rfc3339(START)),
    ]


async def test_flags_of_what_waits(desk: Desk) -> None:
    held, overdue, unasked = (
        await desk.submit(state=S.SUBMITTING, peer="+12125550199"),
        await desk.sent("a"),
        await desk.sent("b", receipt=False),
    )
    await desk.do(DoubtOp([(held, 1)], False))
    shown = view(desk, held, overdue)
    assert (shown[held]["state"], shown[held]["reason"], shown[held]["parts"][0]["in_doubt"]) == (
        "in_doubt",
        "in_doubt",
        1,
    )
    assert shown[overdue]["reason"] is None
    desk.now += 24 * HOUR - 1
    assert view(desk, overdue)[overdue]["reason"] is None
    assert view(desk, held)[held]["reason"] == "in_doubt"
    desk.now += 1
    shown = view(desk, held, overdue, unasked)
    assert (shown[held]["state"], shown[held]["reason"]) == ("in_doubt", "validity_over")
    assert (shown[overdue]["state"], shown[overdue]["reason"]) == ("sent", "no_receipt")
    assert shown[unasked]["reason"] is None
    await desk.receive(desk.receipt("a"))  # open to a late one
    assert view(desk, overdue)[overdue]["state"] == "delivered"


async def test_a_retry_shows_what_the_carrier_said(desk: Desk) -> None:
    mid = await desk.submit(state=S.SUBMITTING)
    await desk.do(ResponseOp("acme", [], [], [(mid, 1, 0x58, START + 5000)], None))
    shown = view(desk, mid)[mid]
    assert (shown["state"], shown["reason"], shown["parts"][0]["command_status"]) == ("queued", None, 0x58)


@pytest.mark.parametrize(
    ("encoding", "body", "key", "value"),
    [
        ("ucs2", "Grüße 👋\0\u2028".encode(), "text", "Grüße 👋\0\u2028"),
        ("gsm7", b"", "text", ""),
        ("latin1", "é".encode(), "text", "é"),
        ("binary", bytes(range(256)), "data", bytes(range(256)).hex()),
    ],
)
async def test_the_text_is_shown_when_it_is_asked_for(
    desk: Desk, encoding: str, body: bytes, key: str, value: str
) -> None:
    mid = await desk.submit(encoding=encoding, body=body)
    assert not {"text", "data"} & set(view(desk, mid)[mid])
    shown = view(desk, mid, with_text=True)[mid]
    assert shown[key] == value
    assert len({"text", "data"} & set(shown)) == 1


async def test_an_app_sees_its_own_alone(desk: Desk) -> None:
    mine, other = await desk.submit(), await desk.submit(app="other")
    assert set(view(desk, mine, other)) == {mine}
    assert set(view(desk, mine, other, app="other")) == {other}
    assert set(view(desk, mine, other, app=None)) == {mine, other}
    assert view(desk, other) == view(desk, 12345) == {}, "as if it were not there"
    assert view(desk) == {}


async def test_five_hundred_at_once(desk: Desk) -> None:
    mids = [await desk.submit() for _ in range(500)]
    assert set(view(desk, *mids)) == set(mids)


# --- events that told of it -------------------------------------------------------------------------------------------


async def test_events_of_a_message(desk: Desk) -> None:
    first, second = await desk.open("a"), await desk.open("b")
    mids = [await desk.sent(f"id{i}") for i in range(50)]
    for i in range(50):
        desk.now += 10
        await desk.receive(desk.receipt(f"id{i}"))

    def events(mid: int) -> list[tuple[int, int, str]]:
        rows = desk.store.read_now(lambda con: messages.message_events(con, mid))
        return [(stream, seq, kind) for stream, seq, _, kind, _ in rows]

    for i in (0, 25, 49):
        assert events(mids[i]) == [(first, i + 1, "receipt"), (second, i + 1, "receipt")]
    assert events(await desk.submit()) == []
    assert events(1) == []


async def test_events_of_a_message_where_streams_start_late_or_are_empty(desk: Desk) -> None:
    await desk.open("empty", events=frozenset({"inbound"}))
    stream = await desk.open("a")
    for i in range(20):
        await desk.sent(f"id{i}")
        await desk.receive(desk.receipt(f"id{i}"))
        desk.now += 5
    desk.con.execute("DELETE FROM event WHERE seq < 15")
    mid = await desk.sent("x")
    await desk.receive(desk.receipt("x"))
    found = desk.store.read_now(lambda con: messages.message_events(con, mid))
    assert [(row[0], row[1]) for row in found] == [(stream, 21)]
