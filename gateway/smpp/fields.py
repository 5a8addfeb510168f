"""The mandatory fields of each PDU as a table (SMPP 3.4 §4), and their writing.

Lengths of C-octet strings count the terminator, as in the specification.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.smpp import pdu as p
from gateway.smpp.pdu import Address, Pdu


class CString(NamedTuple):
    """Text ended by a NUL, of at most so many octets."""

    most: int


class Time(NamedTuple):
    """Empty, or a time of 16 characters (§7.1.1); a NUL ends either."""


class Octet(NamedTuple):
    """An integer of one octet."""


class AddressField(NamedTuple):
    """TON, NPI and a C-octet string of at most so many octets."""

    most: int


class ShortMessage(NamedTuple):
    """sm_length in one octet, then so many octets of text, at most 254 (§5.2.21, §5.2.22)."""


Field = CString | Time | Octet | AddressField | ShortMessage

# §4.1.1 has 9 octets for the password; carriers that hand out longer ones exist, and take them.
LONG_PASSWORD: Final = 65

_BIND: Final[dict[str, Field]] = {
    "system_id": CString(16),
    "password": CString(LONG_PASSWORD),
    "system_type": CString(13),
    "interface_version": Octet(),
    "address_range": AddressField(41),
}
_BIND_RESP: Final[dict[str, Field]] = {"system_id": CString(16)}
_MESSAGE: Final[dict[str, Field]] = {
    "service_type": CString(6),
    "source": AddressField(21),
    "destination": AddressField(21),
    "esm_class": Octet(),
    "protocol_id": Octet(),
    "priority_flag": Octet(),
    "schedule_delivery_time": Time(),
    "validity_period": Time(),
    "registered_delivery": Octet(),
    "replace_if_present_flag": Octet(),
    "data_coding": Octet(),
    "sm_default_msg_id": Octet(),
    "short_message": ShortMessage(),
}
_MESSAGE_RESP: Final[dict[str, Field]] = {"message_id": CString(65)}

LAYOUTS: Final[dict[type[Pdu], dict[str, Field]]] = {
    p.BindTransmitter: _BIND,
    p.BindReceiver: _BIND,
    p.BindTransceiver: _BIND,
    p.BindTransmitterResp: _BIND_RESP,
    p.BindReceiverResp: _BIND_RESP,
    p.BindTransceiverResp: _BIND_RESP,
    p.Outbind: {"system_id": CString(16), "password": CString(9)},
    p.Unbind: {},
    p.UnbindResp: {},
    p.SubmitSm: _MESSAGE,
    p.DeliverSm: _MESSAGE,
    p.SubmitSmResp: _MESSAGE_RESP,
    p.DeliverSmResp: _MESSAGE_RESP,
    p.DataSm: {
        "service_type": CString(6),
        "source": AddressField(65),
        "destination": AddressField(65),
        "esm_class": Octet(),
        "registered_delivery": Octet(),
        "data_coding": Octet(),
    },
    p.DataSmResp: _MESSAGE_RESP,
    p.EnquireLink: {},
    p.EnquireLinkResp: {},
    p.AlertNotification: {"source": AddressField(65), "esme_addr": AddressField(65)},
    p.GenericNack: {},
}
"""Fields in the order of the octets; TLVs follow them where a PDU has any."""


def write_fields(pdu: Pdu) -> bytes:
    """Octets of the mandatory fields. Raises ValueError naming the first field that cannot hold its value."""
    return b"".join([_write(name, field, getattr(pdu, name)) for name, field in LAYOUTS[type(pdu)].items()])


def check_fields(pdu: Pdu) -> None:
    """Raises ValueError naming the first field that cannot hold its value, if there is one."""
    write_fields(pdu)


def _write(name: str, field: Field, value: object) -> bytes:
    match field:
        case Octet():
            return _octet(name, value)
        case CString(most):
            return _c_string(name, value, most)
        case Time():
            if value != "" and (not isinstance(value, str) or len(value) != 16):
                raise ValueError(f"{name}: {value!r} is neither empty nor of 16 characters")
            return _c_string(name, value, 17)
        case AddressField(most):
            if not isinstance(value, Address):
                raise ValueError(f"{name}: {type(value).__name__} is not an Address")  # noqa: TRY004
            ton, npi = _octet(f"{name} ton", value.ton), _octet(f"{name} npi", value.npi)
            return ton + npi + _c_string(f"{name} addr", value.addr, most)
        case ShortMessage():
            if not isinstance(value, bytes) or len(value) > 254:
                raise ValueError(f"{name}: bytes, at most 254 of them; beyond that message_payload")
            return bytes((len(value),)) + value


def _octet(name: str, value: object) -> bytes:
    if not isinstance(value, int) or not 0 <= value <= 255:
        raise ValueError(f"{name}: {value!r} does not fit in one octet")
    return bytes((value,))


def _c_string(name: str, value: object, most: int) -> bytes:
    # The value is not in the message: a field can be a password.
    if not isinstance(value, str):
        raise ValueError(f"{name}: {type(value).__name__} is not text")  # noqa: TRY004
    if len(value) >= most:
        raise ValueError(f"{name}: {len(value)} characters, at most {most - 1} fit")
    if "\0" in value:
        raise ValueError(f"{name}: a NUL within the text")
    try:
        return value.encode("latin-1") + b"\0"
    except UnicodeEncodeError:
        raise ValueError(f"{name}: characters beyond latin-1") from None
