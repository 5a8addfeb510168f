"""Texts from a seed, of the kinds that segmentation gets wrong, for all tests against foreign implementations."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from gateway.sms import gsm0338

# By the tables of TS 23.038 §6.2.1 and §6.2.1.1, written out anew: what our own table holds is under test.
GSM = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION = "\f^{}\\[~]|€"
TYPOGRAPHIC = "‘’“”„«»–—…•™©®\u00a0\u202f\u2011ﬁﬂœŒ"
ACCENTS = "áâãçêëíîïóôõúûýÁÂÃÀÈÊËÌÍÎÏÒÓÔÕÙÚÛÝčšžřůłńśźżőűğışáéíóúıİ`´"
CYRILLIC = "абвгдежзийклмнопрстуфхцчшщъыьэюяЁёіїєґ"
OTHERS = "ご予約は明日の午前十時です你好世界안녕하세요नमस्तेสวัสดีمرحباשלוםΆέήίόύώ"
EMOJI = "😀👍🎉🚀❤🙏🏽💩𝄞𠮷🇩🇪"
CLUSTERS = ("👨‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "é", "नि", "각", "❤️", "ก็", "Z͑ͫ̓ͪ̂ͫ")
"""What a reader takes for one character and is several code points."""

BOUNDARIES = (0, 1, 66, 67, 69, 70, 71, 133, 134, 135, 152, 153, 154, 159, 160, 161, 201, 202, 305, 306, 307, 459, 460)
"""Lengths in units around one, two and three parts, by septets and by UCS-2 units (TS 23.040 §9.2.3.24.1)."""

assert {c for c in GSM + EXTENSION if not gsm0338.is_encodable(c)} == set()


def _of(alphabet: str, rng: random.Random, length: int) -> str:
    return "".join(rng.choices(alphabet, k=length))


def _at(rng: random.Random, filler: str, odd: Callable[[], str]) -> str:
    """Odd characters just about where a part ends."""
    text = ""
    for _ in range(rng.randrange(1, 5)):
        length = rng.choice((66, 67, 70, 133, 134, 152, 153, 159, 160)) - rng.randrange(4)
        text += _of(filler, rng, length) + "".join(odd() for _ in range(rng.randrange(1, 3)))
    return text + _of(filler, rng, rng.choice((0, 0, 1, 5, 60)))


def _gsm(rng: random.Random) -> str:
    return _of(GSM, rng, rng.choice(BOUNDARIES) + rng.randrange(-1, 2) if rng.random() < 0.7 else rng.randrange(800))


def _extension(rng: random.Random) -> str:
    return _of(GSM + EXTENSION * rng.randrange(1, 12), rng, max(0, rng.choice(BOUNDARIES) - rng.randrange(8)))


def _extension_at_cut(rng: random.Random) -> str:
    return _at(rng, GSM, lambda: rng.choice(EXTENSION))


def _ucs2(rng: random.Random) -> str:
    return _of(rng.choice((CYRILLIC, OTHERS, GSM + CYRILLIC)), rng, rng.choice(BOUNDARIES) + rng.randrange(2))


def _emoji(rng: random.Random) -> str:
    return _of(GSM + EMOJI * rng.randrange(1, 20), rng, rng.choice(BOUNDARIES) // rng.choice((1, 2)))


def _emoji_at_cut(rng: random.Random) -> str:
    return _at(rng, rng.choice((CYRILLIC, GSM, OTHERS)), lambda: rng.choice(EMOJI))


def _clusters(rng: random.Random) -> str:
    return _at(rng, rng.choice((CYRILLIC, GSM)), lambda: rng.choice(CLUSTERS))


def _typographic(rng: random.Random) -> str:
    text = _gsm(rng)
    for _ in range(rng.randrange(3)):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(TYPOGRAPHIC + ACCENTS) + text[at:]
    return text


def _mixed(rng: random.Random) -> str:
    words = [
        rng.choice(
            (
                _of(GSM, rng, rng.randrange(1, 9)), _of(EXTENSION, rng, 1), _of(CYRILLIC, rng, rng.randrange(1, 9)),
                _of(EMOJI, rng, 1), _of(TYPOGRAPHIC, rng, 1), _of(ACCENTS, rng, 2), "\r\n", "\n", "  ",
            )
        )
        for _ in range(rng.randrange(1, 120))
    ]  # fmt: skip
    return "".join(words)


KINDS: dict[str, Callable[[random.Random], str]] = {
    "gsm": _gsm,
    "extension": _extension,
    "extension_at_cut": _extension_at_cut,
    "ucs2": _ucs2,
    "emoji": _emoji,
    "emoji_at_cut": _emoji_at_cut,
    "clusters": _clusters,
    "typographic": _typographic,
    "mixed": _mixed,
}


def texts(seed: int, count: int, *kinds: str) -> Iterator[str]:
    """As many texts, the kinds in turn; the same for the same seed. No lone surrogate is among them."""
    rng = random.Random(seed)
    makers = [KINDS[kind] for kind in kinds or KINDS]
    for number in range(count):
        yield makers[number % len(makers)](rng)
