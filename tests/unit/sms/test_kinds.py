"""Kinds and countries of numbers, as far as form and numbering plans tell."""

from __future__ import annotations

import pytest

from gateway.sms.kinds import country_of_number, kinds_of


@pytest.mark.parametrize(
    ("value", "kinds", "country"),
    [
        ("+12025550123", ("local", "mobile"), "US"),
        ("+14165550123", ("local", "mobile"), "CA"),
        ("+15551230001", ("local", "mobile"), "US"),  # no range that is assigned, in a plan that tells no mobiles
        ("+18005550199", ("toll_free",), "US"),
        ("+80012345678", ("toll_free",), None),  # the freephone of no country
        ("+19005550100", (), "US"),  # premium rate
        ("+442079460123", ("local",), "GB"),
        ("+447409999999", ("mobile",), "GB"),
        ("+447700900123", (), "GB"),  # a range for films; the plan tells mobiles from fixed lines
        ("+4915123456789", ("mobile",), "DE"),
        ("+445600123456", ("local",), "GB"),  # VoIP
        ("12345", ("short_code",), None),
        ("Acme", ("alphanumeric",), None),
        ("+", (), None),
    ],
)
def test_kind_and_country(value: str, kinds: tuple[str, ...], country: str | None) -> None:
    assert (kinds_of(value), country_of_number(value)) == (kinds, country)
