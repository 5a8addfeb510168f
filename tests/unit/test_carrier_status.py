"""What a command_status in a response means for a segment (SMPP 3.4 §5.1.3), as a table."""

from __future__ import annotations

import pytest

from gateway.carrier.status import (
    DEFAULTS,
    FULL_WITHIN,
    MANY_FULL,
    Action,
    FullQueues,
    Statuses,
    refuses_account,
)
from gateway.settings.carrier.statuses import ACTIONS
from gateway.smpp.constants import CommandStatus as S

RETRIED = (S.ESME_RX_T_APPN, S.ESME_RSYSERR, S.ESME_RINVBNDSTS)
"""Of the field notes, besides ESME_RTHROTTLED and ESME_RMSGQFUL."""


def action(status: int) -> Action:
    return Statuses().action(status)


def test_ok_is_sent() -> None:
    assert action(0) is Action.SENT


def test_throttling_pauses_the_carrier_and_a_full_queue_its_peer() -> None:
    assert action(0x58) is Action.THROTTLE
    assert action(0x14) is Action.QUEUE_FULL


@pytest.mark.parametrize("status", RETRIED)
def test_temporary_ones_are_tried_again(status: S) -> None:
    assert action(status) is Action.RETRY


@pytest.mark.parametrize(
    "status", [s for s in S if s not in (*RETRIED, S.ESME_ROK, S.ESME_RTHROTTLED, S.ESME_RMSGQFUL)]
)
def test_all_others_of_the_specification_are_final(status: S) -> None:
    assert action(status) in (Action.REFUSE, Action.REROUTE)


@pytest.mark.parametrize(
    "status",
    [
        *(S.ESME_RINVDSTADR, S.ESME_RINVDSTTON, S.ESME_RINVDSTNPI, S.ESME_RINVDSTADDRSUBUNIT),
        *(S.ESME_RX_P_APPN, S.ESME_RX_R_APPN, S.ESME_RDELIVERYFAILURE),
    ],
)
def test_what_speaks_of_the_destination_or_the_content_is_not_taken_elsewhere(status: S) -> None:
    assert action(status) is Action.REFUSE


@pytest.mark.parametrize("status", [S.ESME_RINVSRCADR, S.ESME_RPROHIBITED, S.ESME_RSUBMITFAIL, S.ESME_RINVDCS])
def test_what_speaks_of_the_account_or_the_form_may_be_taken_elsewhere(status: S) -> None:
    assert action(status) is Action.REROUTE


@pytest.mark.parametrize("status", [0x17, 0x3FF, 0x400, 0x4FF, 0x500, 0xFFFFFFFF])
def test_what_nobody_knows_is_final(status: int) -> None:
    assert action(status) is Action.REFUSE


def test_a_carrier_has_its_own() -> None:
    own = Statuses({"0x58": "retry", "ESME_RSYSERR": "throttle", "1024": "queue_full", "ESME_RINVDSTADR": "reroute"})
    assert [own.action(s) for s in (0x58, 0x08, 0x400, 0x0B)] == [
        *(Action.RETRY, Action.THROTTLE, Action.QUEUE_FULL, Action.REROUTE)
    ]
    others = [s for s in S if s not in (0x58, 0x08, 0x400, 0x0B)]
    assert [own.action(s) for s in others] == [action(s) for s in others]


def test_every_action_has_its_word_in_the_settings() -> None:
    assert tuple(a.value for a in Action) == ACTIONS
    assert set(DEFAULTS.values()) <= set(Action)


def full(queues: FullQueues, peers: int, at: float = 0.0, apart: float = 0.0) -> list[bool]:
    return [queues.full(f"+1212555{i:04}", at + i * apart) for i in range(peers)]


def test_many_full_peers_in_a_short_time_are_the_carrier() -> None:
    assert full(FullQueues(), MANY_FULL, apart=FULL_WITHIN / MANY_FULL) == [False] * (MANY_FULL - 1) + [True]


def test_many_full_peers_in_a_long_time_are_phones() -> None:
    assert not any(full(FullQueues(), 100, apart=1.01 * FULL_WITHIN / (MANY_FULL - 1)))


def test_one_peer_is_counted_once() -> None:
    queues = FullQueues()
    assert not any(queues.full("+12125550000", 0.01 * i) for i in range(100))


def test_a_carrier_that_takes_others_is_not_full() -> None:
    queues = FullQueues()
    for i in range(100):
        assert not queues.full(f"+1212555{i:04}", 0.01 * i)
        queues.taken(1)


def test_the_next_pause_needs_as_many_again() -> None:
    queues = FullQueues()
    assert full(queues, 2 * MANY_FULL).count(True) == 2


def test_what_refuses_the_account_at_a_bind() -> None:
    refusals = {S.ESME_RINVPASWD, S.ESME_RINVSYSID, S.ESME_RBINDFAIL, S.ESME_RINVSYSTYP, S.ESME_RALYBND}
    assert {code for code in range(0x600) if refuses_account(code)} == refusals
