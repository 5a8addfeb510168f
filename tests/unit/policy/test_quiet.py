"""Quiet hours: when they begin and end on the clocks of those who are written to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.policy.quiet import QuietHours, Rest, said
from gateway.settings import Settings

NIGHT = {"times": ["21:00-08:00"]}
NEW_YORK, LONDON, LOS_ANGELES = "+12125550100", "+442071838750", "+13105550100"


def hours(*rules: dict[str, Any], **other: Any) -> QuietHours:
    return QuietHours(Settings.model_validate({"default_region": "US", "quiet_hours": list(rules), **other}))


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def utc(at: int | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def stands(rest: Rest | None, at: str) -> tuple[str, str | None]:
    assert rest is not None
    standing = rest.at(ms(at))
    # An answer out of memory is the one that is worked out.
    fresh = Rest(rest._openings, rest.zones).at(ms(at))
    assert (fresh.action, fresh.until) == (standing.action, standing.until)
    return standing.action or "send", utc(standing.until)


@pytest.mark.parametrize(
    ("peer", "at", "does", "until"),
    [
        # A day like others: New York is UTC-5 in winter.
        (NEW_YORK, "2026-01-15T12:59:59.999Z", "hold", "2026-01-15 13:00:00"),
        (NEW_YORK, "2026-01-15T13:00:00Z", "send", "2026-01-16 02:00:00"),
        (NEW_YORK, "2026-01-16T01:59:59.999Z", "send", "2026-01-16 02:00:00"),
        (NEW_YORK, "2026-01-16T02:00:00Z", "hold", "2026-01-16 13:00:00"),
        (NEW_YORK, "2026-01-16T05:00:00Z", "hold", "2026-01-16 13:00:00"),  # midnight
        # Clocks are put forward in the night to 8 March, and back in the one to 1 November.
        (NEW_YORK, "2026-03-08T02:00:00Z", "hold", "2026-03-08 12:00:00"),
        (NEW_YORK, "2026-03-08T12:00:00Z", "send", "2026-03-09 01:00:00"),
        (NEW_YORK, "2026-11-01T01:00:00Z", "hold", "2026-11-01 13:00:00"),
        (NEW_YORK, "2026-11-01T12:59:59Z", "hold", "2026-11-01 13:00:00"),
        (NEW_YORK, "2026-11-01T13:00:00Z", "send", "2026-11-02 02:00:00"),
        # In London to 29 March and to 25 October.
        (LONDON, "2026-03-28T21:00:00Z", "hold", "2026-03-29 07:00:00"),
        (LONDON, "2026-03-29T07:00:00Z", "send", "2026-03-29 20:00:00"),
        (LONDON, "2026-10-24T20:00:00Z", "hold", "2026-10-25 08:00:00"),
        (LONDON, "2026-10-25T07:59:59Z", "hold", "2026-10-25 08:00:00"),
        (LONDON, "2026-10-25T08:00:00Z", "send", "2026-10-25 21:00:00"),
    ],
)
def test_nights_end_by_the_clock_of_the_phone(peer: str, at: str, does: str, until: str) -> None:
    assert stands(hours(NIGHT).of("marketing", peer, None), at) == (does, until)


def test_until_when_a_message_may_go() -> None:
    """Where it may not by now, it may not either when the clock is put back a little."""
    rest = hours(NIGHT).of("marketing", NEW_YORK, None)
    assert rest is not None
    assert utc(rest.goes_until(ms("2026-01-15T13:00:00Z"))) == "2026-01-16 02:00:00"
    assert utc(rest.goes_until(ms("2026-01-16T02:00:08Z"))) == "2026-01-16 02:00:00"
    assert utc(rest.goes_until(ms("2026-01-16T12:59:59Z"))) == "2026-01-16 02:00:00"


def test_a_span_that_ends_in_the_hour_that_is_skipped_or_comes_twice() -> None:
    rest = hours({"times": ["22:00-02:30"]}).of("marketing", NEW_YORK, None)
    assert stands(rest, "2026-03-08T04:00:00Z") == ("hold", "2026-03-08 07:00:00")
    assert stands(rest, "2026-11-01T04:00:00Z") == ("hold", "2026-11-01 07:30:00")
    one = hours({"times": ["22:00-01:30"]}).of("marketing", NEW_YORK, None)
    assert stands(one, "2026-11-01T04:00:00Z") == ("hold", "2026-11-01 05:30:00")  # the first 01:30
    assert stands(one, "2026-11-01T06:15:00Z") == ("send", "2026-11-02 03:00:00")  # after the second 01:00


@pytest.mark.parametrize(
    ("peer", "opens", "closes"),
    [
        # Moscow and Kaliningrad to Kamchatka: from 8:00 in the first to 21:00 in the last.
        ("+79161234567", "2026-01-15 06:00:00", "2026-01-15 09:00:00"),
        # The United States without an area code: from 8:00 in Honolulu to 21:00 in New York.
        ("+18005550100", "2026-01-15 18:00:00", "2026-01-16 02:00:00"),
        ("72345", "2026-01-15 18:00:00", "2026-01-16 02:00:00"),  # a short code, of the default region
        # An area code of two clocks, Central and Mountain.
        ("+16055550100", "2026-01-15 15:00:00", "2026-01-16 03:00:00"),
        ("+14165550100", "2026-01-15 13:00:00", "2026-01-16 02:00:00"),
        ("+34612345678", "2026-01-15 08:00:00", "2026-01-15 20:00:00"),  # Madrid, or the Canaries
        ("+4915112345678", "2026-01-15 07:00:00", "2026-01-15 20:00:00"),
        ("+38344123456", "2026-01-15 07:00:00", "2026-01-15 20:00:00"),  # Kosovo
        ("+77011234567", "2026-01-15 03:00:00", "2026-01-15 16:00:00"),  # of +7, and of Kazakhstan
    ],
)
def test_a_phone_that_may_be_in_several_zones_gets_texts_when_it_is_day_in_all(
    peer: str, opens: str, closes: str
) -> None:
    rest = hours(NIGHT).of("marketing", peer, None)
    before = ms(f"{opens}Z") - 1
    assert stands(rest, datetime.fromtimestamp(before / 1000, UTC).isoformat()) == ("hold", opens)
    assert stands(rest, f"{opens}Z") == ("send", closes)
    assert stands(rest, f"{closes}Z")[0] == "hold"


def test_who_knows_the_zone_goes_before_the_number_and_a_table_of_ones_own_before_the_countrys() -> None:
    own = hours(NIGHT, country_zones={"RU": ["Europe/Moscow"], "US": ["America/New_York", "America/Chicago"]})
    assert stands(own.of("marketing", "+79161234567", None), "2026-01-15T05:00:00Z") == ("send", "2026-01-15 18:00:00")
    assert stands(own.of("marketing", "+18005550100", None), "2026-01-15T14:00:00Z") == ("send", "2026-01-16 02:00:00")
    # Of several zones of an area code those are meant that were set; one alone says where it is.
    rest, alone = own.of("marketing", "+16055550100", None), own.of("marketing", LOS_ANGELES, None)
    assert rest is not None
    assert alone is not None
    assert (rest.zones, alone.zones) == (("America/New_York", "America/Chicago"), ("America/Los_Angeles",))
    known = own.of("marketing", "+79161234567", "Asia/Vladivostok")
    assert stands(known, "2026-01-15T05:00:00Z") == ("send", "2026-01-15 11:00:00")
    assert known is own.of("marketing", "+79167654321", "Asia/Vladivostok")


def test_rules_are_of_classes_and_countries_and_each_of_them_holds() -> None:
    found = hours(
        {"times": ["21:00-08:00"], "countries": ["US"], "classes": ["marketing", "direct"]},
        {"times": ["22:00-08:00", "sun 00:00-24:00"], "countries": ["FR"], "holidays": ["FR"], "action": "refuse"},
    )
    assert found.classes == {"marketing", "direct"}
    assert found.of("transactional", NEW_YORK, None) is None
    assert found.of("marketing", LONDON, None) is None
    assert found.of("direct", "+33612345678", None) is None
    assert stands(found.of("direct", NEW_YORK, None), "2026-01-15T03:00:00Z") == ("hold", "2026-01-15 13:00:00")
    france = found.of("marketing", "+33612345678", None)
    # Saturday night, Sunday, and the night to Monday follow each other.
    assert stands(france, "2026-01-17T21:00:00Z") == ("refuse", "2026-01-19 07:00:00")
    # 14 July 2026 is a Tuesday, and a holiday.
    assert stands(france, "2026-07-13T19:59:59Z") == ("send", "2026-07-13 20:00:00")
    assert stands(france, "2026-07-14T12:00:00Z") == ("refuse", "2026-07-15 06:00:00")


def test_a_refusal_goes_before_a_hold_and_both_end_together() -> None:
    found = hours({"times": ["20:00-09:00"]}, {"times": ["23:00-06:00"], "action": "refuse"})
    rest = found.of("marketing", NEW_YORK, None)
    assert stands(rest, "2026-01-15T03:00:00Z") == ("hold", "2026-01-15 14:00:00")
    assert stands(rest, "2026-01-15T04:00:00Z") == ("refuse", "2026-01-15 14:00:00")
    assert stands(rest, "2026-01-15T11:00:00Z") == ("hold", "2026-01-15 14:00:00")


def test_one_zone_for_all_phones() -> None:
    found = hours(NIGHT | {"zone": "Europe/Paris"})
    assert not found.by_peer
    rest = found.of("marketing", NEW_YORK, "Asia/Tokyo")
    assert rest is found.of("marketing", LONDON, None)
    assert stands(rest, "2026-01-15T20:00:00Z") == ("hold", "2026-01-16 07:00:00")


def test_quiet_hours_without_an_end_are_seen() -> None:
    found = hours({"times": ["08:00-21:00"], "zone": "UTC"}, {"times": ["21:00-08:00"], "zone": "UTC"})
    rest = found.of("marketing", NEW_YORK, None)
    assert stands(rest, "2026-01-15T20:00:00Z") == ("hold", None)
    assert rest is not None
    assert said(rest.at(ms("2026-01-15T20:00:00Z"))) == "quiet hours without an end in sight"
    assert any("none of the week" in warning for warning in Settings(quiet_hours=found._rules).warnings())


def test_a_week_with_one_open_hour() -> None:
    """What begins only in days is seen, and a chain of days is followed to its end."""
    rest = hours({"times": ["mon-sat 00:00-24:00", "sun 00:00-11:00, 12:00-24:00"]}).of("marketing", LONDON, None)
    assert stands(rest, "2026-01-12T00:00:00Z") == ("hold", "2026-01-18 11:00:00")
    assert stands(rest, "2026-01-18T11:30:00Z") == ("send", "2026-01-18 12:00:00")
    weekly = hours({"times": ["sun 11:00-12:00"]}).of("marketing", LONDON, None)
    assert stands(weekly, "2026-01-18T12:00:00Z") == ("send", "2026-01-25 11:00:00")


def test_people_are_told_when_by_both_clocks() -> None:
    rest = hours(NIGHT).of("marketing", LOS_ANGELES, None)
    assert rest is not None
    assert said(rest.at(ms("2026-01-15T08:00:00Z"))) == (
        "quiet hours until 2026-01-15T16:00:00Z (08:00 in America/Los_Angeles)"
    )


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.policy.quiet.REMEMBERED", 3)
    found = hours(NIGHT)
    for zone in ("Europe/Paris", "Asia/Tokyo", "Asia/Dubai", "Africa/Lagos", "Europe/Rome"):
        assert stands(found.of("marketing", NEW_YORK, zone), "2026-01-15T09:00:00Z")[0] in ("hold", "send")
        assert len(found._found) <= 3
        assert len(found._openings) <= 3


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"times": []}, "at least one span"),
        ({"times": ["00:00-24:00"]}, "leave some of the week"),
        ({"times": ["08:00-21:00", "21:00-08:00"]}, "leave some of the week"),
        ({"times": ["21-8"]}, "times"),
        ({"times": ["21:00-08:00"], "zone": "Mars"}, "or a zone such as"),
        ({"times": ["21:00-08:00"], "classes": []}, "at least one class"),
        ({"times": ["21:00-08:00"], "countries": ["Mars"]}, "a country of ISO 3166"),
        ({"times": ["21:00-08:00"], "action": "drop"}, "'hold' or 'refuse'"),
    ],
)
def test_settings_that_say_nothing_are_refused(rule: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        hours(rule)


def test_transactional_messages_are_quiet_only_where_that_is_set_and_then_said() -> None:
    settings = Settings.model_validate({"quiet_hours": [{"times": ["21:00-08:00"], "classes": ["transactional"]}]})
    assert any("transactional messages: one-time codes wait" in warning for warning in settings.warnings())
    assert not any("quiet_hours" in w for w in Settings.model_validate({"quiet_hours": [NIGHT]}).warnings())
