"""Where npm smpp (node-smpp) 0.5.1 is wrong, or does otherwise than we do, as a table; each row is shown by a test.

`octets` is what shows it: given to node to be read, or what node makes of `build`. `node` is what comes of that.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class Difference(NamedTuple):
    """One row. `read`: hexadecimal octets for node to read, or `build`: command and fields for it to write."""

    what: str
    section: str
    does: str
    read: str = ""
    build: tuple[str, dict[str, Any]] = ("", {})
    node: Any = None
    """Of `read` a part of what node says, or "error"; of `build` the end of the octets."""
    ours: Any = None
    """As we have it: a text, a TLV by tag and octets, a status or an error's name, or the end of the octets."""


_HEAD = "0000000000000001"
"""command_status and sequence_number."""
_TO_PEER = "000101310001013200"
"""service_type, source 1, destination 2."""


def _message(coding: str, text: str, esm_class: str = "00", tlvs: str = "") -> str:
    """A deliver_sm."""
    body = f"{_TO_PEER}{esm_class}000000000000{coding}00{len(text) // 2:02x}{text}{tlvs}"
    return f"{16 + len(body) // 2:08x}00000005{_HEAD}{body}"


def _data(tlvs: str) -> str:
    """A data_sm with these TLVs."""
    body = f"{_TO_PEER}000004{tlvs}"
    return f"{16 + len(body) // 2:08x}00000103{_HEAD}{body}"


DIFFERENCES: Final = (
    Difference(
        "data_coding 1",
        "SMPP 3.4 §5.2.19",
        "is IA5, and is read and written by the GSM table; text without data_coding goes out so",
        read=_message("01", "405b24"),
        node={"short_message": {"message": "¡Ä¤"}},
        ours="@[$",
    ),
    Difference(
        "data_coding groups",
        "TS 23.038 §4",
        "only the low four bits count: 0xE0, message waiting in UCS-2, is read by the default alphabet",
        read=_message("e0", "0041"),
        node={"short_message": {"message": "@A"}},
        ours="A",
    ),
    Difference(
        "national single shift alone",
        "TS 23.038 Annex A, TS 23.040 §9.2.3.24.15",
        "IE 0x24 brings the locking table of the language too: 0x04 of the default alphabet, è, becomes €",
        read=_message("00", "03240101041b67", "40"),
        node={"short_message": {"udh": [{"hex": "240101"}], "message": "€ğ"}},
        ours="èğ",
    ),
    Difference(
        "octets above 0x7F in the default alphabet",
        "TS 23.038 §6.2.1",
        "are spaces, which nothing tells from a space that was sent; ours are U+FFFD and flagged",
        read=_message("00", "4180"),
        node={"short_message": {"message": "A "}},
        ours="A\ufffd",
    ),
    Difference(
        "alert_on_message_delivery",
        "SMPP 3.4 §5.3.2.41",
        "has no value in 3.4; an octet of what follows is taken for it, and at the end of a PDU it raises",
        read=_data("130c0000"),
        node="error",
        ours=(0x130C, b""),
    ),
    Difference(
        "callback_num_atag without a value",
        "SMPP 3.4 §5.3.2.38",
        "may have 0 octets and raises, as does each TLV that is read into an object",
        read=_data("03030000"),
        node="error",
        ours=(0x0303, b""),
    ),
    Difference(
        "a TLV of another length than its type's",
        "SMPP 3.4 §3.2.4.1",
        "the type's size is read; what is beyond it is dropped: 2 octets of message_state give the first",
        read=_data("042700020203"),
        node={"message_state": 2},
        ours=(0x0427, b"\x02\x03"),
    ),
    Difference(
        "a TLV longer than the PDU",
        "SMPP 3.4 §3.2.4.1",
        "is taken for what there is, with no word of it; to us it is ESME_RINVOPTPARSTREAM",
        read=_data("1400000aff"),
        node={"5120": {"hex": "ff"}},
        ours="ESME_RINVOPTPARSTREAM",
    ),
    Difference(
        "a vendor's TLV twice",
        "SMPP 3.4 §5.3.2",
        "the last one is kept alone",
        read=_data("140000016114000001621400000163"),
        node={"5120": {"hex": "63"}},
        ours=(0x1400, b"a"),
    ),
    Difference(
        "a body that ends within its fields",
        "SMPP 3.4 §3.2",
        "is read beyond the end of command_length where there is more, or with fields left out and no error",
        read="00000013000000040000000000000001000101",
        node={"source_addr_npi": 1},
        ours="ESME_RINVCMDLEN",
    ),
    Difference(
        "source_telematics_id",
        "SMPP 3.4 §5.3.2.8",
        "is written with two octets, as dest_telematics_id is, and not with one; we take both and write one",
        build=("data_sm", {"data_coding": 4, "source_telematics_id": 5}),
        node="001000020005",
        ours="0010000105",
    ),
    Difference(
        "a vendor's TLV",
        "SMPP 3.4 §5.3.2",
        "cannot be written but by a definition of its own: it is left out without a word",
        build=("data_sm", {"data_coding": 4, "5120": {"hex": "616263"}}),
        node="000004",
        ours="14000003616263",
    ),
    Difference(
        "characters that an encoding lacks",
        "TS 23.038 §6.2.1",
        "become commercial ats in the default alphabet; ours are refused, naming the character",
        build=("replace_sm", {"short_message": "Да"}),
        node="020000",
        ours="UnencodableError",
    ),
    Difference(
        "a PDU of more than 16,384 octets",
        "SMPP 3.4 §5.3.2.32",
        "is refused, though message_payload holds up to 64 KiB; the session then reads no more",
        read=_data("04244000" + "00" * 0x4000),
        node="error",
        ours=(0x0424, bytes(0x4000)),
    ),
    Difference(
        "short_message of more than 254 octets",
        "SMPP 3.4 §5.2.21",
        "is written, of up to 255; ours is refused before anything is sent",
        build=("replace_sm", {"short_message": {"hex": "61" * 255}}),
        node="ff" + "61" * 255,
        ours="ValueError",
    ),
)
