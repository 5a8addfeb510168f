"""What of a message is seldom there: flash, headers, ports, protocol_id, TLVs; who may ask for it, how it is kept.

All of it is settled when a message is taken, by the carrier's ways of that moment, and stored as octets and numbers: a
restart or another setting changes nothing of a message that waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

import msgspec

from gateway.outbound.request import App, Refusal, Submit
from gateway.settings import Carrier
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Tlv
from gateway.smpp.tlv import KINDS, TLVS, tag_name, write_tlvs
from gateway.sms.national import Shift
from gateway.sms.segment import FlashWay
from gateway.sms.udh import PORT_8, PORT_16, UdhError, build_udh, parse_udh, port_element

MAX_TLVS: Final = 4096
"""Octets of all TLVs of an app: a PDU that is too large costs the bind, and with it all that is under way."""
OUR_TLVS: Final = frozenset({Tag.MESSAGE_PAYLOAD, Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM})
"""What ties segments together; only the gateway knows their number."""
GUARDED_TLVS: Final[dict[int, str]] = {
    # What a TLV of an app without the right `binary` would do that its texts may not (SMPP 3.4 §5.3.2).
    Tag.DEST_ADDR_SUBUNIT: "writes to the memory or the SIM of the phone, or to a device behind it (§5.3.2.1)",
    Tag.DEST_BEARER_TYPE: "leaves SMS for another bearer (§5.3.2.5)",
    Tag.DEST_TELEMATICS_ID: "is protocol_id by another name (§5.3.2.7)",
    Tag.PAYLOAD_TYPE: "makes WDP or WCMP octets of the text (§5.3.2.10)",
    Tag.MS_MSG_WAIT_FACILITIES: "lights and puts out the phone's signs of waiting voicemail (§5.3.2.13)",
    Tag.SOURCE_PORT: "addresses an application of the phone, not its reader (§5.3.2.20)",
    Tag.DESTINATION_PORT: "addresses an application of the phone, not its reader (§5.3.2.21)",
    Tag.ITS_REPLY_TYPE: "opens an interactive dialogue (§5.3.2.42)",
    Tag.ITS_SESSION_INFO: "opens an interactive dialogue (§5.3.2.43)",
    Tag.USSD_SERVICE_OP: "makes a USSD operation of the text (§5.3.2.44)",
}
REPLACE_FIRST: Final = 0x41
"""protocol_id of Replace Short Message Type 1; types 2 to 7 follow (TS 23.040 §9.2.3.9)."""
REPLACE_TYPES: Final = range(1, 8)
PORTS: Final = frozenset({Tag.SOURCE_PORT, Tag.DESTINATION_PORT})
"""The TLVs of ports (SMPP 3.4 §5.3.2.20, §5.3.2.21)."""
_PORT_OCTETS: Final = 6
"""Of the element for 16-bit ports (TS 23.040 §9.2.3.24.4), which is what a carrier makes of the TLVs on the air."""
_TAGS: Final = {kind.name: int(tag) for tag, kind in TLVS.items()}


class Options(msgspec.Struct, omit_defaults=True):
    """Stored as JSON, None when all is as usual.

    `flash` is the carrier's way; true, in rows of the first version, is "0x10". Ports are in `udh` or `tlvs` already.
    """

    alphabet: str = "gsm7"
    flash: FlashWay | bool = False
    udh: bytes = b""
    tlvs: tuple[tuple[int, bytes], ...] = ()
    validity: bool = False
    shift: Shift = Shift()
    protocol_id: int = 0
    added: int = 0  # octets of header elements that the carrier makes of TLVs
    zone: str = ""  # of the phone, where its class has quiet hours and it was known
    quiet: int = 0  # until when quiet hours held it at the door, ms since 1970

    @property
    def flash_way(self) -> FlashWay | None:
        """The way of flash, None when it is not."""
        if isinstance(self.flash, bool):
            return "0x10" if self.flash else None
        return self.flash


USUAL: Final = Options()
_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Options)


def stored(options: Options) -> str | None:
    """Options as the store keeps them."""
    return None if options == USUAL else _encoder.encode(options).decode()


def restored(packed: str | bytes | None) -> Options:
    """Options from the store. Raises ValueError when they are damaged."""
    return _decoder.decode(packed) if packed else USUAL


def is_usual(request: Submit) -> bool:
    """Whether a request asks for nothing that `settle` would look at."""
    return not (
        request.flash
        or request.tlvs
        or request.validity is not None
        or request.udh is not None
        or request.destination_port is not None
        or request.source_port is not None
        or request.protocol_id is not None
        or request.replace is not None
    )


def settle(app: App, request: Submit, carrier: Carrier) -> Options:
    """What a request asks for, by the ways of its carrier. Raises Refusal naming the member."""
    udh = b""
    if request.udh is not None:
        if not app.binary:
            raise Refusal("not_allowed", "a user data header needs a right", field="udh")
        udh = octets_of(request.udh, "udh")
    tlvs = _tlvs(app, request.tlvs) if request.tlvs else ()
    if request.destination_port is not None or request.source_port is not None:
        udh, tlvs = _with_ports(app, request, carrier, udh, tlvs)
    flash: FlashWay | bool = carrier.flash if request.flash else False
    if flash == "dest_addr_subunit" and any(tag == Tag.DEST_ADDR_SUBUNIT for tag, _ in tlvs):
        raise Refusal("invalid_params", "tlvs: dest_addr_subunit is set by flash", field="tlvs")
    return Options(
        alphabet=carrier.default_alphabet,
        flash=flash,
        udh=udh,
        tlvs=tlvs,
        validity=request.validity is not None,
        protocol_id=_protocol_id(app, request),
        added=_PORT_OCTETS if any(tag in PORTS for tag, _ in tlvs) else 0,
    )


def _protocol_id(app: App, request: Submit) -> int:
    if request.replace is not None:
        if request.replace not in REPLACE_TYPES:
            raise Refusal("invalid_params", "replace is 1 to 7", field="replace")
        if request.protocol_id is not None:
            raise Refusal("invalid_params", "replace or protocol_id, not both", field="replace")
        return REPLACE_FIRST + request.replace - 1
    if request.protocol_id is None:
        return 0
    if not app.binary:
        raise Refusal("not_allowed", "protocol_id needs a right", field="protocol_id")
    if not 0 <= request.protocol_id <= 0xFF:
        raise Refusal("invalid_params", "protocol_id is 0 to 255", field="protocol_id")
    return request.protocol_id


_Tlvs = tuple[tuple[int, bytes], ...]


def _with_ports(app: App, request: Submit, carrier: Carrier, udh: bytes, tlvs: _Tlvs) -> tuple[bytes, _Tlvs]:
    """The header and TLVs with the ports of an application on the phone, as the carrier takes them."""
    named = "source_port" if request.destination_port is None else "destination_port"
    if not app.binary:
        raise Refusal("not_allowed", "ports need a right", field=named)
    for name, port in (("destination_port", request.destination_port), ("source_port", request.source_port)):
        if port is not None and not 0 <= port <= 0xFFFF:
            raise Refusal("invalid_params", f"{name} is 0 to 65535", field=name)
    destination = request.destination_port
    if destination is None:
        raise Refusal("invalid_params", "source_port needs a destination_port", field="source_port")
    # 5.0 §4.7.12: no port TLVs where UDHI is set, so ports go into a header of the sender's own. Whether the segments
    # get another is known once they are planned: see `with_ports_in_header`.
    if carrier.ports == "tlv" and not udh:
        if any(tag in PORTS for tag, _ in tlvs):
            raise Refusal("invalid_params", "ports as members or in tlvs, not both", field="tlvs")
        # SMPP 3.4 §5.3.2.20, §5.3.2.21. Not every SMSC takes what it does not need: no source port that nobody gave.
        ports = [(int(Tag.DESTINATION_PORT), destination.to_bytes(2))]
        if request.source_port is not None:
            ports.append((int(Tag.SOURCE_PORT), request.source_port.to_bytes(2)))
        return udh, (*tlvs, *ports)
    return _header_with_ports(request, destination, udh), tlvs


def with_ports_in_header(options: Options, request: Submit) -> Options:
    """The same with the ports of the request in a header in place of TLVs, for segments that have a header anyhow."""
    assert request.destination_port is not None
    return msgspec.structs.replace(
        options,
        udh=_header_with_ports(request, request.destination_port, options.udh),
        tlvs=tuple((tag, octets) for tag, octets in options.tlvs if tag not in PORTS),
        added=0,
    )


def _header_with_ports(request: Submit, destination: int, udh: bytes) -> bytes:
    try:
        own, rest = parse_udh(udh) if udh else ((), b"")
        if rest:
            raise UdhError(f"{len(rest)} octets follow the header's end")
        if any(element.id in (PORT_8, PORT_16) for element in own):
            raise Refusal("invalid_params", "udh has ports of its own", field="destination_port")
        return build_udh((port_element(destination, request.source_port or 0), *own))
    except UdhError as error:
        raise Refusal("invalid_params", str(error), field="udh") from None


def octets_of(text: str, field: str) -> bytes:
    """Octets written in hexadecimal. Raises Refusal naming the member."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Refusal("invalid_params", f"{field} is octets in hexadecimal", field=field) from None


def _tlvs(app: App, given: Mapping[str, str | int]) -> _Tlvs:
    out: list[tuple[int, bytes]] = []
    for name, value in given.items():
        tag = _tag(name)
        if tag in OUR_TLVS:
            raise Refusal("invalid_params", f"tlvs: {tag_name(tag)} is set by the gateway itself", field="tlvs")
        if tag in GUARDED_TLVS and not app.binary:
            raise Refusal("not_allowed", f"tlvs: {tag_name(tag)} needs a right", field="tlvs")
        out.append((tag, _value(tag, value)))
    try:
        written = write_tlvs(tuple(Tlv(tag, octets) for tag, octets in out))
    except ValueError as error:
        raise Refusal("invalid_params", f"tlvs: {error}", field="tlvs") from None
    if len(written) > MAX_TLVS:
        raise Refusal("invalid_params", f"tlvs have at most {MAX_TLVS} octets in all", field="tlvs")
    return tuple(out)


def _tag(name: str) -> int:
    """A tag by its number, hexadecimal or decimal, or by the specification's name."""
    tag = _TAGS.get(name)
    if tag is None:
        try:
            tag = int(name, 0)
        except ValueError:
            tag = -1
    if not 0 < tag <= 0xFFFF:
        said = f"tlvs: {name[:40]!r} is no tag: 0x0001 to 0xFFFF, or a name of SMPP's"
        near = get_close_matches(name[:40].lower(), _TAGS, n=1)
        raise Refusal("invalid_params", said + (f"; did you mean {near[0]}?" if near else ""), field="tlvs")
    return tag


def _value(tag: int, value: str | int) -> bytes:
    """A value as octets: hexadecimal ones as they are, a number as wide as its TLV."""
    size = KINDS.get(tag, 0)
    if isinstance(value, int):
        if not size:
            raise Refusal("invalid_params", f"tlvs: {tag_name(tag)} takes octets, not a number", field="tlvs")
        if not 0 <= value < 1 << 8 * size:
            raise Refusal("invalid_params", f"tlvs: {tag_name(tag)} is 0 to {(1 << 8 * size) - 1}", field="tlvs")
        return value.to_bytes(size)
    try:
        octets = bytes.fromhex(value)
    except ValueError:
        ways = "octets in hexadecimal, or a number" if size else "octets in hexadecimal"
        raise Refusal("invalid_params", f"tlvs: {tag_name(tag)} takes {ways}", field="tlvs") from None
    if size and len(octets) not in TLVS[tag].sizes:
        sizes = " or ".join(map(str, TLVS[tag].sizes))
        raise Refusal("invalid_params", f"tlvs: {tag_name(tag)} has {sizes} octets", field="tlvs")
    return octets
