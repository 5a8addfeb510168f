"""The mandatory fields of each PDU as a table (SMPP 3.4 §4, SMPP 5.0 §4), and their writing and reading by it.

Lengths of C-octet strings count the terminator, as in the specification.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from gateway.smpp.pdu import Address, Destination, DistributionList, Pdu, Unsuccessful


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


class Destinations(NamedTuple):
    """number_of_dests in one octet, then so many of dest_flag and an address or the name of a list (§4.5.1.1)."""


class Failures(NamedTuple):
    """no_unsuccess in one octet, then so many of an address and its error_status_code (§4.5.2.1)."""


Field = CString | Time | Octet | AddressField | ShortMessage | Destinations | Failures

MOST_DESTINATIONS: Final = 254
"""§5.2.24. 5.0 has 255 (§4.7.17), and as many are read."""
SME_ADDRESS: Final = 1
DISTRIBUTION_LIST: Final = 2
"""dest_flag (§5.2.25)."""
_ADDR: Final = 21
_DL_NAME: Final = 21  # §5.2.27


class FieldFault(Exception):
    """A field has a value that the specification has an own command_status for: `status`."""

    def __init__(self, status: CommandStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


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
_MESSAGE_ID: Final[dict[str, Field]] = {"message_id": CString(65)}
_QUERY: Final[dict[str, Field]] = {**_MESSAGE_ID, "source": AddressField(21)}

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
    p.SubmitSmResp: _MESSAGE_ID,
    p.DeliverSmResp: _MESSAGE_ID,
    p.DataSm: {
        "service_type": CString(6),
        "source": AddressField(65),
        "destination": AddressField(65),
        "esm_class": Octet(),
        "registered_delivery": Octet(),
        "data_coding": Octet(),
    },
    p.DataSmResp: _MESSAGE_ID,
    p.SubmitMulti: {
        # §4.5.1: as submit_sm, with a list of destinations in place of the one.
        ("destinations" if name == "destination" else name): Destinations() if name == "destination" else field
        for name, field in _MESSAGE.items()
    },
    p.SubmitMultiResp: {**_MESSAGE_ID, "unsuccessful": Failures()},
    p.QuerySm: _QUERY,
    p.QuerySmResp: {**_MESSAGE_ID, "final_date": Time(), "message_state": Octet(), "error_code": Octet()},
    p.CancelSm: {"service_type": CString(6), **_QUERY, "destination": AddressField(21)},
    p.CancelSmResp: {},
    p.ReplaceSm: {
        **_QUERY,
        "schedule_delivery_time": Time(),
        "validity_period": Time(),
        "registered_delivery": Octet(),
        "sm_default_msg_id": Octet(),
        "short_message": ShortMessage(),
    },
    p.ReplaceSmResp: {},
    p.BroadcastSm: {
        "service_type": CString(6),
        "source": AddressField(21),
        "message_id": CString(65),
        "priority_flag": Octet(),
        "schedule_delivery_time": Time(),
        "validity_period": Time(),
        "replace_if_present_flag": Octet(),
        "data_coding": Octet(),
        "sm_default_msg_id": Octet(),
    },
    p.BroadcastSmResp: _MESSAGE_ID,
    p.QueryBroadcastSm: _QUERY,
    p.QueryBroadcastSmResp: _MESSAGE_ID,
    p.CancelBroadcastSm: {"service_type": CString(6), **_QUERY},
    p.CancelBroadcastSmResp: {},
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
            return _address(name, value, most)
        case ShortMessage():
            if not isinstance(value, bytes) or len(value) > 254:
                raise ValueError(f"{name}: bytes, at most 254 of them; beyond that message_payload")
            return bytes((len(value),)) + value
        case Destinations():
            return _destinations(name, value)
        case Failures():
            return _failures(name, value)


def _destinations(name: str, value: object) -> bytes:
    if not isinstance(value, tuple) or not 0 < len(value) <= MOST_DESTINATIONS:
        raise ValueError(f"{name}: a tuple of 1 to {MOST_DESTINATIONS} destinations")
    parts = [bytes((len(value),))]
    for index, destination in enumerate(value):
        name_of_this = f"{name}[{index}]"
        if isinstance(destination, DistributionList):
            parts.append(bytes((DISTRIBUTION_LIST,)) + _c_string(name_of_this, destination.name, _DL_NAME))
        else:
            parts.append(bytes((SME_ADDRESS,)) + _address(name_of_this, destination, _ADDR))
    return b"".join(parts)


def _failures(name: str, value: object) -> bytes:
    if not isinstance(value, tuple) or len(value) > 255:
        raise ValueError(f"{name}: a tuple of at most 255")
    parts = [bytes((len(value),))]
    for index, failure in enumerate(value):
        if not isinstance(failure, Unsuccessful):
            raise ValueError(f"{name}[{index}]: {type(failure).__name__} is not an Unsuccessful")  # noqa: TRY004
        parts.append(_address(f"{name}[{index}]", failure.address, _ADDR))
        status: object = failure.status
        if not isinstance(status, int) or not 0 <= status <= 0xFFFF_FFFF:
            raise ValueError(f"{name}[{index}] status: {status!r} does not fit in four octets")
        parts.append(status.to_bytes(4, "big"))
    return b"".join(parts)


def _address(name: str, value: object, most: int) -> bytes:
    if not isinstance(value, Address):
        raise ValueError(f"{name}: {type(value).__name__} is not an Address")  # noqa: TRY004
    ton, npi = _octet(f"{name} ton", value.ton), _octet(f"{name} npi", value.npi)
    return ton + npi + _c_string(f"{name} addr", value.addr, most)


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


def read_fields(
    layout: dict[str, Field], frame: bytes, position: int, values: dict[str, Any], *, lenient: bool = False
) -> int:
    """Reads the mandatory fields from `position` into `values`; returns where they end.

    Text longer than the table has is read. Raises ValueError or IndexError where the frame ends within them, and
    FieldFault. When lenient, as responses are, the fields before that are the result, and text without a
    terminator is read to the end.
    """
    for name, field in layout.items():
        try:
            values[name], position = _read(field, frame, position)
        except (ValueError, IndexError):
            if not lenient:
                raise
            if isinstance(field, CString | Time) and position < len(frame):
                values[name] = str(frame[position:], "latin-1")
            return len(frame)
    return position


def _read(field: Field, frame: bytes, position: int) -> tuple[Any, int]:
    match field:
        case Octet():
            return frame[position], position + 1
        case CString() | Time():
            return read_c_string(frame, position)
        case AddressField():
            return read_address(frame, position)
        case ShortMessage():
            length = frame[position]
            position += 1
            end = position + length
            if end > len(frame):
                raise FieldFault(
                    CommandStatus.ESME_RINVMSGLEN, f"sm_length {length}, and {len(frame) - position} octets are left"
                )
            return frame[position:end], end
        case Destinations():
            return _read_destinations(frame, position)
        case Failures():
            return _read_failures(frame, position)


def read_c_string(frame: bytes, position: int) -> tuple[str, int]:
    """Text from `position` to its terminator, and where the next field is. Raises ValueError without one."""
    end = frame.index(0, position)
    return str(frame[position:end], "latin-1"), end + 1


def read_address(frame: bytes, position: int) -> tuple[Address, int]:
    """TON, NPI and address from `position`, and where the next field is."""
    addr, following = read_c_string(frame, position + 2)
    return Address(frame[position], frame[position + 1], addr), following


def _read_destinations(frame: bytes, position: int) -> tuple[tuple[Destination, ...], int]:
    count = frame[position]
    position += 1
    if not count:
        raise FieldFault(CommandStatus.ESME_RINVNUMDESTS, "number_of_dests is 0")
    found: list[Destination] = []
    for index in range(count):
        flag = frame[position]
        if flag == SME_ADDRESS:
            address, position = read_address(frame, position + 1)
            found.append(address)
        elif flag == DISTRIBUTION_LIST:
            name, position = read_c_string(frame, position + 1)
            found.append(DistributionList(name))
        else:
            raise FieldFault(CommandStatus.ESME_RINVDESTFLAG, f"dest_flag {flag} of destination {index + 1} of {count}")
    return tuple(found), position


def _read_failures(frame: bytes, position: int) -> tuple[tuple[Unsuccessful, ...], int]:
    # Only in a response, of which what is whole is taken.
    count = frame[position]
    position += 1
    found: list[Unsuccessful] = []
    for _ in range(count):
        try:
            address, after = read_address(frame, position)
        except ValueError:
            return tuple(found), len(frame)
        if after + 4 > len(frame):
            return tuple(found), len(frame)
        found.append(Unsuccessful(address, int.from_bytes(frame[after : after + 4], "big")))
        position = after + 4
    return tuple(found), position
