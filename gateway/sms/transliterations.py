"""What stands for characters that the GSM 7 bit default alphabet lacks, as data; `transliterate` applies it.

A replacement is what a reader takes for the same: a typewriter's form of the mark, the letter without its
accent, the spelling that its own language uses where the letter cannot be written. What would change what is
said is left alone: Cyrillic, Arabic, Han and other scripts, Greek small letters (only the capitals that look
like Latin ones are here, which is how TS 23.038 §6.2.1 means Greek to be written with its ten others),
currencies without a sign in the alphabet, emoji, and marks that turn the reading order of what follows.

Each table is (characters or ranges, replacement, why). No character here is one that the alphabet has.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AFTER_DIGIT", "BEYOND_ASCII", "DECOMPOSED_RANGES", "REPLACEMENTS"]

REPLACEMENTS: Final[tuple[tuple[str, str, str], ...]] = (
    # Quotes. Word processors and phones put these in by themselves.
    ("‘’‚‛‹›", "'", "typographic single quotes"),
    ("“”„‟«»〝〞", '"', "typographic double quotes"),
    ("`´ʹʻʼʽˈˊˋ", "'", "accents and modifier letters that are typed as an apostrophe"),
    ("′‵", "'", "prime: minutes, feet"),
    ("″‶", '"', "double prime: seconds, inches"),
    ("‴", "'''", "triple prime"),
    # Dashes.
    ("‐‑‒–—―−⁃⸺⸻﹘﹣", "-", "hyphens, dashes and the minus sign"),
    # Spaces and breaks.
    ("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " ", "spaces"),
    ("\t", " ", "tabulator: a phone has no stops"),
    ("\x85\u2028\u2029\x0b", "\n", "other line and paragraph ends"),
    (
        "\u00ad\u034f\u180e\u200b\u200c\u200d\u2060\u2061\u2062\u2063\u2064\ufeff",
        "",
        "nothing to see: soft hyphen, zero-width space and joiners, byte order mark",
    ),
    ("\ufe0e\ufe0f", "", "variation selectors: text or picture form of the character before"),
    (
        "\u061c\u200e\u200f\u202a\u202c\u2066\u2068\u2069",
        "",
        "direction marks and isolates that programs put around names and numbers; they turn nothing here",
    ),
    # Dots and bullets.
    ("…", "...", "ellipsis"),
    ("‥", "..", "two dots"),
    ("·‧∙", ".", "middle dot, as in Catalan l·l"),
    ("•‣⁌⁍◦●○▪▫■□▸▹►", "*", "bullets of lists"),
    # Letters that are no accented form of another; as their languages spell them without.
    ("ł", "l", "Polish, Sorbian"),
    ("Ł", "L", "Polish, Sorbian"),
    ("đɖð", "d", "Croatian, Vietnamese; Ewe; Icelandic"),
    ("ĐƉÐ", "D", "Croatian, Vietnamese; Ewe; Icelandic"),
    ("þ", "th", "Icelandic"),
    ("Þ", "Th", "Icelandic"),
    ("œ", "oe", "French"),
    ("Œ", "OE", "French"),
    ("ı", "i", "Turkish dotless i"),
    ("ĸ", "k", "Greenlandic kra"),
    ("ŋ", "ng", "Sami, African languages"),
    ("Ŋ", "Ng", "Sami, African languages"),
    ("ħ", "h", "Maltese"),
    ("Ħ", "H", "Maltese"),
    ("ŧ", "t", "Sami"),
    ("Ŧ", "T", "Sami"),
    ("ő", "ö", "Hungarian: the long form of a letter that the alphabet has"),
    ("Ő", "Ö", "Hungarian: the long form of a letter that the alphabet has"),
    ("ű", "ü", "Hungarian: the long form of a letter that the alphabet has"),
    ("Ű", "Ü", "Hungarian: the long form of a letter that the alphabet has"),
    ("ẞ", "SS", "German capital sharp s; the alphabet has only the small one"),
    ("ɓ", "b", "Hausa, Fula"),
    ("Ɓ", "B", "Hausa, Fula"),
    ("ɗ", "d", "Hausa, Fula"),
    ("Ɗ", "D", "Hausa, Fula"),
    ("ƙ", "k", "Hausa"),
    ("Ƙ", "K", "Hausa"),
    ("ƴ", "y", "Hausa, Fula"),
    ("Ƴ", "Y", "Hausa, Fula"),
    ("ɛǝə", "e", "Ewe, Akan; Hausa and Kanuri; Azerbaijani"),
    ("ƐƎƏ", "E", "Ewe, Akan; Hausa and Kanuri; Azerbaijani"),
    ("ɔ", "o", "Ewe, Akan"),
    ("Ɔ", "O", "Ewe, Akan"),
    ("ƒ", "f", "Ewe; the florin sign"),
    ("Ƒ", "F", "Ewe"),
    ("ʋ", "v", "Ewe"),
    ("Ʋ", "V", "Ewe"),
    # Greek capitals that have the form of a Latin one; their accented forms come to these.
    ("Α", "A", "Greek capital alpha"),
    ("Β", "B", "Greek capital beta"),
    ("Ε", "E", "Greek capital epsilon"),
    ("Ζ", "Z", "Greek capital zeta"),
    ("Η", "H", "Greek capital eta"),
    ("Ι", "I", "Greek capital iota"),
    ("Κ", "K", "Greek capital kappa"),
    ("Μ", "M", "Greek capital mu"),
    ("Ν", "N", "Greek capital nu"),
    ("Ο", "O", "Greek capital omicron"),
    ("Ρ", "P", "Greek capital rho"),
    ("Τ", "T", "Greek capital tau"),
    ("Υ", "Y", "Greek capital upsilon"),
    ("Χ", "X", "Greek capital chi"),
    # Signs.
    ("µ", "u", "micro sign, as in units typed without it (ISO 2955)"),
    ("°˚", "deg", "degree sign"),
    ("ºᵒ", "o", "masculine ordinal"),
    ("ª", "a", "feminine ordinal"),
    ("№", "No", "numero sign"),
    ("©", "(c)", "copyright"),
    ("®", "(R)", "registered"),
    ("™", "(TM)", "trade mark"),
    ("℠", "(SM)", "service mark"),
    ("℗", "(P)", "sound recording copyright"),
    ("¢", "c", "cent"),
    ("×✕", "x", "multiplication sign"),
    ("÷⁄∕", "/", "division sign and slashes of fractions"),
    ("±", "+/-", "plus or minus"),
    ("≤", "<=", "less than or equal"),
    ("≥", ">=", "greater than or equal"),
    ("≈∼", "~", "about"),
    ("¦∣", "|", "bars"),
    ("→", "->", "arrow"),
    ("←", "<-", "arrow"),
    ("↔", "<->", "arrow"),
    ("⇒", "=>", "double arrow"),
    ("‰", "0/00", "per mille"),
    # Numbers in circles are items of a list, so that 1 and 2 beside each other do not become 12.
    *((chr(0x2460 + n), f"({n + 1})", "number in a circle") for n in range(20)),
    # Fractions and raised digits; what they are behind a digit is in AFTER_DIGIT.
    *((chr(0x2070 + n), str(n), "raised digit") for n in (0, 4, 5, 6, 7, 8, 9)),
    ("¹", "1", "raised digit"),
    ("²", "2", "raised digit"),
    ("³", "3", "raised digit"),
    ("⁺", "+", "raised sign"),
    ("⁻", "-", "raised sign"),
    ("ⁿ", "n", "raised letter"),
    *((chr(0x2080 + n), str(n), "lowered digit, as in H₂O") for n in range(10)),
    ("½", "1/2", "fraction"),
    ("⅓", "1/3", "fraction"),
    ("⅔", "2/3", "fraction"),
    ("¼", "1/4", "fraction"),
    ("¾", "3/4", "fraction"),
    ("⅕", "1/5", "fraction"),
    ("⅖", "2/5", "fraction"),
    ("⅗", "3/5", "fraction"),
    ("⅘", "4/5", "fraction"),
    ("⅙", "1/6", "fraction"),
    ("⅚", "5/6", "fraction"),
    ("⅐", "1/7", "fraction"),
    ("⅛", "1/8", "fraction"),
    ("⅜", "3/8", "fraction"),
    ("⅝", "5/8", "fraction"),
    ("⅞", "7/8", "fraction"),
    ("⅑", "1/9", "fraction"),
    ("⅒", "1/10", "fraction"),
)

AFTER_DIGIT: Final[tuple[tuple[str, str, str], ...]] = (
    ("½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒", " ", "1½ is 1 1/2, not 11/2"),
    ("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "^", "10² is 10^2, not 102"),
    ("₀₁₂₃₄₅₆₇₈₉", "_", "10₂ is 10_2, not 102"),
)
"""What is put before the replacement of a character that follows a digit, where the value would change."""

DECOMPOSED_RANGES: Final[tuple[tuple[int, int, str], ...]] = (
    (0x00A0, 0x024F, "Latin letters with accents; an accent that can stay does, as the ring of ǻ"),
    (0x0370, 0x03FF, "Greek capitals with accents"),
    (0x1E00, 0x1EFF, "Latin letters with accents, Vietnamese among them"),
    (0x1F00, 0x1FFF, "Greek capitals with accents"),
    (0x02B0, 0x02B8, "raised letters"),
    (0x1D2C, 0x1D6A, "raised letters, as in 1ᵉʳ"),
    (0x203C, 0x203D, "double marks"),
    (0x2047, 0x2049, "double marks"),
    (0x2057, 0x2057, "quadruple prime"),
    (0x2100, 0x2138, "letterlike signs: ℃, ℡, the kelvin and ångström signs"),
    (0x213B, 0x214F, "letterlike signs, but for U+2139, which is an emoji too"),
    (0x2160, 0x217F, "Roman numerals"),
    (0x2474, 0x249B, "numbers in brackets and with a full stop"),
    (0xFB00, 0xFB06, "ligatures"),
    (0xFE50, 0xFE6B, "small forms of punctuation"),
    (0xFF01, 0xFF5E, "full-width forms"),
    (0xFFE0, 0xFFE6, "full-width signs"),
    (0x1D400, 0x1D7FF, "mathematical letters, which some use for bold and italic text"),
)
"""Ranges (first, last, why) in which a character is replaced by what Unicode's decomposition of it comes to."""

BEYOND_ASCII: Final[tuple[tuple[str, str, str], ...]] = (
    ("æ", "ae", "Danish, Norwegian"),
    ("Æ", "AE", "Danish, Norwegian"),
    ("ø", "o", "Danish, Norwegian"),
    ("Ø", "O", "Danish, Norwegian"),
    ("ß", "ss", "German"),
    ("¡", "!", "opening mark"),
    ("¿", "?", "opening mark"),
)
"""Characters of the default alphabet that a carrier of ASCII lacks, besides accented letters; used there alone."""
