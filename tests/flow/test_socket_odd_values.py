"""Every member of every method with odd values, in bursts: each request has one answer, and the connection lives."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.model import REASONS
from tests.support.daemons import gateway

ODD: list[Any] = [
    None, True, False, 0, -1, 1, 10**9, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**25, 0.5, -0.0, 1e-300, 1e300,
    "", " ", "x", "\x00", "\n", "\r\n{}", "\x7f", "\u2028", "\ufeff", "\ufffe",
    "👩‍👩‍👧‍👦", "e\u0301", "ż" * 70, "\U0010ffff", "A" * 5000,
    "+12125550101", "12125550101", "0012125550101", "+15551230001", "12345", "ACME", "tel:+12125550101",
    "+1212555０101", "٠١٢٣٤٥٦٧٨٩", "+" * 100, "9" * 300, "NaN", "null", "0x1400", "00", "0g", "050003010101",
    "ff" * 140, "00" * 5000,
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2025-10-09T08:53:21Z", "2025-W41-4T08:53:21Z",
    "2025-10-09T08:53:21.123456789Z", "2025-10-09T24:00:00Z", "2025-02-30T00:00:00Z", "20251009T085321Z",
    "0199c82c-c000-7000-8000-000000000000", "0199c82cc0007000800000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff",
    "1-1", "1-0", "0-0", "-1", "1-", "٣-٣", "transactional", "marketing", "auto", "gsm7", "binary", "sent", "QUEUED",
    [], [None], ["x"], [[]], ["+15551230001"] * 3, ["inbound"], ["receipt", "receipt"], ["1-1"] * 1000, {}, {"": ""},
    {"0x1400": "00"}, {"0x1400": ""}, {"0": "00"}, {"-1": "00"}, {"1e3": "00"}, {"a": {"b": [1, 2.5, None, "x"]}},
    {"k" * 300: 1}, {"\x00": "\x00"}, {str(i): i for i in range(300)},
]  # fmt: skip

MEMBERS: dict[str, list[str]] = {
    "submit": [
        "to", "text", "data", "from", "class", "encoding", "flash", "udh", "tlvs", "validity", "send_at", "priority",
        "ref", "receipt", "meta", "other",
    ],
    "message": ["id", "ids", "text"],
    "history": ["id", "text"],
    "messages": ["peer", "number", "app", "state", "reason", "since", "until", "before", "limit", "text"],
    "cancel": ["id"],
    "resolve": ["action", "ids", "carrier"],
    "subscribe": ["name", "numbers", "events", "max_unacked"],
    "unsubscribe": ["name"],
    "ack": ["event_ids", "up_to"],
    "auth": ["app", "token"],
    "status": ["x"],
    "carrier": ["name", "action", "reason"],
    "capture": ["carrier", "bind", "seconds", "count"],
}  # fmt: skip
MEMBERS["preview"] = MEMBERS["submit"]


@pytest.mark.parametrize("seed", range(4))
async def test_odd_values(autojump_clock: MockClock, seed: int) -> None:
    rng = random.Random(seed)
    async with gateway() as g:
        app = await g.connect()
        for _ in range(25):
            requests: list[tuple[str, dict[str, Any]]] = []
            for _ in range(40):
                method = rng.choice(["submit"] * 5 + list(MEMBERS))
                if method == "auth" and rng.random() < 0.9:
                    continue  # it takes a second each time
                params: dict[str, Any] = {"to": "+12125550101", "text": "x"} if method in ("submit", "preview") else {}
                for member in rng.sample(MEMBERS[method], min(len(MEMBERS[method]), rng.choice([1, 1, 1, 2, 3]))):
                    params[member] = rng.choice(ODD)
                requests.append((method, params))
            made = [app.request(method, params) for method, params in requests]
            await app.write(b"".join(line for _, line in made))
            for (id, line), (method, params) in zip(made, requests, strict=True):
                with trio.fail_after(60):
                    reply = await app.reply(id)
                assert ("result" in reply) != ("error" in reply), line
                if "error" in reply:
                    error = reply["error"]
                    assert error["code"] in (-32000, -32001, -32602), (line, error)
                    assert error["data"]["reason"] in REASONS, (line, error)
                    assert error["data"]["reason"] != "store_unavailable", (line, error)
                    assert len(json.dumps(error)) < 2000, (line, error)
                elif method == "submit":
                    assert reply["result"]["segments"] >= 1, (line, params)
        await g.settled()
        # What was accepted can be shown, and none of it was found to be unsendable later.
        shown = await app.call("messages", limit=500, text=True)
        assert shown["messages"]
        assert {m["reason"] for m in shown["messages"]} <= {None}, [
            m for m in shown["messages"] if m["reason"] is not None
        ]
