"""The methods of the local socket as they are promised to applications: what they return, member by member."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import labelled, peers

TO = peers(1)[0]


async def test_submit_and_message(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        meta = {"order": 17, "tags": ["ä", None, 1.5, {"x": True}]}
        sent = await app.call("submit", to="+1 (212) 555-0000", text="Hi 👋", ref="r-1", meta=meta, priority=3)
        id = sent["id"]
        assert sent == {
            "id": id,
            "ref": "r-1",
            "state": "queued",
            "segments": 1,
            "encoding": "ucs2",
            "from": "+15551230001",
            "to": TO,
            "duplicate": False,
            "warnings": sent["warnings"],
        }
        (submit,) = await g.smsc.came(1)
        await g.settled()
        g.smsc.receipt(submit)
        (event,) = await app.notified(1)
        assert event == {
            "event_id": event["event_id"],
            "redelivered": False,
            "at": "2025-10-09T08:53:20.000Z",
            "id": id,
            "ref": "r-1",
            "state": "delivered",
            "reason": "delivered",
            "error_code": event["error_code"],
            "from": "+15551230001",
            "to": TO,
            "segments": 1,
            "meta": meta,
        }
        message = await app.message(id)
        at = "2025-10-09T08:53:20.000Z"
        assert message == {
            "id": id,
            "app": "local",
            "ref": "r-1",
            "from": "+15551230001",
            "to": TO,
            "class": "transactional",
            "encoding": "ucs2",
            "state": "delivered",
            "reason": "delivered",
            "carrier": "acme",
            "segments": 1,
            "created_at": at,
            "send_at": None,
            "sent_at": at,
            "done_at": at,
            "expires_at": "2025-10-11T08:53:20.000Z",
            "meta": meta,
            "parts": [
                {
                    "part": 1,
                    "state": "delivered",
                    "smsc_message_id": "1000",
                    "command_status": 0,
                    "receipt_state": 2,
                    "error_code": message["parts"][0]["error_code"],
                    "attempts": 1,
                    "in_doubt": 0,
                    "sent_at": at,
                    "done_at": at,
                }
            ],
        }
        shown = await app.call("message", id=id, text=True)
        assert shown == message | {"text": "Hi 👋"}
        history = await app.call("history", id=id)
        assert [e["kind"] for e in history["events"]] == ["receipt"]
        assert "Hi" not in str(history)


async def test_many_messages_at_once_and_page_by_page(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(120))])
        wanted = [ids[7], "unknown", ids[3], ids[7], ids[119]]
        found = await app.call("message", ids=wanted)
        assert [m["id"] for m in found["messages"]] == [ids[7], ids[3], ids[7], ids[119]]
        assert await app.call("message", ids=[]) == {"messages": []}
        pages: list[str] = []
        before: dict[str, Any] = {}
        while True:
            page = await app.call("messages", limit=50, **before)
            assert len(page["messages"]) <= 50
            pages += [m["id"] for m in page["messages"]]
            if page["next"] is None:
                break
            before = {"before": page["next"]}
        assert pages == ids[::-1]
        assert [m["id"] for m in (await app.call("messages", peer="+1 212 555 0042"))["messages"]] == [ids[42]]
        assert (await app.call("messages", until="2025-10-09T08:53:20Z"))["messages"] == []
        assert len((await app.call("messages", since="2025-10-09T10:53:20+02:00"))["messages"]) == 50
        assert (await app.call("messages", state="failed"))["messages"] == []


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize(
    ("params", "encoding"),
    [
        ({"text": "x" * 160}, "gsm7"),
        ({"text": "x" * 161}, "gsm7"),
        ({"text": "€" * 81}, "gsm7"),
        ({"text": "👋" * 35}, "ucs2"),
        ({"text": "👋" * 36}, "ucs2"),
        ({"text": "ż" * 300}, "ucs2"),
        ({"text": "ä" * 141, "encoding": "latin1"}, "latin1"),
        ({"text": "plain", "encoding": "ucs2"}, "ucs2"),
        ({"text": "seen at once", "flash": True}, "gsm7"),
        ({"data": "00ff" * 100}, "binary"),
    ],
)
async def test_a_preview_says_what_is_sent(
    autojump_clock: MockClock, params: dict[str, Any], encoding: str, scheme: str
) -> None:
    async with gateway(carrier=f'long_messages = "{scheme}"') as g:
        app = await g.connect()
        preview = await app.call("preview", to=TO, **params)
        assert not g.segments()
        sent = await app.call("submit", to=TO, **params)
        for name in ("encoding", "segments", "from", "to"):
            assert preview[name] == sent[name]
        assert sent["encoding"] == encoding
        await app.until_state(sent["id"], "sent")
        on_the_wire = 1 if scheme == "payload" else sent["segments"]
        assert len(g.smsc.submits) == on_the_wire


async def test_settings_of_one_message_reach_the_carrier(autojump_clock: MockClock) -> None:
    """And are the same in a copy that is sent again."""
    async with gateway(carrier="retry_delay = 1") as g:
        g.smsc.answer = lambda s: 0x14 if s.place == 0 else 0
        app = await g.connect()
        id = await app.submit("x", flash=True, tlvs={"0x1400": "616263", "5121": "00"}, validity=7200, receipt=False)
        await app.until_state(id, "sent")
        first, second = (s.pdu for s in g.smsc.submits)
        assert (first.data_coding, first.registered_delivery) == (0x10, 0)
        assert [(t.tag, t.value) for t in first.tlvs] == [(0x1400, b"abc"), (0x1401, b"\0")]
        assert first.validity_period == "000000020000000R"  # SMPP 3.4 §7.1.1.2
        assert second.validity_period in ("000000015959000R", "000000015958000R")  # what is left of it
        assert (second.tlvs, second.data_coding, second.short_message) == (
            first.tlvs,
            first.data_coding,
            first.short_message,
        )


async def test_status(autojump_clock: MockClock) -> None:
    async with gateway(carrier="binds = 2") as g:
        app = await g.connect()
        status = await app.call("status")
        (carrier,) = status["carriers"] if isinstance(status["carriers"], list) else status["carriers"].values()
        assert carrier["state"] == "up"
        assert [b["state"] for b in carrier["binds"]] == ["bound", "bound"]
