"""What is asked for beside the text: who may, what goes on the air, and that a stored message stays the same."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.carrier.outgoing import Outgoing
from gateway.model import Clock, IdSource
from gateway.outbound.options import GUARDED_TLVS, OUR_TLVS, Options, restored, stored
from gateway.outbound.prepare import Prepared, Preparer, digest
from gateway.outbound.request import App, Refusal, Submit
from gateway.outbound.restoring import restore
from gateway.settings import load
from gateway.smpp.constants import Tag
from gateway.smpp.tlv import TLVS, tag_name
from gateway.sms.national import Shift
from gateway.store.pages import Queued
from tests.support.daemons import write_config

NOW = 1_760_000_000_000
TO = "+12125550101"
LOCAL = App("local", None, admin=True, binary=True)
PLAIN = App("plain", None)


def preparer(tmp_path: Path, carrier: str = "") -> Preparer:
    return Preparer(load(write_config(tmp_path, carrier)), IdSource(Clock(lambda: NOW)), random.Random(1))


def prepared(tmp_path: Path, carrier: str = "", app: App = LOCAL, **params: Any) -> Prepared:
    request = msgspec.convert({"to": TO, **params}, Submit)
    return preparer(tmp_path, carrier).prepare(app, request, NOW)


def refused(tmp_path: Path, carrier: str = "", app: App = LOCAL, **params: Any) -> tuple[str, str | None]:
    with pytest.raises(Refusal) as caught:
        prepared(tmp_path, carrier, app, **params)
    return caught.value.reason, caught.value.field


def again(made: Prepared, options: str | None = None) -> Outgoing:
    """The message as a restart reads it."""
    row = made.row
    segments = [(part, None, 0, 0, None) for part in range(1, row.parts + 1)]
    columns = (
        *(row.id, row.app, row.number, row.peer, row.klass),
        row.body.hex() if row.encoding == "binary" else row.body.decode(),
        *(row.encoding, options or row.options, row.scheme, row.concat_ref, row.parts, row.receipt, row.expires_at),
        *(row.carrier, row.lane, row.rank, segments if row.parts > 1 else None),
    )
    return restore(msgspec.convert(columns, Queued))


def on_air(message: Outgoing) -> Any:
    return message.bodies, message.tlvs, message.protocol_id, message.validity


def test_the_shard_of_a_pair_is_that_of_its_octets(tmp_path: Path) -> None:
    """What was stored is found by it, by every node and every version."""
    row = prepared(tmp_path, text="x").row
    assert (row.number, row.peer, row.shard) == ("+15551230001", TO, zlib.crc32(b"+15551230001 +12125550101") & 63)


def test_what_a_queue_takes_is_made_once_and_when_it_is_asked_for(tmp_path: Path) -> None:
    made = prepared(tmp_path, text="x" * 200)
    assert (made.made, made.row.parts) == (None, 2)
    message = made.outgoing
    assert message is made.outgoing
    assert (message.id, message.parts, list(message.waiting)) == (made.row.id, 2, [1, 2])
    assert on_air(again(made)) == on_air(message)


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("", {"text": "plain"}),
    ("", {"text": "x" * 300, "flash": True}),
    ('flash = "0xf0"', {"text": "x" * 300, "flash": True}),
    ('flash = "0xf0"', {"text": "ż" * 100, "flash": True}),
    ('flash = "dest_addr_subunit"', {"text": "x" * 300, "flash": True}),
    (
        'flash = "dest_addr_subunit"\nlong_messages = "sar"',
        {"text": "x" * 300, "flash": True, "tlvs": {"0x1400": "00"}},
    ),
    ("", {"data": "00ff" * 100, "destination_port": 2948, "source_port": 9200}),
    ('ports = "tlv"', {"data": "00ff" * 100, "destination_port": 2948, "source_port": 9200}),
    ('long_messages = "udh16"', {"data": "00ff" * 100, "destination_port": 2948, "udh": "037001aa"}),
    ("", {"text": "x", "replace": 7}),
    ("", {"text": "x", "protocol_id": 0x7F, "validity": 60}),
    ("transliterate = true", {"text": "“" + "x" * 200 + "”"}),
    ('national_languages = ["turkish", "portuguese"]', {"text": "ş" * 200}),
    ('national_languages = ["turkish"]\ndefault_alphabet = "gsm7_packed"', {"text": "şİ€" * 100, "flash": True}),
    ("", {"text": "çãõ" * 60, "national": ["portuguese"], "destination_port": 1}),
    ('default_alphabet = "latin1"', {"text": "é", "encoding": "auto"}),
]


@pytest.mark.parametrize(("carrier", "params"), REQUESTS)
def test_a_restart_puts_the_same_octets_on_the_air(tmp_path: Path, carrier: str, params: dict[str, Any]) -> None:
    made = prepared(tmp_path, carrier, **params)
    assert on_air(again(made)) == on_air(made.outgoing)


@pytest.mark.parametrize(
    ("packed", "params"),
    [
        # As they stand in stores of the first version.
        (None, {"text": "x"}),
        ('{"flash":true}', {"text": "x" * 200, "flash": True}),
        ('{"flash":true}', {"text": "ż", "flash": True}),
        ('{"flash":true,"udh":"BXADqrvM"}', {"data": "00ff", "flash": True, "udh": "057003aabbcc"}),
        ('{"tlvs":[[5120,"YWJj"]],"validity":true}', {"text": "x", "tlvs": {"0x1400": "616263"}, "validity": 60}),
    ],
)
def test_rows_of_the_first_version_are_the_same_message(
    tmp_path: Path, packed: str | None, params: dict[str, Any]
) -> None:
    made = prepared(tmp_path, **params)
    old = again(made, packed)
    assert on_air(old) == on_air(made.outgoing)
    assert {body.data_coding for body in old.bodies} <= {0x00, 0x04, 0x10, 0x14, 0x18}


def test_usual_messages_store_no_options(tmp_path: Path) -> None:
    assert prepared(tmp_path, text="x").row.options is None
    assert prepared(tmp_path, text="x", transliterate=True, national=["turkish"]).row.options is None
    assert restored(None) == Options()
    assert stored(Options()) is None
    options = Options(flash="0xf0", udh=b"\0", shift=Shift(1, 3), protocol_id=0x41, validity=True)
    assert restored(stored(options)) == options


def test_the_digest_of_a_request_that_asks_for_nothing_new_is_what_it_was() -> None:
    # What stores hold under refs; the same request after an upgrade is the same message.
    request = msgspec.convert({"to": TO, "text": "x", "ref": "r", "tlvs": {"0x1400": "00"}, "flash": True}, Submit)
    assert digest(request).hex() == "f919f682a674ca49cb0c1104723863a2"
    assert (
        digest(msgspec.convert({"to": TO, "text": "x", "ref": "r"}, Submit)).hex() == "469e3cae2a7f746f2cdbee9dba7118e1"
    )


def test_settings_are_not_in_the_digest_and_members_are(tmp_path: Path) -> None:
    params = {"to": TO, "text": "’", "ref": "r"}
    digests = {
        prepared(tmp_path, carrier, **params).row.digest
        for carrier in ("", "transliterate = true", 'national_languages = ["turkish"]\nflash = "0xf0"')
    }
    assert len(digests) == 1
    for member in ({"transliterate": True}, {"national": []}, {"replace": 1}, {"destination_port": 1}):
        digests.add(prepared(tmp_path, **{**params, **member}).row.digest)
    assert len(digests) == 5


# --- transliteration and languages ---


def test_what_is_stored_is_what_was_sent(tmp_path: Path) -> None:
    made = prepared(tmp_path, "transliterate = true", text="It’s")
    assert (made.row.body, made.row.encoding) == (b"It's", "gsm7")
    assert made.warnings == ['transliterated: "’" (U+2019) to "\'" at 2']
    assert made.outgoing.bodies[0].short_message == b"It's"


def test_the_member_goes_before_the_setting(tmp_path: Path) -> None:
    for carrier, member, text in (
        ("", None, "’"),
        ("", True, "'"),
        ("transliterate = true", None, "'"),
        ("transliterate = true", False, "’"),
    ):
        made = prepared(tmp_path, carrier, text="’", transliterate=member)
        assert made.row.body.decode() == text
        assert bool(made.warnings) == (text == "'")
    national = 'national_languages = ["turkish"]'
    for carrier, given, encoding in (
        ("", None, "ucs2"),
        ("", ["turkish"], "gsm7"),
        (national, None, "gsm7"),
        (national, [], "ucs2"),
        (national, ["urdu"], "ucs2"),
    ):
        made = prepared(tmp_path, carrier, text="ş" * 71, national=given)
        assert made.row.encoding == encoding
        assert made.row.body.decode() == "ş" * 71


def test_a_language_counts_once_however_often_it_is_named(tmp_path: Path) -> None:
    made = prepared(tmp_path, text="ş" * 71, national=["turkish", "urdu"] * 20_000)
    assert (made.row.encoding, made.plan.shift.languages) == ("gsm7", ("turkish",))


def test_octets_are_not_transliterated(tmp_path: Path) -> None:
    assert prepared(tmp_path, "transliterate = true", data="e28099").row.body == b"\xe2\x80\x99"


# --- ports ---


def test_ports_are_an_element_of_the_header_before_the_senders_own(tmp_path: Path) -> None:
    (body,) = prepared(tmp_path, data="ff", destination_port=2948, source_port=9200).outgoing.bodies
    assert (body.short_message.hex(), body.esm_class, body.data_coding) == ("0605040b8423f0ff", 0x40, 0x04)
    (body,) = prepared(tmp_path, data="ff", destination_port=0xFFFF, udh="037001aa").outgoing.bodies
    assert body.short_message.hex() == "090504ffff0000" + "7001aa" + "ff"
    (body,) = prepared(tmp_path, text="hi", destination_port=0).outgoing.bodies
    assert body.short_message == bytes.fromhex("06050400000000") + b"hi"


def test_ports_go_with_every_part(tmp_path: Path) -> None:
    made = prepared(tmp_path, data="ab" * 200, destination_port=2948, source_port=9200)
    ref = f"{made.row.concat_ref & 0xFF:02x}"
    heads = [body.short_message[:12].hex() for body in made.outgoing.bodies]
    assert heads == [f"0b0003{ref}0201" + "05040b8423f0", f"0b0003{ref}0202" + "05040b8423f0"]
    assert [len(body.short_message) for body in made.outgoing.bodies] == [140, 12 + 72]


def test_ports_as_tlvs(tmp_path: Path) -> None:
    made = prepared(tmp_path, 'ports = "tlv"', data="ff", destination_port=2948, source_port=9200)
    assert [(tlv.tag, tlv.value) for tlv in made.outgoing.tlvs] == [
        (Tag.DESTINATION_PORT, b"\x0b\x84"),
        (Tag.SOURCE_PORT, b"\x23\xf0"),
    ]
    (body,) = made.outgoing.bodies
    assert (body.short_message, body.esm_class) == (b"\xff", 0)
    made = prepared(tmp_path, 'ports = "tlv"', data="ff", destination_port=5505, tlvs={"0x1400": "00"})
    assert [tlv.tag for tlv in made.outgoing.tlvs] == [0x1400, Tag.DESTINATION_PORT]


@pytest.mark.parametrize(
    ("carrier", "params", "field"),
    [
        ("", {"source_port": 1}, "source_port"),
        ("", {"destination_port": 65536}, "destination_port"),
        ("", {"destination_port": -1}, "destination_port"),
        ("", {"destination_port": 1, "source_port": 1 << 70}, "source_port"),
        ("", {"destination_port": 1, "udh": "06050400010002"}, "destination_port"),
        ("", {"destination_port": 1, "udh": "0404020102"}, "destination_port"),
        ("", {"destination_port": 1, "udh": "05"}, "udh"),
        ("", {"destination_port": 1, "udh": "0000"}, "udh"),
        ("", {"destination_port": 1, "udh": "8a" + "7088" + "00" * 136}, "udh"),
        ('ports = "tlv"', {"destination_port": 1, "tlvs": {"source_port": 1}}, "tlvs"),
        ("", {"protocol_id": 256}, "protocol_id"),
        ("", {"protocol_id": -1}, "protocol_id"),
        ("", {"replace": 0}, "replace"),
        ("", {"replace": 8}, "replace"),
        ("", {"replace": 1, "protocol_id": 0x41}, "replace"),
        ('flash = "dest_addr_subunit"', {"flash": True, "tlvs": {"dest_addr_subunit": 3}}, "tlvs"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, carrier: str, params: dict[str, Any], field: str) -> None:
    assert refused(tmp_path, carrier, text="x", **params) == ("invalid_params", field)


# --- protocol_id ---


def test_replace_is_a_protocol_id_that_needs_no_right(tmp_path: Path) -> None:
    for number in range(1, 8):
        made = prepared(tmp_path, app=PLAIN, text="x", replace=number)
        assert made.outgoing.protocol_id == 0x40 + number  # TS 23.040 §9.2.3.9
        assert made.warnings == []
    assert prepared(tmp_path, text="x", protocol_id=0x7F).outgoing.protocol_id == 0x7F
    (warning,) = prepared(tmp_path, text="x" * 161, replace=1).warnings
    assert warning.startswith("replace: ")


# --- flash ---


@pytest.mark.parametrize(
    ("way", "text", "coding", "tlvs"),
    [
        ("0x10", "x", 0x10, ()),
        ("0x10", "ż", 0x18, ()),
        ("0xf0", "x", 0xF0, ()),
        ("0xf0", "ż", 0x18, ()),
        ("dest_addr_subunit", "x", 0x00, ((0x0005, 1),)),
        ("dest_addr_subunit", "ż", 0x08, ((0x0005, 1),)),
    ],
)
def test_flash_goes_the_carriers_way(tmp_path: Path, way: str, text: str, coding: int, tlvs: Any) -> None:
    made = prepared(tmp_path, f'flash = "{way}"', app=PLAIN, text=text, flash=True)
    (body,) = made.outgoing.bodies
    assert (body.data_coding, body.tlvs) == (coding, tlvs)
    (body,) = prepared(tmp_path, f'flash = "{way}"', text=text).outgoing.bodies
    assert (body.data_coding, body.tlvs) == (0x00 if text == "x" else 0x08, ())


# --- TLVs and rights ---


def test_tlvs_by_number_and_name_and_integers(tmp_path: Path) -> None:
    made = prepared(
        tmp_path, text="x", tlvs={"0x1400": "ab", "5121": "", "user_message_reference": 258, "display_time": "01"}
    )
    assert [(tlv.tag, tlv.value) for tlv in made.outgoing.tlvs] == [
        (0x1400, b"\xab"),
        (0x1401, b""),
        (Tag.USER_MESSAGE_REFERENCE, b"\x01\x02"),
        (Tag.DISPLAY_TIME, b"\x01"),
    ]
    for size in ("01", "00000001"):  # one octet in 3.4, four in 5.0
        assert prepared(tmp_path, text="x", tlvs={"ms_validity": size}).outgoing.tlvs[0].value == bytes.fromhex(size)


@pytest.mark.parametrize(
    "tlvs",
    [
        {"display_tme": 1},
        {"0x1400": 1},  # nobody knows how wide
        {"display_time": 256},
        {"display_time": -1},
        {"user_message_reference": "01"},
        {"ms_validity": "0000"},
        {"0x10000": "00"},
        {"0": "00"},
        {"message_payload": "00"},
        {"0x1400": "0"},
        {"callback_num": "00" * 20},
    ],
)
def test_tlvs_that_cannot_be_sent(tmp_path: Path, tlvs: dict[str, Any]) -> None:
    assert refused(tmp_path, text="x", tlvs=tlvs) == ("invalid_params", "tlvs")


@pytest.mark.parametrize(
    ("tlvs", "said"),
    [
        ({"display_time": "zz"}, "display_time takes octets in hexadecimal, or a number"),
        ({"0x1400": "0"}, "TLV 0x1400 takes octets in hexadecimal"),
        ({"display_tme": 1}, "display_time"),
    ],
)
def test_a_tlv_that_cannot_be_sent_is_named(tmp_path: Path, tlvs: dict[str, Any], said: str) -> None:
    with pytest.raises(Refusal) as raised:
        prepared(tmp_path, text="x", tlvs=tlvs)
    assert said in (raised.value.detail or "")


def test_ports_go_into_a_header_that_is_there(tmp_path: Path) -> None:
    """5.0 §4.7.12: no port TLVs where UDHI is set."""
    outgoing = prepared(tmp_path, 'ports = "tlv"', text="x", udh="037001aa", destination_port=5505).outgoing
    assert [body.short_message for body in outgoing.bodies] == [bytes.fromhex("090504158100007001aa") + b"x"]
    assert not outgoing.tlvs


@pytest.mark.parametrize(("scheme", "start"), [("udh8", "0b0003{:02x}0201"), ("udh16", "0c0804{:04x}0201")])
def test_ports_as_tlvs_go_into_the_header_of_long_messages(tmp_path: Path, scheme: str, start: str) -> None:
    """5.0 §4.7.12, where several segments are tied by a header; the room is that of the TLVs."""
    ways = f'ports = "tlv"\nlong_messages = "{scheme}"'
    made = prepared(tmp_path, ways, data="ab" * 200, destination_port=2948, source_port=9200)
    first = made.outgoing.bodies[0]
    mask = 0xFF if scheme == "udh8" else 0xFFFF
    assert first.short_message.startswith(bytes.fromhex(start.format(made.row.concat_ref & mask) + "05040b8423f0ab"))
    assert first.esm_class == 0x40
    assert not made.outgoing.tlvs
    assert on_air(again(made)) == on_air(made.outgoing)


def test_ports_as_tlvs_go_into_the_header_of_national_tables(tmp_path: Path) -> None:
    ways = 'ports = "tlv"\nnational_languages = ["turkish"]\ntransliterate = true'
    made = prepared(tmp_path, ways, text="ğ", encoding="gsm7", destination_port=2948)
    (body,) = made.outgoing.bodies
    assert body.short_message[0] == 9
    assert {body.short_message[1:7].hex(), body.short_message[7:10].hex()} == {"05040b840000", "250101"}
    assert not made.outgoing.tlvs


def test_port_tlvs_of_an_app_stay(tmp_path: Path) -> None:
    made = prepared(tmp_path, 'ports = "tlv"', data="ab" * 200, tlvs={"destination_port": 5505})
    assert [tlv.tag for tlv in made.outgoing.tlvs] == [Tag.DESTINATION_PORT]
    assert made.outgoing.bodies[0].short_message[:3] == bytes.fromhex("050003")


@pytest.mark.parametrize("given", [{"destination_port": 5505}, {"tlvs": {"destination_port": 5505}}])
@pytest.mark.parametrize("scheme", ["udh8", "sar", "payload"])
def test_ports_as_tlvs_leave_room_for_the_element_made_of_them(
    tmp_path: Path, scheme: str, given: dict[str, Any]
) -> None:
    """Seven octets of a header on the air alone, six beside a concatenation (TS 23.040 §9.2.3.24.4)."""
    ways = f'ports = "tlv"\nlong_messages = "{scheme}"'
    assert prepared(tmp_path, ways, data="ab" * 133, **given).plan.parts == 1
    for size, parts in ((134, 2), (256, 2), (257, 3)):
        made = prepared(tmp_path, ways, data="ab" * size, **given)
        assert (made.plan.parts, made.plan.units_per_part) == (parts, 128)
    assert on_air(again(made)) == on_air(made.outgoing)


def test_binary_and_what_amounts_to_it_needs_a_right(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"data": "00"}, "data"),
        ({"text": "x", "udh": "037001aa"}, "udh"),
        ({"text": "x", "destination_port": 2948}, "destination_port"),
        ({"text": "x", "source_port": 2948}, "source_port"),
        ({"text": "x", "protocol_id": 0}, "protocol_id"),
        *(({"text": "x", "tlvs": {tag_name(tag): "00" * TLVS[tag].sizes[0]}}, "tlvs") for tag in GUARDED_TLVS),
    ]
    for params, field in cases:
        assert refused(tmp_path, app=PLAIN, **params) == ("not_allowed", field), params
        if field != "source_port":
            prepared(tmp_path, **params)
    prepared(tmp_path, app=PLAIN, text="x", tlvs={"0x1400": "00", "callback_num": "01010131"}, flash=True)


def test_guarded_tlvs_say_why() -> None:
    assert all(why and "§5.3.2." in why for why in GUARDED_TLVS.values())
    assert not OUR_TLVS & set(GUARDED_TLVS)
