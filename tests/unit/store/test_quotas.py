"""Quotas: counted where messages are stored, by app and number and period; and the same text to the same phone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model import State
from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.store.checks import checks
from gateway.store.ends import End, EndOp
from gateway.store.hot import Row, Values
from gateway.store.optedout import PASSES
from gateway.store.optedout import check as not_opted_out
from gateway.store.quotas import SELECT_TO_PEER
from gateway.store.sametext import SELECT_SAME
from gateway.store.submits import NewMessage, SubmitOp
from tests.support.balances import wrong
from tests.support.stores import DAY, NUMBER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550102"
EVENING = int(datetime(2026, 11, 30, 23, 59, 50, tzinfo=UTC).timestamp() * 1000)


def limited(desk: Desk, app: dict[str, Any] | None = None, number: dict[str, int] | None = None, **given: Any) -> None:
    """Settings of the app ``crm``, and the quota of `NUMBER`."""
    found: dict[str, Any] = {"apps": [{"name": "crm", "token": "0123456789abcdef", **(app or {})}], **given}
    if number is not None:
        found["carriers"] = [{"name": "acme", "host": "a.example", "system_id": "u", "password": "p"}]
        found["numbers"] = [{"number": NUMBER, "quota": number}]
    desk.writer.base.checks = checks(Settings.model_validate(found))


async def sent(desk: Desk, *parts: int, app: str = "crm", **given: Any) -> list[NewMessage]:
    """Messages of so many segments, in one burst, each with a text of its own."""
    messages = []
    for n in parts:
        message = desk.new(app=app, parts=n, **given)
        if "body" not in given:
            message.body = str(message.id).encode()
        messages.append(message)
    await desk.do(SubmitOp(messages))
    return messages


def passed(messages: list[NewMessage]) -> list[bool]:
    return [m.refused is None for m in messages]


def uses(desk: Desk) -> list[Row]:
    return desk.rows("SELECT subject, period, segments FROM quota_use ORDER BY subject, period")


async def test_what_is_over_a_quota_is_refused_and_not_counted(desk: Desk) -> None:
    desk.now = EVENING
    limited(desk, {"quota": {"day": 5, "month": 100}})
    messages = await sent(desk, 2, 2, 2, 1, 1)
    assert passed(messages) == [True, True, False, True, False]
    assert uses(desk) == [("app:crm", "day", 5), ("app:crm", "month", 5)]
    refused = messages[2].refused
    assert refused is not None
    assert (refused.reason, refused.field, refused.retry_after) == ("quota_exceeded", None, 10)
    assert refused.detail == "day: of the 5 segments a day that crm has 1 are left"
    assert desk.counts["quota:day:app:crm"] == 2
    assert desk.rows("SELECT count(*) FROM message") == [(3,)]
    assert passed(await sent(desk, 9, app="other")) == [True], "another app has none"
    (never,) = await sent(desk, 6)
    assert never.refused is not None
    assert never.refused.retry_after is None, "it would never fit"
    assert never.refused.detail == "day: 6 segments, and crm has 5 a day"


async def test_each_period_begins_anew(desk: Desk) -> None:
    desk.now = EVENING
    limited(desk, {"quota": {"second": 2, "day": 4, "month": 7, "year": 9}})
    assert passed(await sent(desk, 1, 1, 1)) == [True, True, False]
    desk.now += 999
    assert passed(await sent(desk, 1)) == [False]
    desk.now += 1
    assert passed(await sent(desk, 1, 1)) == [True, True]
    desk.now += 1000
    (late,) = await sent(desk, 1)
    assert late.refused is not None
    assert late.refused.detail == "day: of the 4 segments a day that crm has 0 are left"
    assert late.refused.retry_after == 8
    desk.now += 8000  # another day, and another month
    assert passed(await sent(desk, 2)) == [True]
    assert uses(desk) == [
        ("app:crm", "day", 2),
        ("app:crm", "month", 2),
        ("app:crm", "second", 2),
        ("app:crm", "year", 6),
    ]
    desk.now += DAY
    assert passed(await sent(desk, 2)) == [True]
    desk.now += DAY
    (ninth, tenth) = await sent(desk, 1, 1)
    assert passed([ninth, tenth]) == [True, False]
    assert tenth.refused is not None
    assert (tenth.refused.detail or "").startswith("year:")


async def test_days_begin_in_the_zone_that_is_set(desk: Desk) -> None:
    desk.now = EVENING
    limited(desk, {"quota": {"day": 1}}, quotas={"zone": "America/New_York"})
    (first, second) = await sent(desk, 1, 1)
    assert passed([first, second]) == [True, False]
    assert second.refused is not None
    assert second.refused.retry_after == 5 * 3600 + 10


async def test_a_number_has_its_own_whoever_sends(desk: Desk) -> None:
    limited(desk, {"quota": {"day": 10}}, {"day": 3})
    assert passed(await sent(desk, 1, 1)) == [True, True]
    assert passed(await sent(desk, 1, 1, app="other")) == [True, False]
    (refused,) = await sent(desk, 1)
    assert refused.refused is not None
    assert (refused.refused.field, refused.refused.detail) == (
        "from",
        f"day: of the 3 segments a day that {NUMBER} has 0 are left",
    )
    assert passed(await sent(desk, 1, number=OTHER_NUMBER)) == [True]
    assert passed(await sent(desk, 1, app=OWN_APP)) == [False], "what rules send is sent from it too"
    assert passed(await sent(desk, 1, app=OWN_APP, door=PASSES)) == [True], "the answer to a STOP is owed"
    assert uses(desk) == [("app:crm", "day", 3), (f"number:{NUMBER}", "day", 4)]


async def test_what_goes_to_one_phone(desk: Desk) -> None:
    limited(desk, {"quota": {"per_peer_day": 2}}, {"per_peer_day": 3})
    messages = await sent(desk, 1, 1, 1)
    assert passed(messages) == [True, True, False]
    refused = messages[2].refused
    assert refused is not None
    assert refused.field == "to"
    assert refused.detail == "per_peer_day: of the 2 segments a day that crm has to one phone 0 are left"
    assert passed(await sent(desk, 1, 1, app="other")) == [True, False], "by the number"
    assert passed(await sent(desk, 2, 1, peer=OTHER_PEER)) == [True, False]
    assert uses(desk) == []
    desk.now += DAY
    assert passed(await sent(desk, 1, 1, 1)) == [True, True, False]
    assert desk.counts["quota:per_peer_day:app:crm"] == 3


async def test_a_message_that_one_quota_refuses_is_counted_by_no_other(desk: Desk) -> None:
    limited(desk, {"quota": {"day": 10, "per_peer_day": 1}}, caps=[{"prefix": "+1", "per_hour": 50}])
    assert passed(await sent(desk, 1, 1, 1, 1)) == [True, False, False, False]
    assert uses(desk) == [("app:crm", "day", 1)]
    assert desk.rows("SELECT sum(segments) FROM prefix_use") == [(1,)]


async def test_what_was_sent_before_is_not_counted_twice(desk: Desk) -> None:
    limited(desk, {"quota": {"day": 1}})
    (first,) = await sent(desk, 1, ref="a")
    (again,) = await sent(desk, 1, ref="a", body=first.body)
    assert (again.duplicate_of, again.refused) == (first.id, None)
    assert uses(desk) == [("app:crm", "day", 1)]


async def test_a_clock_that_steps_back_does_not_begin_a_day_anew_and_one_far_ahead_does_not_end_it(desk: Desk) -> None:
    limited(desk, {"quota": {"day": 2}})
    desk.now = EVENING + 10_000
    assert passed(await sent(desk, 1)) == [True]
    desk.now -= 5000
    assert passed(await sent(desk, 1, 1)) == [True, False]
    desk.now += 5000
    assert passed(await sent(desk, 1)) == [False]
    desk.now += 400 * DAY
    assert passed(await sent(desk, 2)) == [True]
    desk.now -= 399 * DAY
    assert passed(await sent(desk, 2, 1)) == [True, False]


async def test_counts_are_what_the_messages_say_also_after_a_restart(filed: Desk) -> None:
    desk = filed
    desk.now = EVENING - 3600_000
    limited(desk, {"quota": {"day": 40, "month": 60}}, {"day": 30})
    for n in range(1, 6):
        await sent(desk, n, 1, 2)
        await sent(desk, n, app="other")
        await sent(desk, n, number=OTHER_NUMBER)
        desk.now += 1_000_000
        await desk.restart()
        limited(desk, {"quota": {"day": 40, "month": 60}}, {"day": 30})
    assert wrong(desk.con) == []
    assert len(uses(desk)) == 3


async def test_a_burst_that_fails_counts_nothing(desk: Desk) -> None:
    limited(desk, {"quota": {"day": 3}})
    (first,) = await sent(desk, 1)
    twice = desk.new(app="crm", body=b"x")
    twice.id = first.id  # no two messages have one id
    (error,) = await desk.burst(SubmitOp([desk.new(app="crm", body=b"y"), twice]))
    assert error is not None
    assert uses(desk) == [("app:crm", "day", 1)]
    assert passed(await sent(desk, 1, 1, 1)) == [True, True, False]


async def test_two_statements_for_a_burst_and_none_where_no_quota_is_for_it(desk: Desk) -> None:
    assert checks(Settings()) == (not_opted_out,)
    limited(desk, {"prepaid": False, "quota": {}, "same_text_within": 0})
    assert desk.writer.base.checks == (not_opted_out,)
    limited(desk, {"quota": {"day": 1000, "month": 1000}}, {"day": 1000, "per_peer_day": 1000})
    await sent(desk, 1)
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    rows = desk.con.total_changes
    await sent(desk, *[1] * 64)
    assert desk.con.total_changes - rows == 64 * 2 + 3
    reads = [sql for sql in executed if "quota_use u" in sql or "n.peer = v.peer" in sql]
    assert len(reads) == 3, "3 counts are read as 2 + 1, and one phone"
    assert sum("INTO quota_use" in sql for sql in executed) == 2
    executed.clear()
    await sent(desk, *[1] * 64, app="other", number=OTHER_NUMBER)
    assert not any("quota_use" in sql or "n.peer" in sql for sql in executed)


# --- the same text ----------------------------------------------------------------------------------------------------


async def test_the_same_text_to_the_same_phone_is_refused_for_a_while(desk: Desk) -> None:
    limited(desk, {"same_text_within": 60})
    first, again, other = await sent(desk, 1, 1, body=b"Hello") + await sent(desk, 1, body=b"hello")
    assert passed([first, again, other]) == [True, False, True]
    assert again.refused is not None
    assert (again.refused.reason, again.refused.field, again.refused.retry_after) == ("duplicate_text", "text", 60)
    assert passed(await sent(desk, 1, body=b"Hello", peer=OTHER_PEER)) == [True]
    assert passed(await sent(desk, 1, 1, body=b"Hello", app="other")) == [True, True]
    assert passed(await sent(desk, 1, body=b"Hello", number=OTHER_NUMBER)) == [False], "whichever number it is from"
    desk.now += 59_999
    (late,) = await sent(desk, 1, body=b"Hello")
    assert late.refused is not None
    assert late.refused.retry_after == 0.001
    desk.now += 2
    assert passed(await sent(desk, 1, 1, body=b"Hello")) == [True, False]


async def test_what_nobody_read_may_be_sent_again(desk: Desk) -> None:
    limited(desk, {"same_text_within": 60})
    (first,) = await sent(desk, 1, body=b"Hello")
    await desk.do(EndOp([End(first.id, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    assert passed(await sent(desk, 1, 1, body=b"Hello")) == [True, False]


async def test_a_text_that_a_quota_refused_was_not_sent(desk: Desk) -> None:
    limited(desk, {"same_text_within": 60, "quota": {"day": 1}})
    messages = await sent(desk, 2, 1, body=b"Hello")
    assert passed(messages) == [False, True]
    assert messages[0].refused is not None
    assert messages[0].refused.reason == "quota_exceeded"


@pytest.mark.parametrize("statement", [SELECT_TO_PEER, SELECT_SAME])
async def test_what_went_to_a_phone_is_found_by_its_index(desk: Desk, statement: Values) -> None:
    marks = [None] * statement.columns * 4
    steps = [row[3] for row in desk.con.execute("EXPLAIN QUERY PLAN " + statement.sql(4), marks)]
    assert "SEARCH m USING INDEX message_peer (peer=? AND id>?)" in steps
    assert [step for step in steps if step.startswith("SCAN")] == ["SCAN 4 CONSTANT ROWS", "SCAN v"]
