"""Every PDU of ours read and written by npm smpp (node-smpp): the same fields, the same octets."""

from __future__ import annotations

import functools
import random
import string
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.codec import RecoverablePduError, decode, encode
from gateway.smpp.constants import CommandId, CommandStatus, Tag
from gateway.smpp.pdu import Address, Pdu, Tlv
from gateway.smpp.times import read_absolute
from gateway.smpp.tlv import TLVS, TlvType
from gateway.sms.reassembly import assemble, read_part
from gateway.sms.segment import UnencodableError, plan
from tests.foreign.dissected import ADDRESSES, TIMES, tlv_octets
from tests.foreign.node_differences import DIFFERENCES, Difference
from tests.support.foreign import LONG, needs_node, node

pytestmark = needs_node

COUNT = 200 if LONG else 30
"""PDUs of each class."""
NAMED = {Tag.DESTINATION_PORT: "dest_port"}
"""TLVs that are called otherwise there, as in 5.0."""
NOT_BY_NODE = {
    Tag.SOURCE_TELEMATICS_ID, Tag.ALERT_ON_MESSAGE_DELIVERY,  # see node_differences
}  # fmt: skip
IN_OBJECTS = {
    Tag.BROADCAST_AREA_IDENTIFIER, Tag.BROADCAST_CONTENT_TYPE, Tag.BROADCAST_FREQUENCY_INTERVAL, Tag.CALLBACK_NUM,
    Tag.CALLBACK_NUM_ATAG, Tag.CALLBACK_NUM_PRES_IND, Tag.BILLING_IDENTIFICATION, Tag.BROADCAST_ERROR_STATUS,
}  # fmt: skip
"""Node reads these into objects or lists; their octets are compared in what it writes."""
NUMBERS_THERE = {Tag.DEST_ADDR_NP_COUNTRY: 4}
"""Octets to us, which 5.0 §4.8.4.20 has 1 to 5 of; to node a number of 4."""
LISTS_THERE = {
    Tag.BROADCAST_AREA_IDENTIFIER, Tag.CALLBACK_NUM, Tag.CALLBACK_NUM_ATAG, Tag.CALLBACK_NUM_PRES_IND,
    Tag.BROADCAST_ERROR_STATUS,
}  # fmt: skip
TEXT_THERE = {
    Tag.BROADCAST_CONTENT_TYPE_INFO, Tag.BROADCAST_SERVICE_GROUP, Tag.SOURCE_NODE_ID, Tag.DEST_NODE_ID,
    Tag.DEST_ADDR_NP_INFORMATION, Tag.BROADCAST_END_TIME,
}  # fmt: skip
COMMANDS: dict[int, type[Pdu]] = {
    cls.command_id: cls
    for cls in vars(p).values()
    if isinstance(cls, type) and issubclass(cls, Pdu) and "command_id" in vars(cls)
}


class Maker:
    """PDUs of any class from a seed, with values that fit every field."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    def text(self, most: int) -> str:
        return "".join(self.rng.choices(string.ascii_letters + string.digits + "+-_ ", k=self.rng.randrange(most + 1)))

    def address(self) -> Address:
        return Address(self.rng.randrange(7), self.rng.choice((0, 1, 3, 8, 9)), self.text(20))

    def tlvs(self, command: CommandId) -> tuple[Tlv, ...]:
        """Some of those that the PDU may carry, each once."""
        tags = [tag for tag, kind in TLVS.items() if command in kind.pdus and tag not in NOT_BY_NODE]
        return tuple(self.tlv(tag) for tag in self.rng.sample(tags, self.rng.randrange(min(5, len(tags)) + 1)))

    def tlv(self, tag: Tag) -> Tlv:
        kind = TLVS[tag]
        if kind.type is TlvType.INTEGER:
            return Tlv(tag, self.rng.randrange(1 << 8 * kind.sizes[0]))
        if kind.type is TlvType.C_STRING:
            return Tlv(tag, self.text(min(kind.sizes[-1], 60) - 1).ljust(kind.sizes[0] - 1, "x"))
        size = NUMBERS_THERE.get(tag) or max(1, self.rng.choice(kind.sizes[:60]))  # of none: see node_differences
        if tag in TEXT_THERE:
            return Tlv(tag, self.text(1000)[:size].encode().ljust(size, b"x"))
        return Tlv(tag, self.rng.randbytes(size))

    def pdu(self, cls: type[Pdu]) -> Pdu:
        values = {name: self.value(cls, name) for name in cls.__struct_fields__}
        if any(tlv.tag == Tag.MESSAGE_PAYLOAD for tlv in values.get("tlvs", ())):
            values["short_message"] = b""
        return cls(**{name: value for name, value in values.items() if name in cls.__struct_fields__})

    def value(self, cls: type[Pdu], name: str) -> Any:
        if name in ADDRESSES:
            return self.address()
        if name == "tlvs":
            return self.tlvs(CommandId(cls.command_id))
        if name in TIMES:
            return self.rng.choice(("", "261122011500000+", "261122011500700-", "991231235959948+"))
        if name == "short_message":
            return self.rng.randbytes(self.rng.choice((0, 1, 140, 254)))
        if name == "destinations":
            either = (self.address, lambda: p.DistributionList(self.text(20)))
            return tuple(self.rng.choice(either)() for _ in range(self.rng.randrange(1, 20)))
        if name == "unsuccessful":
            return tuple(
                p.Unsuccessful(self.address(), self.rng.randrange(1 << 16)) for _ in range(self.rng.randrange(9))
            )
        if name in _LONGEST:
            return self.text(_LONGEST[name])
        if name == "data_coding":
            return 4  # octets are left as they are
        if name == "esm_class":
            return self.rng.randrange(256) & ~0x40  # no header
        return self.rng.randrange(256)


_LONGEST = {"system_id": 15, "password": 8, "system_type": 12, "service_type": 5, "message_id": 64}


def command(pdu: Pdu) -> str:
    return CommandId(pdu.command_id).name.lower()


def there(pdu: Pdu) -> dict[str, Any]:
    """The fields of a PDU by the names and in the forms of node, as they go into it."""
    fields: dict[str, Any] = {}
    for name in pdu.__struct_fields__:
        value = getattr(pdu, name)
        if name in ADDRESSES:
            names = [field.removeprefix("smpp.") for field in ADDRESSES[name]]
            fields |= dict(zip(names, (value.ton, value.npi, value.addr), strict=True))
        elif name == "short_message":
            fields[name] = {"hex": value.hex()}
        elif name == "destinations":
            fields["dest_address"] = [_destination(one) for one in value]
        elif name == "unsuccessful":
            fields["unsuccess_sme"] = [{**_destination(one.address), "error_status_code": one.status} for one in value]
        elif name == "tlvs":
            for tlv in value:
                fields[_name(tlv.tag)] = _into(tlv)
        else:
            fields[name] = value
    return fields


def _name(tag: int) -> str:
    return NAMED.get(Tag(tag), Tag(tag).name.lower())


def _destination(one: Address | p.DistributionList) -> dict[str, Any]:
    if isinstance(one, Address):
        return {"dest_addr_ton": one.ton, "dest_addr_npi": one.npi, "destination_addr": one.addr}
    return {"dl_name": one.name}


def _into(tlv: Tlv) -> Any:
    octets = tlv_octets(tlv)
    value: Any = tlv.value
    if tlv.tag in NUMBERS_THERE:
        value = int.from_bytes(octets)
    elif isinstance(value, bytes) or tlv.tag == Tag.MS_VALIDITY:  # octets there, for 5.0 has two sizes of it
        value = {"hex": octets.hex()}
    return [value] if tlv.tag in LISTS_THERE else value


def differs(pdu: Pdu, read: dict[str, Any]) -> list[str]:
    """Where what node read is not what went in."""
    wanted = there(pdu)
    tags = {_name(tlv.tag): tlv for tlv in getattr(pdu, "tlvs", ())}
    found = []
    for name, value in wanted.items():
        got = read.get(name)
        if name in tags and tags[name].tag in IN_OBJECTS:
            continue
        if name in TIMES or name == "broadcast_end_time":
            continue
        if name in tags and tags[name].tag in TEXT_THERE:
            value = tlv_octets(tags[name]).decode()
        elif name in ("short_message", "message_payload") and hasattr(pdu, "data_coding"):
            value = {"message": value}
        if got != value:
            found.append(f"{name}: {got}, wanted {value}")
    for name in TIMES:
        text = wanted.get(name)
        if text:
            instant = read_absolute(text, datetime(2026, 11, 22, tzinfo=UTC)).astimezone(UTC)
            # Node has all of this century, and no tenths.
            instant = instant.replace(microsecond=0)
            shown = datetime.fromisoformat(read[name].replace("Z", "+00:00")).replace(microsecond=0)
            if shown.replace(year=instant.year) != instant:
                found.append(f"{name}: {read[name]}, wanted {text}")
    return found


def test_every_pdu_both_ways() -> None:
    make = Maker(20261122)
    given = [make.pdu(cls) for cls in COMMANDS.values() for _ in range(COUNT)]
    assert {type(pdu).command_id for pdu in given} == set(map(int, CommandId))
    sent = [encode(pdu, number, 0) for number, pdu in enumerate(given, 1)]
    asked: list[dict[str, Any]] = [{"read": octets.hex()} for octets in sent]
    for number, pdu in enumerate(given, 1):
        asked.append({"build": command(pdu), "fields": {**there(pdu), "sequence_number": number}})
    answers = node("codec.mjs", asked)
    wrong: list[Any] = []
    for pdu, octets, read, built in zip(given, sent, answers, answers[len(given) :], strict=False):
        if read.get("fields", {}).get("command") != command(pdu):
            wrong.append((command(pdu), octets.hex(), read))
        else:
            wrong += [(command(pdu), what) for what in differs(pdu, read["fields"])]
        if built.get("hex") != octets.hex():
            wrong.append((command(pdu), f"writes {built}, wanted {octets.hex()}"))
    assert wrong == [], f"{len(wrong)}, the first: {wrong[0]}"


def test_every_status_without_a_body() -> None:
    """An error response has no body (§4.4.2), to both."""
    asked = [{"build": "submit_sm_resp", "fields": {"command_status": int(s)}} for s in CommandStatus if s]
    for status, built in zip([s for s in CommandStatus if s], node("codec.mjs", asked), strict=True):
        assert bytes.fromhex(built["hex"]) == encode(p.SubmitSmResp(), 0, int(status))


SOURCE, DESTINATION = Address(), Address()
WRITTEN: dict[str, Callable[[], bytes]] = {
    "source_telematics_id": lambda: encode(p.DataSm(SOURCE, DESTINATION, tlvs=(Tlv(Tag.SOURCE_TELEMATICS_ID, 5),)), 1),
    "a vendor's TLV": lambda: encode(p.DataSm(SOURCE, DESTINATION, tlvs=(Tlv(0x1400, b"abc"),)), 1),
    "characters that an encoding lacks": lambda: plan("Да", encoding="gsm7").render(1)[0].short_message,
    "short_message of more than 254 octets": lambda: encode(p.ReplaceSm("1", SOURCE, b"a" * 255), 1),
}
"""What we do for the rows in which node writes."""


@functools.cache
def _answers() -> dict[str, Any]:
    """What node says to each row."""
    asked = [{"read": r.read} if r.read else {"build": r.build[0], "fields": r.build[1]} for r in DIFFERENCES]
    return dict(zip((row.what for row in DIFFERENCES), node("codec.mjs", asked), strict=True))


@pytest.mark.parametrize("row", DIFFERENCES, ids=lambda row: row.what)
def test_where_node_is_wrong(row: Difference) -> None:
    answer = _answers()[row.what]
    if row.node == "error":
        assert "error" in answer
    elif row.read:
        assert {name: answer["fields"][name] for name in row.node} == row.node
    else:
        assert answer["hex"].endswith(row.node)
    assert _ours(row) == row.ours


def _ours(row: Difference) -> Any:
    """What we make of it, in the form of the row."""
    try:
        if not row.read:
            return WRITTEN[row.what]().hex()[-len(row.ours) :]
        pdu = decode(bytes.fromhex(row.read))[2]
    except RecoverablePduError as error:
        return CommandStatus(error.status).name
    except (UnencodableError, ValueError) as error:
        return type(error).__name__
    if isinstance(row.ours, tuple):
        tlvs = [(tlv.tag, tlv_octets(tlv)) for tlv in pdu.tlvs]  # type: ignore[attr-defined]
        return row.ours if row.ours in tlvs else tlvs
    assert isinstance(pdu, p.DeliverSm)
    return assemble({1: read_part(pdu.short_message, pdu.esm_class, pdu.data_coding)}).text
