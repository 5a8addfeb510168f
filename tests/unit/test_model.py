"""States and what may follow what, as tables; the state of a message from its segments; the words users read."""

from __future__ import annotations

import itertools

import pytest

from gateway.model import (
    BAD_ENDS,
    CLASSES,
    FINAL,
    LANES,
    REASONS,
    RECEIPT_STATES,
    STATE_WORDS,
    TRANSITIONS,
    UNSENT,
    State,
    is_final,
    message_state,
)
from gateway.smpp.constants import MessageState

S = State


def test_states_have_the_words_of_the_design() -> None:
    waiting = ["scheduled", "queued", "submitting", "sent", "in_doubt"]
    final = ["delivered", "undelivered", "expired", "failed", "rejected", "cancelled"]
    assert list(STATE_WORDS) == waiting + final
    assert [state.word for state in State] == waiting + final
    assert {state.word for state in FINAL} == set(final)


def test_stored_numbers_are_a_promise_to_databases_that_exist() -> None:
    assert {state.name: int(state) for state in State} == {
        "SCHEDULED": 0,
        "QUEUED": 1,
        "SUBMITTING": 2,
        "SENT": 3,
        "IN_DOUBT": 4,
        "DELIVERED": 5,
        "UNDELIVERED": 6,
        "EXPIRED": 7,
        "FAILED": 8,
        "REJECTED": 9,
        "CANCELLED": 10,
    }
    assert CLASSES == ("transactional", "direct", "marketing")
    assert LANES == (0, 0, 1)


def test_a_final_state_has_no_successor() -> None:
    assert set(TRANSITIONS) == set(State)
    for state in FINAL:
        assert TRANSITIONS[state] == frozenset()
    for state in set(State) - FINAL:
        assert TRANSITIONS[state]
        assert state not in TRANSITIONS[state]


def test_doubt_is_not_an_end_and_is_left_by_a_late_answer_a_receipt_or_an_operator() -> None:
    assert S.IN_DOUBT not in FINAL
    assert {S.SENT, S.DELIVERED, S.UNDELIVERED, S.EXPIRED, S.FAILED, S.QUEUED} <= TRANSITIONS[S.IN_DOUBT]


def test_what_is_on_the_wire_cannot_be_cancelled() -> None:
    assert {state for state in State if S.CANCELLED in TRANSITIONS[state]} == set(UNSENT)


def test_only_a_claim_leads_to_the_wire() -> None:
    assert {state for state in State if S.SUBMITTING in TRANSITIONS[state]} == {S.QUEUED}
    # Of what is queued, only a copy that may not be sent any more.
    assert {state for state in State if S.IN_DOUBT in TRANSITIONS[state]} == {S.SCHEDULED, S.QUEUED, S.SUBMITTING}


@pytest.mark.parametrize("asked", [True, False])
def test_sent_is_final_only_where_no_receipt_was_asked_for(asked: bool) -> None:
    assert {state for state in State if is_final(state, asked)} == (FINAL if asked else FINAL | {S.SENT})


@pytest.mark.parametrize(
    ("state", "leads_to"),
    [
        (MessageState.DELIVERED, S.DELIVERED),
        (MessageState.EXPIRED, S.EXPIRED),
        (MessageState.UNDELIVERABLE, S.UNDELIVERED),
        (MessageState.DELETED, S.UNDELIVERED),
        (MessageState.REJECTED, S.UNDELIVERED),
        (MessageState.SKIPPED, S.UNDELIVERED),
        (MessageState.ENROUTE, None),
        (MessageState.ACCEPTED, None),
        (MessageState.UNKNOWN, None),
        (MessageState.SCHEDULED, None),
    ],
)
def test_receipt_states(state: MessageState, leads_to: State | None) -> None:
    assert RECEIPT_STATES[state] is leads_to


def test_every_receipt_state_has_its_line_and_is_reachable() -> None:
    assert set(RECEIPT_STATES) == set(MessageState)
    for outcome in set(RECEIPT_STATES.values()) - {None}:
        for waiting in (S.SUBMITTING, S.SENT, S.IN_DOUBT, S.QUEUED):
            assert outcome in TRANSITIONS[waiting], (waiting, outcome)


@pytest.mark.parametrize(
    ("segments", "state"),
    [
        ([(S.QUEUED, None)], S.QUEUED),
        ([(S.DELIVERED, 5)], S.DELIVERED),
        # all delivered, or it is not delivered
        ([(S.DELIVERED, 5), (S.DELIVERED, 6)], S.DELIVERED),
        ([(S.DELIVERED, 5), (S.SENT, None)], S.SENT),
        ([(S.DELIVERED, 5), (S.QUEUED, None)], S.QUEUED),
        # the least advanced of those that wait speaks
        ([(S.SENT, None), (S.SUBMITTING, None)], S.SUBMITTING),
        ([(S.SENT, None), (S.QUEUED, None), (S.SUBMITTING, None)], S.QUEUED),
        ([(S.SCHEDULED, None), (S.SCHEDULED, None)], S.SCHEDULED),
        # doubt is shown before all that waits
        ([(S.IN_DOUBT, None), (S.QUEUED, None)], S.IN_DOUBT),
        ([(S.SENT, None), (S.IN_DOUBT, None), (S.DELIVERED, 5)], S.IN_DOUBT),
        # one bad end is the message's, whatever the others do
        ([(S.UNDELIVERED, 9), (S.SENT, None)], S.UNDELIVERED),
        ([(S.DELIVERED, 1), (S.UNDELIVERED, 9)], S.UNDELIVERED),
        ([(S.IN_DOUBT, None), (S.FAILED, 9)], S.FAILED),
        # the first bad end wins, not the first part, nor the worst
        ([(S.FAILED, 9), (S.EXPIRED, 8)], S.EXPIRED),
        ([(S.EXPIRED, 8), (S.FAILED, 9)], S.EXPIRED),
        ([(S.UNDELIVERED, 10), (S.CANCELLED, 11), (S.EXPIRED, 9)], S.EXPIRED),
        # in the same millisecond: the first part
        ([(S.FAILED, 9), (S.EXPIRED, 9)], S.FAILED),
    ],
)
def test_message_state(segments: list[tuple[State, int | None]], state: State) -> None:
    assert message_state(segments) is state


def test_message_state_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one segment"):
        message_state([])


def test_message_state_is_monotone() -> None:
    """From every pair of segment states, every allowed step of one of them keeps a final state of the message."""
    for before in itertools.product(State, repeat=2):
        # Ends that are there came at 1; what ends now ends at 2.
        pair = [(state, 1 if state in FINAL else None) for state in before]
        was = message_state(pair)
        for i, state in enumerate(before):
            for following in TRANSITIONS[state]:
                after = list(pair)
                after[i] = (following, 2 if following in FINAL else None)
                now = message_state(after)
                if was in FINAL:
                    assert now is was, (before, i, following)
                if now is S.DELIVERED:
                    assert all(s is S.DELIVERED for s, _ in after)
                if following in BAD_ENDS:
                    assert now in BAD_ENDS


def test_reasons_are_words_with_an_explanation() -> None:
    for word, meaning in REASONS.items():
        assert word == "_".join(word.lower().split())
        assert len(meaning) > 10
    # those that the design names
    assert {
        "invalid_to", "no_sender", "no_route", "ref_conflict", "not_found", "queue_full", "store_unavailable",
        "stopping", "no_receipt", "expired_unsent",
    } <= set(REASONS)  # fmt: skip
