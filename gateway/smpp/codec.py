"""PDUs to octets and back (SMPP 3.4 §3.2, §4, §5.2).

What goes out is strict: a value that its field cannot hold is a ValueError, before anything is sent. What
comes in is read leniently: fields longer than the specification allows, terminators missing at the end of a
response, bodies left out and unknown TLVs are all in the field.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.smpp.constants import CommandId, CommandStatus
from gateway.smpp.errors import PduError, RecoverablePduError, UnrecoverablePduError
from gateway.smpp.fields import FieldFault
from gateway.smpp.framing import HEADER_LENGTH, MAX_PDU, FrameBuffer
from gateway.smpp.pdu import Pdu
from gateway.smpp.readers import READERS
from gateway.smpp.tlv import TlvError
from gateway.smpp.writers import WRITERS

__all__ = [
    "HEADER_LENGTH",
    "MAX_PDU",
    "FrameBuffer",
    "PduError",
    "RecoverablePduError",
    "UnrecoverablePduError",
    "command_name",
    "decode",
    "encode",
]

read_header: Final = struct.Struct(">IIII").unpack_from
"""command_length, command_id, command_status and sequence_number of a frame (§3.2)."""
reader_of: Final = READERS.__getitem__
"""What reads the frames of a command_id; raises some of `UNREADABLE`, as that itself does."""
UNREADABLE: Final = (LookupError, ValueError, FieldFault, struct.error)
"""Raised for a frame of which `decode` says what is wrong with it."""


def encode(pdu: Pdu, sequence: int, status: int = 0) -> bytes:
    """Octets of one PDU.

    A response to a bind or to a submit goes without its body when the status is not ESME_ROK (§4.1.2,
    §4.4.2), unless it has TLVs or, of submit_multi, destinations, that say more of the error. Raises ValueError naming
    the field that cannot hold its value.
    """
    try:
        writer = WRITERS[type(pdu)]
    except KeyError:
        raise ValueError(f"{type(pdu).__name__} is not a PDU") from None
    return writer(pdu, sequence, status)


def decode(frame: bytes) -> tuple[int, int, Pdu]:
    """Sequence number, command_status and PDU of one frame, as `FrameBuffer` gives it.

    Raises RecoverablePduError when the command is not known or its body cannot be read,
    UnrecoverablePduError when the frame is not as long as it says. Nothing else, whatever the octets.
    """
    if len(frame) < HEADER_LENGTH:
        raise UnrecoverablePduError(f"{len(frame)} octets are no PDU")
    length, command_id, status, sequence = read_header(frame)
    if length != len(frame):
        raise UnrecoverablePduError(f"command_length {length} in a frame of {len(frame)} octets")
    if command_id not in READERS:
        raise RecoverablePduError(
            CommandStatus.ESME_RINVCMDID, sequence, command_id, f"unknown command_id 0x{command_id:08X}"
        )
    try:
        return sequence, status, reader_of(command_id)(frame)
    except TlvError as error:
        fault, detail = CommandStatus.ESME_RINVOPTPARSTREAM, str(error)
    except FieldFault as error:
        fault, detail = error.status, str(error)
    except (ValueError, IndexError, struct.error):
        # No terminator where one must be, or no octet at all.
        fault = CommandStatus.ESME_RINVCMDLEN
        detail = f"{length - HEADER_LENGTH} octets of body end within the mandatory fields"
    raise RecoverablePduError(fault, sequence, command_id, f"{command_name(command_id)}: {detail}")


def command_name(command_id: int) -> str:
    """Name of a command as in the specification, `submit_sm`, or its value."""
    return _NAMES.get(command_id) or f"0x{command_id:08X}"


_NAMES: Final[dict[int, str]] = {int(command): command.name.lower() for command in CommandId}
