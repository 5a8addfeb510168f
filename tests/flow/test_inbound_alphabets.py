"""Inbound texts in every alphabet: by national tables, with classes and indications, behind a header that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm
from gateway.sms.gsm0338 import pack
from tests.support.daemons import gateway
from tests.support.smsc import Smsc, address, peers

NUMBER, PEER = "+15551230001", peers(1)[0]
UDHI = 0x40


def from_phone(octets: bytes, **fields: Any) -> DeliverSm:
    return DeliverSm(address(PEER), address(NUMBER), octets, **fields)


def headed(elements: str, octets: bytes) -> bytes:
    header = bytes.fromhex(elements)
    return bytes((len(header),)) + header + octets


@pytest.mark.parametrize(
    ("octets", "fields", "said"),
    [
        # TS 23.038 A.3.1, A.2.1, A.2.2: one language, and two at once.
        (headed("250101", b"\x1d"), {"esm_class": UDHI}, {"text": "ş", "udh": [[0x25, "01"]]}),
        (headed("240101", b"ya\x1bs"), {"esm_class": UDHI}, {"text": "yaş", "udh": [[0x24, "01"]]}),
        (
            headed("250101240102", b"\x1d\x1ba"),
            {"esm_class": UDHI},
            {"text": "şá", "udh": [[0x25, "01"], [0x24, "02"]]},
        ),
        (
            headed("25010e", b"x"),
            {"esm_class": UDHI},
            {"text": "x", "udh": [[0x25, "0e"]], "flags": ["unknown_language"]},
        ),
        # TS 23.038 §4.
        (b"now", {"data_coding": 0x10}, {"text": "now", "flags": ["flash"]}),
        (b"now", {"data_coding": 0xF2}, {"text": "now", "flags": ["class2"]}),
        (b"2 new", {"data_coding": 0xD8}, {"text": "2 new", "flags": ["message_waiting", "voicemail"]}),
        (b"\xbf\xe0", {"data_coding": 0x06}, {"text": "Пр", "encoding": "iso8859_5"}),
        # Not quite right, and never refused for it.
        (b"A\x1b", {}, {"text": "A ", "flags": ["cut_escape"]}),
        (b"\xd8\x3d\x00A", {"data_coding": 0x08}, {"text": "\ufffdA", "encoding": "ucs2", "flags": ["replaced"]}),
        (b"\x00A\x00", {"data_coding": 0x08}, {"text": "A\ufffd", "encoding": "ucs2", "flags": ["odd_octets"]}),
        # A header that is none: the octets, and the text where they read as such.
        (
            b"STOP",
            {"esm_class": UDHI},
            {"text": "STOP", "data": "53544f50", "encoding": "binary", "flags": ["bad_udh"]},
        ),
        (
            b"\x7f\x00\xff",
            {"esm_class": UDHI},
            {"text": None, "data": "7f00ff", "encoding": "binary", "flags": ["bad_udh"]},
        ),
    ],
)
async def test_what_an_application_is_told(
    autojump_clock: MockClock, octets: bytes, fields: dict[str, Any], said: dict[str, Any]
) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        g.smsc.binds[0].deliver(from_phone(octets, **fields))
        (event,) = await app.notified(1)
        await g.settled()
        assert [status for _, status in g.smsc.binds[0].answers] == [0]
        expected = {"data": None, "encoding": "gsm7"} | said
        told = {k: v for k, v in event.items() if k in ("text", "data", "encoding", "udh", "flags")}
        assert told == expected


async def test_parts_by_different_tables_survive_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    # Packed, as some carriers hand them on: each part with its own fill bits, and its own language.
    turkish = headed("00032a0202250101", pack(b"\x1d\x07", -9 * 8 % 7))
    hindi = headed("00032a0201250106", pack(b"\x15\x3f", -9 * 8 % 7))
    async with trio.open_nursery() as nursery:
        for run, octets in enumerate((turkish, hindi)):
            smsc = Smsc(nursery)
            async with gateway(tmp_path, smsc=smsc, stop=False, carrier='inbound_alphabet = "gsm7_packed"') as g:
                app = await g.connect()
                await app.call("subscribe")
                smsc.binds[0].deliver(from_phone(octets, esm_class=UDHI))
                await smsc.until(lambda smsc=smsc: smsc.binds[0].answers)
                if run:
                    (event,) = await app.notified(1)
                    assert (event["text"], event["complete"], event.get("flags")) == ("क?şı", True, None)
        nursery.cancel_scope.cancel()
