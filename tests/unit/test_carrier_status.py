"""What a command_status in a response means for a segment (SMPP 3.4 §5.1.3), as a table."""

from __future__ import annotations

import pytest

from gateway.carrier.status import Verdict, reason, refuses_account, verdict
from gateway.model import REASONS
from gateway.smpp.constants import CommandStatus as S

TEMPORARY = (S.ESME_RMSGQFUL, S.ESME_RX_T_APPN, S.ESME_RSYSERR, S.ESME_RINVBNDSTS)
"""Of the field notes, besides ESME_RTHROTTLED."""


def test_ok_is_sent() -> None:
    assert verdict(0) is Verdict.SENT


def test_throttling_pauses_the_carrier() -> None:
    assert verdict(0x58) is Verdict.THROTTLED


@pytest.mark.parametrize("status", TEMPORARY)
def test_temporary_ones_are_tried_again(status: S) -> None:
    assert verdict(status) is Verdict.RETRY


@pytest.mark.parametrize("status", [s for s in S if s not in (*TEMPORARY, S.ESME_ROK, S.ESME_RTHROTTLED)])
def test_all_others_of_the_table_are_final(status: S) -> None:
    assert verdict(status) is Verdict.REFUSED


@pytest.mark.parametrize("status", [0x100, 0x3FF, 0x400, 0x4FF, 0x500, 0xFFFFFFFF])
def test_what_nobody_knows_is_final(status: int) -> None:
    assert verdict(status) is Verdict.REFUSED
    assert reason(status) == "carrier_refused"


def test_what_refuses_the_account_at_a_bind() -> None:
    refusals = {S.ESME_RINVPASWD, S.ESME_RINVSYSID, S.ESME_RBINDFAIL, S.ESME_RINVSYSTYP, S.ESME_RALYBND}
    assert {code for code in range(0x600) if refuses_account(code)} == refusals


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (S.ESME_RINVDSTADR, "invalid_destination"),
        (S.ESME_RINVDSTTON, "invalid_destination"),
        (S.ESME_RINVDSTNPI, "invalid_destination"),
        (S.ESME_RINVSRCADR, "sender_refused"),
        (S.ESME_RINVSRCTON, "sender_refused"),
        (S.ESME_RINVSRCNPI, "sender_refused"),
        (S.ESME_RSUBMITFAIL, "carrier_refused"),
        (S.ESME_RINVESMCLASS, "carrier_refused"),
    ],
)
def test_reasons(status: S, expected: str) -> None:
    assert reason(status) == expected


@pytest.mark.parametrize("status", list(S))
def test_every_reason_is_of_the_documented_list(status: S) -> None:
    assert reason(status) in REASONS
