"""What Wireshark's SMPP dissector has to show of a PDU of ours, by the fields of the specification.

A table for each kind of field; `expected` walks a PDU by it. What the dissector shows otherwise than the
specification has it stands in `wireshark_differences`.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec

from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Address, Pdu, Tlv
from gateway.smpp.tlv import TLVS, TlvType, write_tlvs
from tests.foreign.wireshark_differences import MISREAD, UNREAD
from tests.support.tshark import Fields

HEADER = ("smpp.command_length", "smpp.command_id", "smpp.command_status", "smpp.sequence_number")
ADDRESSES = {
    "source": ("smpp.source_addr_ton", "smpp.source_addr_npi", "smpp.source_addr"),
    "destination": ("smpp.dest_addr_ton", "smpp.dest_addr_npi", "smpp.destination_addr"),
    "esme_addr": ("smpp.esme_addr_ton", "smpp.esme_addr_npi", "smpp.esme_addr"),
    "address_range": ("smpp.addr_ton", "smpp.addr_npi", "smpp.address_range"),
}
STRINGS = ("system_id", "password", "system_type", "service_type", "message_id")
INTEGERS = (
    "interface_version", "protocol_id", "priority_flag", "replace_if_present_flag", "data_coding",
    "sm_default_msg_id", "message_state", "error_code",
)  # fmt: skip
TIMES = ("schedule_delivery_time", "validity_period", "final_date")
BITS = {
    # field: (bits, shift), §5.2.12 and §5.2.17
    "esm_class": {
        "smpp.esm.submit.msg_mode": (0x03, 0), "smpp.esm.submit.msg_type": (0x3C, 2),
        "smpp.esm.submit.features": (0xC0, 6),
    },
    "registered_delivery": {
        "smpp.regdel.receipt": (0x03, 0), "smpp.regdel.acks": (0x0C, 2), "smpp.regdel.notif": (0x10, 4),
    },
}  # fmt: skip
ABSENT = {"smpp.service_type": "(Default)", "smpp.address_range": "NULL"}  # the latter from Wireshark 4.2 on
"""What is shown in place of an empty text."""
TAGS, LENGTHS = "smpp.opt_param_tag", "smpp.opt_param_len"
NAMED = {
    Tag.SC_INTERFACE_VERSION: "smpp.SC_interface_version",
    Tag.SOURCE_NETWORK_ID: "smpp.source_network_id",
    Tag.DEST_ADDR_NP_INFORMATION: "smpp.dest_addr_np_info",
    Tag.DEST_ADDR_NP_COUNTRY: "smpp.dest_addr_np_country",
    Tag.BROADCAST_CONTENT_TYPE_INFO: "smpp.broadcast_content_type.info",
    Tag.BILLING_IDENTIFICATION: "smpp.billing_id",
    Tag.ALERT_ON_MESSAGE_DELIVERY: "smpp.alert_on_message_delivery_type",
}
IN_PARTS = {
    Tag.MS_MSG_WAIT_FACILITIES, Tag.CALLBACK_NUM_PRES_IND, Tag.CALLBACK_NUM_ATAG, Tag.CALLBACK_NUM,
    Tag.NETWORK_ERROR_CODE, Tag.ITS_SESSION_INFO, Tag.BROADCAST_CONTENT_TYPE, Tag.BROADCAST_FREQUENCY_INTERVAL,
    Tag.BROADCAST_AREA_IDENTIFIER, Tag.BROADCAST_END_TIME, Tag.BROADCAST_SERVICE_GROUP,
}  # fmt: skip
"""Shown in parts, or not at all: of these the tag and the length are compared, and some of the parts below."""
PARTS = {
    Tag.NETWORK_ERROR_CODE: (("smpp.network_error.type", 0, 1), ("smpp.network_error.code", 1, 3)),
    Tag.ITS_SESSION_INFO: (("smpp.its_session.number", 0, 1),),
    Tag.BROADCAST_CONTENT_TYPE: (
        ("smpp.broadcast_content_type.nw", 0, 1), ("smpp.broadcast_content_type.type", 1, 3),
    ),
    Tag.BROADCAST_FREQUENCY_INTERVAL: (
        ("smpp.broadcast_frequency_interval.unit", 0, 1), ("smpp.broadcast_frequency_interval.value", 1, 3),
    ),
    Tag.BROADCAST_AREA_IDENTIFIER: (("smpp.broadcast_area_identifier.format", 0, 1),),
}  # fmt: skip


def tlv_field(tag: int) -> str | None:
    """The field that shows the value of a TLV; None where it is shown in parts."""
    if tag not in TLVS:
        return "smpp.vendor_op" if 0x1400 <= tag <= 0x3FFF else "smpp.reserved_op"
    if tag in IN_PARTS:
        return None
    return NAMED.get(Tag(tag), f"smpp.{Tag(tag).name.lower()}")


FIELDS = (
    *HEADER,
    *(name for names in ADDRESSES.values() for name in names),
    *(f"smpp.{name}" for name in STRINGS + INTEGERS),
    *(f"smpp.{name}{form}" for name in TIMES for form in ("", "_r")),
    *(name for names in BITS.values() for name in names),
    "smpp.sm_length", "smpp.message", "smpp.message_text", "smpp.dl_name", "smpp.error_status_code",
    TAGS, LENGTHS, "smpp.vendor_op", "smpp.reserved_op",
    *(field for tag in TLVS if (field := tlv_field(tag)) is not None and field != "smpp.message_state"),
    *(name for parts in PARTS.values() for name, _, _ in parts),
)  # fmt: skip
"""All fields that `expected` speaks of, for tshark to show."""


def expected(octets: bytes, sequence: int, status: int, pdu: Pdu) -> dict[str, list[Any]]:
    """Values by field, in their order: integers, texts, octets as hexadecimal."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    command = int.from_bytes(octets[4:8])
    found["smpp.command_length"].append(len(octets))
    found["smpp.command_id"].append(command)
    found["smpp.sequence_number"].append(sequence)
    if command & 0x8000_0000:
        found["smpp.command_status"].append(status)
        if status:
            return dict(found)  # the body of an error response is not shown
    for name in pdu.__struct_fields__:
        _field(found, pdu, name, getattr(pdu, name))
    return dict(found)


def _field(found: dict[str, list[Any]], pdu: Pdu, name: str, value: Any) -> None:
    if name in ADDRESSES:
        _address(found, ADDRESSES[name], value)
    elif name in STRINGS:
        _text(found, f"smpp.{name}", value)
    elif name in INTEGERS:
        found[f"smpp.{name}"].append(value)
    elif name in BITS:
        for field, (bits, shift) in BITS[name].items():
            if not (name == "esm_class" and isinstance(pdu, p.ReplaceSm)):
                found[field].append((value & bits) >> shift)
    elif name == "short_message":
        found["smpp.sm_length"].append(len(value))
        if value:
            found["smpp.message"].append(value.hex())
    elif name == "destinations":
        for destination in value:
            if isinstance(destination, Address):
                _address(found, ADDRESSES["destination"], destination)
            else:
                _text(found, "smpp.dl_name", destination.name)
    elif name == "unsuccessful":
        for one in value:
            _address(found, ADDRESSES["destination"], one.address)
            found["smpp.error_status_code"].append(one.status)
    elif name == "tlvs":
        for tlv in value:
            _tlv(found, tlv)
    elif name not in TIMES:
        raise AssertionError(f"{type(pdu).__name__}.{name} is in no table of fields")


def _text(found: dict[str, list[Any]], field: str, value: str) -> None:
    if value:
        found[field].append(value)


def _address(found: dict[str, list[Any]], fields: tuple[str, str, str], address: Address) -> None:
    found[fields[0]].append(address.ton)
    found[fields[1]].append(address.npi)
    _text(found, fields[2], address.addr)


def _tlv(found: dict[str, list[Any]], tlv: p.Tlv) -> None:
    octets = tlv_octets(tlv)
    found[TAGS].append(tlv.tag)
    found[LENGTHS].append(len(octets))
    for field, start, end in PARTS.get(Tag(tlv.tag), ()) if tlv.tag in TLVS else ():
        found[field].append(int.from_bytes(octets[start:end]))
    field = tlv_field(tlv.tag)
    if field is None or not octets:
        return
    kind = TLVS.get(Tag(tlv.tag)) if tlv.tag in TLVS else None
    if kind is None or kind.type is TlvType.OCTETS:
        found[field].append(octets.hex())
    elif kind.type is TlvType.C_STRING:
        found[field].append(octets.partition(b"\0")[0].decode("latin-1"))
    else:
        found[field].append(int.from_bytes(octets))


def tlv_octets(tlv: p.Tlv) -> bytes:
    """The value of a TLV as it is on the wire."""
    return write_tlvs((tlv,))[4:]


def shown(frame: Fields, field: str, like: list[Any]) -> list[Any]:
    """What tshark shows of a field, in the form that `expected` has it."""
    values = frame.get(field, [])
    if field in ABSENT:
        values = [value for value in values if value != ABSENT[field]]
    if like and isinstance(like[0], int):
        return [int(value, 0) for value in values]
    if field in ("smpp.message", "smpp.vendor_op", "smpp.reserved_op", "smpp.message_payload"):
        return [value.replace(":", "") for value in values if value != "<none>"]
    return values


def differences(frame: Fields, wanted: dict[str, list[Any]], but: frozenset[str] = frozenset()) -> list[str]:
    """Where what tshark shows is not what is wanted, fields in `but` left out."""
    found = []
    for field in FIELDS:
        if field in but or field == "smpp.message_text" or field.removesuffix("_r")[5:] in TIMES:
            continue
        want = wanted.get(field, [])
        like = want or ([0] if frame.get(field, ["x"])[0].removeprefix("0x").isdigit() else ["x"])
        if (got := shown(frame, field, like)) != want:
            found.append(f"{field}: {got}, wanted {want}")
    return found


def without(pdu: Pdu, tags: frozenset[int]) -> Pdu:
    """The PDU without TLVs of these tags."""
    tlvs = getattr(pdu, "tlvs", ())
    if not any(tlv.tag in tags for tlv in tlvs):
        return pdu
    return msgspec.structs.replace(pdu, tlvs=tuple(tlv for tlv in tlvs if tlv.tag not in tags))


SIZES_MISREAD = {(row.tag, size) for row in MISREAD for size in row.sizes}


def misread(tlv: Tlv) -> bool:
    """Whether the dissector loses what follows this TLV: by a row of MISREAD, or for its unusual length."""
    if tlv.tag not in TLVS:
        return False
    size = len(tlv_octets(tlv))
    return (tlv.tag, size) in SIZES_MISREAD or size not in TLVS[Tag(tlv.tag)].sizes


def readable(octets: bytes) -> tuple[bytes, dict[str, list[Any]], bool]:
    """The PDU as Wireshark can read it, what it has to show, and whether something was left out for that."""
    sequence, status, pdu = decode(octets)
    tlvs: tuple[Tlv, ...] = getattr(pdu, "tlvs", ())
    lost = frozenset(tlv.tag for tlv in tlvs if misread(tlv))
    if lost:
        pdu = without(pdu, lost)
        octets = encode(pdu, sequence, status)
    unread = isinstance(pdu, UNREAD) and bool(tlvs)
    wanted = expected(octets, sequence, status, without(pdu, frozenset(t.tag for t in tlvs)) if unread else pdu)
    return octets, wanted, bool(lost) or unread
