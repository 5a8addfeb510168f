"""MO: deliver_sm and data_sm into the store, and their answers after the commit.

What cannot be stored just now is answered with a temporary error, so that the carrier keeps it and tries again.
"""

from __future__ import annotations

from typing import Final, cast

import trio

from gateway.carrier.bind import Bind
from gateway.carrier.carrier import Carrier
from gateway.log import logger
from gateway.metrics import Metrics
from gateway.model import STATE_WORDS
from gateway.policy.consent import Consents
from gateway.policy.optout import OptOuts
from gateway.policy.rules import RuleBook
from gateway.settings import Settings
from gateway.smpp.constants import CommandStatus, EsmClass, Tag
from gateway.smpp.pdu import DataSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu, Tlv
from gateway.smpp.session import Session
from gateway.sms.reassembly import assemble, decode_text, read_part
from gateway.store.arrivals import Ports, Tlvs, extra_of, hex_elements, ports_by
from gateway.store.inbound import Arrival, InboundOp
from gateway.store.receipts import ReceiptIn, ReceiptOp
from gateway.store.ruled import Ruling
from gateway.store.setmoves import known_sets
from gateway.store.store import Store
from gateway.store.writer import StoreUnavailableError

_log = logger(component="inbound")

_USED_TLVS: Final = frozenset(
    {
        Tag.SAR_MSG_REF_NUM,
        Tag.SAR_TOTAL_SEGMENTS,
        Tag.SAR_SEGMENT_SEQNUM,
        Tag.MESSAGE_PAYLOAD,
        Tag.SOURCE_PORT,
        Tag.DESTINATION_PORT,
    }
)
ACKNOWLEDGEMENTS: Final[dict[int, tuple[str, ...]]] = {
    EsmClass.DELIVERY_ACK: ("delivery_ack",),
    EsmClass.USER_ACK: ("user_ack",),
    EsmClass.CONVERSATION_ABORT: ("conversation_abort",),
}
"""Messages of a phone or a system, and not of a person, by the type in esm_class (SMPP 3.4 §5.2.12)."""
_MACHINE_MADE: Final = EsmClass.DELIVERY_ACK | EsmClass.USER_ACK
_PORT_TLVS: Final = frozenset({Tag.SOURCE_PORT, Tag.DESTINATION_PORT})
_DELIVER_RESP: Final = DeliverSmResp()
_DATA_RESP: Final = DataSmResp()
_Context = tuple[Bind, Session, list[tuple[int, Pdu]]]
"""Whom to answer: the bind, the session that the PDUs came in, and a sequence number and response for each."""


class Inbound:
    """The MO flow of all carriers."""

    def __init__(self, settings: Settings, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.configure(settings, OptOuts(settings, store.read_now(known_sets)))

    def configure(self, settings: Settings, optouts: OptOuts) -> None:
        """Takes over new settings, and ``optouts`` that were read from them."""
        self._region = settings.default_region
        # Carriers write our numbers with and without + and with any TON: the digits say which it is.
        self._ours = {value.lstrip("+"): value for value in settings.numbers_by_value}
        base = self._store.writer.base
        base.ruling, base.consents = ruling_of(settings), Consents(settings, optouts)
        for rule in settings.rules:
            self._metrics.rules_matched.labels(rule.name)

    def arrived(self, bind: Bind, session: Session, pdus: list[tuple[int, DeliverSm | DataSm]]) -> None:
        """The PDUs of one read of a bind: one operation for receipts, one for messages."""
        carrier = bind.carrier
        now = self._store.clock.now_ms()
        receipts: list[ReceiptIn] = []
        receipt_answers: list[tuple[int, Pdu]] = []
        arrivals: list[Arrival] = []
        arrival_answers: list[tuple[int, Pdu]] = []
        name, region = carrier.name, self._region
        told, peer = carrier.wire.arriving.told, carrier.wire.arriving.peer
        for sequence, pdu in pdus:
            answer = _DELIVER_RESP if isinstance(pdu, DeliverSm) else _DATA_RESP
            receipt = told(pdu)
            if receipt is not None:
                raw, (state, receipt_state, reason, code, done) = receipt
                # One that names no id cannot be matched; it is parked, and so kept and counted.
                receipts.append(
                    ReceiptIn(name, raw or "?", peer(pdu.source, region), state, receipt_state, reason, code, now, done)
                )
                receipt_answers.append((sequence, answer))
            else:
                arrivals.append(self._arrival(carrier, pdu, now))
                arrival_answers.append((sequence, answer))
        writer = self._store.writer
        if bind.overfull:
            error = StoreUnavailableError("store_unavailable", "too much of this bind waits for its commit")
            self._refuse((bind, session, receipt_answers + arrival_answers), error)
            return
        # Where the carrier is about to hang up, what is not answered by then comes again.
        shared = bind.state == "bound" and not bind.most_unanswered.reached(bind.unanswered, trio.current_time())
        if receipts:
            told_op = ReceiptOp(receipts, (bind, session, receipt_answers))
            told_op.shared = shared
            writer.put(told_op, self._receipts_stored, self._receipts_refused)
        if arrivals and (carrier.stopping or bind.leaving):
            # The session is about to end, maybe before the commit: the carrier shall keep it, not send it twice.
            self._refuse((bind, session, arrival_answers), StoreUnavailableError("stopping", "the carrier is unbound"))
        elif arrivals and writer.disk_full:
            # Receipts still come in: they take little, and let messages come to their end.
            error = StoreUnavailableError("disk_full", "free disk is below the floor")
            self._refuse((bind, session, arrival_answers), error)
        elif arrivals:
            op = InboundOp(arrivals, (bind, session, arrival_answers))
            op.shared = shared
            writer.put(op, self._messages_stored, self._messages_refused)

    # --- reading ------------------------------------------------------------------------------------------------------

    def _arrival(self, carrier: Carrier, pdu: DeliverSm | DataSm, now: int) -> Arrival:
        arriving = carrier.wire.arriving
        alphabet = arriving.alphabet
        short_message = pdu.short_message if isinstance(pdu, DeliverSm) else b""
        part = read_part(short_message, pdu.esm_class, pdu.data_coding, [(t.tag, t.value) for t in pdu.tlvs])
        number = self._ours.get(pdu.destination.addr.lstrip("+")) or arriving.number(pdu.destination, self._region)
        peer = arriving.peer(pdu.source, self._region)
        # The TLVs beside message and concatenation are what handlers get as they are.
        tlvs = _tlvs(pdu.tlvs, beside=bool(short_message)) if pdu.tlvs else None
        ports = _tlv_ports(pdu) if pdu.tlvs else None
        if part.scheme != "single":
            return Arrival(
                carrier=carrier.name,
                number=number,
                peer=peer,
                at=now,
                text=None,
                data=part.data,
                encoding="",
                extra=extra_of(tlvs=tlvs, ports=ports) if tlvs or ports else None,
                part=part,
                alphabet=alphabet,
            )
        # Behind a header packed septets start with fill bits, which only the whole part tells; so do its flags how to
        # read it.
        whole = part.udh_octets or part.flags
        decoded = assemble({1: part}, 1, alphabet) if whole else decode_text(part.data, part.data_coding, alphabet)
        extra = None
        flags = decoded.flags
        if pdu.esm_class & _MACHINE_MADE:
            flags += ACKNOWLEDGEMENTS.get(pdu.esm_class & EsmClass.TYPE_MASK, ())
        if flags or whole or tlvs or ports:
            extra = extra_of(
                flags=flags,
                udh=hex_elements(part.udh_other),
                ports=ports_by(part.udh_other, ports),
                tlvs=tlvs,
            )
        return Arrival(
            carrier=carrier.name,
            number=number,
            peer=peer,
            at=now,
            text=decoded.text,
            data=part.data if decoded.text is None or decoded.encoding == "binary" else None,
            encoding=decoded.encoding,
            extra=extra,
        )

    # --- answering ----------------------------------------------------------------------------------------------------

    def _receipts_stored(self, op: ReceiptOp) -> None:
        bind, session, answers = cast(_Context, op.context)
        counts: dict[str, int] = {}
        for r in op.receipts:
            word = STATE_WORDS[r.state] if r.state is not None else "no_change"
            counts[word] = counts.get(word, 0) + 1
        metrics = self._metrics.carrier(bind.carrier.name)
        for word, count in counts.items():
            metrics.receipts(word, count)
        bind.respond(session, answers)

    def _messages_stored(self, op: InboundOp) -> None:
        bind, session, answers = cast(_Context, op.context)
        self._metrics.carrier(bind.carrier.name).inbound.inc(len(answers))
        counts: dict[str, int] = {}
        for a in op.arrivals:
            number = a.number if a.number.lstrip("+") in self._ours else "other"
            counts[number] = counts.get(number, 0) + 1
        for number, count in counts.items():
            self._metrics.inbound.labels(number).inc(count)
        bind.respond(session, answers)

    def _receipts_refused(self, op: ReceiptOp, error: Exception) -> None:
        self._refuse(op.context, error)

    def _messages_refused(self, op: InboundOp, error: Exception) -> None:
        self._refuse(op.context, error)

    def _refuse(self, context: _Context, error: Exception) -> None:
        bind, session, answers = context
        self._metrics.carrier(bind.carrier.name).inbound_failed.inc(len(answers))
        _log.warning("inbound_refused", bind=bind.name, count=len(answers), error=str(error))
        status = CommandStatus.ESME_RX_T_APPN
        bind.respond(session, answers, status)


def ruling_of(settings: Settings) -> Ruling | None:
    """The rules as the store applies them; None: nothing that comes in makes us send anything, and nothing is asked."""
    if not settings.sends_own:
        return None
    limits = settings.limits
    return Ruling(
        RuleBook(settings),
        frozenset(settings.numbers_by_value),
        reply_interval=int(limits.reply_interval * 1000),
        reply_age=int(limits.reply_age * 1000),
        forwards_per_hour=limits.forwards_per_hour,
    )


def _tlvs(tlvs: tuple[Tlv, ...], *, beside: bool) -> Tlvs | None:
    """What is not used here, for handlers: octets in hex; a list where a tag came several times.

    With them what cannot be used: a message_payload `beside` a short_message (SMPP 3.4 §5.3.2.32: one of the two), and
    ports that are of no two octets.
    """
    found: Tlvs = {}
    for t in tlvs:
        tag = t.tag
        if tag in _USED_TLVS and not (
            (beside and tag == Tag.MESSAGE_PAYLOAD) or (tag in _PORT_TLVS and not isinstance(t.value, int))
        ):
            continue
        name = f"0x{t.tag:04X}"
        value = t.value.hex() if isinstance(t.value, bytes) else t.value
        before = found.get(name)
        if before is None:
            found[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            found[name] = [before, value]
    return found or None


def _tlv_ports(pdu: DeliverSm | DataSm) -> Ports | None:
    """source_port and destination_port (SMPP 3.4 §5.3.2.20, §5.3.2.21), where they are of two octets as they should."""
    source, destination = pdu.tlv(Tag.SOURCE_PORT), pdu.tlv(Tag.DESTINATION_PORT)
    if not isinstance(source, int):
        source = None
    if not isinstance(destination, int):
        destination = None
    return None if source is None and destination is None else Ports(source, destination)
