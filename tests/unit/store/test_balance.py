"""Balances: taken where messages are stored, given back for what no carrier took; exact whatever happens."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import State
from gateway.settings import Settings
from gateway.store.balance import LAST as LAST_ENTRY
from gateway.store.balance import BalanceOp, Entry, Standing, entries, share, standings
from gateway.store.checks import checks
from gateway.store.ends import End, EndOp
from gateway.store.optouts import OptOutChange, OptOutOp
from gateway.store.sends import ClaimOp, DoubtOp, ResponseOp, UnclaimOp
from gateway.store.submits import NewMessage, SubmitOp
from tests.support.balances import wrong
from tests.support.stores import PEER, START, Desk

HOUR = 3_600_000
FIRST_HOUR = START - START % HOUR


def prepaid(desk: Desk, **more: Any) -> None:
    app = {"name": "crm", "token": "0123456789abcdef", "prepaid": True, **more}
    desk.writer.base.checks = checks(Settings.model_validate({"apps": [app]}))
    desk.writer.base.charges = True


async def filled(desk: Desk, segments: int = 100) -> None:
    prepaid(desk)
    await desk.do(BalanceOp("crm", segments, "operator", "invoice 7"))


async def sent(desk: Desk, *parts: int, **given: Any) -> list[NewMessage]:
    messages = [desk.new(app="crm", parts=n, **given) for n in parts]
    await desk.do(SubmitOp(messages))
    return messages


def left(desk: Desk) -> int:
    assert wrong(desk.con) == []
    (one,) = desk.store.read_now(standings)
    return one.left


def refused(mid: int, part: int = 1, low: int = 2) -> ResponseOp:
    end = End(mid, part, State.FAILED, "carrier_refused", status=11, low=low, high=low)
    return ResponseOp("acme", [], [end], [], None)


@pytest.mark.parametrize(
    ("charged", "parts", "shares"), [(3, 3, [1, 1, 1]), (3, 1, [3]), (5, 3, [2, 2, 1]), (1, 3, [1, 0, 0])]
)
def test_shares_add_up(charged: int, parts: int, shares: list[int]) -> None:
    assert [share(charged, parts, part) for part in range(1, parts + 1)] == shares


async def test_a_message_takes_its_segments_and_what_is_not_covered_is_refused(desk: Desk) -> None:
    await filled(desk, 5)
    messages = await sent(desk, 2, 2, 2, 1)
    assert [m.refused is None for m in messages] == [True, True, False, True]
    verdict = messages[2].refused
    assert verdict is not None
    assert (verdict.reason, verdict.retry_after) == ("balance_exhausted", None)
    assert verdict.detail == "2 segments, and crm has 1 left"
    assert left(desk) == 0
    other = desk.new(app="other", parts=3)
    await desk.do(SubmitOp([other]))
    assert (other.refused, other.charged) == (None, None)
    await desk.do(BalanceOp("crm", 1, "operator", None), SubmitOp([last := desk.new(app="crm")]))
    assert last.refused is None, "added in the same burst"


async def test_without_a_balance_nothing_is_sent(desk: Desk) -> None:
    prepaid(desk)
    (m,) = await sent(desk, 1)
    assert m.refused is not None
    assert m.refused.detail == "1 segment, and crm has 0 left"
    assert desk.rows("SELECT count(*) FROM balance") == [(0,)]


async def test_where_the_carrier_cuts_the_text_what_is_on_the_air_counts(desk: Desk) -> None:
    await filled(desk)
    message = desk.new(app="crm", scheme="payload")
    message.cut = 4
    await desk.do(SubmitOp([message]))
    assert left(desk) == 96
    await desk.do(EndOp([End(message.id, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    assert left(desk) == 100


async def test_what_was_sent_before_takes_nothing(desk: Desk) -> None:
    await filled(desk)
    await sent(desk, 1, ref="a")
    (again,) = await sent(desk, 1, ref="a")
    assert again.duplicate_of is not None
    assert left(desk) == 99


@pytest.mark.parametrize("state", [State.QUEUED, State.SCHEDULED, State.SUBMITTING])
@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (State.CANCELLED, "cancelled"),
        (State.REJECTED, "number_held"),
        (State.EXPIRED, "expired_unsent"),
        (State.FAILED, "unsendable"),
    ],
)
async def test_what_ends_unsent_is_given_back_once(desk: Desk, state: State, end: State, reason: str) -> None:
    await filled(desk)
    (m,) = await sent(desk, 3, state=state)
    assert left(desk) == 97
    await desk.do(EndOp([End(m.id, 0, end, reason, high=2)]))
    assert left(desk) == 100
    await desk.do(EndOp([End(m.id, 0, end, reason, high=2)]))
    await desk.do(EndOp([End(m.id, 1, end, reason, high=2), End(m.id, 1, end, reason, high=2)]))
    assert left(desk) == 100


async def test_a_refusal_gives_back_what_the_carrier_did_not_take(desk: Desk) -> None:
    await filled(desk)
    (m,) = await sent(desk, 3, state=State.SUBMITTING)
    await desk.respond(m.id, "a1")
    await desk.do(refused(m.id, 2))
    await desk.do(UnclaimOp([(m.id, 3)]))  # nobody wants the rest of it
    assert desk.states(m.id) == [State.SENT, State.FAILED, State.FAILED]
    assert left(desk) == 99


async def test_what_was_delivered_or_not_is_paid(desk: Desk) -> None:
    await filled(desk)
    for raw, state in (("a1", State.DELIVERED), ("a2", State.UNDELIVERED), ("a3", State.EXPIRED)):
        await desk.sent(raw, app="crm")
        await desk.receive(desk.receipt(raw, state))
    mid = await desk.sent("b1", "b2", app="crm")
    await desk.receive(desk.receipt("b1", State.EXPIRED), desk.receipt("b2", State.UNDELIVERED))
    assert desk.states(mid) == [State.EXPIRED, State.UNDELIVERED]
    assert left(desk) == 95


async def test_what_may_have_been_taken_is_paid(desk: Desk) -> None:
    await filled(desk)
    first, second, third, fourth = await sent(desk, 1, 1, 1, 1, state=State.SUBMITTING)
    await desk.do(DoubtOp([(m.id, 1) for m in (first, second)], True))
    await desk.do(DoubtOp([(m.id, 1) for m in (third, fourth)], False))
    # Its copy is refused, cancelled by an operator, or not sent in time.
    await desk.do(ClaimOp([(first.id, 1)]))
    await desk.do(refused(first.id))
    await desk.do(EndOp([End(second.id, 0, State.REJECTED, "number_held", low=0, high=1)]))
    await desk.do(EndOp([End(third.id, 0, State.FAILED, "resolved", low=4, high=4)]))
    assert [desk.states(m.id)[0] for m in (first, second, third)] == [State.FAILED, State.REJECTED, State.FAILED]
    assert left(desk) == 96
    # What comes late says that its one attempt was not taken.
    await desk.do(refused(fourth.id, low=4))
    assert desk.states(fourth.id) == [State.FAILED]
    assert left(desk) == 97


async def test_who_opts_out_has_the_app_get_back_what_waited(desk: Desk) -> None:
    await filled(desk)
    await sent(desk, 2, 1)
    await desk.do(OptOutOp([OptOutChange(PEER, "all", True)], how="operator", who="operator"))
    assert left(desk) == 100


async def test_entries_are_kept_and_summed_up_by_the_hour(desk: Desk) -> None:
    await filled(desk, 50)
    await sent(desk, 1, 2)
    (m,) = await sent(desk, 3)
    await desk.do(EndOp([End(m.id, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    await desk.do(BalanceOp("crm", -4, "ops", None), BalanceOp("crm", 1, "ops", "gift"))
    desk.now += HOUR
    await sent(desk, 5)
    found = desk.store.read_now(lambda con: entries(con, "crm", LAST_ENTRY, 100))
    assert found == [
        Entry(FIRST_HOUR + HOUR, "taken", -5, None, None),
        Entry(START + 2, "added", 1, "ops", "gift"),
        Entry(START + 1, "added", -4, "ops", None),
        Entry(START, "added", 50, "operator", "invoice 7"),
        Entry(FIRST_HOUR, "taken", -6, None, None),
        Entry(FIRST_HOUR, "refunded", 3, None, None),
    ]
    assert desk.store.read_now(lambda con: entries(con, "crm", (START, "added"), 1)) == found[4:5]
    assert desk.store.read_now(standings) == [Standing("crm", 39, 47, 11, 3)]
    assert desk.store.read_now(lambda con: standings(con, "other")) == []


async def test_a_burst_that_fails_takes_nothing(desk: Desk) -> None:
    await filled(desk)
    (first,) = await sent(desk, 1)
    twice = desk.new(app="crm", parts=5)
    twice.id = first.id
    (error,) = await desk.burst(SubmitOp([twice]))
    assert error is not None
    assert left(desk) == 99


async def test_after_a_restart_what_ends_is_given_back_also_where_nobody_pays_in_advance_any_more(
    filed: Desk,
) -> None:
    desk = filed
    await filled(desk)
    queued, under_way = await sent(desk, 2, 1)
    await desk.claim((under_way.id, 1))
    await desk.restart()
    assert desk.writer.base.charges
    await desk.do(EndOp([End(queued.id, 0, State.CANCELLED, "cancelled", low=0, high=1)]))
    assert left(desk) == 99
    # What is in doubt by the restart ends with its message, and is paid.
    desk.con.execute("INSERT INTO optout (peer, scope, at, how) VALUES (?, 'all', 0, 'operator')", (PEER,))
    assert desk.store.recover({"acme": True}) == {"acme": 1}
    assert left(desk) == 99


async def test_three_statements_for_a_burst_and_none_where_nobody_pays_in_advance(desk: Desk) -> None:
    await filled(desk)
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    rows = desk.con.total_changes
    await sent(desk, *[1] * 64)
    assert desk.con.total_changes - rows == 64 * 2 + 2
    assert sum("balance" in sql for sql in executed) == 3
    executed.clear()
    other = [desk.new(app="other") for _ in range(64)]
    await desk.do(SubmitOp(other))
    assert not any("balance" in sql for sql in executed)
    desk.writer.base.charges = False
    await desk.do(EndOp([End(m.id, 0, State.CANCELLED, "cancelled", low=0, high=1) for m in other]))
    assert not any("charged IS NOT NULL" in sql for sql in executed)
