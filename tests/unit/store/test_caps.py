"""Caps by prefix: counted where the messages are stored, over restarts, and what is refused is not counted."""

from __future__ import annotations

from typing import Any

from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.store.caps import STEP_MS
from gateway.store.checks import checks
from gateway.store.meters import Metered
from gateway.store.optedout import check as not_opted_out
from gateway.store.submits import NewMessage, SubmitOp
from tests.support.stores import Desk

RU, KZ, US = "+79161234567", "+77011234567", "+12125550101"
HOUR = 3_600_000


def capped(desk: Desk, *caps: dict[str, Any]) -> None:
    desk.writer.base.checks = checks(Settings.model_validate({"caps": list(caps)}))


async def sent(desk: Desk, *peers: str, app: str = "crm", **given: Any) -> list[NewMessage]:
    messages = [desk.new(peer=peer, app=app, **given) for peer in peers]
    await desk.do(SubmitOp(messages))
    return messages


def passed(messages: list[NewMessage]) -> list[bool]:
    return [m.refused is None for m in messages]


def uses(desk: Desk) -> list[Any]:
    return desk.con.execute("SELECT app, prefix, sum(segments) FROM prefix_use GROUP BY 1, 2 ORDER BY 1, 2").fetchall()


async def test_what_is_over_the_cap_is_refused_and_not_counted(desk: Desk) -> None:
    capped(desk, {"prefix": "+7", "per_hour": 3})
    messages = await sent(desk, RU, US, KZ, RU, RU, US)
    assert passed(messages) == [True, True, True, True, False, True]
    assert uses(desk) == [("crm", "+7", 3)]
    assert desk.counts["prefix_cap:+7"] == 1
    refused = messages[4].refused
    assert refused is not None
    assert (refused.reason, refused.field) == ("prefix_cap", "to")
    assert refused.detail == "crm has had its 3 segments of an hour to numbers that begin with +7"
    assert desk.con.execute("SELECT count(*) FROM message").fetchone() == (5,)
    # Each app has its own.
    assert passed(await sent(desk, RU, RU, RU, RU, app="other")) == [True, True, True, False]


async def test_segments_are_counted(desk: Desk) -> None:
    capped(desk, {"prefix": "+7", "per_hour": 5})
    assert passed(await sent(desk, RU, RU, parts=2)) == [True, True]
    # A shorter one still fits.
    assert passed(await sent(desk, RU, parts=2)) == [False]
    assert passed(await sent(desk, RU)) == [True]
    (never,) = await sent(desk, RU, parts=6)
    assert never.refused is not None
    assert never.refused.retry_after is None, "it would never fit"


async def test_what_the_carrier_cuts_counts_as_on_the_air(desk: Desk) -> None:
    capped(desk, {"prefix": "+7", "per_hour": 3})
    for expected in (True, False):
        whole = desk.new(peer=RU, app="crm")
        whole.cut = 2
        await desk.do(SubmitOp([whole]))
        assert (whole.refused is None) == expected
    assert uses(desk) == [("crm", "+7", 2)]


async def test_no_hour_has_more_and_it_says_when_to_come_back(desk: Desk) -> None:
    capped(desk, {"prefix": "+7", "per_hour": 4})
    begun = desk.now
    assert passed(await sent(desk, RU, RU)) == [True, True]
    desk.now += HOUR // 2
    assert passed(await sent(desk, RU, RU, RU)) == [True, True, False]
    desk.now = begun + HOUR - 1
    (late,) = await sent(desk, RU)
    assert late.refused is not None
    assert late.refused.retry_after is not None
    assert 0 < late.refused.retry_after <= STEP_MS / 1000 + 1
    desk.now += int(late.refused.retry_after * 1000) + 1
    assert passed(await sent(desk, RU, RU, RU)) == [True, True, False]
    desk.now += 3 * HOUR
    assert passed(await sent(desk, RU)) == [True]
    assert desk.con.execute("SELECT count(*) FROM prefix_use").fetchone() == (1,), "what is over is removed"


async def test_of_several_each_holds(desk: Desk) -> None:
    capped(
        desk,
        {"prefix": "+", "per_hour": 5},
        {"prefix": "+7", "per_hour": 2, "apps": ["crm"]},
        {"prefix": "+77", "per_hour": 1},
    )
    assert passed(await sent(desk, KZ, KZ, RU, RU, US, US, US, US)) == [
        True, False, True, False, True, True, True, False
    ]  # fmt: skip
    assert uses(desk) == [("crm", "+", 5), ("crm", "+7", 2), ("crm", "+77", 1)]
    assert passed(await sent(desk, RU, RU, RU, app="other")) == [True, True, True]
    assert passed(await sent(desk, "12345")) == [True], "a short code is of no country"
    assert passed(await sent(desk, *[KZ] * 9, app=OWN_APP)) == [True] * 9, "rules have bounds of their own"


async def test_what_was_sent_before_is_neither_counted_nor_refused(desk: Desk) -> None:
    capped(desk, {"prefix": "+7", "per_hour": 1})
    (first,) = await sent(desk, RU, ref="a")
    (again,) = await sent(desk, RU, ref="a")
    assert again.duplicate_of == first.id
    assert again.refused is None
    assert uses(desk) == [("crm", "+7", 1)]


async def test_a_restart_forgets_nothing(filed: Desk) -> None:
    capped(filed, {"prefix": "+7", "per_hour": 2})
    assert passed(await sent(filed, RU)) == [True]
    await filed.restart()
    capped(filed, {"prefix": "+7", "per_hour": 2})
    assert passed(await sent(filed, RU, RU)) == [True, False]


async def test_two_statements_for_a_burst_and_none_where_no_cap_is_for_it(desk: Desk) -> None:
    assert checks(Settings()) == (not_opted_out,)
    capped(desk, {"prefix": "+7", "per_hour": 1000}, {"prefix": "+77", "per_hour": 1000})
    assert isinstance(desk.writer.base.checks[1], Metered)
    await sent(desk, RU)
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    rows = desk.con.total_changes
    await sent(desk, *[KZ, RU] * 32)
    assert [sum(word in sql for sql in executed) for word in ("FROM v CROSS JOIN prefix_use", "INTO prefix_use")] == [
        1,
        1,
    ]
    assert desk.con.total_changes - rows == 64 * 2 + 2
    executed.clear()
    await sent(desk, *[US] * 64)
    assert not any("prefix_use" in sql for sql in executed)
