"""Whom an app may send to, and from which names."""

from __future__ import annotations

from typing import Any

import phonenumbers
import pytest

from gateway.policy.destination import Destinations
from gateway.policy.name_table import REFUSED, REGISTERED
from gateway.policy.names import Names
from gateway.settings import Settings
from gateway.settings.routes import MessageClass

US, GB, CODE, NAME = "+12025550101", "+447700900100", "12345", "ACME"
MOBILE_GB, FIXED_GB, PREMIUM_GB = "+447700900123", "+442083661177", "+449098790000"
MOBILE_US, PREMIUM_US, MOBILE_FR, MOBILE_CA = "+12125550000", "+19002345678", "+33612345678", "+14165550199"


def settings(*apps: dict[str, Any], numbers: tuple[Any, ...] = (US, GB), **more: Any) -> Settings:
    given = [{"carrier": "acme", **(one if isinstance(one, dict) else {"number": one})} for one in numbers]
    named = [{"name": f"app{i}", "uid": [1000 + i], **app} for i, app in enumerate(apps)]
    return Settings.model_validate({"numbers": given, "apps": named, **more})


REFUSALS: list[tuple[dict[str, Any], dict[str, Any], str, str | None]] = [
    # the app, other settings, the phone, why not
    ({}, {}, MOBILE_US, None),
    ({}, {}, MOBILE_GB, None),
    ({}, {}, MOBILE_FR, "country_not_allowed"),
    ({}, {}, MOBILE_CA, "country_not_allowed"),
    ({}, {}, FIXED_GB, "fixed_line"),
    ({}, {}, PREMIUM_GB, "premium_rate"),
    ({}, {}, PREMIUM_US, "premium_rate"),
    ({}, {}, "54321", None),
    ({"numbers": [US]}, {}, MOBILE_GB, "country_not_allowed"),
    ({"numbers": [US], "countries": ["GB"]}, {}, MOBILE_GB, None),
    ({"numbers": [US], "countries": ["GB"]}, {}, MOBILE_US, "country_not_allowed"),
    ({"countries": ["*"]}, {}, MOBILE_FR, None),
    ({"countries": ["*"]}, {}, "+88312345678", None),
    ({}, {}, "+88312345678", "country_not_allowed"),
    ({"refused_kinds": []}, {}, FIXED_GB, None),
    ({"refused_kinds": ["premium_rate"]}, {}, FIXED_GB, None),
    ({"refused_kinds": ["premium_rate"]}, {}, PREMIUM_GB, "premium_rate"),
    ({}, {"destinations": {"refused_kinds": []}}, PREMIUM_GB, None),
    ({"refused_kinds": ["fixed_line"]}, {"destinations": {"refused_kinds": []}}, FIXED_GB, "fixed_line"),
    # A short code is for the default region, a name for no country: of names alone nothing follows.
    ({"numbers": [CODE]}, {"numbers": (CODE, US), "default_region": "US"}, MOBILE_US, None),
    ({"numbers": [CODE]}, {"numbers": (CODE, US), "default_region": "US"}, MOBILE_GB, "country_not_allowed"),
    ({"numbers": [CODE]}, {"numbers": (CODE, US)}, MOBILE_GB, None),
    ({"numbers": [NAME]}, {"numbers": (NAME, US), "default_region": "US"}, MOBILE_FR, None),
    ({"numbers": [NAME, US]}, {"numbers": (NAME, US)}, MOBILE_FR, "country_not_allowed"),
    ({"numbers": [NAME, US]}, {"numbers": ({"number": NAME, "countries": ["FR"]}, US)}, MOBILE_FR, None),
]


@pytest.mark.parametrize(("app", "more", "peer", "reason"), REFUSALS)
def test_destinations(app: dict[str, Any], more: dict[str, Any], peer: str, reason: str | None) -> None:
    refused = Destinations(settings(app, **more)).refused("app0", peer)
    assert (refused.reason if refused is not None else None) == reason


def test_who_is_no_app_may_send_anywhere_but_to_such_lines() -> None:
    table = Destinations(settings())
    assert table.refused("local", MOBILE_FR) is None
    refused = table.refused("local", FIXED_GB)
    assert refused is not None
    assert refused == ("fixed_line", f"{FIXED_GB} is a fixed line by the numbering plan of GB")
    other = Destinations(settings({"numbers": [US]})).refused("app0", MOBILE_GB)
    assert other is not None
    assert other.detail == f"{MOBILE_GB} is of GB, and app0 sends to US"


NAMES: list[tuple[MessageClass, str | None, dict[str, Any], str]] = [
    ("marketing", "GB", {}, "allowed"),
    ("transactional", "DE", {}, "allowed"),
    ("transactional", "US", {}, "refused"),
    ("transactional", "IN", {}, "unregistered"),
    ("transactional", "IN", {"countries": ["IN"]}, "allowed"),
    # Who has registered a name there knows better than a table.
    ("transactional", "US", {"countries": ["US"]}, "allowed"),
    ("direct", "GB", {}, "one_way"),
    ("direct", "GB", {"countries": ["GB"]}, "one_way"),
    ("marketing", None, {}, "allowed"),
]


@pytest.mark.parametrize(("klass", "country", "given", "standing"), NAMES)
def test_names(klass: MessageClass, country: str | None, given: dict[str, Any], standing: str) -> None:
    names = Names(settings(numbers=({"number": NAME, **given}, US)))
    assert names.values == {NAME}
    assert names.standing(NAME, klass, country) == standing
    said = names.said(NAME, klass, country)
    reasons = {"allowed": None, "unregistered": None, "refused": "sender_not_allowed", "one_way": "sender_one_way"}
    assert (said.reason if said is not None else None) == reasons[standing]
    assert (said is None) == (standing == "allowed")


def test_the_table_of_names_is_of_countries_each_once() -> None:
    assert not REFUSED & REGISTERED
    assert phonenumbers.SUPPORTED_REGIONS >= REFUSED | REGISTERED
