"""Quotas in the configuration: what is refused of them, and what is warned of."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import Settings

APP = {"name": "crm", "token": "0123456789abcdef"}


def settings(app: dict[str, Any], **more: Any) -> Settings:
    return Settings.model_validate({"apps": [APP | app], **more})


def warnings(app: dict[str, Any], **more: Any) -> list[str]:
    return [said for said in settings(app, **more).warnings() if "crm" in said]


def test_a_quota_that_another_leaves_without_effect_is_warned_of() -> None:
    assert warnings({"quota": {"second": 1, "day": 50, "month": 50, "per_peer_day": 99}}) == [
        'apps "crm": quota: day = 50 is without effect beside month = 50'
    ]
    assert warnings({"quota": {"second": 10, "month": 11, "year": 5}}) == [
        'apps "crm": quota: month = 11 is without effect beside year = 5'
    ]
    assert warnings({"quota": {"second": 1, "day": 2, "month": 3, "year": 4}}) == []


def test_texts_have_to_be_there_to_be_compared() -> None:
    assert warnings({"same_text_within": 86_401}, retention={"texts": 1}) == [
        'apps "crm": same_text_within is longer than [retention] keeps texts'
    ]
    assert warnings({"same_text_within": 86_400}, retention={"texts": 1}) == []
    assert warnings({"same_text_within": 86_400}) == []


@pytest.mark.parametrize(
    ("app", "more", "where"),
    [
        ({"quota": {"hour": 1}}, {}, ("apps", 0, "quota", "hour")),
        ({"quota": {"day": -1}}, {}, ("apps", 0, "quota", "day")),
        ({"quota": 5}, {}, ("apps", 0, "quota")),
        ({"same_text_within": -1}, {}, ("apps", 0, "same_text_within")),
        ({}, {"quotas": {"zone": "Mars/Olympus"}}, ("quotas", "zone")),
    ],
)
def test_what_is_wrong_is_named(app: dict[str, Any], more: dict[str, Any], where: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(app, **more)
    assert [error["loc"] for error in caught.value.errors()] == [where]
