"""What becomes of a submit_sm, data_sm or submit_multi: taken or refused, answered or not, receipted."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from gateway.smpp.constants import CommandStatus, Tag
from gateway.smpp.pdu import (
    Address,
    DataSm,
    DataSmResp,
    SubmitMulti,
    SubmitMultiResp,
    SubmitSm,
    SubmitSmResp,
    Unsuccessful,
)
from gateway.sms.address import wire_address
from gateway.sms.reassembly import assemble

from .air import Assembly
from .config import draw
from .core import Core
from .deliveries import Bind
from .endings import Endings
from .ids import MessageIds, write_id
from .kept import Kept
from .submit import Multi, Submit, id_form_for
from .times import time_fault

RECEIPT_FIRST: Final = 1.0
"""Seconds that a response waits at most for the answer to the receipt that goes before it on another bind."""

MOST_DESTINATIONS: Final = 254
"""Of a submit_multi (SMPP 3.4 §4.5.1), and here of its distribution lists together too."""

LONGEST_ADDRESS: Final = 20
"""Characters of a source or destination (SMPP 3.4 §5.2.8, §5.2.9)."""


class Submits:
    """Decides, answers and remembers."""

    def __init__(self, core: Core, ids: MessageIds, endings: Endings, kept: Kept) -> None:
        self._core = core
        self._ids = ids
        self._endings = endings
        self._kept = kept
        self._assembly = Assembly(core.config.alphabet)
        self._second: deque[float] = deque()  # when those of the last second were taken
        self.log: deque[Submit] = deque(maxlen=core.config.log_size)

    @property
    def incomplete(self) -> int:
        """Messages of which parts are missing."""
        return self._assembly.waiting

    def received(self, bind: Bind, sequence: int, pdu: SubmitSm | DataSm, now: float) -> None:
        """Decide on a submit, and answer it now or later."""
        submit = self._decide(Submit(now, self._core.wall(), bind, sequence, pdu), now)
        if submit.status or not self._replace(bind, submit):
            if not submit.status:
                self._take([submit])
            self._show(bind, submit)
            if submit.taken:
                self._assemble(bind, submit)
        self._answer_in_time(submit, now)

    def _replace(self, bind: Bind, submit: Submit) -> bool:
        # §4.4.1.2: where no message waits that it could replace, it is a new one.
        if not getattr(submit.pdu, "replace_if_present_flag", 0):
            return False
        old = self._kept.replace_waiting(submit)
        if old is None:
            return False
        submit.taken = False  # the message that waits goes on its way, with this text
        submit.number, submit.message_id = old.number, old.message_id
        self._core.show_bind(
            "replace",
            bind,
            source=submit.source,
            destination=submit.destination,
            message_id=submit.message_id,
            text=submit.text,
            encoding=submit.encoding,
        )
        return True

    def received_multi(self, bind: Bind, sequence: int, pdu: SubmitMulti, now: float) -> None:
        """The same for each destination (SMPP 3.4 §4.5): those taken have one message_id, the others are listed in
        the response.
        """
        core = self._core
        multi = Multi()
        wall = core.wall()
        destinations = self._destinations(pdu)
        for address, status in destinations[:MOST_DESTINATIONS]:
            if len(destinations) > MOST_DESTINATIONS:
                status = int(CommandStatus.ESME_RCNTSUBDL)
            submit = Submit(now, wall, bind, sequence, _for_one(pdu, address), multi)
            multi.submits.append(self._decide(submit, now, status))
            if submit.status:
                # Longer ones are read, but an answer has no room for them.
                shown = Address(address.ton, address.npi, address.addr[:LONGEST_ADDRESS])
                multi.unsuccessful.append(Unsuccessful(shown, submit.status))
        if not multi.submits:
            bind.session.send_response(sequence, SubmitMultiResp(), int(CommandStatus.ESME_RINVNUMDESTS))
            core.touched.add(bind)
            return
        taken = [submit for submit in multi.submits if not submit.status]
        if taken:
            self._take(taken)
        else:
            statuses = {submit.status for submit in multi.submits}
            multi.status = statuses.pop() if len(statuses) == 1 else int(CommandStatus.ESME_RSUBMITFAIL)
        for submit in multi.submits:
            self._show(bind, submit)
            if submit.taken:
                self._assemble(bind, submit)
        self._answer_in_time(multi.submits[0], now)

    def _destinations(self, pdu: SubmitMulti) -> list[tuple[Address, int]]:
        # Each address with the command_status that it is refused with already, lists resolved.
        lists = self._core.config.distribution_lists
        destinations: list[tuple[Address, int]] = []
        for destination in pdu.destinations:
            if isinstance(destination, Address):
                destinations.append((destination, 0))
            elif destination.name in lists:
                destinations += [(Address(*wire_address(member)), 0) for member in lists[destination.name]]
            else:
                # unsuccess_sme (§4.5.2.1) has room for an address alone: the name stands there.
                destinations.append((Address(addr=destination.name), int(CommandStatus.ESME_RINVDLNAME)))
        return destinations

    # --- the decision ---

    def _decide(self, submit: Submit, now: float, status: int = 0) -> Submit:
        stats = self._core.stats
        part = submit.part
        alone = assemble({part.seq: part}, part.total, self._core.config.alphabet)
        submit.text, submit.encoding = alone.text, alone.encoding
        self.log.append(submit)
        stats.submits += 1
        submit.status = status or self._verdict(submit.pdu, now)
        if submit.status:
            submit.taken = False
            stats.refused += 1
            stats.statuses[submit.status] = stats.statuses.get(submit.status, 0) + 1
        else:
            stats.accepted += 1
        return submit

    def _take(self, submits: list[Submit]) -> None:
        # What came in one PDU has one id, and is answered or not together.
        core, config = self._core, self._core.config
        silent = bool(config.no_response) and core.rng.random() < config.no_response
        number = self._ids.take()
        message_id = write_id(number, id_form_for(submits[0], config.id_form))
        for submit in submits:
            submit.number, submit.message_id = number, message_id
            if isinstance(submit.pdu, SubmitSm) and (submit.pdu.schedule_delivery_time or submit.pdu.validity_period):
                submit.heed_times(submit.pdu, submit.t, submit.wall)
            if silent:
                submit.silent = True
                submit.taken = config.no_response_taken
                core.stats.unanswered += 1
        self._kept.add(submits[0])

    def _verdict(self, pdu: SubmitSm | DataSm, now: float) -> int:
        config, rng = self._core.config, self._core.rng
        if config.throttle:
            second = self._second
            while second and second[0] <= now - 1.0:
                second.popleft()
            if len(second) >= config.throttle:
                self._core.stats.throttled += 1
                return int(CommandStatus.ESME_RTHROTTLED)
            second.append(now)
        if not pdu.destination.addr:
            return int(CommandStatus.ESME_RINVDSTADR)
        if self._core.timer.pending >= config.max_waiting:
            return int(CommandStatus.ESME_RMSGQFUL)
        if isinstance(pdu, SubmitSm):
            if fault := time_fault(pdu, self._core.wall()):
                return fault
        elif pdu.tlv(Tag.MESSAGE_PAYLOAD) is None:
            # Its text can be nowhere else (5.0 §4.2.4, §4.7.6).
            return int(CommandStatus.ESME_RMISSINGOPTPARAM)
        if config.errors and rng.random() < config.errors:
            return rng.choice(config.error_statuses)
        return 0

    def _show(self, bind: Bind, submit: Submit) -> None:
        if self._core.on_air is None:
            return
        self._core.show_bind(
            "segment" if submit.taken else "refused",
            bind,
            source=submit.source,
            destination=submit.destination,
            part=submit.part.seq,
            total=submit.part.total,
            encoding=submit.encoding,
            text=submit.text,
            octets=submit.part.data,
            message_id=submit.message_id,
            status=submit.status,
            detail="no response" if submit.silent else "",
        )

    def _assemble(self, bind: Bind, submit: Submit) -> None:
        core = self._core
        pdu = submit.pdu
        core.conversation = (submit.destination, submit.source)
        self._assembly.alphabet = core.config.alphabet
        message = self._assembly.add(bind.system_id, pdu.source, pdu.destination, submit.part, submit.wall)
        if message is None:
            return
        core.stats.messages += 1
        submit.message = message
        core.messages.append(message)
        if core.on_air is not None:
            core.show_bind(
                "message",
                bind,
                source=message.source,
                destination=message.destination,
                part=message.parts,
                total=message.parts,
                encoding=message.encoding,
                text=message.text,
                octets=message.octets,
                message_id=submit.message_id,
            )

    # --- the answer ---

    def _answer_in_time(self, submit: Submit, now: float) -> None:
        core = self._core
        seconds = draw(core.config.latency, core.rng)
        if seconds or core.config.out_of_order:
            core.timer.at(now + seconds, self._due, submit)
        else:
            self._due(submit)

    def _due(self, submit: Submit) -> None:
        core = self._core
        if not core.config.receipts_before_response:
            self._respond(submit)
            for one in submit.together:
                if one.waits:
                    self._endings.end_in_time(one)
            return
        receipts = [receipt for one in submit.together if one.waits for receipt in self._endings.end_now(one)]
        if not receipts:
            self._respond(submit)
            return
        first = receipts[0]
        first.on_done = lambda: self._respond(submit)
        for receipt in receipts:
            core.deliveries.add(receipt)
        core.pump()
        if first.bind == submit.bind:
            self._respond(submit)  # behind it in the same write
        else:
            core.timer.later(RECEIPT_FIRST, self._respond, submit)

    def _respond(self, submit: Submit) -> None:
        if submit.multi is not None:
            self._respond_multi(submit.multi)
            return
        if submit.silent or submit.answered_at is not None:
            return
        core = self._core
        bind = core.binds.get(submit.bind)
        if bind is None:
            return
        response = SubmitSmResp if isinstance(submit.pdu, SubmitSm) else DataSmResp
        bind.session.send_response(submit.sequence, response(submit.message_id), submit.status)
        submit.answered_at = trio.current_time()
        core.touched.add(bind)

    def _respond_multi(self, multi: Multi) -> None:
        core = self._core
        first = multi.submits[0]
        bind = core.binds.get(first.bind)
        if bind is None or first.answered_at is not None or any(submit.silent for submit in multi.submits):
            return
        message_id = next((submit.message_id for submit in multi.submits if submit.taken), "")
        answer = SubmitMultiResp(message_id, () if multi.status else tuple(multi.unsuccessful))
        bind.session.send_response(first.sequence, answer, multi.status)
        for submit in multi.submits:
            submit.answered_at = trio.current_time()
        core.touched.add(bind)


def _for_one(pdu: SubmitMulti, destination: Address) -> SubmitSm:
    return SubmitSm(
        pdu.source,
        destination,
        pdu.short_message,
        esm_class=pdu.esm_class,
        data_coding=pdu.data_coding,
        registered_delivery=pdu.registered_delivery,
        service_type=pdu.service_type,
        protocol_id=pdu.protocol_id,
        priority_flag=pdu.priority_flag,
        schedule_delivery_time=pdu.schedule_delivery_time,
        validity_period=pdu.validity_period,
        replace_if_present_flag=pdu.replace_if_present_flag,
        sm_default_msg_id=pdu.sm_default_msg_id,
        tlvs=pdu.tlvs,
    )
