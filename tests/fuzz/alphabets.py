"""Targets `udh`, `part`, `text` and `plan`: what is on the air, to text and from text."""

from __future__ import annotations

import random
from typing import Final, get_args

from gateway.smpp.codec import encode
from gateway.smpp.pdu import Address, SubmitSm, Tlv
from gateway.sms import gsm0338
from gateway.sms.coding import decode_text
from gateway.sms.national import LANGUAGES, Shift
from gateway.sms.reassembly import Assembled, InboundPart, assemble, read_part
from gateway.sms.segment import (
    MESSAGE_PAYLOAD,
    UDHI,
    Alphabet,
    AskedEncoding,
    FlashWay,
    Scheme,
    SegmentPlan,
    TooLongError,
    UnencodableError,
    forcing,
    plan,
)
from gateway.sms.udh import CONCAT_8, CONCAT_16, LOCKING_SHIFT, SINGLE_SHIFT, UdhError, build_udh, concat_of, parse_udh

from .octets import LONG, mutated, text
from .target import Reader, Target, counted

_ALPHABETS: Final[tuple[Alphabet, ...]] = get_args(Alphabet)
_ENCODINGS: Final[tuple[AskedEncoding, ...]] = get_args(AskedEncoding)
_SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)
_FLASH: Final[tuple[FlashWay | None, ...]] = (None, None, *get_args(FlashWay))
_HEADERS: Final = (
    b"", b"", b"", b"\x05\x00\x03\x42\x02\x01", b"\x05\x00\x03\x42\x02\x02", b"\x06\x08\x04\x12\x34\x03\x02", b"\x00",
    b"\x03\x24\x01\x01", b"\x03\x25\x01\x0d", b"\x06\x24\x01\x03\x25\x01\x03", b"\x03\x24\x01\xff",
    b"\x04\x24\x02\x01\x01",
    b"\x06\x05\x04\x0b\x84\x23\xf0", b"\x0b\x05\x04\x0b\x84\x23\xf0\x00\x03\x07\x02\x01", b"\x05\x00\x03\x42\x00\x00",
    b"\x08\x00\x03\x42\x02\x01\x24\x01\x01", b"\x04\x04\x02\x01\x02", b"\x02\x70\x00",
    b"\x8b" + b"\x0a\x02ab" * 34 + b"\x0a\x01a",
    b"\x05\x00\x03", b"\xff", b"\x04\x00\x03\x42\x02",
)  # fmt: skip
_TAGGED: Final = (
    (0x020C, 7), (0x020E, 2), (0x020F, 1), (0x020F, 2), (0x020E, 0), (0x020C, b"\0\7"), (0x020E, b"\2"),
    (0x020F, b"\1\1\1"),
    (MESSAGE_PAYLOAD, b"\x05\x00\x03\x42\x02\x02hello"), (MESSAGE_PAYLOAD, b""), (MESSAGE_PAYLOAD, 7), (0x1400, b"x"),
    (0x020C, "text"), (0x0005, 1),
)  # fmt: skip
CHARACTERS: Final = (
    "abcdefghij ABCDEF 0123456789 .,!?\n",
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà\r",
    "^{}\\[~]|€\f",
    "\x1b\0\x7f`",
    "ğĞıİşŞçÊêóúâãôÚÍÓ",
    "अआइकखगघअंতথদਕખગஅஆಅಆഅആଅଆఅఆاآبٻ",
    "Привет мир עברית שלום 日本語 한국어",
    "😀👍🏽👨‍👩‍👧 𝕏",
    "“”‘’–—…\u00a0\u200b\ufeffﬁ",
    "\ud800\udc00\udfff",
)
"""What texts are made of, from one of these or from some."""


def check_udh(octets: bytes) -> None:
    """A header is read and written as it was, or is none."""
    try:
        elements, rest = parse_udh(octets)
    except UdhError:
        return
    header = octets[: len(octets) - len(rest)]
    assert header[0] + 1 == len(header)
    concat = concat_of(elements)
    if concat is not None:
        assert 0 < concat.seq <= concat.total <= 255
        assert 0 <= concat.ref <= (0xFFFF if concat.wide else 0xFF)
    try:
        written = build_udh(elements)
    except UdhError:
        assert len(header) > 140
        return
    assert written == header or (not elements and header == b"\0")


def check_parts(octets: bytes) -> None:
    """Parts of any fields are read and put together, in whatever order they came."""
    reader = Reader(octets)
    alphabet = _ALPHABETS[reader.octet() & 3]
    by_key: dict[tuple[str, int, int], dict[int, InboundPart]] = {}
    for _ in range(8):
        esm_class, data_coding, tags = reader.octet(), reader.octet(), reader.octet()
        tlvs = [_TAGGED[(tags + step) % len(_TAGGED)] for step in range(tags >> 6)]
        part = read_part(reader.counted(), esm_class, data_coding, tlvs)
        repr(part)
        assert 1 <= part.seq <= part.total <= 255
        assert part.scheme != "single" or part.total == 1
        by_key.setdefault((part.scheme, part.ref, part.total), {})[part.seq] = part
        if not reader.more:
            break
    for parts in by_key.values():
        whole = assemble(parts, alphabet=alphabet)
        _check_assembled(whole, parts, alphabet)
        backwards = assemble(dict(reversed(parts.items())), next(iter(parts.values())).total, alphabet)
        assert backwards == whole, "the order in which parts came shows"


def _check_assembled(it: Assembled, parts: dict[int, InboundPart], alphabet: Alphabet) -> None:
    repr(it)
    total = next(iter(parts.values())).total
    assert it.missing == tuple(seq for seq in range(1, total + 1) if seq not in parts)
    assert it.complete == (not it.missing)
    assert it.data == b"".join(parts[seq].data for seq in sorted(parts))
    assert it.text is not None or it.encoding == "binary"
    if it.text is not None:
        it.text.encode()  # the store takes no lone surrogate
        # Packed, an octet behind a header may hold no whole septet.
        assert it.text or not it.data or it.flags or alphabet == "gsm7_packed", "octets and no text, and no flag"
    assert len(set(it.flags)) == len(it.flags)


def check_text(octets: bytes) -> None:
    """Octets are text by any data_coding and any carrier's alphabet; septets are packed and unpacked."""
    reader = Reader(octets)
    data_coding, form = reader.octet(), reader.octet()
    data = reader.rest()
    for alphabet in _ALPHABETS:
        decoded = decode_text(data, data_coding, alphabet)
        repr(decoded)
        assert (decoded.text is None) == (decoded.encoding == "binary")
        if decoded.text is not None:
            decoded.text.encode()
            assert len(decoded.text) <= len(data) * 8 // 7
    septets = bytes(octet & 0x7F for octet in data)
    said = gsm0338.decode(septets)
    if gsm0338.ESC not in septets:
        assert gsm0338.try_encode(said) == septets
    fill_bits = form % 7
    packed = gsm0338.pack(septets, fill_bits)
    assert gsm0338.unpack(packed, len(septets), fill_bits) == septets
    assert len(packed) == (len(septets) * 7 + fill_bits + 7) // 8
    gsm0338.unpack(data, form, fill_bits)


def check_plan(octets: bytes) -> None:
    """A text is cut and read again as it was, or refused with one of the documented errors."""
    reader = Reader(octets)
    asked = _ENCODINGS[reader.octet() % len(_ENCODINGS)]
    form = reader.octet()
    scheme = _SCHEMES[form & 3]
    alphabet = _ALPHABETS[form >> 2 & 3]
    flash = _FLASH[(form >> 4 & 7) % len(_FLASH)]
    allowed, shifted = reader.octet(), reader.octet()
    national = tuple(LANGUAGES[(allowed + step) % 13] for step in range(allowed >> 6))
    shift = Shift(shifted >> 4, shifted & 0x0F) if shifted >= 0xB0 else None
    added = shifted if shifted < 0x20 else 0
    ref = reader.octet() << 8 | reader.octet()
    udh = reader.counted()
    text = text_of(reader.rest()) if asked != "binary" else reader.rest()
    if isinstance(text, str):
        _check_forcing(text, alphabet)
    try:
        planned = plan(
            text,
            encoding=asked,
            scheme=scheme,
            alphabet=alphabet,
            udh=udh,
            flash=flash,
            national=national,
            shift=shift,
            added=added,
        )
    except UnencodableError as error:
        _check_unencodable(error, text)
        return
    except (TooLongError, UdhError):
        return
    except ValueError as error:
        if shift is None or "shift table" not in str(error):
            raise
        return
    repr(planned)
    assert planned.units_left >= 0
    assert 1 <= planned.parts == len(planned.pieces) <= 255
    bodies = planned.render(ref)
    assert len(bodies) == (1 if scheme == "payload" else planned.parts)
    parts: dict[int, InboundPart] = {}
    for body in bodies:
        submit = SubmitSm(
            Address(),
            Address(),
            body.short_message,
            body.esm_class,
            body.data_coding,
            tlvs=tuple(Tlv(*tlv) for tlv in body.tlvs),
        )
        encode(submit, 1)
        part = read_part(body.short_message, body.esm_class, body.data_coding, body.tlvs)
        parts[part.seq] = part
        # With elements of the carrier's own it packs anew, behind other fill bits.
        room = 140 - added + (bool(added) and alphabet == "gsm7_packed")
        assert scheme == "payload" or _on_the_air(planned, len(body.short_message), part.udh_octets) <= room
    if _is_read_alike(udh):
        _check_read(planned, text, assemble(parts, alphabet=alphabet))


def text_of(octets: bytes) -> str:
    """Any octets as a text, with lone surrogates where they say so."""
    try:
        return octets.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _check_forcing(text: str, alphabet: Alphabet) -> None:
    found = forcing(text, alphabet)
    positions = [position for _, position in found]
    assert positions == sorted(set(positions))
    assert all(text[position] == character for character, position in found)
    assert bool(found) != all(gsm0338.is_encodable(c) and _carried(c, alphabet) for c in text)


def _carried(character: str, alphabet: Alphabet) -> bool:
    return alphabet.startswith("gsm7") or character <= ("\x7f" if alphabet == "ascii" else "\xff")


def _check_unencodable(error: UnencodableError, text: str | bytes) -> None:
    assert isinstance(text, str)
    assert text[error.position] == error.char


def _on_the_air(planned: SegmentPlan, octets: int, header: int) -> int:
    # What SMPP carries as septets one to an octet, or as another alphabet for them, goes packed on the air.
    if planned.encoding == "gsm7" and planned.alphabet == "gsm7":
        return header + ((octets - header) * 7 + 7) // 8
    return octets if planned.encoding != "gsm7" or planned.alphabet == "gsm7_packed" else 0


def _is_read_alike(udh: bytes) -> bool:
    # A header of the user's may say what the text is not.
    return not udh or not any(ie.id in (CONCAT_8, CONCAT_16, SINGLE_SHIFT, LOCKING_SHIFT) for ie in parse_udh(udh)[0])


def _check_read(planned: SegmentPlan, text: str | bytes, read: Assembled) -> None:
    assert read.complete
    if isinstance(text, bytes) or read.encoding == "binary":
        # TS 23.038 §4 has no Latin-1 with a message class: it goes as 8-bit data.
        assert read.data == (text if isinstance(text, bytes) else text.encode("latin-1"))
        return
    if planned.alphabet == "gsm7_packed" and text[-1:] in ("@", "\r"):
        # Octets do not say whether their last seven bits are padding.
        assert read.text in (text, text[:-1], text + "\r")
        return
    assert read.text == text, f"{text[:50]!r} is read as {(read.text or '')[:50]!r}"
    # Ports of the user's own may be none.
    assert set(read.flags) <= {"flash", "padding", "bad_port"}, read.flags


def _any_header(rng: random.Random) -> bytes:
    header = _HEADERS[int(rng.random() * len(_HEADERS))]
    return mutated(header, rng) if rng.random() < 0.3 else header


def _udh(rng: random.Random) -> bytes:
    return _any_header(rng) + (text(rng) if rng.random() < 0.8 else rng.randbytes(int(rng.random() * 150)))


def _parts(rng: random.Random) -> bytes:
    random = rng.random
    parts = [bytes((int(random() * 4),))]
    coding = int(random() * 256) if random() < 0.5 else (0, 8, 3, 4)[int(random() * 4)]
    for _ in range(1 + int(random() * 4)):
        header = _any_header(rng)
        body = _septets(rng) if random() < 0.5 else rng.randbytes(int(random() * 30)) if random() < 0.5 else text(rng)
        if random() < 0.001:
            unit = LONG[int(random() * len(LONG))]
            body = (unit * (0xFE00 // len(unit)))[: int(random() * 0xFE00)]
        esm_class = (UDHI if header else 0) | (int(random() * 256) if random() < 0.2 else 0)
        tags = int(random() * 256) if random() < 0.5 else 0
        parts.append(
            bytes((esm_class, coding if random() < 0.9 else int(random() * 256), tags)) + counted(header + body)
        )
    return b"".join(parts)


def _septets(rng: random.Random) -> bytes:
    octets = bytearray(rng.randbytes(int(rng.random() * 60)))
    for at in range(0, len(octets), 3):
        octets[at] &= 0x7F
    if octets and rng.random() < 0.3:
        octets[int(rng.random() * len(octets))] = gsm0338.ESC
    return bytes(octets)


def _coded(rng: random.Random) -> bytes:
    head = bytes((int(rng.random() * 256), int(rng.random() * 256)))
    chance = rng.random()
    if chance < 0.5:
        return head + _septets(rng)
    if chance < 0.6:
        return head + _characters(rng).encode("utf-16-be", "surrogatepass")[: int(rng.random() * 200)]
    return head + (rng.randbytes(int(rng.random() * 40)) if chance < 0.9 else text(rng))


def _characters(rng: random.Random) -> str:
    random = rng.random
    length = (
        int(random() * random() * 500)
        if random() < 0.9
        else (160, 161, 153 * 2, 70, 71, 67 * 3, 140, 1000)[int(random() * 8)]
    )
    pool = "".join(CHARACTERS[int(random() * len(CHARACTERS))] for _ in range(1 + int(random() * 2))) + "abc "
    if random() < 0.4:
        pool = CHARACTERS[0] + CHARACTERS[int(random() * 3)]
    return "".join(rng.choices(pool, k=length))


def _plan(rng: random.Random) -> bytes:
    random = rng.random
    octets = rng.randbytes(6)
    head = bytearray(octets)
    if random() < 0.5:
        head[2] = 0
    if random() < 0.8:
        head[3] = int(random() * 0x20) if random() < 0.2 else 0
    header = _any_header(rng) if random() < 0.3 else b""
    if random() < 0.001:
        said = LONG[int(random() * len(LONG))] * int(random() * 0x8000)
    else:
        said = _characters(rng).encode("utf-8", "surrogatepass")
    return bytes(head) + counted(header) + said


TARGETS: Final = (
    Target("udh", _udh, check_udh, 8),
    Target("part", _parts, check_parts, 8),
    Target("text", _coded, check_text, 8),
    Target("plan", _plan, check_plan, 6),
)
