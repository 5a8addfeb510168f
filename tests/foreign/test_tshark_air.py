"""What a phone gets: segments of ours in SMS TPDUs (TS 23.040 §9.2.2.1), read by Wireshark and by a reader of ours.

A carrier makes a TPDU of each segment: user data header and octets as they are, septets packed behind fill bits.
Wireshark's GSM SMS dissector unpacks, joins parts and shows the text; the other reader, in tests/unit/sms, was
written from the specification apart from the code under test.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.sms.segment import Scheme, SegmentPlan, plan
from gateway.sms.udh import port_element
from tests.foreign.texts import TYPOGRAPHIC, texts
from tests.support import pcap
from tests.support.foreign import LONG, needs_tshark
from tests.support.tshark import GSM_SMS, NOTES, Fields, notes, read
from tests.unit.sms.foreign import GSM, GSM_EXTENSION, read_message

pytestmark = needs_tshark

COUNT = 10_000 if LONG else 900
TEXT, WHOLE = "gsm_sms.sms_text", "gsm_sms.reassembled.in"
FIELDS = (
    TEXT, "gsm_sms.tp-oa", "gsm_sms.ie_identifier", "gsm_sms.udh.mm.msg_id", "gsm_sms.udh.mm.msg_parts",
    "gsm_sms.udh.mm.msg_part", "gsm_sms.dis_iei_lang.single_shift", "gsm_sms.dis_iei_lang.locking_shift",
    "gsm_sms.dis_field_udh.gsm.fill_bits", *NOTES,
)  # fmt: skip
SENT_AT = bytes.fromhex("62112251005000")
"""TP-SCTS, semi-octets (§9.2.3.11)."""


def tpdus(planned: SegmentPlan, ref: int, sender: str) -> Iterator[bytes]:
    """An SMS-DELIVER of each segment."""
    for piece, body in zip(planned.pieces, planned.render(ref), strict=True):
        header = body.short_message[0] + 1 if body.esm_class & 0x40 else 0
        data = body.short_message
        length = len(data)
        if planned.encoding == "gsm7":
            # §9.2.3.16: septets, those that the header and its fill bits take included.
            length = -(-header * 8 // 7) + len(piece)
            data = data[: -(-length * 7 // 8)]  # a TPDU says how many septets, so needs no padding
        # TP-MTI 00, TP-MMS 1, TP-UDHI as there is a header (§9.2.3.1, .2, .23)
        first = 0x04 | (0x40 if header else 0)
        digits = sender if len(sender) % 2 == 0 else sender + "f"
        swapped = bytes(int(digits[i + 1] + digits[i], 16) for i in range(0, len(digits), 2))
        yield (
            bytes((first, len(sender), 0x91))
            + swapped
            + bytes((0, body.data_coding))
            + SENT_AT
            + bytes((length,))
            + data
        )


def shown(directory: Path, plans: list[SegmentPlan]) -> list[list[Fields]]:
    """The frames of each message, as Wireshark reads them."""
    made = [list(tpdus(one, ref, f"1212{ref:07}")) for ref, one in enumerate(plans)]
    assert max(len(tpdu) for message in made for tpdu in message) <= 164  # §9.2.3.24.1: 140 octets of user data
    path = directory / "air.pcap"
    pcap.write(path, (tpdu for message in made for tpdu in message), pcap.USER0)
    frames = iter(read(path, FIELDS, GSM_SMS))
    return [[next(frames) for _ in message] for message in made]


def may_be_read_as(text: str, planned: SegmentPlan) -> set[str]:
    """What may be read of the octets alone, without the number of septets that a TPDU states.

    A CR that ends with the last octet is padding; one that was meant there is doubled, and CR CR does what CR does
    (TS 23.038 §6.1.2.3.1). In a part of 140 octets there is no room for that: such a CR at the end is not read.
    """
    if planned.encoding != "gsm7" or not text.endswith("\r"):
        return {text}
    return {text, text + "\r"} if planned.units_left else {text, text[:-1]}


@pytest.mark.parametrize("scheme", ["udh8", "udh16"])
def test_texts_on_the_air(tmp_path: Path, scheme: Scheme) -> None:
    """Two readers that are not the code under test read every text as it was; not one remark."""
    given = [text for text in texts(11, COUNT) if text]
    plans = [plan(text, scheme=scheme, alphabet="gsm7_packed") for text in given]
    wrong = []
    for ref, (text, planned, frames) in enumerate(zip(given, plans, shown(tmp_path, plans), strict=True)):
        wrong += [(text, note) for frame in frames for note in notes(frame)]
        if "".join(frames[-1][TEXT]) != text:
            wrong.append((text, "Wireshark reads " + "".join(frames[-1][TEXT])))
        if read_message(planned.render(ref), "gsm7_packed") not in may_be_read_as(text, planned):
            wrong.append((text, "the other reader differs"))
        if len(frames) > 1:
            parts = [int(frame["gsm_sms.udh.mm.msg_part"][0], 0) for frame in frames]
            assert parts == list(range(1, len(frames) + 1))
            assert {frame["gsm_sms.udh.mm.msg_parts"][0] for frame in frames} == {str(len(frames))}
    assert wrong == []
    assert {planned.encoding for planned in plans} == {"gsm7", "ucs2"}


def test_flash_on_the_air(tmp_path: Path) -> None:
    """What the dissector of SMPP leaves out: message class 0 by both groups (TS 23.038 §4)."""
    given = ["At once", "Сразу 👍", "x" * 300, "ы" * 100]
    for way in ("0x10", "0xf0"):
        plans = [plan(text, alphabet="gsm7_packed", flash=way) for text in given]
        found = shown(tmp_path, plans)
        assert ["".join(frames[-1][TEXT]) for frames in found] == given
        assert [note for frames in found for frame in frames for note in notes(frame)] == []


def test_fill_bits_behind_headers_of_any_length(tmp_path: Path) -> None:
    """A header of the user's own beside concatenation: septets begin at a septet's place (§9.2.3.24)."""
    # 0x80: for the use of two SMEs alone (§9.2.3.24).
    headers = [bytes((size + 1, 0x80, size - 1)) + bytes(size - 1) for size in range(1, 12)]
    given = [(udh, text) for udh in headers for text in ("one part", "several parts, with [brackets] and € " * 8)]
    plans = [plan(text, alphabet="gsm7_packed", udh=udh) for udh, text in given]
    for (_, text), frames in zip(given, shown(tmp_path, plans), strict=True):
        assert "".join(frames[-1][TEXT]) == text
        assert [note for frame in frames for note in notes(frame)] == []


def test_ports_are_an_element_that_is_named(tmp_path: Path) -> None:
    element = port_element(5505, 5505)
    udh = bytes((len(element.data) + 2, element.id, len(element.data))) + element.data
    planned = plan("to a port", alphabet="gsm7_packed", udh=udh)
    ((frame,),) = shown(tmp_path, [planned])
    assert [int(value, 0) for value in frame["gsm_sms.ie_identifier"]] == [0x05]
    assert frame[TEXT] == ["to a port"]


LANGUAGES = {
    "turkish": ("ışığı göğe, Şişli'ye İğdır", 0x01),
    "spanish": ("Él habló así: ¡más rápido, Íñigo!", 0x02),
    "portuguese": ("ações, não, órgãos e Índice", 0x03),
}


def by_default_alphabet(septets: bytes) -> str:
    """As Wireshark shows septets: U+FFFD for ESC and a code without an extension character.

    TS 23.038 §6.2.1.1 has a receiver show the character of the default alphabet there, as ours does.
    """
    codes = iter(septets)
    points = (GSM_EXTENSION.get(next(codes), 0xFFFD) if GSM[code] is None else GSM[code] for code in codes)
    return "".join(map(chr, points))  # type: ignore[arg-type]


@pytest.mark.parametrize("language", LANGUAGES)
def test_national_tables_are_named_and_not_applied(tmp_path: Path, language: str) -> None:
    """Wireshark names the language of each element, and shows the septets by the default alphabet."""
    text, number = LANGUAGES[language]
    planned = plan(text * 6, encoding="gsm7", alphabet="gsm7_packed", national=(language,))  # type: ignore[arg-type]
    (frames,) = shown(tmp_path, [planned])
    assert planned.parts > 1
    for frame, piece in zip(frames, planned.pieces, strict=True):
        assert notes(frame) == []
        named = {
            0x24: frame.get("gsm_sms.dis_iei_lang.single_shift"), 0x25: frame.get("gsm_sms.dis_iei_lang.locking_shift"),
        }  # fmt: skip
        wanted = {0x24: planned.shift.single, 0x25: planned.shift.locking}
        assert {ie: int(value[0], 0) if value else 0 for ie, value in named.items()} == wanted
        assert number in wanted.values()
        assert len(frame[TEXT][-1]) <= len(piece)
    assert "".join(frames[-1][TEXT]) == "".join(by_default_alphabet(piece) for piece in planned.pieces)


def test_a_reader_that_differs_is_found(tmp_path: Path) -> None:
    """The proof can fail: one bit is another character to Wireshark."""
    planned = plan(f"typographic {TYPOGRAPHIC[0]}", encoding="ucs2")
    (whole,) = tpdus(planned, 0, "12120000000")
    pcap.write(tmp_path / "one", [whole[:-1] + bytes((whole[-1] ^ 1,))], pcap.USER0)
    (frame,) = read(tmp_path / "one", FIELDS, GSM_SMS)
    assert frame[TEXT] == ["typographic ’"]
