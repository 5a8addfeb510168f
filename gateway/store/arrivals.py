"""An inbound message: as it comes in, as it is stored, and as those whom it is for are told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from gateway.sms.encoding import Alphabet
from gateway.sms.reassembly import InboundPart
from gateway.sms.udh import InformationElement, ports_of
from gateway.store.ends import rfc3339
from gateway.store.hot import INSERT_INBOUND, Row
from gateway.store.last import last_sent
from gateway.store.peers import announce, meet
from gateway.store.ruled import Ruled, decide, unmonitored
from gateway.store.stops import Heed, Heeded, heed
from gateway.store.threads import need_attention
from gateway.store.tx import Tx

Tlvs = dict[str, int | str | list[int | str]]
"""TLVs as handlers see them: by tag, as ``"0x1400"``; octets in hex; a list where the tag came several times."""


class Ports(msgspec.Struct, frozen=True, gc=False):
    """Application ports (3GPP TS 23.040 §9.2.3.24.3, §9.2.3.24.4; SMPP 3.4 §5.3.2.20, §5.3.2.21), None if not said."""

    source: int | None
    destination: int | None


class Extra(msgspec.Struct, omit_defaults=True):
    """What few messages have beside their text, kept for handlers.

    ``udh`` are the header's elements apart from the concatenation, as identifier and octets in hex; ``missing`` the
    numbers of the parts that a partial message lacks. ``rules`` are those that matched, ``held_back`` says what of
    their actions was not done and why, and ``replied`` whether it got an automatic reply. ``unheard``: nobody hears
    the number, so that it is nothing unread (`gateway.store.conversation` looks for it). ``optout`` is what it was
    taken for (`gateway.store.stops`), ``answered`` whether that was answered.
    """

    flags: tuple[str, ...] = ()
    udh: tuple[tuple[int, str], ...] = ()
    ports: Ports | None = None
    tlvs: Tlvs | None = None
    missing: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    urgent: bool = False
    keyword: str | None = None
    argument: str | None = None
    held_back: tuple[str, ...] = ()
    replied: bool = False
    unheard: bool = False
    optout: Heeded | None = None
    answered: bool = False


class LastMessage(msgspec.Struct, frozen=True, gc=False):
    """The last message that an application had us send to the peer from the number; ``age`` in seconds."""

    id: str
    ref: str | None
    app: str
    class_: str = msgspec.field(name="class")
    meta: dict[str, Any]
    at: str
    age: float


class InboundEvent(msgspec.Struct, omit_defaults=True):
    """Payload of an ``inbound`` event. ``data`` is hex, where there is no text or the text may not be all.

    The members of `Extra` are there only where they say something, those of `gateway.store.about.About` where the
    settings do, and ``last`` for handlers that ask for it.
    """

    at: str
    id: str
    number: str
    peer: str
    text: str | None
    data: str | None
    encoding: str
    parts: int
    complete: bool
    carrier: str
    flags: tuple[str, ...] = ()
    udh: tuple[tuple[int, str], ...] = ()
    ports: Ports | None = None
    tlvs: Tlvs | None = None
    missing: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    urgent: bool = False
    keyword: str | None = None
    argument: str | None = None
    held_back: tuple[str, ...] = ()
    replied: bool = False
    optout: Heeded | None = None
    number_meta: dict[str, str] | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    last: LastMessage | UnsetType | None = UNSET


class Arrival:
    """One deliver_sm that is a message or a part of one, as read from the PDU.

    ``text``, ``data`` and ``encoding`` are those of a message in one part; ``part`` is set for the others, and
    ``alphabet`` is what data_coding 0 means where it came from. ``extra`` is what comes beside it; of a part, what its
    TLVs say alone.
    """

    __slots__ = ("alphabet", "at", "carrier", "data", "encoding", "extra", "number", "part", "peer", "text")

    def __init__(
        self,
        *,
        carrier: str,
        number: str,
        peer: str,
        at: int,
        text: str | None,
        data: bytes | None,
        encoding: str,
        extra: Extra | None,
        part: InboundPart | None = None,
        alphabet: Alphabet = "gsm7",
    ) -> None:
        self.carrier = carrier
        self.number = number
        self.peer = peer
        self.at = at
        self.text = text
        self.data = data
        self.encoding = encoding
        self.extra = extra
        self.part = part
        self.alphabet = alphabet


class Message:
    """An inbound message as it is stored: whole, or partial. Its id is given when it is."""

    __slots__ = ("carrier", "complete", "data", "encoding", "extra", "id", "number", "parts", "peer", "text")

    def __init__(
        self,
        carrier: str,
        number: str,
        peer: str,
        text: str | None,
        data: bytes | None,
        encoding: str,
        parts: int,
        complete: bool,
        extra: Extra | None,
    ) -> None:
        self.carrier = carrier
        self.number = number
        self.peer = peer
        self.text = text
        self.data = data
        self.encoding = encoding
        self.parts = parts
        self.complete = complete
        self.extra = extra
        self.id = 0


_encoder: Final = msgspec.json.Encoder()
_NOTHING: Final = Extra()


def hex_elements(elements: tuple[InformationElement, ...]) -> tuple[tuple[int, str], ...]:
    """Header elements as handlers see them."""
    return tuple([(e.id, e.data.hex()) for e in elements])


def ports_by(elements: tuple[InformationElement, ...], tlvs: Ports | None) -> Ports | None:
    """The ports that a header names; without any, those of the TLVs: the header is the sender's own."""
    if elements:
        found = ports_of(elements)
        if found is not None:
            return Ports(found.source, found.destination)
    return tlvs


def keep(tx: Tx, messages: list[Message]) -> None:
    """Stores inbound messages and tells those whom they are for, in the same transaction."""
    numbers = tx.streams.numbers
    for m in messages:
        m.id = tx.ids.next()
    heeded = heed(tx, messages)
    if numbers.unheard:
        messages = _heard(tx, messages, heeded)
    if not messages:
        return
    rows: list[Row] = []
    strangers = meet(tx, [(m.number, m.peer) for m in messages])
    urgent: dict[tuple[str, str], int] = {}
    ruling = tx.ruling
    ruled = decide(tx, ruling, messages, strangers) if ruling is not None else None
    more: list[tuple[tuple[int, ...], int, InboundEvent]] = []  # for whom the last message of ours is looked up
    for place, m in enumerate(messages):
        mid = m.id
        by_rules = ruled.get(place) if ruled else None
        extra = m.extra if by_rules is None else _with_rules(m.extra, by_rules)
        if heeded and (one := heeded.get(mid)) is not None:
            extra = _with_heed(extra, one, replied=by_rules is not None and by_rules.replied)
            if one.attention:
                urgent[m.number, m.peer] = mid
            if extra.answered:
                one.emit(tx, m)
        if by_rules is not None and extra is not None and extra.urgent:
            urgent[m.number, m.peer] = mid
        if m.peer in strangers:
            strangers.remove(m.peer)
            announce(tx, m.peer, m.number, mid)
        packed = _encoder.encode(extra).decode() if extra is not None else None
        rows.append((mid, m.carrier, m.number, m.peer, m.text, m.data, m.encoding, m.parts, int(m.complete), packed))
        if by_rules is not None and by_rules.sends:
            assert ruling is not None
            by_rules.emit(tx, m, mid, ruling.reply_age / 1000)
        handlers = by_rules.handlers if by_rules is not None else None
        streams = tx.streams.for_inbound(m.number, handlers)
        if not streams and not (by_rules is not None and by_rules.decision.mail_to):
            if by_rules is None or not by_rules.decision.actions:
                tx.count("inbound_unrouted")
            continue
        event = InboundEvent(
            at=rfc3339(tx.now),
            id=tx.id_text.format(mid),
            number=m.number,
            peer=m.peer,
            text=m.text,
            data=m.data.hex() if m.data is not None else None,
            encoding=m.encoding,
            parts=m.parts,
            complete=m.complete,
            carrier=m.carrier,
        )
        if extra is not None:
            event.flags = extra.flags
            event.udh = extra.udh
            event.ports = extra.ports
            event.tlvs = extra.tlvs
            event.missing = extra.missing
            event.optout = extra.optout
            if by_rules is not None:
                event.rules = extra.rules
                event.tags = extra.tags
                event.urgent = extra.urgent
                event.keyword = extra.keyword
                event.argument = extra.argument
                event.held_back = extra.held_back
                event.replied = extra.replied
        if numbers.about and (about := numbers.about.get(m.number)) is not None:
            event.number_meta = about.number_meta
            event.owner = about.owner
            event.group = about.group
        if by_rules is not None and by_rules.decision.mail_to:
            by_rules.emit_mails(tx, event, mid)
        if tx.streams.told_last and (told := tx.streams.with_last(streams)):
            more.append((told, mid, event))
            streams = tuple([s for s in streams if s not in told])
        if streams:
            tx.emit(streams, "inbound", mid, _encoder.encode(event))
    if more:
        _tell_with_last(tx, more)
    INSERT_INBOUND.run(tx.con, rows)
    if urgent:
        need_attention(tx, urgent)


def _tell_with_last(tx: Tx, events: list[tuple[tuple[int, ...], int, InboundEvent]]) -> None:
    """Tells those who asked for our last message to the sender: one statement for all of a burst.

    The others are not told: it may be another application's.
    """
    found = last_sent(tx.con, [(event.number, event.peer) for _, _, event in events])
    for streams, mid, event in events:
        last = found.get((event.number, event.peer))
        if last is None:
            event.last = None
        else:
            event.last = LastMessage(
                id=tx.id_text.format(last.id),
                ref=last.ref,
                app=last.app,
                class_=last.klass,
                meta=last.meta,
                at=rfc3339(last.at),
                age=max(0, tx.now - last.at) / 1000,
            )
        tx.emit(streams, "inbound", mid, _encoder.encode(event))


def _with_rules(extra: Extra | None, ruled: Ruled) -> Extra | None:
    """What a message has beside its text, and what rules made of it; a new one, as a burst may be stored anew."""
    decision = ruled.decision
    if not decision.matched:
        return extra
    return msgspec.structs.replace(
        extra if extra is not None else _NOTHING,
        rules=decision.matched,
        tags=decision.tags,
        urgent=decision.urgent,
        keyword=decision.keyword,
        argument=decision.argument,
        held_back=tuple(ruled.held_back),
        replied=ruled.replied,
    )


def _with_heed(extra: Extra | None, one: Heed, *, replied: bool) -> Extra:
    """The same with what it was taken for. A rule that replies to HELP, START or YES answers in the gateway's place."""
    answered = one.answer is not None and (one.taken_for in ("optout", "asked") or not replied)
    return msgspec.structs.replace(extra if extra is not None else _NOTHING, optout=one.taken_for, answered=answered)


def _heard(tx: Tx, messages: list[Message], heeded: Mapping[int, Heed]) -> list[Message]:
    """Messages to numbers that somebody hears; the others are stored, and answered at the most."""
    heard: list[Message] = []
    unheard: list[Message] = []
    for m in messages:
        (heard if tx.streams.numbers.hears(m.number, tx.now) else unheard).append(m)
    if unheard:
        _keep_unheard(tx, unheard, heeded)
        tx.count("inbound_unmonitored", len(unheard))
    return heard


def _keep_unheard(tx: Tx, messages: list[Message], heeded: Mapping[int, Heed]) -> None:
    numbers, ruling = tx.streams.numbers, tx.ruling
    texts = {i: text for i, m in enumerate(messages) if (text := numbers.answer(m.number, tx.now)) is not None}
    replies = unmonitored(tx, ruling, messages, texts) if texts and ruling is not None else {}
    rows: list[Row] = []
    for i, m in enumerate(messages):
        mid = m.id
        reply = replies.get(i)
        extra = m.extra if reply is None else _with_rules(m.extra, reply)
        if (one := heeded.get(mid)) is not None:
            extra = _with_heed(extra, one, replied=True)
        packed = _encoder.encode(msgspec.structs.replace(extra or _NOTHING, unheard=True)).decode()
        rows.append((mid, m.carrier, m.number, m.peer, m.text, m.data, m.encoding, m.parts, int(m.complete), packed))
        if reply is not None and ruling is not None:
            reply.emit(tx, m, mid, ruling.reply_age / 1000)
    INSERT_INBOUND.run(tx.con, rows)


def extra_of(**given: object) -> Extra | None:
    """An `Extra` with what is given, None where that says nothing."""
    extra = Extra(**given)  # type: ignore[arg-type]
    return extra if extra != _NOTHING else None
