"""Lines by their patterns: what phonenumbers says of every region's numbers, without a parse."""

from __future__ import annotations

import random

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType

from gateway.sms.kinds import country_of_number
from gateway.sms.lines import Line, line_kind, line_of

KINDS = {PhoneNumberType.PREMIUM_RATE: "premium_rate", PhoneNumberType.FIXED_LINE: "fixed_line"}

KNOWN = [
    ("+447700900123", Line("GB", None)),
    ("+442083661177", Line("GB", "fixed_line")),
    ("+449098790000", Line("GB", "premium_rate")),
    ("+493012345678", Line("DE", "fixed_line")),
    ("+12125550000", Line("US", None)),  # of a plan that does not tell fixed lines from mobiles
    ("+19002345678", Line("US", "premium_rate")),
    ("+14165550123", Line("CA", None)),
    ("+18762345678", Line("JM", None)),
    ("+15551230001", Line("US", None)),  # in no range that is known
    ("+76001234567", Line("RU", None)),
    ("+77172580000", Line("KZ", "fixed_line")),
    ("+390236618300", Line("IT", "fixed_line")),  # the zero stays
    ("+88312345678", Line(None, None)),  # of no country
    ("12345", Line(None, None)),
    ("ACME", Line(None, None)),
    ("+20031864567", Line("EG", "fixed_line")),  # with a national prefix that phonenumbers takes off
    ("+7", Line("RU", None)),  # no number at all
]


@pytest.mark.parametrize(("value", "line"), KNOWN)
def test_lines_that_are_known(value: str, line: Line) -> None:
    assert line_kind(value) == line.kind
    assert line_of(value) == line


def examples() -> list[str]:
    """Numbers of all regions and types, and others near them that may be in no range."""
    rng = random.Random(6)
    values = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in range(11):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            values.append(value)
            for _ in range(4):
                place = rng.randrange(4, len(value))  # the calling code stays
                values.append(value[:place] + rng.choice("0123456789") + value[place + 1 :])
    return values


def test_it_is_what_phonenumbers_says() -> None:
    values = examples()
    assert len(values) > 3000
    for value in values:
        number = phonenumbers.parse(value, None)
        expected = Line(country_of_number(value), KINDS.get(phonenumbers.number_type(number)))  # type: ignore[arg-type]
        assert line_of.__wrapped__(value) == expected, value
        assert line_kind(value) == expected.kind, value
