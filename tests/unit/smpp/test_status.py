"""command_status: the table of the specifications, written out here once more."""

from __future__ import annotations

import pytest
from smpplib import consts

from gateway.smpp import constants
from gateway.smpp.status import (
    CLASSES,
    VENDOR,
    CommandStatus,
    StatusClass,
    is_temporary,
    status_class,
    status_name,
    status_text,
)

# §5.1.3
STATUSES_34 = {
    "ROK": 0x00, "RINVMSGLEN": 0x01, "RINVCMDLEN": 0x02, "RINVCMDID": 0x03, "RINVBNDSTS": 0x04,
    "RALYBND": 0x05, "RINVPRTFLG": 0x06, "RINVREGDLVFLG": 0x07, "RSYSERR": 0x08, "RINVSRCADR": 0x0A,
    "RINVDSTADR": 0x0B, "RINVMSGID": 0x0C, "RBINDFAIL": 0x0D, "RINVPASWD": 0x0E, "RINVSYSID": 0x0F,
    "RCANCELFAIL": 0x11, "RREPLACEFAIL": 0x13, "RMSGQFUL": 0x14, "RINVSERTYP": 0x15, "RINVNUMDESTS": 0x33,
    "RINVDLNAME": 0x34, "RINVDESTFLAG": 0x40, "RINVSUBREP": 0x42, "RINVESMCLASS": 0x43, "RCNTSUBDL": 0x44,
    "RSUBMITFAIL": 0x45, "RINVSRCTON": 0x48, "RINVSRCNPI": 0x49, "RINVDSTTON": 0x50, "RINVDSTNPI": 0x51,
    "RINVSYSTYP": 0x53, "RINVREPFLAG": 0x54, "RINVNUMMSGS": 0x55, "RTHROTTLED": 0x58, "RINVSCHED": 0x61,
    "RINVEXPIRY": 0x62, "RINVDFTMSGID": 0x63, "RX_T_APPN": 0x64, "RX_P_APPN": 0x65, "RX_R_APPN": 0x66,
    "RQUERYFAIL": 0x67, "RINVOPTPARSTREAM": 0xC0, "ROPTPARNOTALLWD": 0xC1, "RINVPARLEN": 0xC2,
    "RMISSINGOPTPARAM": 0xC3, "RINVOPTPARAMVAL": 0xC4, "RDELIVERYFAILURE": 0xFE, "RUNKNOWNERR": 0xFF,
}  # fmt: skip
# 5.0 §4.7.6, table 4-45: what it adds, and the five that it calls otherwise
STATUSES_50 = {
    "RSERTYPUNAUTH": 0x100, "RPROHIBITED": 0x101, "RSERTYPUNAVAIL": 0x102, "RSERTYPDENIED": 0x103,
    "RINVDCS": 0x104, "RINVSRCADDRSUBUNIT": 0x105, "RINVDSTADDRSUBUNIT": 0x106, "RINVBCASTFREQINT": 0x107,
    "RINVBCASTALIAS_NAME": 0x108, "RINVBCASTAREAFMT": 0x109, "RINVNUMBCAST_AREAS": 0x10A,
    "RINVBCASTCNTTYPE": 0x10B, "RINVBCASTMSGCLASS": 0x10C, "RBCASTFAIL": 0x10D, "RBCASTQUERYFAIL": 0x10E,
    "RBCASTCANCELFAIL": 0x10F, "RINVBCAST_REP": 0x110, "RINVBCASTSRVGRP": 0x111, "RINVBCASTCHANIND": 0x112,
}  # fmt: skip
RENAMED_50 = {
    "RINVTLVSTREAM": 0xC0, "RTLVNOTALLWD": 0xC1, "RINVTLVLEN": 0xC2, "RMISSINGTLV": 0xC3, "RINVTLVVAL": 0xC4,
}  # fmt: skip


def test_every_status_of_both_versions() -> None:
    named = {status.name.removeprefix("ESME_"): status.value for status in CommandStatus}
    assert named == STATUSES_34 | STATUSES_50
    every = {name.removeprefix("ESME_"): int(status) for name, status in CommandStatus.__members__.items()}
    assert every == named | RENAMED_50


def test_codes_are_those_of_smpplib_where_it_has_them() -> None:
    theirs = {name: code for name, code in vars(consts).items() if name.startswith("SMPP_ESME_R")}
    assert theirs == {f"SMPP_ESME_{name}": code for name, code in STATUSES_34.items()}


def test_one_table_wherever_it_is_taken_from() -> None:
    assert constants.CommandStatus is CommandStatus
    assert constants.status_name is status_name


# --- classes ---

OF_A_CLASS = {
    StatusClass.OK: {0x00},
    StatusClass.TEMPORARY: {0x04, 0x08, 0x64},
    StatusClass.WINDOW: {0x14, 0x58},
    StatusClass.CREDENTIALS: {0x05, 0x0D, 0x0E, 0x0F, 0x53},
}


def test_the_class_of_every_code() -> None:
    assert set(CLASSES) == set((STATUSES_34 | STATUSES_50).values())
    for kind, codes in OF_A_CLASS.items():
        assert {code for code in range(0x600) if status_class(code) is kind} == codes
    others = set(range(0x600)) - set().union(*OF_A_CLASS.values())
    assert {status_class(code) for code in others} == {StatusClass.PERMANENT}


def test_what_may_be_tried_again() -> None:
    again = OF_A_CLASS[StatusClass.TEMPORARY] | OF_A_CLASS[StatusClass.WINDOW]
    assert {code for code in range(0x600) if is_temporary(code)} == again


def test_a_carrier_may_mean_something_else_by_a_code() -> None:
    own = {**CLASSES, 0x400: StatusClass.WINDOW, 0x45: StatusClass.TEMPORARY}
    assert status_class(0x400, own) is StatusClass.WINDOW
    assert status_class(0x45, own) is StatusClass.TEMPORARY
    assert status_class(0x58, own) is StatusClass.WINDOW
    assert status_class(0x401, own) is StatusClass.PERMANENT
    assert status_class(0x45) is StatusClass.PERMANENT


# --- words ---


@pytest.mark.parametrize("status", CommandStatus)
def test_every_status_has_a_name_and_words(status: CommandStatus) -> None:
    assert status_name(status) == status.name
    assert status_text(status) == status.text
    assert "<" not in status.text
    assert status.text[:1].isupper() or status.text.partition(" ")[0].endswith("_sm")


def test_words_tell_statuses_apart() -> None:
    assert len({status.text for status in CommandStatus}) == len(CommandStatus)


def test_a_status_that_is_in_no_specification() -> None:
    assert (VENDOR[0], VENDOR[-1]) == (0x400, 0x4FF)  # §5.1.3
    assert status_name(0x400) == "0x00000400"
    assert status_text(0x3FF) == "Unknown status 0x000003FF"
    assert status_text(0x400) == "Carrier's own error 0x00000400"
    assert status_text(0x4FF) == "Carrier's own error 0x000004FF"
    assert status_text(0x500) == "Unknown status 0x00000500"
    assert status_text(0xFFFFFFFF) == "Unknown status 0xFFFFFFFF"
