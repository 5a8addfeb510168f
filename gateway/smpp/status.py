"""Every command_status of SMPP 3.4 §5.1.3 and 5.0 §4.7.6 as one table: code, class, and what it means in words."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class StatusClass(StrEnum):
    """What a status asks of the end that sent the request."""

    OK = "ok"
    TEMPORARY = "temporary"
    """The same request may succeed later."""
    PERMANENT = "permanent"
    """The same request will fail again."""
    CREDENTIALS = "credentials"
    """The account was refused: only a person can mend that, so to try again soon is to hammer."""
    WINDOW = "window"
    """Too much at once: pause, then the same request again."""


_OK: Final = StatusClass.OK
_TEMPORARY: Final = StatusClass.TEMPORARY
_PERMANENT: Final = StatusClass.PERMANENT
_CREDENTIALS: Final = StatusClass.CREDENTIALS
_WINDOW: Final = StatusClass.WINDOW


class CommandStatus(IntEnum):
    """command_status of a response, also error_status_code of a submit_multi_resp.

    The names are those of 3.4; 5.0 has others for 0xC0 to 0xC4, which are aliases here. From 0x100 on they are 5.0's.
    """

    kind: StatusClass
    text: str

    # With the code alone it is looked up, and the type checker is to know.
    def __new__(cls, code: int, kind: StatusClass = _PERMANENT, text: str = "") -> CommandStatus:
        status = int.__new__(cls, code)
        status._value_ = code
        status.kind = kind
        status.text = text
        return status

    ESME_ROK = 0x00, _OK, "No error"
    ESME_RINVMSGLEN = 0x01, _PERMANENT, "Message length is invalid"
    ESME_RINVCMDLEN = 0x02, _PERMANENT, "Command length is invalid"
    ESME_RINVCMDID = 0x03, _PERMANENT, "Command is not known or not supported"
    # A bind that is on its way down or up answers so to what was sent a moment too late or too early.
    ESME_RINVBNDSTS = 0x04, _TEMPORARY, "Not allowed in the state of the bind"
    # As the answer to a bind: the account has all the binds that it may have. What holds them has to go first.
    ESME_RALYBND = 0x05, _CREDENTIALS, "Already bound"
    ESME_RINVPRTFLG = 0x06, _PERMANENT, "Invalid priority_flag"
    ESME_RINVREGDLVFLG = 0x07, _PERMANENT, "Invalid registered_delivery"
    ESME_RSYSERR = 0x08, _TEMPORARY, "System error"
    ESME_RINVSRCADR = 0x0A, _PERMANENT, "Invalid source address"
    ESME_RINVDSTADR = 0x0B, _PERMANENT, "Invalid destination address"
    ESME_RINVMSGID = 0x0C, _PERMANENT, "Message id is invalid"
    ESME_RBINDFAIL = 0x0D, _CREDENTIALS, "Bind failed"
    ESME_RINVPASWD = 0x0E, _CREDENTIALS, "Invalid password"
    ESME_RINVSYSID = 0x0F, _CREDENTIALS, "Invalid system_id"
    ESME_RCANCELFAIL = 0x11, _PERMANENT, "cancel_sm failed"
    ESME_RREPLACEFAIL = 0x13, _PERMANENT, "replace_sm failed"
    ESME_RMSGQFUL = 0x14, _WINDOW, "Message queue is full"
    ESME_RINVSERTYP = 0x15, _PERMANENT, "Invalid service_type"
    ESME_RINVNUMDESTS = 0x33, _PERMANENT, "Invalid number of destinations"
    ESME_RINVDLNAME = 0x34, _PERMANENT, "Invalid name of a distribution list"
    ESME_RINVDESTFLAG = 0x40, _PERMANENT, "Invalid dest_flag"
    ESME_RINVSUBREP = 0x42, _PERMANENT, "Submit with replace is not supported or not allowed here"
    ESME_RINVESMCLASS = 0x43, _PERMANENT, "Invalid esm_class"
    ESME_RCNTSUBDL = 0x44, _PERMANENT, "Cannot submit to a distribution list"
    ESME_RSUBMITFAIL = 0x45, _PERMANENT, "Submit failed"
    ESME_RINVSRCTON = 0x48, _PERMANENT, "Invalid type of number of the source address"
    ESME_RINVSRCNPI = 0x49, _PERMANENT, "Invalid numbering plan of the source address"
    ESME_RINVDSTTON = 0x50, _PERMANENT, "Invalid type of number of the destination address"
    ESME_RINVDSTNPI = 0x51, _PERMANENT, "Invalid numbering plan of the destination address"
    ESME_RINVSYSTYP = 0x53, _CREDENTIALS, "Invalid system_type"
    ESME_RINVREPFLAG = 0x54, _PERMANENT, "Invalid replace_if_present_flag"
    ESME_RINVNUMMSGS = 0x55, _PERMANENT, "Invalid number of messages"
    ESME_RTHROTTLED = 0x58, _WINDOW, "Too many messages at once"
    ESME_RINVSCHED = 0x61, _PERMANENT, "Invalid schedule_delivery_time"
    ESME_RINVEXPIRY = 0x62, _PERMANENT, "Invalid validity_period"
    ESME_RINVDFTMSGID = 0x63, _PERMANENT, "Predefined message is invalid or not found"
    ESME_RX_T_APPN = 0x64, _TEMPORARY, "The receiving application has a temporary problem"
    ESME_RX_P_APPN = 0x65, _PERMANENT, "The receiving application has a permanent problem"
    ESME_RX_R_APPN = 0x66, _PERMANENT, "The receiving application rejects the message"
    ESME_RQUERYFAIL = 0x67, _PERMANENT, "query_sm failed"
    ESME_RINVOPTPARSTREAM = 0xC0, _PERMANENT, "The optional parameters cannot be read"
    ESME_ROPTPARNOTALLWD = 0xC1, _PERMANENT, "Optional parameter is not allowed"
    ESME_RINVPARLEN = 0xC2, _PERMANENT, "Invalid length of an optional parameter"
    ESME_RMISSINGOPTPARAM = 0xC3, _PERMANENT, "Expected optional parameter is missing"
    ESME_RINVOPTPARAMVAL = 0xC4, _PERMANENT, "Invalid value of an optional parameter"
    ESME_RDELIVERYFAILURE = 0xFE, _PERMANENT, "Delivery failed"
    ESME_RUNKNOWNERR = 0xFF, _PERMANENT, "Unknown error"

    ESME_RSERTYPUNAUTH = 0x100, _PERMANENT, "Not authorised to use the service_type"
    ESME_RPROHIBITED = 0x101, _PERMANENT, "Prohibited from using the operation"
    ESME_RSERTYPUNAVAIL = 0x102, _PERMANENT, "The service_type is unavailable"
    ESME_RSERTYPDENIED = 0x103, _PERMANENT, "The service_type is denied"
    ESME_RINVDCS = 0x104, _PERMANENT, "Invalid data_coding"
    ESME_RINVSRCADDRSUBUNIT = 0x105, _PERMANENT, "Invalid source_addr_subunit"
    ESME_RINVDSTADDRSUBUNIT = 0x106, _PERMANENT, "Invalid dest_addr_subunit"
    ESME_RINVBCASTFREQINT = 0x107, _PERMANENT, "Invalid broadcast_frequency_interval"
    ESME_RINVBCASTALIAS_NAME = 0x108, _PERMANENT, "Invalid name of a broadcast area"
    ESME_RINVBCASTAREAFMT = 0x109, _PERMANENT, "Invalid format of a broadcast area"
    ESME_RINVNUMBCAST_AREAS = 0x10A, _PERMANENT, "Invalid number of broadcast areas"
    ESME_RINVBCASTCNTTYPE = 0x10B, _PERMANENT, "Invalid broadcast_content_type"
    ESME_RINVBCASTMSGCLASS = 0x10C, _PERMANENT, "Invalid broadcast_message_class"
    ESME_RBCASTFAIL = 0x10D, _PERMANENT, "broadcast_sm failed"
    ESME_RBCASTQUERYFAIL = 0x10E, _PERMANENT, "query_broadcast_sm failed"
    ESME_RBCASTCANCELFAIL = 0x10F, _PERMANENT, "cancel_broadcast_sm failed"
    ESME_RINVBCAST_REP = 0x110, _PERMANENT, "Invalid broadcast_rep_num"
    ESME_RINVBCASTSRVGRP = 0x111, _PERMANENT, "Invalid broadcast_service_group"
    ESME_RINVBCASTCHANIND = 0x112, _PERMANENT, "Invalid broadcast_channel_indicator"

    ESME_RINVTLVSTREAM = ESME_RINVOPTPARSTREAM
    ESME_RTLVNOTALLWD = ESME_ROPTPARNOTALLWD
    ESME_RINVTLVLEN = ESME_RINVPARLEN
    ESME_RMISSINGTLV = ESME_RMISSINGOPTPARAM
    ESME_RINVTLVVAL = ESME_RINVOPTPARAMVAL


VENDOR: Final = range(0x400, 0x500)
"""Codes that each SMSC may give a meaning of its own; all others that are not in the table are reserved."""

CLASSES: Final[Mapping[int, StatusClass]] = MappingProxyType({int(status): status.kind for status in CommandStatus})
"""The class of each code; one that is not here is PERMANENT. A carrier that means something else by a code is
`{**CLASSES, code: its class}`."""

_NAMES: Final[dict[int, str]] = {int(status): status.name for status in CommandStatus}
_TEXTS: Final[dict[int, str]] = {int(status): status.text for status in CommandStatus}
_AGAIN: Final = frozenset(code for code, kind in CLASSES.items() if kind in (_TEMPORARY, _WINDOW))


def status_name(code: int) -> str:
    """Name of a command_status, `ESME_RTHROTTLED`; of one in no specification its value, `0x00000400`."""
    return _NAMES.get(code) or f"0x{code:08X}"


def status_text(code: int) -> str:
    """What a command_status means, in words; for one that is in no specification, which range it is from."""
    text = _TEXTS.get(code)
    if text is not None:
        return text
    if code in VENDOR:
        return f"Carrier's own error 0x{code:08X}"
    return f"Unknown status 0x{code:08X}"


def status_class(code: int, classes: Mapping[int, StatusClass] = CLASSES) -> StatusClass:
    """The class of a command_status, also of one that is in no specification."""
    return classes.get(code, StatusClass.PERMANENT)


def is_temporary(code: int) -> bool:
    """Whether a refusal with this command_status may be tried again; all others are final."""
    return code in _AGAIN
