"""Target `compose`: texts of applications transliterated, planned and previewed."""

from __future__ import annotations

import random
from typing import Final, get_args

import msgspec

from gateway.sms import gsm0338
from gateway.sms.compose import Way, compose, warnings_of
from gateway.sms.national import LANGUAGES
from gateway.sms.preview import described, preview
from gateway.sms.segment import Alphabet, AskedEncoding, Scheme, TooLongError, UnencodableError
from gateway.sms.transliterate import Transliterated, transliterate

from .alphabets import CHARACTERS, text_of
from .octets import LONG
from .target import Reader, Target

_ALPHABETS: Final[tuple[Alphabet, ...]] = get_args(Alphabet)
_ENCODINGS: Final[tuple[AskedEncoding, ...]] = ("auto", "auto", "gsm7", "ucs2", "latin1")
_SCHEMES: Final[tuple[Scheme, ...]] = get_args(Scheme)
_ODD: Final = (
    "áàâäãåāăąǻçćčďéèêëēęěíìîïīñńňóòôöõøōőŕřśšťúùûüůűýÿźžż",
    "a\u0301e\u0300n\u0303u\u0308\u0304o\u0338\u20dd1\ufe0f\u20e3",
    "½¼²³№™©®…‹›«»„‚‛′″‐‑‒–—―•·",
    "ﬀﬁﬂŒœĲĳßẞÞþÐðŁłĦħ①Ⅷ㎏ＡＢ１２",
    "\u00a0\u2002\u2003\u2009\u200b\u200d\u2028\u2029\u00ad\ufeff\t\x00\x1b",
    "Αθήνα Ελλάδα ΆΈΉΊΌΎΏ ΓΔΘΛΞΠΣΦΨΩ",
)


def check_compose(octets: bytes) -> None:
    """What is sent of a text says what was changed, and its preview the same."""
    reader = Reader(octets)
    form, allowed, most = reader.octet(), reader.octet(), reader.octet()
    way = Way(
        encoding=_ENCODINGS[form % len(_ENCODINGS)],
        alphabet=_ALPHABETS[form >> 3 & 3],
        scheme=_SCHEMES[form >> 5 & 3],
        national=tuple(LANGUAGES[(allowed + step) % 13] for step in range(allowed >> 6)),
        max_parts=most or 255,
    )
    text = text_of(reader.rest())
    _check_changes(text, transliterate(text, way.alphabet, way.national))
    try:
        composed = compose(text, way)
    except (UnencodableError, TooLongError) as error:
        _check_refusal(error, text, way)
        return
    repr(composed)
    assert composed.plan.parts <= way.max_parts
    assert bool(composed.changes) == (composed.text != text)
    if composed.changes:
        assert composed.plan.encoding == "gsm7"
    for warning in warnings_of(composed.changes):
        assert warning.isprintable()
    shown = preview(text, way, transliterated=True)
    assert shown.composed == composed
    data_coding = composed.plan.render(7)[0].data_coding
    msgspec.json.encode(described(composed.plan, data_coding, shown))


def _check_refusal(error: UnencodableError | TooLongError, text: str, way: Way) -> None:
    if isinstance(error, UnencodableError):
        assert text[error.position] == error.char
    else:
        assert error.parts > error.max or way.scheme == "payload"


def _check_changes(text: str, done: Transliterated) -> None:
    repr(done)
    pieces = []
    end = 0
    spots = [(at, one) for one in done.changes for at in one.positions]
    for at, change in sorted(spots, key=lambda spot: spot[0]):
        assert end <= at, "changes that overlap"
        assert text.startswith(change.char, at), "a change that is not where it says"
        pieces += text[end:at], change.replacement
        end = at + len(change.char)
    assert "".join(pieces) + text[end:] == done.text, "the changes do not make the text"
    for change in done.changes:
        assert all(gsm0338.is_encodable(char) or char.isalpha() for char in change.replacement)


def _compose(rng: random.Random) -> bytes:
    random = rng.random
    head = bytes((int(random() * 256), int(random() * 256) if random() < 0.2 else 0, int(random() * 256)))
    if random() < 0.001:
        return head + LONG[int(random() * len(LONG))] * int(random() * 0x4000)
    pools = (*_ODD, *CHARACTERS)
    pool = "abc 1"
    for _ in range(1 + int(random() * 3)):
        pool += pools[int(random() * len(pools))]
    length = int(random() * random() * 400)
    return head + "".join(rng.choices(pool, k=length)).encode("utf-8", "surrogatepass")


TARGETS: Final = (Target("compose", _compose, check_compose, 4),)
