from __future__ import annotations

import random

import pytest
import smpplib.gsm
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms import gsm0338
from gateway.sms.gsm0338 import UnencodableError

from . import foreign


def test_tables_are_those_of_the_specification() -> None:
    for code, point in enumerate(foreign.GSM):
        if point is not None:
            assert gsm0338.encode(chr(point)) == bytes((code,))
            assert gsm0338.decode(bytes((code,))) == chr(point)
    for code, point in foreign.GSM_EXTENSION.items():
        assert gsm0338.encode(chr(point)) == bytes((0x1B, code))
        assert gsm0338.decode(bytes((0x1B, code))) == chr(point)


def test_nothing_else_is_encodable() -> None:
    known = set(foreign.GSM_CHARS + foreign.EXTENSION_CHARS)
    assert len(known) == 137
    for point in range(0x110000):
        char = chr(point)
        assert gsm0338.is_encodable(char) == (char in known)
        # Most of Unicode goes through encode by a sample, since an exception each takes its time.
        if point < 0x3000 or point % 97 == 0:
            assert (gsm0338.try_encode(char) is not None) == (char in known), hex(point)


def test_a_text_of_ascii_is_encoded_as_it_is_beside_an_accent() -> None:
    """Letters, digits and most signs take a way of their own."""
    for text in [*map(chr, range(128)), "Code 12. Don't share!\r\n", "a@b", "x_y", "5 $", "[ok]", "", "a\0", "a\x1b"]:
        beside = gsm0338.try_encode("é" + text)
        assert gsm0338.try_encode(text) == (None if beside is None else beside[1:]), repr(text)
    assert gsm0338.try_encode("Az09 !?") == b"Az09 !?"


def test_agrees_with_smpplib_where_smpplib_is_right() -> None:
    for char in (foreign.GSM_CHARS + foreign.EXTENSION_CHARS).replace("§", "").replace("\f", ""):
        assert gsm0338.encode(char) == smpplib.gsm.gsm_encode(char)
    # Its table has the grave accent in the place of the section sign.
    assert smpplib.gsm.gsm_encode("`") == gsm0338.encode("§")


@pytest.mark.parametrize(
    ("text", "char", "position"),
    [
        ("`", "`", 0),
        ("abc`def`", "`", 3),
        ("a\0b", "\0", 1),
        ("a\x1bb", "\x1b", 1),
        ("a\0`", "\0", 1),
        ("{€}ç", "ç", 3),
        ("naïve", "ï", 2),
        ("x😀y", "😀", 1),
        ("@@\ufffe", "\ufffe", 2),
        ("\x80", "\x80", 0),
        ("\ud800", "\ud800", 0),
    ],
)
def test_the_first_unencodable_character_is_named(text: str, char: str, position: int) -> None:
    with pytest.raises(UnencodableError) as caught:
        gsm0338.encode(text)
    assert (caught.value.char, caught.value.position, caught.value.alphabet) == (char, position, "gsm7")
    assert f"U+{ord(char):04X}" in str(caught.value)
    assert gsm0338.septet_count(text) is None
    assert gsm0338.try_encode(text) is None


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("abc", 3), ("@", 1), ("€", 2), ("{}", 4), ("x" * 158 + "[", 160), ("ΔΦΓ", 3)],
)
def test_septet_count(text: str, count: int) -> None:
    assert gsm0338.septet_count(text) == count


@pytest.mark.parametrize(
    ("septets", "text"),
    [
        (b"\x1b\x65", "€"),
        (b"\x1b\x41", "A"),  # the extension table has nothing there (§6.2.1.1)
        (b"\x1b\x0d", "\r"),
        (b"\x1b\x1b", " "),  # reserved for a further table
        (b"\x1b\x1b\x65", " e"),
        (b"\x1b", " "),
        (b"ab\x1b", "ab "),
        (b"\x1b\x3c\x1b\x3e", "[]"),
        (b"\x80\xff", "\ufffd\ufffd"),
        (b"\x1b\x80", "\ufffd"),
        (b"", ""),
    ],
)
def test_decoding_never_fails(septets: bytes, text: str) -> None:
    assert gsm0338.decode(septets) == text


@given(st.binary(max_size=200))
@settings(derandomize=True, deadline=None, database=None)
def test_any_octets_decode(data: bytes) -> None:
    assert len(gsm0338.decode(data)) <= 2 * len(data)


@given(st.text(foreign.GSM_CHARS + foreign.EXTENSION_CHARS, max_size=400))
@settings(derandomize=True, deadline=None, database=None)
def test_text_comes_back(text: str) -> None:
    septets = gsm0338.encode(text)
    assert septets.isascii()
    assert gsm0338.decode(septets) == text
    assert foreign.gsm_text(septets) == text


def _packed_bit_by_bit(septets: bytes, fill_bits: int) -> bytes:
    bits = [0] * fill_bits + [septet >> i & 1 for septet in septets for i in range(7)]
    bits += [0] * (-len(bits) % 8)
    return bytes(sum(bit << i for i, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8))


@pytest.mark.parametrize(
    ("text", "packed"),
    [
        ("hellohello", "e8329bfd4697d9ec37"),  # the usual example of TS 23.038 packing
        ("1234567", "31d98c56b3dd00"),
        ("12345678", "31d98c56b3dd70"),
        ("", ""),
        ("@", "00"),
    ],
)
def test_packing_examples(text: str, packed: str) -> None:
    septets = gsm0338.encode(text)
    assert gsm0338.pack(septets).hex() == packed
    assert gsm0338.unpack(bytes.fromhex(packed), len(septets)) == septets


@pytest.mark.parametrize("fill_bits", range(7))
def test_packing_against_bit_by_bit(fill_bits: int) -> None:
    rng = random.Random(fill_bits)
    for size in (*range(40), 152, 153, 159, 160, 161, 255, 256, 257, 300):
        septets = bytes(rng.randrange(128) for _ in range(size))
        packed = gsm0338.pack(septets, fill_bits)
        assert packed == _packed_bit_by_bit(septets, fill_bits)
        assert gsm0338.unpack(packed, size, fill_bits) == septets
        # Without a count seven spare bits are one septet more.
        assert gsm0338.unpack(packed, None, fill_bits) in (septets, septets + b"\0")


def test_unpack_gives_no_more_than_there_is() -> None:
    assert gsm0338.unpack(b"\x31\xd9", 100) == b"12"
    assert gsm0338.unpack(b"", 5) == b""
    assert gsm0338.unpack(b"", None, 3) == b""
    assert gsm0338.unpack(b"\x31\xd9", -1) == b""


def test_pack_refuses_what_is_no_septet() -> None:
    with pytest.raises(ValueError, match="0x7F"):
        gsm0338.pack(b"a\x80")
