"""Cell broadcasts (SMPP 5.0 §4.4, §4.6): taken with an id, repeated as long as they say, asked about and cancelled."""

from __future__ import annotations

import math
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Final

from gateway.smpp.constants import CommandId, CommandStatus, MessageState, Tag
from gateway.smpp.pdu import (
    BroadcastSm,
    BroadcastSmResp,
    CancelBroadcastSm,
    CancelBroadcastSmResp,
    Pdu,
    QueryBroadcastSm,
    QueryBroadcastSmResp,
    Tlv,
    TlvValue,
)
from gateway.smpp.times import read_time, write_absolute
from gateway.smpp.tlv import REQUIRED
from gateway.sms.reassembly import assemble, read_part

from .air import Kind, show_address
from .core import Core
from .deliveries import Bind
from .ids import MessageIds, write_id
from .times import time_fault

MANDATORY: Final = tuple(sorted(REQUIRED[CommandId.BROADCAST_SM]))
"""TLVs that a broadcast_sm must have (5.0 §4.4.1.1)."""

INTERVALS: Final = {
    0x00: 0.0,
    0x08: 1.0,
    0x09: 60.0,
    0x0A: 3600.0,
    0x0B: 86400.0,
    0x0C: 7 * 86400.0,
    0x0D: 30 * 86400.0,
    0x0E: 365 * 86400.0,
}
"""Seconds of the units of broadcast_frequency_interval (5.0 §4.8.4.11); 0: as often as possible."""

_AT_ONCE: Final = 1
"""priority_flag of an immediate broadcast (5.0 §4.7.19): its broadcast_rep_num need not be there, and is ignored."""
_WHOLE_AREA: Final = 100
"""broadcast_area_success: per cent of the area."""


class Broadcast:
    """One that was taken. `ends` is when its last repetition is over, on the wall clock; inf: when it is cancelled."""

    __slots__ = ("ended", "ends", "message_id", "pdu", "state", "system_id")

    def __init__(self, system_id: str, message_id: str, pdu: BroadcastSm, ends: float) -> None:
        self.system_id = system_id
        self.message_id = message_id
        self.pdu = pdu
        self.ends = ends
        self.state = MessageState.ENROUTE
        self.ended: float | None = None

    def settle(self, now: float) -> None:
        """It is delivered when the last repetition is over."""
        if self.state is MessageState.ENROUTE and now >= self.ends:
            self.state, self.ended = MessageState.DELIVERED, self.ends


class Broadcasts:
    """Takes them and remembers the last `log_size`, each for those of its system_id."""

    def __init__(self, core: Core, ids: MessageIds) -> None:
        self._core = core
        self._ids = ids
        self._most = core.config.log_size
        self._by_id: OrderedDict[tuple[str, str], Broadcast] = OrderedDict()

    def received(self, bind: Bind, sequence: int, pdu: BroadcastSm) -> None:
        """Take or refuse one."""
        core = self._core
        status = _fault(pdu) or time_fault(pdu, core.wall())
        message_id = ""
        if not status and pdu.replace_if_present_flag:
            # 5.0 §4.4.4: named by either of two, and an error when there is no such broadcast.
            replaced = self._find(bind, pdu)
            if replaced is None or replaced.state is not MessageState.ENROUTE:
                status = int(CommandStatus.ESME_RBCASTFAIL)
            else:
                message_id = replaced.message_id
                core.stats.replaced += 1
        elif not status:
            message_id = write_id(self._ids.take(), core.config.id_form)
            core.stats.broadcasts += 1
        if message_id:
            ends = _ends(pdu, core.wall())
            self._by_id[bind.system_id, message_id] = Broadcast(bind.system_id, message_id, pdu, ends)
            if len(self._by_id) > self._most:
                self._by_id.popitem(last=False)
                core.stats.forgotten += 1
        part = read_part(b"", 0, pdu.data_coding, [(tlv.tag, tlv.value) for tlv in pdu.tlvs])
        whole = assemble({1: part}, 1, core.config.alphabet)
        self._answer(bind, sequence, BroadcastSmResp(message_id), status)
        self._show(
            "broadcast", bind, pdu, message_id, status, text=whole.text, encoding=whole.encoding, octets=whole.data
        )

    def query(self, bind: Bind, sequence: int, pdu: QueryBroadcastSm) -> None:
        """The state, and for each area how much of it was reached."""
        found = self._find(bind, pdu)
        if found is None:
            status = int(CommandStatus.ESME_RBCASTQUERYFAIL)
            self._answer(bind, sequence, QueryBroadcastSmResp(), status)
            self._show("query", bind, pdu, pdu.message_id, status)
            return
        tlvs = [Tlv(int(Tag.MESSAGE_STATE), int(found.state))]
        reference = found.pdu.tlv(Tag.USER_MESSAGE_REFERENCE)
        for tlv in found.pdu.tlvs:
            if tlv.tag == Tag.BROADCAST_AREA_IDENTIFIER:
                tlvs += [Tlv(tlv.tag, tlv.value), Tlv(int(Tag.BROADCAST_AREA_SUCCESS), _WHOLE_AREA)]
        if found.ended is not None:
            ended = write_absolute(datetime.fromtimestamp(found.ended, UTC))
            tlvs.append(Tlv(int(Tag.BROADCAST_END_TIME), ended.encode()))
        if reference is not None:
            tlvs.append(Tlv(int(Tag.USER_MESSAGE_REFERENCE), reference))
        self._core.stats.queried += 1
        self._answer(bind, sequence, QueryBroadcastSmResp(found.message_id, tuple(tlvs)), 0)
        self._show("query", bind, pdu, found.message_id, 0, state=found.state.name)

    def cancel(self, bind: Bind, sequence: int, pdu: CancelBroadcastSm) -> None:
        """The one of this id or reference, or with neither those of this source, service_type and content type."""
        now = self._core.wall()
        if pdu.message_id or pdu.tlv(Tag.USER_MESSAGE_REFERENCE) is not None:
            one = self._find(bind, pdu)
            found = [] if one is None else [one]
        else:
            kind = pdu.tlv(Tag.BROADCAST_CONTENT_TYPE)
            found = [
                one
                for one in self._by_id.values()
                if one.system_id == bind.system_id
                and one.pdu.source == pdu.source
                and pdu.service_type in ("", one.pdu.service_type)
                and kind in (None, one.pdu.tlv(Tag.BROADCAST_CONTENT_TYPE))
            ]
        for one in found:
            one.settle(now)
        going = [one for one in found if one.state is MessageState.ENROUTE]
        for one in going:
            one.state, one.ended = MessageState.DELETED, now
        self._core.stats.cancelled += len(going)
        status = 0 if going else int(CommandStatus.ESME_RBCASTCANCELFAIL)
        self._answer(bind, sequence, CancelBroadcastSmResp(), status)
        self._show("cancel", bind, pdu, pdu.message_id, status)

    def _find(self, bind: Bind, pdu: BroadcastSm | QueryBroadcastSm | CancelBroadcastSm) -> Broadcast | None:
        reference = pdu.tlv(Tag.USER_MESSAGE_REFERENCE)
        if reference is None:
            found = self._by_id.get((bind.system_id, pdu.message_id))
        elif pdu.message_id:
            return None  # §4.6.1.1, §4.6.2.2: not both
        else:
            # §4.6.1: of several the one that was submitted last.
            found = next(
                (
                    one
                    for one in reversed(self._by_id.values())
                    if one.system_id == bind.system_id and one.pdu.tlv(Tag.USER_MESSAGE_REFERENCE) == reference
                ),
                None,
            )
        if found is None or found.pdu.source != pdu.source:
            return None
        found.settle(self._core.wall())
        return found

    def _answer(self, bind: Bind, sequence: int, response: Pdu, status: int) -> None:
        bind.session.send_response(sequence, response, status)
        self._core.touched.add(bind)

    def _show(
        self,
        kind: Kind,
        bind: Bind,
        pdu: BroadcastSm | QueryBroadcastSm | CancelBroadcastSm,
        message_id: str,
        status: int,
        **shown: object,
    ) -> None:
        if self._core.on_air is not None:
            source = show_address(pdu.source)
            detail = "" if kind == "broadcast" else "broadcast"
            self._core.show_bind(
                kind, bind, source=source, message_id=message_id, status=status, detail=detail, **shown
            )


def _fault(pdu: BroadcastSm) -> int:
    at_once = pdu.priority_flag == _AT_ONCE
    if any(pdu.tlv(tag) is None for tag in MANDATORY if not (at_once and tag == Tag.BROADCAST_REP_NUM)):
        return int(CommandStatus.ESME_RMISSINGOPTPARAM)
    interval = _octets(pdu.tlv(Tag.BROADCAST_FREQUENCY_INTERVAL), 3)
    if len(interval) != 3 or interval[0] not in INTERVALS:
        return int(CommandStatus.ESME_RINVBCASTFREQINT)
    return 0


def _ends(pdu: BroadcastSm, now: float) -> float:
    # 5.0 §4.8.4.13: once, or repeated so often; 0: until its validity is over, and without one until it is cancelled.
    if pdu.priority_flag == _AT_ONCE:
        return now
    repetitions = int.from_bytes(_octets(pdu.tlv(Tag.BROADCAST_REP_NUM), 2), "big")
    if repetitions:
        unit, *number = _octets(pdu.tlv(Tag.BROADCAST_FREQUENCY_INTERVAL), 3)
        return now + repetitions * INTERVALS[unit] * int.from_bytes(bytes(number), "big")
    valid = read_time(pdu.validity_period, datetime.fromtimestamp(now, UTC))
    return math.inf if valid is None else valid.timestamp()


def _octets(value: TlvValue | None, size: int) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(size, "big")
    return value if isinstance(value, bytes) else b""
