"""How messages end: the state that each one comes to, when, and the receipts that say so."""

from __future__ import annotations

from typing import Final

import trio

from gateway.smpp.constants import MessageState, RegisteredDelivery

from .config import RECEIPT_STATES, draw
from .core import Core
from .deliveries import Delivery
from .ids import write_id
from .receipts import receipt_for
from .submit import Ending, Submit, id_form_for
from .timer import GRAIN

_NO_FAILURE: Final = ("DELIVRD", "ACCEPTD", "ENROUTE")


class Endings:
    """Ends messages that wait, once each."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def end_in_time(self, submit: Submit) -> None:
        """After the receipt's delay, from the time that it is scheduled for on, unless it expires or is cancelled."""
        core = self._core
        word, copies = self._draw()
        seconds = draw(core.config.receipt_delay, core.rng)
        now = trio.current_time()
        in_time = submit.scheduled is None and (submit.expires is None or submit.expires > now)
        if in_time and not seconds and not core.config.out_of_order:
            for receipt in self._end(submit, word, copies):
                core.deliveries.add(receipt)
            return
        submit.ending = Ending(word, copies, now, seconds)
        self.times_changed(submit)

    def times_changed(self, submit: Submit) -> None:
        """A message that waits has other times than it had, or its first."""
        if submit.ending is not None:
            self._core.timer.at(_outcome(submit, submit.ending)[0], self._due, submit)

    def end_now(self, submit: Submit) -> list[Delivery]:
        """At once; the receipts are the caller's to hand on."""
        return self._end(submit, *self._draw())

    def cancel(self, submit: Submit) -> None:
        """A message that waits is deleted, which its receipt says if there is to be one."""
        for receipt in self._end(submit, "DELETED", 1):
            self._core.deliveries.add(receipt)

    def _draw(self) -> tuple[str, int]:
        # The word of the state, and how often the receipt is sent if one is asked for.
        config, rng = self._core.config, self._core.rng
        copies = 1
        if config.receipts < 1 and rng.random() >= config.receipts:
            copies = 0
        states = config.receipt_states
        word = next(iter(states)) if len(states) == 1 else rng.choices(list(states), list(states.values()))[0]
        if config.duplicate_receipts and rng.random() < config.duplicate_receipts:
            copies *= 2
        return word, copies

    def _due(self, submit: Submit) -> None:
        core = self._core
        assert submit.ending is not None
        due, word = _outcome(submit, submit.ending)
        if due > trio.current_time() + GRAIN:
            return  # it has been given a later time since, for which the timer is set
        first, *copies = self._end(submit, word, submit.ending.copies) or (None,)
        if first is not None:
            core.deliveries.add(first)
        for copy in copies:
            # A copy keeps a delay of its own.
            core.timer.later(self._apart(), core.deliveries.add, copy)

    def _apart(self) -> float:
        delay = self._core.config.receipt_delay
        return abs(draw(delay, self._core.rng) - draw(delay, self._core.rng))

    def _end(self, submit: Submit, word: str, copies: int) -> list[Delivery]:
        if not submit.waits:
            return []
        core = self._core
        submit.state = RECEIPT_STATES[word]
        if submit.state is not MessageState.ENROUTE:
            submit.done = core.wall()
        asked = submit.pdu.registered_delivery & RegisteredDelivery.RECEIPT_MASK
        if (
            not asked
            or not copies
            or (asked == RegisteredDelivery.RECEIPT_ON_FAILURE and word in _NO_FAILURE)
            or (asked == RegisteredDelivery.RECEIPT_ON_SUCCESS and word != "DELIVRD")
        ):
            return []
        core.stats.receipts += copies
        message_id = write_id(submit.number, id_form_for(submit, core.config.receipt_id_form))
        pdu = receipt_for(
            submit.pdu,
            message_id,
            word,
            text=submit.text or "",
            form=core.config.receipt_form,
            submitted=submit.wall,
            done=core.wall(),
        )
        return [
            Delivery("receipt", pdu, submit.system_id, origin=submit.bind, state=word, message_id=message_id)
            for _ in range(copies)
        ]


def _outcome(submit: Submit, ending: Ending) -> tuple[float, str]:
    """When a message ends, on Trio's clock, and the word of its state then."""
    due = max(ending.begun, submit.scheduled or 0.0) + ending.seconds
    if submit.expires is not None and submit.expires < due:
        return submit.expires, "EXPIRED"
    return due, ending.word
