"""What becomes of a submit_sm or data_sm: taken or refused, answered or not, receipted."""

from __future__ import annotations

from collections import deque
from typing import Final

import trio

from gateway.smpp.constants import CommandStatus, RegisteredDelivery
from gateway.smpp.pdu import DataSm, DataSmResp, SubmitSm, SubmitSmResp
from gateway.sms.reassembly import assemble

from .air import Assembly, Message, part_of, show_address
from .config import draw
from .core import Core
from .deliveries import Bind, Delivery
from .ids import MessageIds, write_id
from .receipts import receipt_for

RECEIPT_FIRST: Final = 1.0
"""Seconds that a response waits at most for the answer to the receipt that goes before it on another bind."""


class Submit:
    """A submit_sm or data_sm as it came, and what was answered."""

    __slots__ = (
        "answered_at",
        "bind",
        "encoding",
        "message_id",
        "number",
        "part",
        "pdu",
        "sequence",
        "silent",
        "status",
        "system_id",
        "t",
        "taken",
        "text",
        "wall",
    )

    def __init__(self, t: float, wall: float, bind: Bind, sequence: int, pdu: SubmitSm | DataSm) -> None:
        self.t = t
        """When it came, on Trio's clock; `wall` is the same on the wall clock."""
        self.wall = wall
        self.bind = bind.number
        self.system_id = bind.system_id
        self.sequence = sequence
        self.pdu = pdu
        self.part = part_of(pdu)
        """Its concatenation and octets."""
        self.text: str | None = None
        """Of this part alone; None for binary."""
        self.encoding = ""
        self.status = 0
        """The command_status decided on."""
        self.silent = False
        """Left without a response on purpose."""
        self.taken = True
        """Whether the message goes on its way."""
        self.number = 0
        self.message_id = ""
        """As in the response; empty for a refusal."""
        self.answered_at: float | None = None
        """When the response went into the bind, on Trio's clock; None when none did."""

    @property
    def source(self) -> str:
        """Who sent it, an international number with "+"."""
        return show_address(self.pdu.source)

    @property
    def destination(self) -> str:
        """Whom it is for, an international number with "+"."""
        return show_address(self.pdu.destination)

    def __repr__(self) -> str:
        return (
            f"Submit(bind={self.bind}, sequence={self.sequence}, {self.source} to {self.destination}, "
            f"part {self.part.seq} of {self.part.total}, status={self.status}, id={self.message_id!r})"
        )


class Submits:
    """Decides, answers and remembers."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ids = MessageIds(core.rng)
        self._assembly = Assembly(core.config.alphabet)
        self._second: deque[float] = deque()  # when those of the last second were taken
        self.log: deque[Submit] = deque(maxlen=core.config.log_size)
        self.messages: deque[Message] = deque(maxlen=core.config.log_size)

    @property
    def incomplete(self) -> int:
        """Messages of which parts are missing."""
        return self._assembly.waiting

    def received(self, bind: Bind, sequence: int, pdu: SubmitSm | DataSm, now: float) -> None:
        """Decide on a submit, and answer it now or later."""
        core = self._core
        config, stats = core.config, core.stats
        submit = Submit(now, core.wall(), bind, sequence, pdu)
        part = submit.part
        alone = assemble({part.seq: part}, part.total, config.alphabet)
        submit.text, submit.encoding = alone.text, alone.encoding
        self.log.append(submit)
        stats.submits += 1
        submit.status = self._verdict(pdu, now)
        if submit.status:
            submit.taken = False
            stats.refused += 1
            stats.statuses[submit.status] = stats.statuses.get(submit.status, 0) + 1
        else:
            if config.no_response and core.rng.random() < config.no_response:
                submit.silent = True
                submit.taken = config.no_response_taken
                stats.unanswered += 1
            stats.accepted += 1
            submit.number = self._ids.take()
            submit.message_id = write_id(submit.number, config.id_form)
        self._show(bind, submit)
        if submit.taken:
            self._assemble(bind, submit)
        seconds = draw(config.latency, core.rng)
        if seconds or config.out_of_order:
            core.timer.at(now + seconds, self._due, submit)
        else:
            self._due(submit)

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
        self.messages.append(message)
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

    # --- the answer and the receipt ---

    def _due(self, submit: Submit) -> None:
        core = self._core
        receipts = self._receipts(submit) if submit.taken else []
        if not (receipts and core.config.receipts_before_response):
            self._respond(submit)
            for receipt in receipts:
                self._send_later(receipt)
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

    def _receipts(self, submit: Submit) -> list[Delivery]:
        core = self._core
        config, rng = core.config, core.rng
        asked = submit.pdu.registered_delivery & RegisteredDelivery.RECEIPT_MASK
        if not asked or (config.receipts < 1 and rng.random() >= config.receipts):
            return []
        states = config.receipt_states
        word = next(iter(states)) if len(states) == 1 else rng.choices(list(states), list(states.values()))[0]
        if asked == RegisteredDelivery.RECEIPT_ON_FAILURE and word in ("DELIVRD", "ACCEPTD", "ENROUTE"):
            return []
        if asked == RegisteredDelivery.RECEIPT_ON_SUCCESS and word != "DELIVRD":
            return []
        copies = 2 if config.duplicate_receipts and rng.random() < config.duplicate_receipts else 1
        core.stats.receipts += copies
        message_id = write_id(submit.number, config.receipt_id_form)
        pdu = receipt_for(
            submit.pdu,
            message_id,
            word,
            text=submit.text or "",
            form=config.receipt_form,
            submitted=submit.wall,
            done=core.wall(),
        )
        return [
            Delivery("receipt", pdu, submit.system_id, origin=submit.bind, state=word, message_id=message_id)
            for _ in range(copies)
        ]

    def _send_later(self, receipt: Delivery) -> None:
        core = self._core
        seconds = draw(core.config.receipt_delay, core.rng)
        if seconds or core.config.out_of_order:
            core.timer.later(seconds, core.deliveries.add, receipt)
        else:
            core.deliveries.add(receipt)
