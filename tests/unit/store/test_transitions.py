"""What each statement does to a segment in each state, as a table; nothing that the model does not allow."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from gateway.model import TRANSITIONS, State
from gateway.store.ends import End, EndOp
from gateway.store.quiet import PutOffOp
from gateway.store.resolve import DueOp, ResendOp
from gateway.store.sends import ClaimOp, DoubtOp, ResponseOp, Sent, UnclaimOp
from gateway.store.tx import Op
from tests.support.stores import Desk

S = State
Change = Callable[[Desk, int], Op]


def response(desk: Desk, *, sent: list[Sent] = [], refused: list[End] = [], retries: list[tuple[int, ...]] = []) -> Op:  # noqa: B006
    return ResponseOp("acme", sent, refused, retries, None)


def refused(mid: int, low: State, high: State) -> End:
    return End(mid, 1, S.FAILED, "carrier_refused", status=0x0B, low=low, high=high)


def doubted(desk: Desk, mid: int) -> int:
    desk.con.execute("UPDATE segment SET in_doubt = 1 WHERE message_id = ?", (mid,))
    return mid


# Everything that flows put, with the ranges that they put it with, and what it changes.
CHANGES: dict[str, tuple[Change, dict[State, State]]] = {
    "claim": (lambda d, m: ClaimOp([(m, 1)]), {S.QUEUED: S.SUBMITTING}),
    "unclaim": (lambda d, m: UnclaimOp([(m, 1)]), {S.SUBMITTING: S.QUEUED}),
    "sent": (
        lambda d, m: response(d, sent=[Sent(m, 1, "id", d.now, True)]),
        {S.SCHEDULED: S.SENT, S.QUEUED: S.SENT, S.SUBMITTING: S.SENT, S.IN_DOUBT: S.SENT},
    ),
    "refused": (lambda d, m: response(d, refused=[refused(m, S.SUBMITTING, S.SUBMITTING)]), {S.SUBMITTING: S.FAILED}),
    "refused late": (
        lambda d, m: response(d, refused=[refused(m, S.QUEUED, S.QUEUED), refused(m, S.IN_DOUBT, S.IN_DOUBT)]),
        {S.QUEUED: S.FAILED, S.IN_DOUBT: S.FAILED},
    ),
    "refused for now": (lambda d, m: response(d, retries=[(m, 1, 0x58, d.now + 1000)]), {S.SUBMITTING: S.QUEUED}),
    "doubt, resend": (lambda d, m: DoubtOp([(m, 1)], True), {S.SUBMITTING: S.QUEUED}),
    "doubt, hold": (lambda d, m: DoubtOp([(m, 1)], False), {S.SUBMITTING: S.IN_DOUBT}),
    "put off": (lambda d, m: PutOffOp([(m, d.now + 1000)], "acme"), {S.QUEUED: S.SCHEDULED}),
    "due": (lambda d, m: DueOp([m]), {S.SCHEDULED: S.QUEUED}),
    "resolved by sending again": (lambda d, m: ResendOp([m]), {S.IN_DOUBT: S.QUEUED}),
    "resolved by failing": (
        lambda d, m: EndOp([End(m, 0, S.FAILED, "resolved", low=4, high=4)]),
        {S.IN_DOUBT: S.FAILED},
    ),
    "cancelled": (
        lambda d, m: EndOp([End(m, 0, S.CANCELLED, "cancelled", low=0, high=1)]),
        {S.SCHEDULED: S.CANCELLED, S.QUEUED: S.CANCELLED},
    ),
    "expired unsent": (
        lambda d, m: EndOp([End(m, 1, S.EXPIRED, "expired_unsent", low=0, high=1)]),
        {S.SCHEDULED: S.EXPIRED, S.QUEUED: S.EXPIRED},
    ),
    "expired unwritten": (
        lambda d, m: EndOp([End(m, 1, S.EXPIRED, "expired_unsent", low=2, high=2)]),
        {S.SUBMITTING: S.EXPIRED},
    ),
    "expired copy": (
        lambda d, m: EndOp([End(doubted(d, m), 1, S.EXPIRED, "expired_unsent", low=0, high=2)]),
        {S.SCHEDULED: S.IN_DOUBT, S.QUEUED: S.IN_DOUBT, S.SUBMITTING: S.IN_DOUBT},
    ),
    "unsendable": (
        lambda d, m: EndOp([End(m, 1, S.FAILED, "unsendable", low=0, high=1)]),
        {S.SCHEDULED: S.FAILED, S.QUEUED: S.FAILED},
    ),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_change_of_state(desk: Desk, change: str) -> None:
    make, table = CHANGES[change]
    for before, parts in itertools.product(State, (1, 2)):
        mid, other = await desk.submit(parts=parts), await desk.submit()
        for part in range(1, parts + 1):
            desk.put_in(mid, before, part)
        desk.put_in(other, before)
        await desk.do(make(desk, mid))
        after = desk.states(mid)[0]
        assert after is table.get(before, before), (before, parts)
        assert after is before or after in TRANSITIONS[before], (before, parts)
        assert desk.states(other) == [before], "another message is left alone"


@pytest.mark.parametrize("state", [S.DELIVERED, S.UNDELIVERED, S.EXPIRED], ids=lambda s: s.word)
async def test_a_receipt_changes_what_may_have_been_on_the_air(desk: Desk, state: State) -> None:
    for before, parts in itertools.product(State, (1, 2)):
        ids = [f"{before}-{parts}-{part}" for part in range(parts)]
        mid = await desk.sent(*ids)
        for part in range(1, parts + 1):
            desk.put_in(mid, before, part)
        await desk.receive(desk.receipt(ids[0], state))
        may = before in (S.QUEUED, S.SUBMITTING, S.SENT, S.IN_DOUBT)
        after = desk.states(mid)[0]
        assert after is (state if may else before), (before, parts)
        assert after is before or after in TRANSITIONS[before], (before, parts)


@pytest.mark.parametrize("resend", [True, False])
async def test_a_start_puts_what_was_submitting_in_doubt(filed: Desk, resend: bool) -> None:
    ids = {state: await filed.submit() for state in State}
    for state, mid in ids.items():
        filed.put_in(mid, state)
    await filed.restart()
    filed.store.recover({"acme": resend})
    for before, mid in ids.items():
        after = filed.states(mid)[0]
        assert after is ((S.QUEUED if resend else S.IN_DOUBT) if before is S.SUBMITTING else before)
        assert after is before or after in TRANSITIONS[before]


def test_all_that_the_model_allows_but_policy_has_a_statement() -> None:
    """`rejected` is for policy that is checked again later; a receipt and the end of a sibling lead to the rest."""
    done = {(before, after) for _, table in CHANGES.values() for before, after in table.items()}
    receipts = {
        (before, after)
        for before in (S.QUEUED, S.SUBMITTING, S.SENT, S.IN_DOUBT)
        for after in (S.DELIVERED, S.UNDELIVERED, S.EXPIRED)
    }
    allowed = {(before, after) for before, following in TRANSITIONS.items() for after in following}
    assert done | receipts <= allowed
    assert allowed - done - receipts == {(S.SCHEDULED, S.REJECTED), (S.QUEUED, S.REJECTED)}
