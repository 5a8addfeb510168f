"""Messages that were taken, by their ids: an ESME asks for their state, cancels them, gives them another text."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import trio

from gateway.smpp.constants import INTERFACE_VERSION_50, CommandStatus, MessageState, Tag
from gateway.smpp.pdu import (
    Address,
    CancelSm,
    CancelSmResp,
    DataSm,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    ReplaceSmResp,
    SubmitSm,
    Tlv,
)
from gateway.smpp.times import write_absolute
from gateway.sms.reassembly import assemble

from .air import Kind, Message, part_of, show_address
from .core import Core
from .deliveries import Bind
from .endings import Endings
from .receipts import error_of
from .submit import Submit
from .times import time_fault

_OK: Final = int(CommandStatus.ESME_ROK)
_PAYLOAD: Final = int(Tag.MESSAGE_PAYLOAD)


class Kept:
    """The last messages, `most` of them; of an older one nothing is known any more, and `stats.forgotten` counts it.

    Who asks sees its own messages alone: those submitted under the same system_id.
    """

    def __init__(self, core: Core, endings: Endings) -> None:
        self._core = core
        self._endings = endings
        self._most = core.config.log_size
        self._by_id: OrderedDict[tuple[str, str], Submit] = OrderedDict()
        # Those that wait, and perhaps some that have ended since, so that who cancels by addresses over and over does
        # not have all of them looked through each time.
        self._by_pair: dict[tuple[str, Address, Address], dict[Submit, None]] = {}

    def add(self, submit: Submit) -> None:
        """A message that was taken. Of a submit_multi, any of its submits: they have one id."""
        self._by_id[submit.system_id, submit.message_id] = submit
        for one in submit.together:
            if one.waits:
                self._by_pair.setdefault(_pair(one), {})[one] = None
        if len(self._by_id) > self._most:
            _, oldest = self._by_id.popitem(last=False)
            for one in oldest.together:
                self._leave(one)
            self._core.stats.forgotten += 1

    def _leave(self, submit: Submit) -> None:
        pair = _pair(submit)
        found = self._by_pair.get(pair)
        if found is not None and submit in found:
            del found[submit]
            if not found:
                del self._by_pair[pair]

    def _waiting(self, system_id: str, source: Address, destination: Address) -> list[Submit]:
        # Oldest first. What has ended is looked at once.
        found = list(self._by_pair.get((system_id, source, destination), ()))
        for submit in found:
            if not submit.waits:
                self._leave(submit)
        return [submit for submit in found if submit.waits]

    def replace_waiting(self, submit: Submit) -> Submit | None:
        """Put a submit in the place of the last one that waits with its source, destination and service_type
        (replace_if_present_flag, §4.4.1.2), and return that, which keeps its id; None when there is none.
        """
        new = submit.pdu
        if not isinstance(new, SubmitSm) or submit.part.total > 1:
            return None
        for old in reversed(self._waiting(submit.system_id, new.source, new.destination)):
            if (
                old.multi is None
                and old.part.total == 1
                and isinstance(old.pdu, SubmitSm)
                and old.pdu.service_type == new.service_type
            ):
                self._put(old, new)
                self._heed_times(old, new)
                self._core.stats.replaced += 1
                return old
        return None

    def query(self, bind: Bind, sequence: int, pdu: QuerySm) -> None:
        """query_sm (SMPP 3.4 §4.8): the state, and since when if it is a final one."""
        found = self._find(bind, pdu.message_id, pdu.source)
        if not found:
            self._answer(bind, sequence, pdu, QuerySmResp(), int(CommandStatus.ESME_RQUERYFAIL))
            return
        worst = _least_done(found)
        final = "" if worst.done is None else write_absolute(datetime.fromtimestamp(worst.done, UTC))
        self._core.stats.queried += 1
        state = worst.state
        if worst.scheduled is not None and worst.waits and worst.scheduled > trio.current_time():
            # 5.0 §4.7.15: new in 5.0, before that it is ENROUTE.
            state = MessageState.SCHEDULED if (bind.session.peer_version or 0) >= INTERFACE_VERSION_50 else state
        response = QuerySmResp(pdu.message_id, final, int(state), error_of(state))
        self._answer(bind, sequence, pdu, response, _OK, state=state.name)

    def cancel(self, bind: Bind, sequence: int, pdu: CancelSm) -> None:
        """cancel_sm (§4.9): the message of this id, or with an empty one all that wait of this source, destination
        and service_type; an empty service_type is any.
        """
        if pdu.message_id:
            found: Iterable[Submit] = self._find(bind, pdu.message_id, pdu.source)
        else:
            found = [
                submit
                for submit in self._waiting(bind.system_id, pdu.source, pdu.destination)
                if pdu.service_type in ("", submit.pdu.service_type)
            ]
        waiting = [submit for submit in found if submit.waits]
        for submit in waiting:
            self._endings.cancel(submit)
        self._core.stats.cancelled += len(waiting)
        status = _OK if waiting else int(CommandStatus.ESME_RCANCELFAIL)
        self._answer(bind, sequence, pdu, CancelSmResp(), status, destination=show_address(pdu.destination))

    def replace(self, bind: Bind, sequence: int, pdu: ReplaceSm) -> None:
        """replace_sm (§4.10): another text for a message that waits, and what else it says."""
        found = self._find(bind, pdu.message_id, pdu.source)
        if not found or not all(submit.waits for submit in found):
            self._answer(bind, sequence, pdu, ReplaceSmResp(), int(CommandStatus.ESME_RREPLACEFAIL))
            return
        fault = time_fault(pdu, self._core.wall())
        if not fault and self._core.timer.pending >= self._core.config.max_waiting:
            fault = int(CommandStatus.ESME_RMSGQFUL)  # each new time waits beside the old one
        if fault:
            self._answer(bind, sequence, pdu, ReplaceSmResp(), fault)
            return
        for submit in found:
            self._put(submit, _with_text(submit.pdu, pdu))
            self._heed_times(submit, pdu)
        self._core.stats.replaced += 1
        self._answer(bind, sequence, pdu, ReplaceSmResp(), _OK, text=found[0].text, encoding=found[0].encoding)

    def _find(self, bind: Bind, message_id: str, source: Address) -> list[Submit]:
        # §4.8.1, §4.9.1, §4.10.1: the source address must match that of the message.
        submit = self._by_id.get((bind.system_id, message_id))
        if submit is None or submit.pdu.source != source:
            return []
        return [one for one in submit.together if one.taken]

    def _heed_times(self, submit: Submit, new: SubmitSm | ReplaceSm) -> None:
        submit.heed_times(new, trio.current_time(), self._core.wall())
        self._endings.times_changed(submit)

    def _put(self, submit: Submit, new: SubmitSm | DataSm) -> None:
        core = self._core
        submit.pdu = new
        submit.part = part_of(submit.pdu)
        alone = assemble({submit.part.seq: submit.part}, submit.part.total, core.config.alphabet)
        submit.text, submit.encoding = alone.text, alone.encoding
        old = submit.message
        if old is None or submit.part.total > 1:
            return  # one part of several: the message has been put together of the old ones
        submit.message = msgspec.structs.replace(
            old, text=alone.text, octets=alone.data, encoding=alone.encoding, flags=alone.flags
        )
        _swap(core.messages, old, submit.message)

    def _answer(self, bind: Bind, sequence: int, asked: Any, response: Pdu, status: int, **shown: Any) -> None:
        core = self._core
        bind.session.send_response(sequence, response, status)
        core.touched.add(bind)
        if core.on_air is not None:
            core.show_bind(
                _KINDS[type(asked)],
                bind,
                source=show_address(asked.source),
                message_id=asked.message_id,
                status=status,
                **shown,
            )


_KINDS: Final[dict[type[Pdu], Kind]] = {QuerySm: "query", CancelSm: "cancel", ReplaceSm: "replace"}


def _pair(submit: Submit) -> tuple[str, Address, Address]:
    return submit.system_id, submit.pdu.source, submit.pdu.destination


def _least_done(submits: list[Submit]) -> Submit:
    # One id stands for every destination of a submit_multi: on its way as long as one is, delivered once all are.
    for submit in submits:
        if submit.state is MessageState.ENROUTE:
            return submit
    failed = [submit for submit in submits if submit.state is not MessageState.DELIVERED]
    return max(failed or submits, key=lambda submit: submit.done or 0.0)


def _with_text(pdu: SubmitSm | DataSm, new: ReplaceSm) -> SubmitSm | DataSm:
    # §4.10.1: an empty time leaves the old one. In 5.0 (§4.5.3.1) the text may come as message_payload.
    payload = new.tlv(_PAYLOAD)
    text = payload if isinstance(payload, bytes) and not new.short_message else new.short_message
    tlvs = tuple(tlv for tlv in pdu.tlvs if tlv.tag != _PAYLOAD)
    with_payload = (*tlvs, Tlv(_PAYLOAD, text))
    if isinstance(pdu, DataSm):
        return msgspec.structs.replace(pdu, tlvs=with_payload, registered_delivery=new.registered_delivery)
    return msgspec.structs.replace(
        pdu,
        short_message=b"" if text is payload else text,
        tlvs=with_payload if text is payload else tlvs,
        registered_delivery=new.registered_delivery,
        schedule_delivery_time=new.schedule_delivery_time or pdu.schedule_delivery_time,
        validity_period=new.validity_period or pdu.validity_period,
        sm_default_msg_id=new.sm_default_msg_id,
    )


def _swap(messages: deque[Message], old: Message, new: Message) -> None:
    for place, message in enumerate(messages):
        if message is old:
            messages[place] = new
            return
