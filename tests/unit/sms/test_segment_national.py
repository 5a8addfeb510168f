"""Texts by national tables: when they are chosen, what room they leave, and that they are read as they were written."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms import reassembly
from gateway.sms.cutting import fill_bits_after
from gateway.sms.national import LANGUAGES, NUMBERS, Language, Shift
from gateway.sms.segment import TooLongError, UdhError, UnencodableError, forcing, plan, render

from . import foreign
from .test_text_survives import check_limits, same

PORTS = bytes.fromhex("06050423f40000")
TURKISH_SINGLE = bytes.fromhex("03240101")
SCHEMES = ["udh8", "udh16", "sar", "payload"]


@pytest.mark.parametrize(
    ("shift", "scheme", "udh", "alone", "each"),
    [
        # One element alone 155, both 152 (TS 23.038 Annex C.3); beside a concatenation 149, 146 and 148, 145.
        ((1, 0), "udh8", b"", 155, 149),
        ((0, 1), "udh8", b"", 155, 149),
        ((1, 1), "udh8", b"", 152, 146),
        ((1, 0), "udh16", b"", 155, 148),
        ((1, 1), "udh16", b"", 152, 145),
        ((1, 0), "sar", b"", 155, 149),
        ((1, 1), "sar", b"", 152, 146),
        ((1, 1), "payload", b"", 152, 146),
        # Beside a header of the caller's own, of 6 octets without its length.
        ((1, 0), "udh8", PORTS, (140 - 10) * 8 // 7, (140 - 15) * 8 // 7),
        ((1, 1), "udh16", PORTS, (140 - 13) * 8 // 7, (140 - 19) * 8 // 7),
        ((0, 0), "udh8", b"", 160, 153),
        ((0, 0), "udh16", b"", 160, 152),
    ],
)
@pytest.mark.parametrize("alphabet", ["gsm7", "gsm7_packed"])
def test_room_beside_the_elements(
    shift: tuple[int, int], scheme: str, udh: bytes, alone: int, each: int, alphabet: str
) -> None:
    options = {"scheme": scheme, "udh": udh, "alphabet": alphabet, "shift": Shift(*shift), "encoding": "gsm7"}
    planned = plan("a" * alone, **options)
    assert (planned.parts, planned.units_left, planned.units_per_part) == (1, 0, alone)
    planned = plan("a" * (alone + 1), **options)
    assert (planned.parts, planned.units_per_part) == (2, each)
    assert plan("a" * (each * 2), **options).parts == 2
    assert plan("a" * (each * 2 + 1), **options).parts == 3
    assert planned.shift == Shift(*shift)


@pytest.mark.parametrize(
    ("text", "national", "encoding", "shift", "parts"),
    [
        # Nothing is chosen that is not allowed, and nothing where plain septets do.
        ("ş" * 80, (), "ucs2", (0, 0), 2),
        ("é" * 161, LANGUAGES, "gsm7", (0, 0), 2),
        # Only where it saves a segment against UCS-2.
        ("ş", ("turkish",), "ucs2", (0, 0), 1),
        ("ş" * 70, ("turkish",), "ucs2", (0, 0), 1),
        ("ş" * 71, ("turkish",), "gsm7", (1, 0), 1),
        ("ş" * 155, ("turkish",), "gsm7", (1, 0), 1),
        ("ş" * 156, ("turkish",), "gsm7", (1, 0), 2),
        # Fewest segments: the single shift takes two septets for each.
        ("a" * 100 + "ş", ("turkish",), "gsm7", (1, 0), 1),
        # The locking table has no è, so it is the single shift.
        ("è" * 100 + "ş", ("turkish",), "gsm7", (0, 1), 1),
        # Both tables at once, of one language and of two.
        ("ğ" * 100 + "Ğ{", ("turkish",), "gsm7", (1, 0), 1),
        ("ğ" * 100 + "á", ("turkish", "spanish"), "gsm7", (1, 2), 1),
        ("ğ" * 100 + "á", ("spanish",), "ucs2", (0, 0), 2),
        # An Indic text needs its capitals from the single shift.
        ("नमस्ते " * 12, ("hindi",), "gsm7", (6, 0), 1),
        ("नमस्ते OK " * 12, ("hindi",), "gsm7", (6, 6), 1),
        # Not encodable by any of them.
        ("ş" * 80 + "日", LANGUAGES, "ucs2", (0, 0), 2),
        ("ç" * 60, ("spanish",), "ucs2", (0, 0), 1),
    ],
)
def test_what_is_chosen(
    text: str, national: tuple[Language, ...], encoding: str, shift: tuple[int, int], parts: int
) -> None:
    planned = plan(text, national=national)
    assert (planned.encoding, planned.shift, planned.parts) == (encoding, Shift(*shift), parts)


def test_fewest_septets_then_fewest_elements_then_the_first_named() -> None:
    # Both pairs are one segment: the locking shift has each ã in one septet, the single shift in two.
    assert plan("ã" * 71, national=["portuguese"]).shift == Shift(3, 0)
    # ç: Turkish has it in its locking table at one septet, Spanish only behind ESC.
    assert plan("ç" * 71, national=["spanish", "turkish"]).shift == Shift(1, 0)
    # ú: Spanish and Portuguese have it behind ESC alike; è, which Portuguese's locking table lacks, rules that out.
    text = "è" * 75 + "ú"
    assert plan(text, national=["spanish", "portuguese"]).shift == Shift(0, 2)
    assert plan(text, national=["portuguese", "spanish"]).shift == Shift(0, 3)


def test_asked_for_gsm7_a_pair_is_taken_whatever_it_costs() -> None:
    planned = plan("ş", encoding="gsm7", national=["turkish"])
    assert (planned.encoding, planned.shift) == ("gsm7", Shift(1, 0))
    assert plan("ş" * 149 * 255, encoding="gsm7", national=["turkish"], scheme="sar").parts == 255
    with pytest.raises(UnencodableError) as caught:
        plan("ş日", encoding="gsm7", national=["turkish"])
    assert (caught.value.char, caught.value.position) == ("日", 1)
    with pytest.raises(TooLongError):
        plan("ş" * 400, encoding="gsm7", national=["turkish"], max_parts=2)
    for size, max_parts in ((40_801, 255), (500_000, 255), (39_000, 300)):  # by any table too long
        for encoding in ("gsm7", "auto"):
            with pytest.raises(TooLongError):
                plan("ş" * size, encoding=encoding, national=["turkish"], max_parts=max_parts)
    with pytest.raises(ValueError, match="'klingon' is no language"):
        plan("ş", national=["klingon"])
    with pytest.raises(UdhError, match="no room"):
        plan("ş", encoding="gsm7", national=["turkish"], udh=bytes((135, 0x70, 133)) + bytes(133))


@pytest.mark.parametrize("encoding", ["ucs2", "latin1"])
def test_another_encoding_takes_no_table(encoding: str) -> None:
    planned = plan("ü" * 71, encoding=encoding, national=LANGUAGES)
    assert (planned.encoding, planned.shift) == (encoding, Shift())
    assert plan("ü", encoding=encoding, shift=Shift(1, 0)).shift == Shift()


@pytest.mark.parametrize("alphabet", ["latin1", "ascii"])
def test_a_carrier_without_septets_takes_no_table(alphabet: str) -> None:
    planned = plan("ş" * 71, alphabet=alphabet, national=["turkish"])
    assert (planned.encoding, planned.shift) == ("ucs2", Shift())
    assert plan("abc", alphabet=alphabet, shift=Shift(1, 0)).shift == Shift()
    with pytest.raises(UnencodableError):
        plan("ş", encoding="gsm7", alphabet=alphabet, national=["turkish"])


def test_a_settled_shift_is_not_chosen_again() -> None:
    assert plan("plain", shift=Shift(6, 0)).shift == Shift(6, 0)
    assert plan("PLAIN", shift=Shift(6, 0)).encoding == "ucs2"  # Hindi has capitals behind its own ESC only
    planned = plan("ş", shift=Shift(0, 1), national=["turkish"])
    assert (planned.encoding, planned.shift) == ("gsm7", Shift(0, 1))
    assert plan("ş" * 71, shift=Shift(), national=["turkish"]).encoding == "ucs2"
    with pytest.raises(UnencodableError) as caught:
        plan("aş日", encoding="gsm7", shift=Shift(1, 0))
    assert (caught.value.char, caught.value.position) == ("日", 2)
    assert "turkish" in str(caught.value)
    for bad in (Shift(2, 0), Shift(14, 1)):
        with pytest.raises(ValueError, match="no language"):
            plan("a", shift=bad)


@pytest.mark.parametrize(
    ("options", "segments"),
    [
        ({"shift": Shift(0, 1)}, [("0324010161201b73", 0x40)]),
        ({"shift": Shift(1, 0)}, [("032501016120" + "1d", 0x40)]),
        ({"shift": Shift(1, 1)}, [("06240101250101" + "61201d", 0x40)]),
        ({"shift": Shift(1, 0), "udh": PORTS}, [("09050423f40000250101" + "61201d", 0x40)]),
        ({"shift": Shift(1, 0), "flash": "0x10"}, [("0325010161201d", 0x40)]),
        # 32 bits of header, 3 fill bits, and 0x61 0x20 0x1d with their low bits first: 000 1000011 0000010 1011100.
        ({"shift": Shift(1, 0), "alphabet": "gsm7_packed"}, [("03250101" + "08833a", 0x40)]),
    ],
)
def test_octets(options: dict, segments: list[tuple[str, int]]) -> None:
    rendered = render("a ş", encoding="gsm7", scheme="udh8", ref=1, **options)
    assert [(segment.short_message.hex(), segment.esm_class) for segment in rendered] == segments
    assert rendered[0].data_coding == (0x10 if "flash" in options else 0)


def test_octets_of_several_parts() -> None:
    text = "ş" * 150 + "a" * 10
    for scheme, start in (
        ("udh8", "0800032a020%d250101"),
        ("udh16", "090804012a020%d250101"),
        ("sar", "0800032a020%d250101"),
    ):
        room = 148 if scheme == "udh16" else 149
        parts = render(text, encoding="gsm7", scheme=scheme, ref=0x012A, shift=Shift(1, 0))
        headers = [bytes.fromhex(start % n) for n in (1, 2)]
        septets = b"\x1d" * 150 + b"a" * 10
        assert [part.short_message for part in parts] == [headers[0] + septets[:room], headers[1] + septets[room:]]
        assert all(part.esm_class == 0x40 for part in parts)
        assert [part.tlvs for part in parts] == [(), ()]  # 5.0 §4.7.12: no SAR TLVs where UDHI is set
    (whole,) = render(text, encoding="gsm7", scheme="payload", ref=1, shift=Shift(1, 0))
    assert whole.tlvs == ((0x0424, bytes.fromhex("03250101") + b"\x1d" * 150 + b"a" * 10),)


@pytest.mark.parametrize(
    ("header_octets", "fill_bits"),
    # TS 23.040 §9.2.3.24: the text starts at a septet's place. One element, two; each beside an 8-bit concatenation
    # and a 16-bit one; the concatenations alone.
    [(0, 0), (4, 3), (7, 0), (9, 5), (12, 2), (10, 4), (13, 1), (6, 1)],
)
def test_fill_bits(header_octets: int, fill_bits: int) -> None:
    assert fill_bits_after(header_octets) == fill_bits
    assert (header_octets * 8 + fill_bits) % 7 == 0


@pytest.mark.parametrize("own", range(40))
def test_packed_behind_a_header_of_any_length(own: int) -> None:
    udh = bytes((own + 2, 0x70, own)) + bytes(own)
    for shift in (Shift(), Shift(1, 0), Shift(1, 1)):
        for text in ("Türk", "Türk" * 60, "x" * 7, "x" * 8):
            options = {"alphabet": "gsm7_packed", "udh": udh, "shift": shift, "encoding": "gsm7"}
            for scheme in SCHEMES:
                segments = render(text, scheme=scheme, ref=3, **options)
                assert foreign.read_message(segments, "gsm7_packed") == text
                read = [reassembly.read_part(s.short_message, s.esm_class, 0, s.tlvs) for s in segments]
                assert reassembly.assemble({part.seq: part for part in read}, alphabet="gsm7_packed").text == text


def test_a_header_of_the_callers_own_settles_the_tables() -> None:
    planned = plan("ş", udh=TURKISH_SINGLE)
    assert (planned.encoding, planned.shift, planned.udh) == ("gsm7", Shift(0, 1), TURKISH_SINGLE)
    assert planned.render(1)[0].short_message == TURKISH_SINGLE + b"\x1bs"
    # Also against what is asked for beside it, and when the text is plain.
    assert plan("á" * 80, udh=TURKISH_SINGLE, national=["spanish"]).encoding == "ucs2"
    assert plan("ab", udh=bytes.fromhex("03250106")).encoding == "gsm7"
    assert plan("AB", udh=bytes.fromhex("03250106")).encoding == "ucs2"  # Hindi has no capitals
    # A carrier that takes Latin-1 gets the header, and writes septets of the default alphabet behind it.
    assert plan("é", udh=TURKISH_SINGLE, alphabet="latin1").shift == Shift()
    # What names no language is only a header.
    assert plan("ş", udh=bytes.fromhex("0324010e")).encoding == "ucs2"


def test_forcing_names_every_character() -> None:
    assert forcing("abc") == ()
    assert forcing("’a’b“") == (("’", 0), ("’", 2), ("“", 4))
    assert forcing("é€", "latin1") == (("€", 1),)
    assert forcing("\ud800") == (("\ud800", 0),)
    assert len(forcing("日" * 10_000)) == 10_000


def test_forcing_by_the_pair_that_comes_closest() -> None:
    text = "ş’ğ日"
    assert forcing(text) == (("ş", 0), ("’", 1), ("ğ", 2), ("日", 3))
    assert forcing(text, national=["turkish"]) == (("’", 1), ("日", 3))
    assert forcing(text, national=["spanish"]) == forcing(text)
    assert forcing(text, "latin1", ["turkish"]) == forcing(text)
    assert forcing("ş" * 10, national=["turkish"]) == ()  # it could go, though UCS-2 takes no more segments
    planned = plan("ş" * 10, national=["turkish"])
    assert planned.encoding == "ucs2"
    assert planned.forced_by == (("ş", 0),)
    assert plan("ş’" * 50, national=["turkish"]).forced_by == (("’", 1),)


def _repertoire(language: Language) -> str:
    number = NUMBERS[language]
    main = foreign.LOCKING.get(number, foreign.LOCKING[0])
    return "".join([*main.values(), *foreign.SINGLE[number].values()])


@st.composite
def national_texts(draw: st.DrawFn) -> tuple[str, list[Language]]:
    """A text over one language's characters, or over two, and the languages allowed."""
    languages = draw(st.lists(st.sampled_from(LANGUAGES), min_size=1, max_size=3, unique=True))
    chars = st.sampled_from("".join(map(_repertoire, languages[:2])))
    unit = draw(st.text(chars, min_size=1, max_size=20))
    return unit * draw(st.integers(1, 30)) + draw(st.text(chars, max_size=80)), languages


@given(
    asked=national_texts(),
    encoding=st.sampled_from(["auto", "gsm7"]),
    scheme=st.sampled_from(SCHEMES),
    alphabet=st.sampled_from(["gsm7", "gsm7_packed"]),
    udh=st.sampled_from([b"", PORTS]),
    rng=st.randoms(use_true_random=False),
)
@settings(derandomize=True, deadline=None, database=None, max_examples=300)
def test_text_survives(
    asked: tuple[str, list[Language]], encoding: str, scheme: str, alphabet: str, udh: bytes, rng: random.Random
) -> None:
    text, languages = asked
    options = {"scheme": scheme, "alphabet": alphabet, "udh": udh}
    try:
        planned = plan(text, encoding=encoding, national=languages, **options)
    except UnencodableError:
        assert encoding == "gsm7"
        assert forcing(text, alphabet, languages)
        return
    wide = plan(text, encoding="ucs2", **options)
    if encoding == "auto":
        assert planned.parts <= wide.parts
        assert planned.encoding == "ucs2" or planned.shift == Shift() or planned.parts < wide.parts
    else:
        assert not forcing(text, alphabet, languages)
    check_limits_of(planned)
    segments = planned.render(9)
    # A restored message knows what was settled, and nothing of what was allowed.
    assert segments == render(text, encoding=planned.encoding, shift=planned.shift, ref=9, **options)
    arrived = rng.sample(segments, len(segments))
    assert same(foreign.read_message(arrived, alphabet), text, alphabet)
    parts = [reassembly.read_part(s.short_message, s.esm_class, s.data_coding, s.tlvs) for s in arrived]
    assembled = reassembly.assemble({part.seq: part for part in parts}, alphabet=alphabet)
    assert assembled.encoding == planned.encoding
    assert assembled.shift == planned.shift
    assert not set(assembled.flags) - {"padding"}
    if "padding" not in assembled.flags:
        assert same(assembled.text or "", text, alphabet)


@given(asked=national_texts(), scheme=st.sampled_from(SCHEMES), alphabet=st.sampled_from(["gsm7", "gsm7_packed"]))
@settings(derandomize=True, deadline=None, database=None, max_examples=200)
def test_no_other_pair_would_do_better(asked: tuple[str, list[Language]], scheme: str, alphabet: str) -> None:
    text, languages = asked
    numbers = [0, *(NUMBERS[language] for language in languages)]
    costs = []
    for locking in numbers:
        for single in numbers:
            if locking in foreign.LOCKING:
                try:
                    one = plan(text, encoding="gsm7", scheme=scheme, alphabet=alphabet, shift=Shift(locking, single))
                except UnencodableError:
                    continue
                if locking == single == 0:
                    costs = [(one.parts, one.units_used, 0)]
                    break
                costs.append((one.parts, one.units_used, bool(locking) + bool(single)))
        else:
            continue
        break  # plain septets do
    if costs:
        best = plan(text, encoding="gsm7", scheme=scheme, alphabet=alphabet, national=languages)
        elements = bool(best.shift.locking) + bool(best.shift.single)
        assert (best.parts, best.units_used, elements) == min(costs)
    else:
        with pytest.raises(UnencodableError):
            plan(text, encoding="gsm7", scheme=scheme, alphabet=alphabet, national=languages)


def check_limits_of(planned) -> None:  # type: ignore[no-untyped-def]
    if planned.shift == Shift():
        check_limits(planned)
        return
    several = planned.parts > 1
    header = len(planned.udh) + ({"udh8": 5, "udh16": 6, "sar": 5, "payload": 5}[planned.scheme] if several else 0)
    for piece in planned.pieces:
        assert header + (len(piece) * 7 + 7) // 8 <= 140
        assert len(piece) <= planned.units_per_part
        foreign.gsm_text(piece, planned.shift.locking, planned.shift.single)  # whole by itself


def test_parts_by_different_tables_are_each_read_by_their_own() -> None:
    """A locking shift holds for its part (TS 23.038 §6.2.1.2.3): phones write a new one when the script changes."""
    parts = {}
    for seq, (language, septets) in enumerate(
        [(b"\x25\x01\x01", b"\x1d"), (b"\x25\x01\x06", b"\x01"), (b"", b"\x1d")], 1
    ):
        header = b"\x00\x03\x2a\x03" + bytes((seq,)) + language
        parts[seq] = reassembly.read_part(bytes((len(header),)) + header + septets, 0x40, 0)
    assembled = reassembly.assemble(parts, 3)
    assert assembled.text == "ş\u0902æ"
    assert (assembled.encoding, assembled.shift, assembled.flags) == ("gsm7", Shift(1, 0), ())


@pytest.mark.parametrize(
    ("elements", "data_coding", "alphabet", "text", "flags"),
    [
        ("250101", 0x00, "gsm7", "ş", ()),
        ("250101", 0xF1, "gsm7", "ş", ("class1",)),
        ("25010e", 0x00, "gsm7", "æ", ("unknown_language",)),
        ("250102", 0x00, "gsm7", "æ", ("unknown_language",)),
        ("25020101", 0x00, "gsm7", "æ", ("unknown_language",)),
        ("250101250106", 0x00, "gsm7", "\u091c", ()),  # the last counts
        ("250101", 0x00, "latin1", "\x1d", ("national_shift",)),
        ("250101", 0x03, "gsm7", "\x1d", ()),
        ("25010e", 0x03, "gsm7", "\x1d", ()),
    ],
)
def test_a_message_alone(elements: str, data_coding: int, alphabet: str, text: str, flags: tuple[str, ...]) -> None:
    header = bytes.fromhex(elements)
    part = reassembly.read_part(bytes((len(header),)) + header + b"\x1d", 0x40, data_coding)
    assembled = reassembly.assemble({1: part}, 1, alphabet)
    assert (assembled.text, assembled.flags) == (text, flags)


def test_every_language_has_a_name() -> None:
    assert get_args(Language) == LANGUAGES
