from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms.gsm0338 import encode, pack
from gateway.sms.reassembly import Assembled, InboundPart, assemble, read_part
from gateway.sms.udh import InformationElement

PORT_IE = InformationElement(0x05, bytes.fromhex("15820000"))


@pytest.mark.parametrize(
    ("octets", "esm_class", "tlvs", "part"),
    [
        ("6869", 0x00, [], InboundPart("single", 0, 1, 1, b"hi", 0)),
        ("", 0x00, [], InboundPart("single", 0, 1, 1, b"", 0)),
        ("050003aa02016869", 0x40, [], InboundPart("udh8", 0xAA, 2, 1, b"hi", 0, udh_octets=6)),
        # Without UDHI the same octets are text.
        (
            "050003aa02016869",
            0x00,
            [],
            InboundPart("single", 0, 1, 1, bytes.fromhex("050003aa02016869"), 0),
        ),
        ("06080412340302" + "6869", 0x40, [], InboundPart("udh16", 0x1234, 3, 2, b"hi", 0, udh_octets=7)),
        # Other bits of esm_class beside UDHI.
        ("050003aa02026869", 0x43, [], InboundPart("udh8", 0xAA, 2, 2, b"hi", 0, udh_octets=6)),
        (
            "0b0504158200000003aa0201ff",
            0x40,
            [],
            InboundPart("udh8", 0xAA, 2, 1, b"\xff", 0, (PORT_IE,), udh_octets=12),
        ),
        (
            "0605041582000068",
            0x40,
            [],
            InboundPart("single", 0, 1, 1, b"h", 0, (PORT_IE,), udh_octets=7),
        ),
        ("0068", 0x40, [], InboundPart("single", 0, 1, 1, b"h", 0, udh_octets=1)),
        ("050003aa010168", 0x40, [], InboundPart("udh8", 0xAA, 1, 1, b"h", 0, udh_octets=6)),
        # Ignored concatenations.
        (
            "050003aa020368",
            0x40,
            [],
            InboundPart("single", 0, 1, 1, b"h", 0, flags=("bad_concat",), udh_octets=6),
        ),
        (
            "050003aa000068",
            0x40,
            [],
            InboundPart("single", 0, 1, 1, b"h", 0, flags=("bad_concat",), udh_octets=6),
        ),
        (
            "0400020201" + "68",
            0x40,
            [],
            InboundPart("single", 0, 1, 1, b"h", 0, flags=("bad_concat",), udh_octets=5),
        ),
        # No header where there should be one: some carriers leave the bit and take the header off.
        ("68656c6c6f", 0x40, [], InboundPart("single", 0, 1, 1, b"hello", 0, flags=("bad_udh",))),
        ("", 0x40, [], InboundPart("single", 0, 1, 1, b"", 0, flags=("bad_udh",))),
        (
            "05000faa0201",
            0x40,
            [],
            InboundPart("single", 0, 1, 1, bytes.fromhex("05000faa0201"), 0, flags=("bad_udh",)),
        ),
        (
            "03240103" + "68",
            0x40,
            [],
            InboundPart(
                "single",
                0,
                1,
                1,
                b"h",
                0,
                (InformationElement(0x24, b"\x03"),),
                udh_octets=4,
            ),
        ),
        # An application port element of the wrong length.
        (
            "0405021582" + "68",
            0x40,
            [],
            InboundPart(
                "single", 0, 1, 1, b"h", 0, (InformationElement(0x05, b"\x15\x82"),), flags=("bad_port",), udh_octets=5
            ),
        ),
        # SAR TLVs.
        (
            "6869",
            0x00,
            [(0x020C, 0x1234), (0x020E, 3), (0x020F, 2)],
            InboundPart("sar", 0x1234, 3, 2, b"hi", 0),
        ),
        (
            "6869",
            0x00,
            [(0x020F, b"\x02"), (0x020E, b"\x03"), (0x020C, b"\x12\x34")],
            InboundPart("sar", 0x1234, 3, 2, b"hi", 0),
        ),
        (
            "6869",
            0x00,
            [(0x020C, 5), (0x020E, 0), (0x020F, 0)],
            InboundPart("single", 0, 1, 1, b"hi", 0, flags=("bad_concat",)),
        ),
        (
            "6869",
            0x00,
            [(0x020E, 2), (0x020F, 1)],
            InboundPart("single", 0, 1, 1, b"hi", 0, flags=("bad_concat",)),
        ),
        (
            "6869",
            0x00,
            [(0x020C, 5), (0x020E, "2"), (0x020F, b"\0\0\1")],
            InboundPart("single", 0, 1, 1, b"hi", 0, flags=("bad_concat",)),
        ),
        # A header's concatenation wins over TLVs; another header goes with them.
        (
            "050003aa020168",
            0x40,
            [(0x020C, 5), (0x020E, 3), (0x020F, 3)],
            InboundPart("udh8", 0xAA, 2, 1, b"h", 0, udh_octets=6),
        ),
        (
            "0605041582000068",
            0x40,
            [(0x020C, 5), (0x020E, 3), (0x020F, 3)],
            InboundPart("sar", 5, 3, 3, b"h", 0, (PORT_IE,), udh_octets=7),
        ),
        (
            "6868",
            0x40,
            [(0x020C, 5), (0x020E, 3), (0x020F, 3)],
            InboundPart("sar", 5, 3, 3, b"hh", 0, flags=("bad_udh",)),
        ),
        # message_payload.
        ("", 0x00, [(0x0424, b"long")], InboundPart("single", 0, 1, 1, b"long", 0)),
        ("6869", 0x00, [(0x0424, b"long")], InboundPart("single", 0, 1, 1, b"hi", 0)),
        (
            "",
            0x40,
            [(0x1400, b"x"), (0x0424, bytes.fromhex("050003aa0202") + b"long")],
            InboundPart("udh8", 0xAA, 2, 2, b"long", 0, udh_octets=6),
        ),
        (
            "",
            0x00,
            [(0x0424, b"long"), (0x020C, 5), (0x020E, 2), (0x020F, 1)],
            InboundPart("sar", 5, 2, 1, b"long", 0),
        ),
    ],
)
def test_parts_are_read(octets: str, esm_class: int, tlvs: list, part: InboundPart) -> None:
    assert read_part(bytes.fromhex(octets), esm_class, 0, tlvs) == part


tlv_values = st.one_of(st.integers(-1, 0xFFFFFFFF), st.binary(max_size=8), st.text(max_size=4))


@given(
    st.one_of(st.binary(max_size=40), st.binary(max_size=20).map(lambda data: b"\x05\x00\x03" + data)),
    st.integers(0, 255),
    st.integers(0, 255),
    st.lists(st.tuples(st.sampled_from([0x020C, 0x020E, 0x020F, 0x0424, 0x1400]), tlv_values), max_size=5),
    st.sampled_from(["gsm7", "gsm7_packed", "latin1", "ascii"]),
)
@settings(derandomize=True, deadline=None, database=None, max_examples=500)
def test_any_octets_make_a_part(octets: bytes, esm_class: int, data_coding: int, tlvs: list, alphabet: str) -> None:
    part = read_part(octets, esm_class, data_coding, tlvs)
    assert 1 <= part.seq <= part.total <= 255
    assembled = assemble({part.seq: part}, alphabet=alphabet)
    assert assembled.complete == (part.total == 1)
    assert assembled.data == part.data


def gsm_parts(*texts: str) -> dict[int, InboundPart]:
    return {
        seq: InboundPart("udh8", 1, len(texts), seq, encode(text), 0, udh_octets=6) for seq, text in enumerate(texts, 1)
    }


def test_any_order_gives_the_text() -> None:
    parts = gsm_parts("one ", "two ", "three")
    for order in itertools.permutations(parts.items()):
        assert assemble(dict(order), 3) == Assembled("one two three", encode("one two three"), "gsm7", True, (), ())


@pytest.mark.parametrize("absent", [1, 2, 3])
def test_a_partial_message_says_so(absent: int) -> None:
    parts = gsm_parts("one ", "two ", "three")
    del parts[absent]
    assembled = assemble(parts, 3)
    assert not assembled.complete
    assert assembled.missing == (absent,)
    assert assembled.text == "".join(text for seq, text in enumerate(("one ", "two ", "three"), 1) if seq != absent)


def test_nothing_arrived() -> None:
    assert assemble({}, 3) == Assembled("", b"", "binary", False, (1, 2, 3), ())


def test_the_total_comes_from_the_parts() -> None:
    parts = gsm_parts("one ", "two ", "three")
    del parts[3]
    assert assemble(parts).missing == (3,)


def test_parts_beyond_the_total_are_left_out() -> None:
    parts = gsm_parts("one ", "two")
    parts[9] = InboundPart("udh8", 1, 2, 2, b"nine", 0)
    assert assemble(parts, 2).text == "one two"


def test_a_surrogate_pair_that_the_sender_cut_survives() -> None:
    data = "日😀本".encode("utf-16-be")
    parts = {
        1: InboundPart("udh8", 1, 2, 1, data[:4], 8),
        2: InboundPart("udh8", 1, 2, 2, data[4:], 8),
    }
    assert assemble(parts, 2) == Assembled("日😀本", data, "ucs2", True, (), ())


def test_an_escape_pair_that_the_sender_cut_survives() -> None:
    septets = encode("a€b")
    for header_octets, alphabet in ((0, "gsm7"), (6, "gsm7_packed"), (0, "gsm7_packed")):
        parts = {}
        for seq, piece in ((1, septets[:2]), (2, septets[2:])):
            data = pack(piece, -header_octets * 8 % 7) if alphabet == "gsm7_packed" else piece
            parts[seq] = InboundPart("udh8", 1, 2, seq, data, 0, udh_octets=header_octets)
        assert assemble(parts, 2, alphabet).text == "a€b"


def test_a_missing_part_is_not_joined_over() -> None:
    high, low = "😀".encode("utf-16-be")[:2], "😀".encode("utf-16-be")[2:]
    parts = {1: InboundPart("sar", 1, 3, 1, high, 8), 3: InboundPart("sar", 1, 3, 3, low, 8)}
    assembled = assemble(parts, 3)
    assert assembled.text == "\ufffd\ufffd"
    assert assembled.flags == ("replaced",)
    assert assembled.missing == (2,)


def test_mixed_codings_are_read_each_by_its_own() -> None:
    parts = {
        1: InboundPart("udh8", 1, 2, 1, b"abc", 0),
        2: InboundPart("udh8", 1, 2, 2, "日".encode("utf-16-be"), 8),
    }
    assembled = assemble(parts, 2)
    assert assembled.text == "abc日"
    assert "mixed_coding" in assembled.flags


def test_a_binary_part_makes_the_message_binary() -> None:
    parts = {1: InboundPart("udh8", 1, 2, 1, b"abc", 0), 2: InboundPart("udh8", 1, 2, 2, b"\xff", 4)}
    assembled = assemble(parts, 2)
    assert (assembled.text, assembled.encoding, assembled.data) == (None, "binary", b"abc\xff")


def test_flags_of_all_parts_are_kept_once() -> None:
    parts = {
        1: InboundPart("udh8", 1, 2, 1, b"a", 0x10, flags=("bad_port",)),
        2: InboundPart("udh8", 1, 2, 2, b"\xff", 0x10, flags=("bad_port",)),
    }
    assert assemble(parts, 2).flags == ("bad_port", "flash", "replaced")


@pytest.mark.parametrize(
    ("octets", "data_coding", "alphabet", "text", "flags"),
    [
        # Some carriers leave the bit when they have taken the header off: what reads as print is shown.
        (b"STOP", 0x00, "gsm7", "STOP", ("bad_udh",)),
        (b"STOP\r\n", 0xF1, "gsm7", "STOP\r\n", ("bad_udh", "class1")),
        (b"\x04\x1f\x04@\x048", 0x08, "gsm7", "При", ("bad_udh",)),
        (b"caf\xe9", 0x03, "gsm7", "café", ("bad_udh",)),
        (bytes.fromhex("e8329bfd4697d9ec37"), 0x00, "gsm7_packed", "hellohello", ("bad_udh",)),
        # What does not is octets.
        (b"\x05\x00\x0f\xaa\x02\x01", 0x00, "gsm7", None, ("bad_udh",)),
        (b"\x7fSTO\x1b", 0x00, "gsm7", None, ("bad_udh",)),
        (b"\x7f\x00\x01", 0x08, "gsm7", None, ("bad_udh",)),
        (b"\x7f\x00\x01A", 0x03, "gsm7", None, ("bad_udh",)),
        (b"\x0aSTOP", 0x04, "gsm7", None, ("bad_udh",)),
        (b"", 0x00, "gsm7", "", ("bad_udh",)),
    ],
)
def test_a_header_that_is_none_is_octets(
    octets: bytes, data_coding: int, alphabet: str, text: str | None, flags: tuple[str, ...]
) -> None:
    part = read_part(octets, 0x40, data_coding, ())
    assert assemble({1: part}, 1, alphabet) == Assembled(text, octets, "binary", True, (), flags)


def test_a_part_without_the_header_that_it_announces_makes_the_message_octets() -> None:
    sar = [(0x020C, 5), (0x020E, 2)]
    parts = {
        1: read_part(b"good ", 0x00, 0, [*sar, (0x020F, 1)]),
        2: read_part(b"text", 0x40, 0, [*sar, (0x020F, 2)]),
    }
    assert assemble(parts, 2) == Assembled("good text", b"good text", "binary", True, (), ("bad_udh",))
    parts[2] = read_part(b"\x7f\xff", 0x40, 0, [*sar, (0x020F, 2)])
    assert assemble(parts, 2) == Assembled(None, b"good \x7f\xff", "binary", True, (), ("bad_udh",))


def test_repr_shows_no_text() -> None:
    part = read_part(b"secret", 0, 0, ())
    assert "secret" not in repr(part)
    assert "secret" not in repr(assemble({1: part}))


def test_other_elements_do_not_part_a_pair() -> None:
    high, low = "😀".encode("utf-16-be")[:2], "😀".encode("utf-16-be")[2:]
    parts = {
        1: InboundPart("udh8", 1, 2, 1, high, 8, (InformationElement(0x25, b"\x01"),), udh_octets=9),
        2: InboundPart("udh8", 1, 2, 2, low, 8, udh_octets=6),
    }
    assert assemble(parts, 2) == Assembled("😀", high + low, "ucs2", True, (), ())
    # Septets of one table and of another are not one text.
    parts = {
        1: InboundPart("udh8", 1, 2, 1, b"a\x1b", 0, (InformationElement(0x25, b"\x01"),), udh_octets=9),
        2: InboundPart("udh8", 1, 2, 2, b"eb", 0, udh_octets=6),
    }
    assembled = assemble(parts, 2)
    assert (assembled.text, assembled.flags) == ("a eb", ("cut_escape",))
