"""Any Unicode text through segments and a reader written apart from them is the same text."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.sms import reassembly
from gateway.sms.segment import SegmentPlan, UnencodableError, plan, render

from . import foreign

PORTS = bytes.fromhex("06050423f40000")
SCHEMES = ["udh8", "udh16", "sar", "payload"]
ALPHABETS = ["gsm7", "gsm7_packed", "latin1", "ascii"]

repeatable = settings(derandomize=True, deadline=None, database=None, max_examples=400)


def lengthened(chars: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Texts of some parts: hypothesis by itself hardly ever makes one longer than a segment."""
    return st.builds(
        lambda start, unit, times, end: start + unit * times + end,
        st.text(chars, max_size=20),
        st.text(chars, min_size=1, max_size=12),
        st.integers(0, 60),
        st.text(chars, max_size=170),
    )


any_char = st.characters(exclude_categories=["Cs"])
gsm_char = st.sampled_from(foreign.GSM_CHARS + foreign.EXTENSION_CHARS * 3 + "@\r" * 5)
ascii_char = st.characters(min_codepoint=0x20, max_codepoint=0x7E)
latin1_char = st.characters(max_codepoint=0xFF)
wide_char = st.sampled_from("aé€日本😀👩‍👩‍👧🇩🇪\ufeff\ufffe\uffff\U0010ffff")
texts = st.one_of(*map(lengthened, (any_char, gsm_char, ascii_char, latin1_char, wide_char)))


def check_limits(planned: SegmentPlan) -> None:
    """No part passes 140 octets on the air, nor the 254 that short_message holds."""
    several = planned.parts > 1
    header = {"udh8": 6, "udh16": 7, "sar": 6, "payload": 6}[planned.scheme] if several else 0
    if planned.udh:
        header += len(planned.udh) - (1 if several else 0)
    for piece in planned.pieces:
        units = len(piece)
        octets = (units * 7 + 7) // 8 if planned.encoding == "gsm7" else units
        assert header + octets <= 140
        assert len(piece) // (2 if planned.encoding == "ucs2" else 1) <= planned.units_per_part
        # Each part is whole by itself: strict readers that know of no other part.
        if planned.encoding == "gsm7":
            foreign.gsm_text(piece)
        elif planned.encoding == "ucs2":
            piece.decode("utf-16-be")
    for segment in planned.render(0):
        assert len(segment.short_message) <= 254


def representable(text: str, encoding: str, alphabet: str) -> bool:
    if encoding == "ucs2":
        return True
    if encoding == "latin1":
        return all(char <= "\xff" for char in text)
    last = {"latin1": "\xff", "ascii": "\x7f"}.get(alphabet, "\U0010ffff")
    return all(char <= last and char in foreign.GSM_CHARS + foreign.EXTENSION_CHARS for char in text)


def same(read: str, text: str, alphabet: str) -> bool:
    if alphabet == "gsm7_packed":
        # A CR at the very end may become two or, in a full segment, none; TS 23.038 §6.1.2.3.1.
        return read.rstrip("\r") == text.rstrip("\r")
    return read == text


@given(
    text=texts,
    encoding=st.sampled_from(["auto", "auto", "gsm7", "ucs2", "latin1"]),
    scheme=st.sampled_from(SCHEMES),
    alphabet=st.sampled_from(ALPHABETS),
    udh=st.sampled_from([b"", b"", PORTS]),
    flash=st.sampled_from([None, None, "0x10", "0xf0", "dest_addr_subunit"]),
    ref=st.integers(0, 0x1FFFF),
    rng=st.randoms(use_true_random=False),
)
@example(
    text="a" * 152 + "\r\n" + "b" * 200,
    encoding="auto",
    scheme="udh8",
    alphabet="gsm7_packed",
    udh=b"",
    flash=None,
    ref=1,
    rng=random.Random(0),
)
@example(
    text="a" * 151 + "@{" + "b" * 200,
    encoding="auto",
    scheme="sar",
    alphabet="gsm7_packed",
    udh=b"",
    flash=None,
    ref=1,
    rng=random.Random(0),
)
@repeatable
def test_text_survives(
    text: str,
    encoding: str,
    scheme: str,
    alphabet: str,
    udh: bytes,
    flash: str | None,
    ref: int,
    rng: random.Random,
) -> None:
    if encoding != "auto" and not representable(text, encoding, alphabet):
        with pytest.raises(UnencodableError) as caught:
            plan(text, encoding=encoding, scheme=scheme, alphabet=alphabet, udh=udh, flash=flash)
        assert text[caught.value.position] == caught.value.char
        return
    planned = plan(text, encoding=encoding, scheme=scheme, alphabet=alphabet, udh=udh, flash=flash)
    check_limits(planned)
    segments = planned.render(ref)
    assert segments == render(
        text,
        encoding=planned.encoding,
        scheme=scheme,
        alphabet=alphabet,
        udh=udh,
        flash=flash,
        ref=ref,
    )
    # All parts agree on every other field.
    assert len({(segment.esm_class, segment.data_coding) for segment in segments}) == 1

    arrived = [*segments, *rng.choices(segments, k=3)]
    rng.shuffle(arrived)
    assert same(foreign.read_message(arrived, alphabet), text, alphabet)

    parts = {}
    for segment in arrived:
        part = reassembly.read_part(segment.short_message, segment.esm_class, segment.data_coding, segment.tlvs)
        assert parts.setdefault(part.seq, part) == part
    assembled = reassembly.assemble(parts, alphabet=alphabet)
    assert assembled.complete
    if (encoding == "latin1" and flash in ("0x10", "0xf0")) or planned.encoding == "binary":
        assert assembled.text is None  # as 8-bit data with a message class it has no alphabet
        assert assembled.data == text.encode("latin-1")
    else:
        assert assembled.text is not None
        read = assembled.text
        if alphabet == "gsm7_packed" and planned.encoding == "gsm7" and not same(read, text, alphabet):
            # A last commercial at that ends with the last octet is taken for padding, see unpack_septets.
            read += "@"
            assert "padding" in assembled.flags
        assert same(read, text, alphabet)
    assert ("flash" in assembled.flags) == (flash in ("0x10", "0xf0"))


@given(
    data=st.binary(max_size=1000),
    scheme=st.sampled_from(SCHEMES),
    udh=st.sampled_from([b"", PORTS]),
    rng=st.randoms(use_true_random=False),
)
@repeatable
def test_octets_survive(data: bytes, scheme: str, udh: bytes, rng: random.Random) -> None:
    segments = list(plan(data, scheme=scheme, udh=udh).render(7))
    rng.shuffle(segments)
    parts = [reassembly.read_part(s.short_message, s.esm_class, s.data_coding, s.tlvs) for s in segments]
    assembled = reassembly.assemble({part.seq: part for part in parts})
    assert assembled.data == data
    assert assembled.text is None
    assert assembled.complete
    if udh:
        assert all(part.udh_other[0].data == PORTS[3:] for part in parts)


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_length_around_the_limits(scheme: str, alphabet: str) -> None:
    """Pairs at each place near a boundary, which random texts seldom hit."""
    pair = "{" if alphabet != "gsm7_packed" else "@{"
    for size in range(148, 162):
        for text in ("a" * size + pair * 4 + "b" * 160, "a" * size + "\r@" + pair + "b" * 160):
            planned = plan(text, scheme=scheme, alphabet=alphabet)
            check_limits(planned)
            assert planned.encoding == "gsm7"
            assert foreign.read_message(planned.render(3), alphabet) == text
    for size in range(60, 72):
        text = "日" * size + "😀" * 40
        planned = plan(text, scheme=scheme, alphabet=alphabet)
        check_limits(planned)
        assert foreign.read_message(planned.render(3), alphabet) == text
