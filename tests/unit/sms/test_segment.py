from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.sms.segment import SegmentBody, TooLongError, UnencodableError, plan, plan_alone, render
from gateway.sms.udh import UdhError

PORTS = bytes.fromhex("06050423f40000")  # a header of the caller's own, 7 octets
CONCAT = bytes.fromhex("050003aa0201")


def body(hex_octets: str, esm_class: int, data_coding: int, *tlvs: tuple[int, int | bytes]) -> SegmentBody:
    return SegmentBody(bytes.fromhex(hex_octets), esm_class, data_coding, tlvs)


@pytest.mark.parametrize(
    ("char", "size", "scheme", "sizes"),
    [
        # TS 23.040 §9.2.3.24.1: 160 alone, 153 beside an 8-bit reference; 152 beside a 16-bit one.
        ("a", 160, "udh8", [160]),
        ("a", 161, "udh8", [153, 8]),
        ("a", 306, "udh8", [153, 153]),
        ("a", 307, "udh8", [153, 153, 1]),
        ("a", 310, "udh8", [153, 153, 4]),
        ("a", 161, "udh16", [152, 9]),
        ("a", 304, "udh16", [152, 152]),
        ("a", 161, "sar", [153, 8]),
        ("a", 161, "payload", [153, 8]),
        ("é", 161, "udh8", [153, 8]),
        # Extension characters are two septets, and stay whole: 153 is odd.
        ("{", 80, "udh8", [160]),
        ("{", 81, "udh8", [152, 10]),
        ("€", 152, "udh8", [152, 152]),
        ("€", 152, "udh16", [152, 152]),
        ("€", 153, "udh8", [152, 152, 2]),
        # UCS-2: 70 alone, 67 and 66.
        ("日", 70, "udh8", [70]),
        ("日", 71, "udh8", [67, 4]),
        ("日", 71, "udh16", [66, 5]),
        ("日", 71, "sar", [67, 4]),
        # Surrogate pairs are two units and stay whole: 67 is odd.
        ("😀", 35, "udh8", [70]),
        ("😀", 36, "udh8", [66, 6]),
        ("😀", 36, "udh16", [66, 6]),
        ("", 0, "udh8", [0]),
    ],
)
def test_sizes_of_parts(char: str, size: int, scheme: str, sizes: list[int]) -> None:
    planned = plan(char * size, scheme=scheme)
    unit = 2 if planned.encoding == "ucs2" else 1
    assert [len(piece) // unit for piece in planned.pieces] == sizes
    assert planned.parts == len(sizes)
    assert planned.units_used == sum(sizes)
    assert planned.units_left == planned.units_per_part - sizes[-1]


@pytest.mark.parametrize(("scheme", "sizes"), [("udh8", [134, 7]), ("udh16", [133, 8]), ("sar", [134, 7])])
def test_sizes_of_octet_parts(scheme: str, sizes: list[int]) -> None:
    assert [len(piece) for piece in plan(bytes(141), scheme=scheme).pieces] == sizes
    assert [len(piece) for piece in plan("x" * 141, encoding="latin1", scheme=scheme).pieces] == sizes
    assert plan(bytes(140), scheme=scheme).parts == 1


@pytest.mark.parametrize(
    ("text", "alphabet", "encoding", "forced_by"),
    [
        ("plain", "gsm7", "gsm7", ()),
        ("€[]{}\\^~|\f", "gsm7", "gsm7", ()),
        ("ΔΦΓΛΩΠΨΣΘΞ", "gsm7", "gsm7", ()),
        ("a`b", "gsm7", "ucs2", (("`", 1),)),
        ("ç", "gsm7", "ucs2", (("ç", 0),)),
        ("it’s “it’s”", "gsm7", "ucs2", (("’", 2), ("“", 5), ("”", 10))),
        ("😀a😀b日", "gsm7", "ucs2", (("😀", 0), ("日", 4))),
        ("一二三四五六七", "gsm7", "ucs2", (("一", 0), ("二", 1), ("三", 2), ("四", 3), ("五", 4))),
        ("", "gsm7", "gsm7", ()),
        ("é", "latin1", "gsm7", ()),
        ("x€", "latin1", "ucs2", (("€", 1),)),
        ("xΔ", "latin1", "ucs2", (("Δ", 1),)),
        ("ÿ", "latin1", "ucs2", (("ÿ", 0),)),  # Latin-1 has it, but what it carries are GSM characters
        ("{}", "ascii", "gsm7", ()),
        ("xé", "ascii", "ucs2", (("é", 1),)),
        ("€Δ", "gsm7_packed", "gsm7", ()),
    ],
)
def test_automatic_choice(text: str, alphabet: str, encoding: str, forced_by: tuple[tuple[str, int], ...]) -> None:
    planned = plan(text, alphabet=alphabet)
    assert (planned.encoding, planned.forced_by) == (encoding, forced_by)


def test_no_character_forces_what_was_asked_for() -> None:
    assert plan("日", encoding="ucs2").forced_by == ()


@pytest.mark.parametrize(
    ("text", "encoding", "alphabet", "char", "position", "named"),
    [
        ("ab`", "gsm7", "gsm7", "`", 2, "gsm7"),
        ("a€", "gsm7", "latin1", "€", 1, "latin1"),
        ("aé`", "gsm7", "ascii", "é", 1, "ascii"),
        ("a`é", "gsm7", "ascii", "`", 1, "gsm7"),
        ("aé€", "latin1", "gsm7", "€", 2, "latin1"),
        ("😀\ud800", "ucs2", "gsm7", "\ud800", 1, "ucs2"),
        ("\udfff", "auto", "gsm7", "\udfff", 0, "ucs2"),
    ],
)
def test_what_cannot_be_carried_is_named(
    text: str, encoding: str, alphabet: str, char: str, position: int, named: str
) -> None:
    with pytest.raises(UnencodableError) as caught:
        plan(text, encoding=encoding, alphabet=alphabet)
    assert (caught.value.char, caught.value.position, caught.value.alphabet) == (char, position, named)


def test_octets_are_binary_and_text_is_not() -> None:
    assert plan(b"\x00\xff").encoding == "binary"
    with pytest.raises(ValueError, match="octets"):
        plan("text", encoding="binary")
    with pytest.raises(ValueError, match="binary"):
        plan(b"\x00", encoding="ucs2")


@pytest.mark.parametrize(
    ("text", "encoding", "flash", "data_coding"),
    [
        ("a", "gsm7", None, 0x00),
        ("a", "ucs2", None, 0x08),
        ("a", "latin1", None, 0x03),
        (b"a", "binary", None, 0x04),
        # TS 23.038 §4: group 0001, class 0.
        ("a", "gsm7", "0x10", 0x10),
        ("a", "ucs2", "0x10", 0x18),
        ("a", "latin1", "0x10", 0x14),
        (b"a", "binary", "0x10", 0x14),
        # Group 1111 has the default alphabet and 8-bit data only.
        ("a", "gsm7", "0xf0", 0xF0),
        ("a", "ucs2", "0xf0", 0x18),
        ("a", "latin1", "0xf0", 0xF4),
        (b"a", "binary", "0xf0", 0xF4),
        # SMPP 3.4 §5.3.2.1: the display, beside the usual data_coding.
        ("a", "gsm7", "dest_addr_subunit", 0x00),
        ("a", "ucs2", "dest_addr_subunit", 0x08),
        ("a", "latin1", "dest_addr_subunit", 0x03),
        (b"a", "binary", "dest_addr_subunit", 0x04),
    ],
)
def test_data_coding(text: str | bytes, encoding: str, flash: str | None, data_coding: int) -> None:
    (segment,) = render(text, encoding=encoding, scheme="udh8", flash=flash)
    assert segment.data_coding == data_coding
    assert segment.esm_class == 0
    assert segment.tlvs == (((0x0005, 1),) if flash == "dest_addr_subunit" else ())


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar", "payload"])
@pytest.mark.parametrize("udh", [b"", PORTS])
def test_the_display_is_named_in_every_part(scheme: str, udh: bytes) -> None:
    for segment in plan("a" * 400, scheme=scheme, udh=udh, flash="dest_addr_subunit").render(1):
        assert segment.tlvs[-1] == (0x0005, 1)


@pytest.mark.parametrize(
    ("text", "options", "segments"),
    [
        ("Hi €", {}, [body("4869201b65", 0, 0)]),
        ("日😀", {}, [body("65e5d83dde00", 0, 8)]),
        ("é", {"encoding": "latin1"}, [body("e9", 0, 3)]),
        ("é@{", {}, [body("05001b28", 0, 0)]),
        ("é@{", {"alphabet": "latin1"}, [body("e9407b", 0, 0)]),
        ("@{", {"alphabet": "ascii"}, [body("407b", 0, 0)]),
        ("hellohello", {"alphabet": "gsm7_packed"}, [body("e8329bfd4697d9ec37", 0, 0)]),
        (
            "1234567",
            {"alphabet": "gsm7_packed"},
            [body("31d98c56b3dd1a", 0, 0)],
        ),  # CR in the spare seven bits
        ("1234567\r", {"alphabet": "gsm7_packed"}, [body("31d98c56b3dd1a0d", 0, 0)]),
        ("a", {"udh": PORTS}, [body("06050423f4000061", 0x40, 0)]),
        ("a", {"udh": CONCAT}, [body("050003aa020161", 0x40, 0)]),
        ("a", {"udh": CONCAT, "alphabet": "gsm7_packed"}, [body("050003aa0201c2", 0x40, 0)]),
        ("a", {"scheme": "payload"}, [body("61", 0, 0)]),
        ("", {}, [body("", 0, 0)]),
        (
            "a" * 153 + "b" * 8,
            {},
            [body("0500032a0201" + "61" * 153, 0x40, 0), body("0500032a0202" + "62" * 8, 0x40, 0)],
        ),
        (
            "a" * 152 + "b" * 9,
            {"scheme": "udh16"},
            [body("060804012a0201" + "61" * 152, 0x40, 0), body("060804012a0202" + "62" * 9, 0x40, 0)],
        ),
        (
            "a" * 153 + "b" * 8,
            {"scheme": "sar"},
            [
                body("61" * 153, 0, 0, (0x020C, 0x012A), (0x020E, 2), (0x020F, 1)),
                body("62" * 8, 0, 0, (0x020C, 0x012A), (0x020E, 2), (0x020F, 2)),
            ],
        ),
        ("a" * 161, {"scheme": "payload"}, [body("", 0, 0, (0x0424, b"a" * 161))]),
        ("日" * 71, {"scheme": "payload", "flash": "0x10"}, [body("", 0, 0x18, (0x0424, b"\x65\xe5" * 71))]),
        (
            "a" * 161,
            {"scheme": "payload", "udh": PORTS},
            [body("", 0x40, 0, (0x0424, PORTS + b"a" * 161))],
        ),
        (
            b"\xfe" * 135,
            {"udh": PORTS},
            [
                body("0b00032a0201050423f40000" + "fe" * 128, 0x40, 4),
                body("0b00032a0202050423f40000" + "fe" * 7, 0x40, 4),
            ],
        ),
        (
            b"\xfe" * 135,
            {"udh": PORTS, "scheme": "sar"},
            [
                # 5.0 §4.7.12: no SAR TLVs where UDHI is set.
                body("0b00032a0201050423f40000" + "fe" * 128, 0x40, 4),
                body("0b00032a0202050423f40000" + "fe" * 7, 0x40, 4),
            ],
        ),
    ],
)
def test_rendered_octets(text: str | bytes, options: dict, segments: list[SegmentBody]) -> None:
    asked = {"encoding": "auto", "scheme": "udh8", "ref": 0x012A} | options
    rendered = render(text, **asked)
    assert rendered == tuple(segments)
    assert render(text, **asked) == rendered
    del asked["ref"]
    assert plan(text, **asked).bodies == len(segments)


@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7_packed", "latin1", "ascii"])
@pytest.mark.parametrize("text", ["", "Hello", "@", "{" * 80, "{" * 81, "x" * 160, "x" * 161, "\0", "é", "ż"])
def test_what_is_rendered_at_once_is_what_its_plan_renders(text: str, alphabet: Any) -> None:
    asked: dict[str, Any] = {"encoding": "gsm7", "scheme": "udh8", "alphabet": alphabet}
    try:
        expected = plan(text, **asked).render(7)
    except UnencodableError as error:
        with pytest.raises(UnencodableError, match=re.escape(str(error))):
            render(text, **asked, ref=7)
        return
    assert render(text, **asked, ref=7) == expected


@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7_packed", "latin1", "ascii"])
def test_one_segment_of_septets_is_planned_alike_on_the_short_way(alphabet: str) -> None:
    taken = 0
    for text in ("x", "x" * 160, "x" * 161, "€" * 80, "€" * 80 + "x", "Grüße @", "Δ", "ж", "a`b", "\x1b"):
        alone = plan_alone(text, "udh16", alphabet)
        whole = plan(text, scheme="udh16", alphabet=alphabet)
        if whole.encoding == "gsm7" and whole.parts == 1:
            assert alone == whole
            taken += 1
        else:
            assert alone is None
    assert taken == {"gsm7": 5, "gsm7_packed": 5, "latin1": 3, "ascii": 2}[alphabet]


def test_a_header_of_the_callers_own_takes_room() -> None:
    assert plan("a" * 152, udh=PORTS).parts == 1  # (140 - 7) * 8 // 7
    assert plan("a" * 153, udh=PORTS).units_per_part == (140 - 12) * 8 // 7
    assert plan("日" * 66, udh=PORTS).parts == 1
    assert plan("日" * 67, udh=PORTS, scheme="udh16").units_per_part == (140 - 13) // 2
    assert plan(bytes(133), udh=PORTS).parts == 1
    assert plan(bytes(134), udh=PORTS, scheme="payload").units_per_part == 128


@pytest.mark.parametrize(
    ("text", "udh", "fault"),
    [
        ("a", "05", "in a message of 1"),
        ("a", "0500030102016161", "2 octets follow"),
        ("a", "03000501", "runs past"),
        ("a", "8a70" + "88" + "00" * 136, "no room"),
        ("日" * 3, "8870" + "86" + "00" * 134, "no room"),
        ("a" * 154, "050003aa0201", "concatenation element of its own"),
        ("a" * 200, "060804aa550201", "concatenation element of its own"),
    ],
)
def test_unusable_headers(text: str, udh: str, fault: str) -> None:
    with pytest.raises(UdhError, match=fault):
        plan(text, udh=bytes.fromhex(udh))


@pytest.mark.parametrize(
    ("text", "options", "parts", "most"),
    [
        ("a" * 161, {"max_parts": 1}, 2, 1),
        ("a" * 460, {"max_parts": 3}, 4, 3),
        ("a" * (153 * 255 + 1), {}, 256, 255),
        ("a" * (153 * 255 + 1), {"max_parts": 1000}, 256, 255),
        ("日" * 10_000_000, {}, 149_254, 255),
        ("€" * (76 * 255 + 1), {}, 256, 255),
    ],
)
def test_too_long(text: str, options: dict, parts: int, most: int) -> None:
    with pytest.raises(TooLongError) as caught:
        plan(text, **options)
    assert (caught.value.parts, caught.value.max) == (parts, most)


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar", "payload"])
def test_as_long_as_it_gets(scheme: str) -> None:
    room = 152 if scheme == "udh16" else 153
    planned = plan("a" * (room * 255), scheme=scheme)
    assert planned.parts == 255
    assert planned.units_left == 0
    assert len(planned.render(1)) == (1 if scheme == "payload" else 255)


def test_references_take_the_low_bits() -> None:
    text = "a" * 161
    for ref in (0, 255, 256, 0x12345):
        assert plan(text).render(ref)[0].short_message[3] == ref & 0xFF
        assert plan(text, scheme="udh16").render(ref)[0].short_message[3:5] == (ref & 0xFFFF).to_bytes(2, "big")
        assert plan(text, scheme="sar").render(ref)[0].tlvs[0] == (0x020C, ref & 0xFFFF)


def test_repr_shows_no_text() -> None:
    planned = plan("secret words " * 20)
    assert "secret" not in repr(planned)
    assert "secret" not in repr(planned.render(1))
    payload = plan("secret words " * 20, scheme="payload").render(1)
    assert "secret" not in repr(payload)
    assert "0x0424" in repr(payload)
