"""The half of the conformance table that is made from the tables of the source."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import groupby
from typing import Any, Final

from gateway.smpp import pdu as p
from gateway.smpp.codec import command_name
from gateway.smpp.constants import CommandId, EsmClass, MessageState, Npi, RegisteredDelivery, Tag, Ton
from gateway.smpp.fields import (
    LAYOUTS,
    AddressField,
    CString,
    Destinations,
    Failures,
    Field,
    Octet,
    ShortMessage,
    Time,
)
from gateway.smpp.pdu import Pdu
from gateway.smpp.states import MAY_REQUEST, RESPONSE_TO, Role, SessionState
from gateway.smpp.status import CommandStatus
from gateway.smpp.tlv import TLVS
from gateway.sms.coding import decode_text
from tests.unit.smpp.golden import MEANINGS, ORIGINS

from .rulebook import all_sections, operations, transitions
from .scan import parts_naming

FIELD_SECTIONS: Final[dict[str, tuple[str, ...]]] = {
    "system_id": ("3.4 §5.2.1", "5.0 §4.7.30"),
    "password": ("3.4 §5.2.2", "5.0 §4.7.18"),
    "system_type": ("3.4 §5.2.3", "5.0 §4.7.31"),
    "interface_version": ("3.4 §5.2.4", "5.0 §4.7.13"),
    "address_range": ("3.4 §5.2.5", "3.4 §5.2.6", "3.4 §5.2.7", "5.0 §4.7.1", "5.0 §4.7.2", "5.0 §4.7.3"),
    "service_type": ("3.4 §5.2.11", "5.0 §4.7.25"),
    "source": ("3.4 §5.2.5", "3.4 §5.2.6", "3.4 §5.2.8", "5.0 §4.7.1", "5.0 §4.7.2", "5.0 §4.7.29"),
    "destination": ("3.4 §5.2.5", "3.4 §5.2.6", "3.4 §5.2.9", "5.0 §4.7.1", "5.0 §4.7.2", "5.0 §4.7.8"),
    "destinations": (
        "3.4 §4.5.1.1", "3.4 §4.5.1.2", "3.4 §5.2.24", "3.4 §5.2.25", "3.4 §5.2.27",
        "5.0 §4.7.9", "5.0 §4.7.10", "5.0 §4.7.17",
    ),
    "unsuccessful": ("3.4 §4.5.2.1", "3.4 §5.2.26", "5.0 §4.7.16"),
    "esme_addr": ("3.4 §5.2.10", "5.0 §4.7.11"),
    "esm_class": ("3.4 §5.2.12", "5.0 §4.7.12"),
    "protocol_id": ("3.4 §5.2.13", "5.0 §4.7.20"),
    "priority_flag": ("3.4 §5.2.14", "5.0 §4.7.19"),
    "schedule_delivery_time": ("3.4 §5.2.15", "5.0 §4.7.23.1"),
    "validity_period": ("3.4 §5.2.16", "5.0 §4.7.23.2"),
    "final_date": ("3.4 §4.8.2", "5.0 §4.7.23.3"),
    "registered_delivery": ("3.4 §5.2.17", "5.0 §4.7.21"),
    "replace_if_present_flag": ("3.4 §5.2.18", "5.0 §4.7.22"),
    "data_coding": ("3.4 §5.2.19", "5.0 §4.7.7"),
    "sm_default_msg_id": ("3.4 §5.2.20", "5.0 §4.7.27"),
    "short_message": ("3.4 §5.2.21", "3.4 §5.2.22", "5.0 §4.7.26", "5.0 §4.7.28"),
    "message_id": ("3.4 §5.2.23", "5.0 §4.7.14"),
    "message_state": ("3.4 §5.2.28", "5.0 §4.7.15"),
    "error_code": ("3.4 §6.1", "5.0 §4.5.2.2"),
}  # fmt: skip
"""Where each field of LAYOUTS is described."""

CLASSES: Final[dict[int, type[Pdu]]] = {cls.command_id: cls for cls in LAYOUTS}
"""The class of each command_id."""


def cell(text: str) -> str:
    """Text within a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(cell(text) for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def sections_text(sections: Iterable[str]) -> str:
    """`3.4 §2.2, §2.3; 5.0 §2.1`: the version once."""
    by_version = groupby(sections, key=lambda section: section.partition(" ")[0])
    return "; ".join(
        f"{version} " + ", ".join(section.partition(" ")[2] for section in group) for version, group in by_version
    )


def tests_text(tests: Iterable[str]) -> str:
    """Tests as they are given to pytest, from tests/."""
    return "<br>".join(f"`{test}`" for test in tests)


def command_sections(command: int) -> tuple[str, ...]:
    """Those that are titled with the name of the command."""
    name = command_name(command)
    return tuple(section for section, title in all_sections().items() if title == name)


def pdus() -> str:
    """Every command with its fields and golden PDUs."""
    rows = []
    for command in sorted(CommandId, key=lambda command: (command & 0x7FFF_FFFF, command)):
        cls = CLASSES[command]
        golden = [name for name, (_, _, pdu) in MEANINGS.items() if type(pdu) is cls]
        fields = ", ".join(_field(name, field) for name, field in LAYOUTS[cls].items())
        if "tlvs" in cls.__struct_fields__:
            fields += ", TLVs" if fields else "TLVs"
        rows.append(
            (
                f"`{command_name(command)}`",
                f"0x{command:08X}",
                sections_text(command_sections(command)),
                fields or "none",
                ", ".join(golden),
            )
        )
    return table(("PDU", "command_id", "sections", "body as it is written", "golden PDUs"), rows)


def golden_origins() -> str:
    """How many golden PDUs are from where."""
    counts: dict[str, int] = {}
    for origin in ORIGINS.values():
        kind = "by hand, from the tables of the specification" if origin.startswith("by hand") else origin
        counts[kind] = counts.get(kind, 0) + 1
    return table(("origin", "golden PDUs"), [(kind, str(count)) for kind, count in sorted(counts.items())])


def _field(name: str, field: Field) -> str:
    match field:
        case CString(most):
            return f"{name} ({most})"
        case Time():
            return f"{name} (1 or 17)"
        case Octet():
            return name
        case AddressField(most):
            return f"{name} ton, npi, addr ({most})"
        case ShortMessage():
            return "sm_length, short_message (0 to 254)"
        case Destinations():
            return "number_of_dests, dest_address: dest_flag and ton, npi, addr (21) or dl_name (21)"
        case Failures():
            return "no_unsuccess, unsuccess_sme: ton, npi, addr (21), error_status_code (4)"


def fields() -> str:
    """Every mandatory field, its sections, and the PDUs that have it."""
    rows = []
    for name, where in FIELD_SECTIONS.items():
        having = [command_name(cls.command_id) for cls, layout in LAYOUTS.items() if name in layout]
        rows.append((f"`{name}`", sections_text(where), ", ".join(having)))
    return table(("field", "sections", "PDUs"), rows)


def used_operations() -> str:
    """Who uses which request."""
    return table(
        ("request", "as ESME", "as SMSC", "tests"),
        [(f"`{one.request}`", one.esme, one.smsc, tests_text(one.tests)) for one in operations()],
    )


def tlvs() -> str:
    """Every TLV."""
    rows = []
    for tag, kind in TLVS.items():
        carried = [
            name for name, (_, _, pdu) in MEANINGS.items() if any(tlv.tag == tag for tlv in getattr(pdu, "tlvs", ()))
        ]
        rows.append(
            (
                f"0x{tag:04X}",
                f"`{kind.name}`",
                kind.type.value,
                _sizes(kind.sizes),
                kind.section.replace("§", "3.4 §", 1) if kind.section.startswith("§") else kind.section,
                ", ".join(command_name(command) for command in kind.pdus),
                ", ".join(parts_naming(f"Tag.{kind.tag.name}")) or "codec only",
                carried[0],
            )
        )
    return table(("tag", "TLV", "type", "octets", "sections", "PDUs", "known to", "a golden PDU with it"), rows)


def _sizes(sizes: tuple[int, ...] | range) -> str:
    if isinstance(sizes, range):
        return f"{sizes.start} to {sizes.stop - 1}"
    return " or ".join(map(str, sizes))


def states() -> str:
    """Which end may send which request in which state."""
    rows = [
        (f"`{state.name}`", _requests(MAY_REQUEST[state][Role.ESME]), _requests(MAY_REQUEST[state][Role.SMSC]))
        for state in SessionState
    ]
    return table(("state", "the ESME may send", "the SMSC may send"), rows)


def _requests(classes: Iterable[type[Pdu]]) -> str:
    return ", ".join(command_name(command) for command in sorted(cls.command_id for cls in classes)) or "nothing"


def responses() -> str:
    """The response of each request."""
    without = [cls for cls in LAYOUTS if cls not in RESPONSE_TO and cls not in RESPONSE_TO.values()]
    rows = [(_named(request), _named(response)) for request, response in RESPONSE_TO.items()]
    rows += [(_named(cls), "none") for cls in without if cls is not p.GenericNack]
    return table(("request", "response"), rows)


def _named(cls: type[Pdu]) -> str:
    return f"`{command_name(cls.command_id)}`"


def edges() -> str:
    """The transitions between states."""
    return table(
        ("from", "on", "to", "sections", "tests"),
        [(one.origin, one.on, one.to, sections_text(one.sections), tests_text(one.tests)) for one in transitions()],
    )


def statuses() -> str:
    """Every command_status."""
    rows = [
        (
            f"0x{int(status):08X}",
            f"`{status.name}`",
            status.kind.value,
            status.text,
            "3.4 §5.1.3, 5.0 §4.7.6" if status < 0x100 else "5.0 §4.7.6",
            ", ".join(parts_naming(f"CommandStatus.{status.name}")) or "table only",
        )
        for status in CommandStatus
    ]
    return table(("command_status", "name", "class", "meaning", "sections", "named by"), rows)


def data_codings() -> str:
    """What each data_coding is read as, values that are read alike together."""
    alike: dict[tuple[str, str], list[int]] = {}
    for value in range(256):
        read = decode_text(b"", value)
        encoding = "default alphabet" if read.encoding == "gsm7" else read.encoding
        alike.setdefault((encoding, ", ".join(read.flags)), []).append(value)
    rows = [(_spans(group), encoding, flags) for (encoding, flags), group in alike.items()]
    return table(("data_coding", "read as", "flags"), rows)


def _spans(numbers: list[int]) -> str:
    # Neighbours have one distance between their value and their place.
    spans = []
    for _, group in groupby(enumerate(numbers), key=lambda item: item[1] - item[0]):
        span = [number for _, number in group]
        spans.append(f"0x{span[0]:02X}" if len(span) == 1 else f"0x{span[0]:02X} to 0x{span[-1]:02X}")
    return ", ".join(spans)


_BITS: Final[tuple[tuple[str, type[Any], str], ...]] = (
    ("esm_class", EsmClass, "3.4 §5.2.12; 5.0 §4.7.12"),
    ("registered_delivery", RegisteredDelivery, "3.4 §5.2.17; 5.0 §4.7.21"),
)
_NUMBERS: Final[tuple[tuple[str, type[IntEnum], str], ...]] = (
    ("TON", Ton, "3.4 §5.2.5; 5.0 §4.7.1"),
    ("NPI", Npi, "3.4 §5.2.6; 5.0 §4.7.2"),
    ("message_state", MessageState, "3.4 §5.2.28; 5.0 §4.7.15"),
)


def values() -> str:
    """The values that parameters have names for."""
    rows = [
        (f"`{name}`", sections, ", ".join(f"{member.name} {int(member)}" for member in members))
        for name, members, sections in _NUMBERS
    ]
    for name, bits, sections in _BITS:
        named = {key: value for key, value in vars(bits).items() if key.isupper()}
        rows.append((f"`{name}`", sections, ", ".join(f"{key} 0x{value:02X}" for key, value in named.items())))
    return table(("parameter", "sections", "values"), rows)


def tags_beyond() -> str:
    """What becomes of tags that are in neither specification."""
    return (
        f"All {len(Tag)} tags of the two specifications are in the table. A tag that is in neither, the vendors' "
        "0x1400 to 0x3FFF among them, is read as octets and kept, with its place and its repeats, and can be sent as "
        "octets (`unit/smpp/test_tlv.py::test_order_and_repeats_are_kept`). An app may set any with a message; the "
        "column names the parts of the gateway that know what one means.\n"
    )
