"""What an application may ask for beside the text, from its request to the carrier's octets."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from gateway.outbound.options import GUARDED_TLVS
from gateway.simulator import Simulator, SimulatorConfig
from gateway.smpp.constants import Tag
from gateway.smpp.tlv import tag_name
from tests.support.daemons import gateway
from tests.support.smsc import Smsc, peers
from tests.unit.sms.foreign import EXTENSION_CHARS, GSM_CHARS, read_header

TO = peers(1)[0]
DOCUMENT = (Path(__file__).parents[2] / "docs/socket.md").read_text()
APPS = """
[[apps]]
name = "plain"
token = "0123456789abcdef"
"""


class SimulatedSmsc(Smsc):
    """The simulated SMSC in the place of the scripted one."""

    def __init__(self, nursery: trio.Nursery, simulator: Simulator) -> None:
        super().__init__(nursery)
        self.simulator = simulator

    async def connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        theirs, ours = memory_stream_pair()
        self._nursery.start_soon(self.simulator.serve_stream, ours)
        return theirs


def any_text(rng: random.Random) -> str:
    """Texts of every kind that makes a difference: plain, to be transliterated, national, of other scripts."""
    kinds = [
        GSM_CHARS.replace("\r", "") + EXTENSION_CHARS,
        "abcdefg hijk ",
        "“”‘’—…\u00a0•½²ﬁáçłő",
        "şŞğĞıİ",
        "ãõÃÕâ",
        "привет мир",
        "👋🏽❤",
    ]
    chosen = rng.choices(kinds, weights=(4, 8, 3, 3, 2, 1, 1), k=rng.randint(1, 3))
    size = rng.choice((rng.randint(1, 20), rng.randint(60, 170), rng.randint(280, 480)))
    return "".join(rng.choice(rng.choice(chosen)) for _ in range(size))


@pytest.mark.parametrize(
    ("carrier", "alphabet"),
    [
        ("", "gsm7"),
        ('transliterate = true\nnational_languages = ["turkish", "portuguese"]', "gsm7"),
        ('transliterate = true\nlong_messages = "udh16"\ndefault_alphabet = "gsm7_packed"', "gsm7_packed"),
        ('transliterate = true\nlong_messages = "sar"\ndefault_alphabet = "ascii"', "ascii"),
        ('national_languages = ["turkish"]\nlong_messages = "payload"', "gsm7"),
        ('latin1 = "exact"\nlongest_short_message = 100', "gsm7"),
        ('latin1 = "nearly"\ntransliterate = true\nnational_languages = ["portuguese"]', "gsm7"),
        ('latin1 = "nearly"\nlong_messages = "payload"\nlongest_short_message = 254', "gsm7"),
    ],
)
async def test_preview_and_submit_agree_with_what_a_carrier_gets(
    autojump_clock: MockClock, nursery: trio.Nursery, carrier: str, alphabet: Any
) -> None:
    rng = random.Random(carrier)
    simulator = Simulator(SimulatorConfig(alphabet=alphabet), rng=random.Random(1))
    async with gateway(
        carrier=f"{carrier}\nreceipts = false", smsc=SimulatedSmsc(nursery, simulator), bound=False
    ) as g:
        app = await g.connect()
        seen = {"gsm7": 0, "ucs2": 0, "latin1": 0, "changed": 0, "national": 0}
        for peer in peers(60):
            asked: dict[str, Any] = {"to": peer, "text": any_text(rng)}
            if rng.random() < 0.3:
                asked["transliterate"] = rng.random() < 0.5
            if rng.random() < 0.2:
                asked["national"] = rng.choice(([], ["turkish"], ["portuguese", "turkish"]))
            preview = await app.call("preview", **asked)
            sent = await app.call("submit", **asked)
            for member in ("encoding", "segments", "from", "to", "warnings"):
                assert preview[member] == sent[member], asked
            await app.until_state(sent["id"], "sent")
            stored = (await app.call("message", id=sent["id"], text=True))["text"]
            (received,) = [message for message in simulator.messages if message.destination == peer]
            # What data_coding 0 means there is told by its name.
            encoding = "ascii" if (alphabet, sent["encoding"]) == ("ascii", "gsm7") else sent["encoding"]
            assert (received.text, received.encoding) == (stored, encoding), asked
            assert received.parts == (1 if '"payload"' in carrier else sent["segments"])
            submits = [submit for submit in simulator.log if submit.destination == peer]
            assert {submit.pdu.data_coding for submit in submits} == {preview["data_coding"]}
            if stored != asked["text"]:
                assert preview["transliteration"]["applied"]
                assert sent["warnings"]
                assert sent["encoding"] in (("gsm7", "latin1") if "nearly" in carrier else ("gsm7",))
            else:
                assert sent["warnings"] == []
            assert bool(preview["forced_by"]) == (sent["encoding"] == "ucs2")
            seen[sent["encoding"]] += 1
            seen["changed"] += stored != asked["text"]
            seen["national"] += preview["national"] is not None
        # The texts are such that each of these happened, where it is allowed.
        assert seen["gsm7"] > 10
        assert seen["ucs2"] > (5 if "latin1 =" in carrier else 10)
        assert seen["changed"]
        assert seen["national"] or alphabet == "ascii"
        assert bool(seen["latin1"]) == ("latin1 =" in carrier)


EXAMPLES = re.findall(r'```json\n(\{"to":.*"data":.*\})\n```\n(?:\n.*\n)?\n```\n([0-9A-F ]+)\n```', DOCUMENT)


def test_the_document_has_its_examples() -> None:
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize(("request_text", "expected"), EXAMPLES, ids=("wap push", "vcard"))
async def test_examples_of_the_document_octet_by_octet(
    autojump_clock: MockClock, request_text: str, expected: str
) -> None:
    asked = json.loads(request_text)
    async with gateway() as g:
        app = await g.connect()
        await app.call("submit", **asked)
        (submit,) = await g.smsc.came(1)
        assert submit.pdu.short_message == bytes.fromhex(expected)
        assert (submit.pdu.esm_class, submit.pdu.data_coding, submit.pdu.protocol_id) == (0x40, 0x04, 0)
        # Taken apart by the specification: IE 0x05 of four octets, destination first (TS 23.040 §9.2.3.24.4).
        elements, rest = read_header(submit.pdu.short_message)
        ports = asked["destination_port"].to_bytes(2) + asked.get("source_port", 0).to_bytes(2)
        assert elements == {0x05: ports}
        assert rest == bytes.fromhex(asked["data"])


async def test_a_restart_and_another_setting_change_nothing_of_what_waits(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """A segment that is sent once more is the same, octet by octet, whatever the carrier's settings are by then."""
    asked: list[dict[str, Any]] = [
        {"text": "It’s " + "x" * 200, "flash": True},
        {"text": "ş" * 200, "replace": 3},
        {"data": "00ff" * 100, "destination_port": 2948, "udh": "037001aa", "protocol_id": 0x7F},
    ]
    before = 'transliterate = true\nflash = "0xf0"\nports = "udh"\nnational_languages = ["turkish"]'
    after = 'transliterate = false\nflash = "dest_addr_subunit"\nports = "tlv"\nnational_languages = []'

    def seen(smsc: Smsc) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for s in smsc.submits:
            found.setdefault(s.peer, []).append(
                (s.pdu.short_message, s.pdu.esm_class, s.pdu.data_coding, s.pdu.protocol_id, s.pdu.tlvs)
            )
        return {peer: sorted(segments) for peer, segments in found.items()}

    async with gateway(tmp_path, carrier=before, answer=lambda _: None, stop=False) as g:
        app = await g.connect()
        for peer, one in zip(peers(3), asked, strict=True):
            await app.call("submit", to=peer, **one)
        await g.smsc.came(2 + 2 + 2)
        first = seen(g.smsc)
    async with gateway(tmp_path, carrier=after) as g:
        await g.smsc.came(2 + 2 + 2)
        assert seen(g.smsc) == first
    flash, replaced, ported = (first[peer][0] for peer in peers(3))
    assert flash[2] == 0xF0
    assert replaced[3] == 0x43
    assert ported[3] == 0x7F
    assert b"\x05\x04\x0b\x84\x00\x00\x70\x01\xaa" in ported[0]


async def test_a_reload_changes_the_ways_of_what_comes_after(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.submit("a’", to=peers(3)[0], flash=True)
        g.config.write_text(
            g.config.read_text().replace('name = "acme"\n', 'name = "acme"\ntransliterate = true\nflash = "0xf0"\n', 1)
        )
        await app.call("reload")
        await app.submit("b’", to=peers(3)[1], flash=True)
        one, two = await g.smsc.came(2)
        assert (one.pdu.data_coding, one.pdu.short_message) == (0x18, "a’".encode("utf-16-be"))
        assert (two.pdu.data_coding, two.pdu.short_message) == (0xF0, b"b'")


async def test_a_repeated_request_is_told_of_the_message_that_is_stored(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        asked = {"to": TO, "text": "’" + "x" * 150, "ref": "r"}
        first = await app.call("submit", **asked)
        assert (first["encoding"], first["segments"]) == ("ucs2", 3)
        text = g.config.read_text().replace('name = "acme"\n', 'name = "acme"\ntransliterate = true\n', 1)
        g.config.write_text(text)
        await app.call("reload")
        again = await app.call("submit", **asked)
        assert again == first | {"duplicate": True, "state": again["state"]}
        assert again["warnings"] == []


async def test_rights(autojump_clock: MockClock) -> None:
    async with gateway(apps=APPS) as g:
        app = await g.connect()
        await app.call("auth", app="plain", token="0123456789abcdef")
        for params, field in (
            ({"data": "00"}, "data"),
            ({"text": "x", "udh": "037001aa"}, "udh"),
            ({"text": "x", "destination_port": 2948}, "destination_port"),
            ({"text": "x", "protocol_id": 1}, "protocol_id"),
            ({"text": "x", "tlvs": {"destination_port": 2948}}, "tlvs"),
            ({"text": "x", "tlvs": {"0x0005": "03"}}, "tlvs"),
        ):
            for method in ("submit", "preview"):
                error = await app.refused(method, to=TO, **params)
                assert (error.code, error.reason, error.field) == (-32000, "not_allowed", field)
        assert not g.segments()
        await app.submit("x", replace=1, flash=True, transliterate=True, tlvs={"0x1400": "00"})
        (submit,) = await g.smsc.came(1)
        assert submit.pdu.protocol_id == 0x41


def test_the_document_names_the_tlvs_that_need_a_right() -> None:
    section = DOCUMENT.split("### Ports, headers and replacements")[1].split("Without it:")[0]
    named = set(re.findall(r"`(\w+)`", section)) - {"binary", "data", "udh", "protocol_id"}
    assert named == {tag_name(tag) for tag in GUARDED_TLVS}


async def test_a_preview_explains_itself(autojump_clock: MockClock) -> None:
    async with gateway(carrier='flash = "0xf0"') as g:
        app = await g.connect()
        text = "’" + "x" * 98 + "’"
        assert await app.call("preview", to=TO, text=text) == {
            "encoding": "ucs2",
            "data_coding": 0x08,
            "segments": 2,
            "units": 100,
            "left": 34,
            "per_segment": 67,
            "national": None,
            "forced_by": [{"char": "’", "position": 0, "positions": [0, 99], "count": 2}],
            "transliteration": {
                "applied": False,
                "encoding": "gsm7",
                "segments": 1,
                "saves": 1,
                "changes": [{"char": "’", "replacement": "'", "positions": [0, 99], "count": 2}],
            },
            "from": "+15551230001",
            "to": TO,
            "carrier": "acme",
            "send_at": None,
            "warnings": [],
            "sender": {
                "why": "only",
                "detail": "it is the only one that fits",
                "numbers": [{"number": "+15551230001", "lacks": None}],
            },
        }
        shown = await app.call("preview", to=TO, text=text, transliterate=True, flash=True)
        assert (shown["encoding"], shown["data_coding"], shown["segments"]) == ("gsm7", 0xF0, 1)
        assert (shown["transliteration"]["applied"], shown["forced_by"]) == (True, [])
        assert shown["warnings"] == ['transliterated: "’" (U+2019) to "\'" at 0, 99']
        shown = await app.call("preview", to=TO, text="ş" * 71, national=["turkish"])
        assert shown["national"] == {"locking": "turkish", "single": None}
        # A text of a megabyte is refused by its segments, and a long one that can go is told of within bounds.
        shown = await app.call("preview", to=TO, text="’" * 2600, encoding="ucs2")
        assert shown["forced_by"] == []
        long = await app.call("preview", to=TO, text="п" * 2600)
        assert [(len(one["positions"]), one["count"]) for one in long["forced_by"]] == [(1000, 2600)]


async def test_a_text_too_long_as_it_is_goes_when_it_may_be_transliterated(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nmax_segments = 1") as g:
        app = await g.connect()
        text = "’" + "x" * 150
        assert (await app.refused("submit", to=TO, text=text)).reason == "too_long"
        assert (await app.call("submit", to=TO, text=text, transliterate=True))["segments"] == 1
        error = await app.refused("submit", to=TO, text="’п", transliterate=True, encoding="gsm7")
        assert (error.reason, error.field) == ("unencodable", "text")
        assert "U+043F" in error.data["detail"]


async def test_the_phone_is_told_by_the_carriers_tlvs(autojump_clock: MockClock) -> None:
    async with gateway(carrier='ports = "tlv"\nflash = "dest_addr_subunit"\nlong_messages = "sar"') as g:
        app = await g.connect()
        await app.submit("x" * 200, destination_port=5505, flash=True, tlvs={"0x1400": "00"})
        for part, submit in enumerate(await g.smsc.came(2), 1):
            assert (submit.pdu.esm_class, submit.pdu.data_coding) == (0, 0)
            assert {tlv.tag: tlv.value for tlv in submit.pdu.tlvs} == {
                Tag.SAR_MSG_REF_NUM: submit.pdu.tlvs[0].value,
                Tag.SAR_TOTAL_SEGMENTS: 2,
                Tag.SAR_SEGMENT_SEQNUM: part,
                Tag.DEST_ADDR_SUBUNIT: 1,
                Tag.DESTINATION_PORT: 5505,
                0x1400: b"\0",
            }
