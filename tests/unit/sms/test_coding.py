from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms.coding import Decoded, MessageWaiting, decode_text, is_default_alphabet, unpack_septets, waiting_of
from gateway.sms.gsm0338 import encode, pack

repeatable = settings(derandomize=True, deadline=None, database=None)


@pytest.mark.parametrize(
    ("data_coding", "encoding", "flags"),
    [
        (0x00, "gsm7", ()),
        (0x01, "ascii", ()),
        (0x02, "binary", ()),
        (0x03, "latin1", ()),
        (0x04, "binary", ()),
        (0x08, "ucs2", ()),
        (0x05, "shift_jis", ()),
        (0x06, "iso8859_5", ()),
        (0x07, "iso8859_8", ()),
        (0x09, "binary", ()),  # pictograms, which have no text
        (0x0A, "iso2022_jp", ()),
        (0x0B, "gsm7", ("unknown_coding",)),
        (0x0C, "gsm7", ("unknown_coding",)),
        (0x0D, "euc_jp", ()),
        (0x0E, "cp949", ()),
        (0x0F, "gsm7", ("unknown_coding",)),
        # TS 23.038 §4: 00x1 carry a class, flash is class 0 only.
        (0x10, "gsm7", ("flash",)),
        (0x11, "gsm7", ("class1",)),
        (0x12, "gsm7", ("class2",)),
        (0x13, "gsm7", ("class3",)),
        (0x14, "binary", ("flash",)),
        (0x15, "binary", ("class1",)),
        (0x18, "ucs2", ("flash",)),
        (0x19, "ucs2", ("class1",)),
        (0x1C, "gsm7", ("flash", "unknown_coding")),
        # Bit 5: compressed. The low two bits mean no class without bit 4.
        (0x20, "binary", ("compressed",)),
        (0x23, "binary", ("compressed",)),
        (0x30, "binary", ("flash", "compressed")),
        # 01xx, deleted by the phone.
        (0x40, "gsm7", ("auto_delete",)),
        (0x44, "binary", ("auto_delete",)),
        (0x48, "ucs2", ("auto_delete",)),
        (0x50, "gsm7", ("flash", "auto_delete")),
        (0x58, "ucs2", ("flash", "auto_delete")),
        (0x5B, "ucs2", ("class3", "auto_delete")),
        (0x68, "binary", ("auto_delete", "compressed")),
        (0x80, "gsm7", ("unknown_coding",)),
        (0xBF, "gsm7", ("unknown_coding",)),
        # Message waiting: bits 1 and 0 what waits, bit 3 whether any does; 1100 is thrown away. Only 1110 is UCS-2.
        (0xC0, "gsm7", ("message_waiting", "voicemail", "none_waiting", "discard")),
        (0xC8, "gsm7", ("message_waiting", "voicemail", "discard")),
        (0xC9, "gsm7", ("message_waiting", "fax", "discard")),
        (0xD8, "gsm7", ("message_waiting", "voicemail")),
        (0xDA, "gsm7", ("message_waiting", "email")),
        (0xDF, "gsm7", ("message_waiting", "other")),
        (0xE0, "ucs2", ("message_waiting", "voicemail", "none_waiting")),
        (0xE8, "ucs2", ("message_waiting", "voicemail")),
        # 1111: bit 2 is 8-bit, and 0xF8 is not UCS-2.
        (0xF0, "gsm7", ("flash",)),
        (0xF1, "gsm7", ("class1",)),
        (0xF2, "gsm7", ("class2",)),
        (0xF4, "binary", ("flash",)),
        (0xF5, "binary", ("class1",)),
        (0xF8, "gsm7", ("flash",)),
    ],
)
def test_groups_of_data_coding(data_coding: int, encoding: str, flags: tuple[str, ...]) -> None:
    decoded = decode_text(b"ab", data_coding)
    assert (decoded.encoding, decoded.flags) == (encoding, flags)
    assert (decoded.text is None) == (encoding == "binary")
    assert is_default_alphabet(data_coding) == (encoding == "gsm7")


@pytest.mark.parametrize(
    ("data_coding", "waiting"),
    [
        (0x00, None),
        (0xBF, None),
        (0xC0, MessageWaiting("voicemail", active=False, kept=False)),
        (0xC8, MessageWaiting("voicemail", active=True, kept=False)),
        (0xD9, MessageWaiting("fax", active=True, kept=True)),
        (0xD2, MessageWaiting("email", active=False, kept=True)),
        (0xEB, MessageWaiting("other", active=True, kept=True)),
        (0xF0, None),
    ],
)
def test_what_waits(data_coding: int, waiting: MessageWaiting | None) -> None:
    assert waiting_of(data_coding) == waiting


@pytest.mark.parametrize(
    ("data", "data_coding", "alphabet", "text", "encoding", "flags"),
    [
        ("001b65", 0x00, "gsm7", "@€", "gsm7", ()),
        ("40a4e9", 0x00, "latin1", "@¤é", "latin1", ()),
        ("4041", 0x00, "ascii", "@A", "ascii", ()),
        ("40e9", 0x00, "ascii", "@\ufffd", "ascii", ("replaced",)),
        ("e8329bfd4697d9ec37", 0x00, "gsm7_packed", "hellohello", "gsm7", ()),
        ("31d98c56b3dd1a", 0x00, "gsm7_packed", "1234567", "gsm7", ("padding",)),
        ("31d98c56b3dd00", 0x00, "gsm7_packed", "1234567", "gsm7", ("padding",)),
        ("31d98c56b3dd70", 0x00, "gsm7_packed", "12345678", "gsm7", ()),
        ("c2e1", 0x00, "gsm7", "\ufffd\ufffd", "gsm7", ("replaced",)),
        # The alphabet of data_coding 0 says nothing of the others.
        ("e9", 0x03, "gsm7_packed", "é", "latin1", ()),
        ("65e5", 0x08, "latin1", "日", "ucs2", ()),
        ("65e5d83dde00", 0x08, "gsm7", "日😀", "ucs2", ()),
        ("d83d", 0x08, "gsm7", "\ufffd", "ucs2", ("replaced",)),
        ("0041de00", 0x08, "gsm7", "A\ufffd", "ucs2", ("replaced",)),
        ("004100", 0x08, "gsm7", "A\ufffd", "ucs2", ("odd_octets",)),
        ("de00004100", 0x08, "gsm7", "\ufffdA\ufffd", "ucs2", ("odd_octets", "replaced")),
        ("d83d0041", 0x08, "gsm7", "\ufffdA", "ucs2", ("replaced",)),
        ("00", 0x08, "gsm7", "\ufffd", "ucs2", ("odd_octets",)),
        # An escape and nothing, or another escape, which is a space and no flaw (TS 23.038 §6.2.1.1).
        ("411b", 0x00, "gsm7", "A ", "gsm7", ("cut_escape",)),
        ("411b1b", 0x00, "gsm7", "A ", "gsm7", ()),
        ("1b411b1b1b", 0x00, "gsm7", "A  ", "gsm7", ("cut_escape",)),
        ("411b", 0xF1, "gsm7", "A ", "gsm7", ("class1", "cut_escape")),
        ("1b41", 0x00, "gsm7", "A", "gsm7", ()),
        ("b9", 0x07, "gsm7", "¹", "iso8859_8", ()),
        ("a1", 0x07, "gsm7", "\ufffd", "iso8859_8", ("replaced",)),
        ("8fb0a1", 0x0D, "gsm7", "丂", "euc_jp", ()),  # JIS X 0212
        ("80", 0x01, "gsm7", "\ufffd", "ascii", ("replaced",)),
        ("82a0", 0x05, "gsm7", "あ", "shift_jis", ()),
        ("bfe0", 0x06, "gsm7", "Пр", "iso8859_5", ()),
        ("f9ec", 0x07, "gsm7", "ש\u05dc", "iso8859_8", ()),
        ("1b2442242a1b2842", 0x0A, "gsm7", "お", "iso2022_jp", ()),
        ("b0a1", 0x0E, "gsm7", "가", "cp949", ()),
        ("", 0x00, "gsm7", "", "gsm7", ()),
        ("", 0x08, "gsm7", "", "ucs2", ()),
        ("", 0x00, "gsm7_packed", "", "gsm7", ()),
    ],
)
def test_text_of_octets(
    data: str, data_coding: int, alphabet: str, text: str, encoding: str, flags: tuple[str, ...]
) -> None:
    assert decode_text(bytes.fromhex(data), data_coding, alphabet) == Decoded(text, encoding, flags)


@given(
    st.binary(max_size=200),
    st.integers(0, 255),
    st.sampled_from(["gsm7", "gsm7_packed", "latin1", "ascii"]),
)
@settings(repeatable, max_examples=600)
def test_any_octets_are_text_or_binary(data: bytes, data_coding: int, alphabet: str) -> None:
    decoded = decode_text(data, data_coding, alphabet)
    assert (decoded.text is None) == (decoded.encoding == "binary")
    if decoded.text is not None:
        decoded.text.encode("utf-8")  # no lone surrogate gets through


@pytest.mark.parametrize("data_coding", [0x05, 0x06, 0x07, 0x0A, 0x0D, 0x0E])
def test_any_two_octets_in_the_national_codings(data_coding: int) -> None:
    for value in range(0x10000):
        text = decode_text(value.to_bytes(2, "big"), data_coding).text
        assert text is not None
        text.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "header_octets", "read", "padded"),
    [
        ("1234567", 0, "1234567", True),  # zeros in the spare bits
        ("1234567\r", 0, "1234567", True),
        ("1234567@", 0, "1234567", True),  # cannot be told from zeros
        ("123456@", 0, "123456@", True),
        ("123456@x", 0, "123456@x", False),
        ("a" * 159 + "@", 0, "a" * 159 + "@", False),  # a full segment
        ("a" * 159 + "\r", 0, "a" * 159, True),
        ("a" * 152 + "@", 6, "a" * 152 + "@", False),
        ("a" * 152, 6, "a" * 152 + "@", False),  # zeros in a full segment read as they are
        ("ab", 6, "ab", False),
    ],
)
def test_padding_of_packed_septets(text: str, header_octets: int, read: str, padded: bool) -> None:
    data = pack(encode(text), -header_octets * 8 % 7)
    assert unpack_septets(data, header_octets) == (encode(read), padded)


def test_repr_shows_no_text() -> None:
    assert "secret" not in repr(decode_text(b"secret", 0))
