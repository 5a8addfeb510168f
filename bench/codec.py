"""How long the codec takes for a PDU, and a plan for a text: `python -m bench.codec`.

Each case is timed in many short rounds, all cases in turn within a round, so that a machine that is busy for a while is
busy for all of them. The least time is what the code takes, the median what it took here. Where smpplib can do the
same, its time stands beside ours.

Of all that is here only this imports the gateway: it measures its code, and nothing else checks by it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from smpplib.smpp import make_pdu, parse_pdu

from bench.figures import machine
from gateway.smpp import pdu as p
from gateway.smpp.codec import FrameBuffer, decode, encode
from gateway.smpp.constants import Tag
from gateway.smpp.receipt import read_receipt
from gateway.sms.coding import decode_text
from gateway.sms.reassembly import assemble, read_part
from gateway.sms.segment import plan

TARGET_US: Final = 2.0
"""What building and parsing a submit_sm may take, each."""

_SOURCE: Final = p.Address(1, 1, "15551230001")
_PEER: Final = p.Address(1, 1, "447700900123")
_GSM: Final = (
    "Your table for two is booked for tomorrow at 19:30. Reply C to cancel, or call us on 020 7946 0018. See you!"
)
_EURO: Final = "Total: €12.50 {table 4} [window] ~ 20 minutes"
_UCS2: Final = "Ваш столик на двоих заказан на завтра, 19:30. До встречи! 🍷"
_RECEIPT: Final = (
    b"id:0059113978 sub:001 dlvrd:001 submit date:2611220130 done date:2611220131 stat:DELIVRD err:000 text:Your table"
)
_ODD_RECEIPT: Final = (
    b"id:59113978 submitdate:261122013002 donedate:261122013105 stat:DELIVRD err:0 Text:Your table for"
)
# In smpplib's order.
_STATE_TLVS: Final = (p.Tlv(int(Tag.MESSAGE_STATE), 2), p.Tlv(int(Tag.RECEIPTED_MESSAGE_ID), "0059113978"))
_SAR_TLVS: Final = (
    p.Tlv(int(Tag.SAR_MSG_REF_NUM), 66),
    p.Tlv(int(Tag.SAR_TOTAL_SEGMENTS), 2),
    p.Tlv(int(Tag.SAR_SEGMENT_SEQNUM), 1),
)

_SUBMIT: Final = p.SubmitSm(_SOURCE, _PEER, _GSM.encode(), registered_delivery=1)
_PART: Final = p.SubmitSm(
    _SOURCE, _PEER, b"\x05\x00\x03\x42\x02\x01" + b"a" * 153, esm_class=0x40, registered_delivery=1
)
_SAR_PART: Final = p.SubmitSm(_SOURCE, _PEER, b"a" * 153, registered_delivery=1, tlvs=_SAR_TLVS)
_PAYLOAD: Final = p.SubmitSm(_SOURCE, _PEER, registered_delivery=1, tlvs=(p.Tlv(int(Tag.MESSAGE_PAYLOAD), b"a" * 459),))
_DELIVER: Final = p.DeliverSm(_PEER, _SOURCE, b"Yes please, see you there")
_DELIVERED: Final = p.DeliverSm(_PEER, _SOURCE, _RECEIPT, esm_class=4, tlvs=_STATE_TLVS)
_DELIVERED_TEXT: Final = p.DeliverSm(_PEER, _SOURCE, _RECEIPT, esm_class=4)
_DELIVERED_ODD: Final = p.DeliverSm(_PEER, _SOURCE, _ODD_RECEIPT, esm_class=4)

PDUS: Final[dict[str, p.Pdu]] = {
    "submit_sm": _SUBMIT,
    "submit_sm, part with a header": _PART,
    "submit_sm, part with SAR TLVs": _SAR_PART,
    "submit_sm, message_payload": _PAYLOAD,
    "submit_sm_resp": p.SubmitSmResp("0059113978"),
    "deliver_sm": _DELIVER,
    "deliver_sm, receipt with TLVs": _DELIVERED,
    "deliver_sm_resp": p.DeliverSmResp(),
    "data_sm": p.DataSm(_PEER, _SOURCE, tlvs=(p.Tlv(int(Tag.MESSAGE_PAYLOAD), b"hello"),)),
    "enquire_link": p.EnquireLink(),
    "submit_multi, 10 destinations": p.SubmitMulti(_SOURCE, (_PEER,) * 10, _GSM.encode()),
}

_BODIES: Final = plan(_GSM * 3).render(66)
_READ: Final = {part.seq: part for part in (read_part(b.short_message, b.esm_class, b.data_coding) for b in _BODIES)}

TEXTS: Final[dict[str, Callable[[], Any]]] = {
    "read_receipt, text and TLVs": lambda: read_receipt(_DELIVERED),
    "read_receipt, text": lambda: read_receipt(_DELIVERED_TEXT),
    "read_receipt, text of another form": lambda: read_receipt(_DELIVERED_ODD),
    "plan and render, gsm7, 1 part": lambda: plan(_GSM).render(66),
    "plan and render, gsm7 with escapes, 1 part": lambda: plan(_EURO).render(66),
    "plan and render, gsm7, 3 parts": lambda: plan(_GSM * 3).render(66),
    "plan and render, gsm7 packed, 3 parts": lambda: plan(_GSM * 3, alphabet="gsm7_packed").render(66),
    "plan and render, ucs2, 1 part": lambda: plan(_UCS2).render(66),
    "plan and render, ucs2, 3 parts": lambda: plan(_UCS2 * 3).render(66),
    "plan and render, latin1, 1 part": lambda: plan(_GSM, encoding="latin1").render(66),
    "decode, gsm7, 107 septets": lambda: decode_text(_SUBMIT.short_message, 0),
    "decode, ucs2, 59 units": lambda: decode_text(_UCS2_OCTETS, 8),
    "read_part, no header": lambda: read_part(_SUBMIT.short_message, 0, 0),
    "read_part, 8-bit concatenation": lambda: read_part(_PART.short_message, 0x40, 0),
    "assemble, gsm7, 3 parts": lambda: assemble(_READ),
}
_UCS2_OCTETS: Final = _UCS2.encode("utf-16-be")

_BURST: Final = encode(_SUBMIT, 7) * 64


class Case(NamedTuple):
    """What is timed, and what smpplib has for it; `each` is how many PDUs one call is for."""

    name: str
    ours: Callable[[], Any]
    theirs: Callable[[], Any] | None = None
    each: int = 1


class Timed(NamedTuple):
    """Microseconds for one: the least of all rounds, and their median."""

    name: str
    least: float
    median: float
    smpplib: float | None
    """The least that smpplib took."""


def cases() -> list[Case]:
    """All that is timed."""
    found = [Case("frame 64 submit_sm in one read, each", lambda: FrameBuffer().feed(_BURST), each=64)]
    for name, pdu in PDUS.items():
        frame = encode(pdu, 7)
        found.append(Case(f"build {name}", lambda pdu=pdu: encode(pdu, 7), _their_build(pdu)))
        found.append(Case(f"parse {name}", lambda frame=frame: decode(frame), _their_parse(pdu, frame)))
    found += [Case(name, run) for name, run in TEXTS.items()]
    return found


_THEIRS: Final[dict[type[p.Pdu], str]] = {
    p.SubmitSm: "submit_sm",
    p.SubmitSmResp: "submit_sm_resp",
    p.DeliverSm: "deliver_sm",
    p.DeliverSmResp: "deliver_sm_resp",
    p.EnquireLink: "enquire_link",
}


def _their_build(pdu: p.Pdu) -> Callable[[], bytes] | None:
    command = _THEIRS.get(type(pdu))
    if command is None:
        return None
    fields = _their_fields(pdu)

    def build() -> bytes:
        it = make_pdu(command, sequence=7, **fields)
        it.sequence = 7
        octets: bytes = it.generate()
        return octets

    assert build() == encode(pdu, 7), command
    return build


def _their_parse(pdu: p.Pdu, frame: bytes) -> Callable[[], Any] | None:
    if type(pdu) not in _THEIRS:
        return None
    return lambda: parse_pdu(frame, sequence=7)


def _their_fields(pdu: p.Pdu) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name in pdu.__struct_fields__:
        value = getattr(pdu, name)
        if name == "source":
            fields |= {"source_addr_ton": value.ton, "source_addr_npi": value.npi, "source_addr": value.addr}
        elif name == "destination":
            fields |= {"dest_addr_ton": value.ton, "dest_addr_npi": value.npi, "destination_addr": value.addr}
        elif name == "tlvs":
            fields |= {Tag(tlv.tag).name.lower(): tlv.value for tlv in value}
        else:
            fields[name] = value
    return fields


def measure(found: list[Case], rounds: int, seconds: float) -> list[Timed]:
    """Times each case in so many rounds of `seconds` for ours, and as much for smpplib's."""
    counts = [(_count(case.ours, seconds), _count(case.theirs, seconds) if case.theirs else 0) for case in found]
    ours: list[list[float]] = [[] for _ in found]
    theirs: list[list[float]] = [[] for _ in found]
    for _ in range(rounds):
        for index, case in enumerate(found):
            many, many_theirs = counts[index]
            ours[index].append(_time(case.ours, many) / case.each)
            if case.theirs is not None:
                theirs[index].append(_time(case.theirs, many_theirs))
    return [
        Timed(case.name, min(times), statistics.median(times), min(other) if other else None)
        for case, times, other in zip(found, ours, theirs, strict=True)
    ]


def _count(run: Callable[[], Any], seconds: float) -> int:
    # Calls that take about so long.
    once = min(_time(run, 1) for _ in range(5)) / 1e6
    return max(1, int(seconds / max(once, 1e-7)))


def _time(run: Callable[[], Any], count: int) -> float:
    # Microseconds for one call. The loop's own cost is in it: some 30 ns.
    again = range(count)
    began = time.perf_counter()
    for _ in again:
        run()
    return (time.perf_counter() - began) / count * 1e6


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 0 whatever they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.codec", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="short ones, of all cases in turn (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.0005, help="of a case in a round (%(default)s)")
    parser.add_argument("--json", action="store_true", help="for a program")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds: at least 1; --seconds: more than 0")
    timed = measure(cases(), options.rounds, options.seconds)
    about = machine(Path.cwd())
    if options.json:
        json.dump({"machine": about, "microseconds": [it._asdict() for it in timed]}, sys.stdout, indent=2)
        print()
        return 0
    print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}; microseconds")
    print(f"{'':44} {'least':>8} {'median':>8} {'smpplib':>8} {'times':>6}")
    for it in timed:
        other = f"{it.smpplib:8.2f} {it.smpplib / it.least:6.0f}" if it.smpplib else ""
        print(f"{it.name:44} {it.least:8.2f} {it.median:8.2f} {other}".rstrip())
    hot = [it for it in timed if it.name in ("build submit_sm", "parse submit_sm")]
    met = all(it.least < TARGET_US for it in hot)
    said = " and ".join(f"{it.name} {it.least:.2f} us" for it in hot)
    print(f"{said}: {'under' if met else 'NOT under'} {TARGET_US:g} us each")
    return 0


if __name__ == "__main__":
    sys.exit(main())
