"""In which zones a phone may be: never fewer than phonenumbers says of it, but where that takes in other countries."""

from __future__ import annotations

import random
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from phonenumbers import PhoneNumberType
from phonenumbers.timezone import time_zones_for_number

from gateway.policy.zone_table import ZONES
from gateway.policy.zones import FEW, Zones, _clocks, _of_digits
from gateway.sms.lines import is_geographic, line_of

KINDS = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.TOLL_FREE, PhoneNumberType.VOIP)


def examples() -> list[str]:
    """Numbers of every country and kind, with other digits behind their beginning."""
    rng, found = random.Random(6), []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in KINDS:
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None:
                continue
            value = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            kept = rng.randrange(5, len(value))
            found += [value, value[:kept] + "".join(rng.choice("0123456789") for _ in value[kept:])]
    return found


def test_an_area_is_told_where_phonenumbers_tells_one_and_never_of_others() -> None:
    zones, several = Zones({}, "US"), 0
    for value in examples():
        told = time_zones_for_number(phonenumbers.parse(value, None))
        country = line_of(value).country
        found = zones.of(value)
        assert found
        if country is None or told == ("Etc/Unknown",) or len(_clocks(ZONES.get(country, ()))) < 2:
            continue
        several += 1
        if 0 < len(_clocks(told)) <= 4:
            assert found in (_clocks(told), zones._of(country)), value
        else:
            # Of what has no area phonenumbers names all zones of the calling code: here it is those of the country.
            assert found == zones._of(country), value
    assert several > 100


@pytest.mark.parametrize(
    ("value", "country", "area"),
    [("+14155550100", "US", True), ("+74951234567", "RU", True), ("+79161234567", "RU", False),
     ("+61412345678", "AU", False), ("+61291234567", "AU", True), ("+5511987654321", "BR", True)],
)  # fmt: skip
def test_what_has_an_area_code(value: str, country: str, area: bool) -> None:
    assert line_of(value).country == country
    assert is_geographic(value, country) is area


def test_of_toll_free_numbers_of_the_united_states_no_area_is_known() -> None:
    for code in ("800", "833", "844", "855", "866", "877", "888", "500", "900"):
        assert len(_of_digits(f"+1{code}5550100")) > FEW


def test_the_table_has_every_country_and_names_zones_that_there_are() -> None:
    for zones in ZONES.values():
        for name in zones:
            ZoneInfo(name)
    # Kosovo has no letters of ISO 3166, and two islands in the Atlantic none of their own.
    assert phonenumbers.SUPPORTED_REGIONS - ZONES.keys() <= {"XK", "AC", "TA"}
