"""Which number a message goes out from: a table of states, capabilities and verifications."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from gateway.policy.numbers import Origin, Sending, held_until_ms, is_released, unheard_since
from gateway.settings import Number, Settings
from gateway.settings.routes import MessageClass

ONE, TWO, CODE = "+12025550101", "+12025550102", "12345"
NOW = 1_795_323_600_000  # 2026-11-22T05:00:00Z
NEXT_DAY = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp() * 1000)


def sending(*numbers: dict[str, Any]) -> Sending:
    return Sending(Settings.model_validate({"numbers": [{"carrier": "acme", **one} for one in numbers]}))


def one(**given: Any) -> Number:
    return Number.model_validate({"number": ONE, **given})


PENDING = {"verification": "pending"}

ORIGINS: list[tuple[dict[str, Any], dict[str, Any], MessageClass, str, str | None]] = [
    # the number, its fallback, the class, what sends, why not
    ({"state": "held"}, {}, "direct", ONE, "number_held"),
    ({"state": "held", "held_until": "2026-11-22"}, {}, "direct", ONE, "number_held"),
    ({"state": "held", "held_until": "2026-11-21"}, {}, "direct", ONE, "number_released"),
    ({"state": "released"}, {}, "direct", ONE, "number_released"),
    ({"state": "released", "fallback": TWO}, {}, "direct", ONE, "number_released"),
    ({"capabilities": ["sms_in"]}, {}, "direct", ONE, "number_cannot_send"),
    ({"capabilities": ["voice"]}, {}, "direct", ONE, "number_cannot_send"),
    ({"capabilities": []}, {}, "direct", ONE, "number_cannot_send"),
    (PENDING, {}, "transactional", ONE, None),
    (PENDING, {}, "direct", ONE, None),
    (PENDING, {}, "marketing", ONE, "not_verified"),
    ({"verification": "unverified"}, {}, "marketing", ONE, "not_verified"),
    ({**PENDING, "classes_until_verified": []}, {}, "transactional", ONE, "not_verified"),
    ({**PENDING, "classes_until_verified": ["marketing"]}, {}, "marketing", ONE, None),
    ({**PENDING, "fallback": TWO}, {}, "marketing", TWO, None),
    ({**PENDING, "fallback": TWO}, {}, "direct", ONE, None),
    ({**PENDING, "fallback": TWO}, {"state": "held"}, "marketing", ONE, "not_verified"),
    ({**PENDING, "fallback": TWO}, {"capabilities": ["sms_in"]}, "marketing", ONE, "not_verified"),
    ({**PENDING, "fallback": TWO}, PENDING, "marketing", ONE, "not_verified"),
    # One step: the fallback of a fallback is not asked.
    ({**PENDING, "fallback": TWO}, {**PENDING, "fallback": CODE}, "marketing", ONE, "not_verified"),
]


@pytest.mark.parametrize(("ours", "other", "klass", "number", "reason"), ORIGINS)
def test_origin(
    ours: dict[str, Any], other: dict[str, Any], klass: MessageClass, number: str, reason: str | None
) -> None:
    table = sending({"number": ONE, **ours}, {"number": TWO, **other}, {"number": CODE})
    assert ONE in table.limited
    found = table.origin(ONE, klass, NOW)
    assert (found.number, found.reason) == (number, reason)
    assert bool(found.detail) == (reason is not None)
    assert (found.warning is not None) == (number == TWO)


@pytest.mark.parametrize(
    ("ours", "reason"),
    [
        ({"state": "held"}, None),
        ({"state": "held", "held_until": "2026-11-22"}, None),
        ({"state": "held", "held_until": "2026-11-21"}, "number_released"),
        ({"state": "released"}, "number_released"),
        ({"state": "held", "capabilities": ["sms_in"]}, "number_cannot_send"),
    ],
)
def test_a_held_number_still_replies(ours: dict[str, Any], reason: str | None) -> None:
    table = sending({"number": ONE, **ours})
    assert table.origin(ONE, "transactional", NOW, reply=True).reason == reason


def test_numbers_that_may_do_everything_are_not_looked_at() -> None:
    table = sending({"number": ONE}, {"number": TWO, "owner": "a", "meta": {"a": "b"}}, {"number": CODE})
    assert (table.limited, table.deaf) == (set(), set())


def test_the_words_name_the_number_and_the_reason() -> None:
    table = sending({"number": ONE, **PENDING, "fallback": TWO}, {"number": TWO, "state": "held"}, {"number": CODE})
    detail = table.origin(ONE, "marketing", NOW).detail
    assert detail == (
        f"{ONE} is pending, and until it is verified sends no marketing messages; nor does its fallback: "
        f"{TWO} was given up, and is held"
    )
    held = sending({"number": ONE, "state": "held", "held_until": "2027-02-22"})
    assert held.origin(ONE, "direct", NOW) == Origin(
        ONE, "number_held", f"{ONE} was given up, and is held until 2027-02-22"
    )
    spare = sending({"number": ONE, **PENDING, "fallback": TWO}, {"number": TWO})
    assert spare.origin(ONE, "marketing", NOW).warning == (
        f"sent from {TWO}: {ONE} is pending, and until it is verified sends no marketing messages"
    )


@pytest.mark.parametrize(
    ("capabilities", "sender", "reached"),
    [
        (["sms_in", "sms_out"], ONE, True),
        (["sms_in", "sms_out"], "Acme", True),
        (["sms_in", "sms_out"], CODE, False),
        (["sms_in", "from_short_codes"], CODE, True),
        (["from_short_codes", "sms_out"], CODE, False),
        (["voice"], ONE, False),
    ],
)
def test_what_reaches_our_own_numbers(capabilities: list[str], sender: str, reached: bool) -> None:
    table = sending({"number": ONE}, {"number": CODE}, {"number": TWO, "capabilities": capabilities})
    why = table.unreachable(sender, TWO) if TWO in table.deaf else None
    assert (why is None) == reached


def test_a_day_ends_at_midnight_in_utc() -> None:
    held = one(state="held", held_until=date(2026, 11, 22))
    assert held_until_ms(held) == NEXT_DAY
    assert [is_released(held, now) for now in (NOW, NEXT_DAY - 1, NEXT_DAY)] == [False, False, True]
    assert not is_released(one(state="held"), NEXT_DAY * 2)
    assert not is_released(one(), NOW)


@pytest.mark.parametrize(
    ("given", "since"),
    [
        ({}, None),
        ({"inbound_when_held": "none"}, None),
        ({"state": "held"}, None),
        ({"state": "held", "held_until": "2026-11-22"}, NEXT_DAY),
        ({"state": "held", "inbound_when_held": "none"}, 0),
        ({"state": "held", "inbound_when_held": "reply"}, 0),
        ({"state": "held", "held_until": "2026-11-22", "inbound_when_held": "none"}, 0),
        ({"state": "released"}, 0),
    ],
)
def test_since_when_nobody_hears_a_number(given: dict[str, Any], since: int | None) -> None:
    assert unheard_since(one(**given)) == since
