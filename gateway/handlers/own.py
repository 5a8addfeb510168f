"""Forwards and automatic replies: messages of ours that follow from inbound ones.

What is to be sent was decided and written with the inbound message, as an event. Here it goes through the one way in
for messages, by the terms of `Pusher`; the event's id is its ``ref``, so that one that is taken in again after a kill
is the same message.
"""

from __future__ import annotations

import random
from typing import Final

import msgspec
import trio

from gateway.handlers.outcome import Outcome
from gateway.handlers.pusher import Pusher
from gateway.log import logger
from gateway.metrics import Metrics
from gateway.model import Clock
from gateway.outbound.intake import Intake
from gateway.outbound.intake import Outcome as Taken
from gateway.outbound.request import App, Refusal, Submit
from gateway.outbox import Delivery, Feed, Outbox
from gateway.settings.own import OWN_APP, OwnHandler
from gateway.store.last import FORWARD
from gateway.store.optedout import PASSES
from gateway.store.ruled import OwnMessage

_log = logger(component="rules")

CUT: Final = " ..."
"""The end of a forward that is longer than a message may be."""
SHORTEST: Final = 160
"""Characters below which none is cut: it is refused for something else."""

OURS: Final = App(OWN_APP, None, replies=True)


class Own(Pusher):
    """Sends what the events of one feed say. ``rng`` is for tests."""

    kind = "own"

    def __init__(
        self,
        handler: OwnHandler,
        feed: Feed,
        outbox: Outbox,
        metrics: Metrics,
        clock: Clock,
        intake: Intake,
        *,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(handler, feed, outbox, metrics, clock, rng=rng)
        self._intake = intake
        self._decoder = msgspec.json.Decoder(OwnMessage)

    async def deliver(self, delivery: Delivery, attempt: int) -> Outcome:
        """Hands a message over, and waits until it is stored."""
        try:
            message = self._decoder.decode(delivery.payload)
        except msgspec.DecodeError as error:
            return Outcome(None, f"the event is damaged: {error}", final=True)
        asked = request(message, delivery)
        taken = await self._submit(asked, PASSES if message.passes else delivery.kind)
        while isinstance(taken, Refusal) and taken.reason == "too_long" and delivery.kind == FORWARD:
            # What came in fits into the most segments, and what stands before it does not: most of it says enough.
            shorter = cut(asked.text or "")
            if shorter is None:
                break
            asked = msgspec.structs.replace(asked, text=shorter)
            taken = await self._submit(asked, delivery.kind)
        if not isinstance(taken, Refusal):
            return Outcome(None, None)
        if taken.reason == "stopping":
            # It is still the next one of its stream when the daemon is back.
            await trio.sleep_forever()
        if taken.reason == "ref_conflict":
            # It was taken in under this id before, by a version that worded it otherwise.
            _log.warning("sent_before", event_id=delivery.id)
            return Outcome(None, None)
        said = f"{taken.reason}: {taken}"
        if taken.retry_after is None:
            return Outcome(None, said, final=True)
        return Outcome(None, said, down=True, retry_after=taken.retry_after)

    async def _submit(self, request: Submit, door: str) -> Taken:
        outcomes: list[Taken] = []
        done = trio.Event()

        def taken(found: list[Taken]) -> None:
            outcomes.extend(found)
            done.set()

        self._intake.submit(OURS, [request], taken, door)
        await done.wait()
        return outcomes[0]

    async def aclose(self) -> None:
        """There is nothing to close."""


def cut(text: str) -> str | None:
    """A text without its last tenth, and with a sign of that; None where there is little left of it."""
    kept = text.removesuffix(CUT)
    kept = kept[: len(kept) * 9 // 10].rstrip()
    return kept + CUT if len(kept) >= SHORTEST else None


def request(message: OwnMessage, delivery: Delivery) -> Submit:
    """The request that an event makes, the same every time; its `meta` says what it follows from."""
    return Submit(
        to=message.to,
        text=message.text,
        from_=message.number,
        class_="direct" if delivery.kind == FORWARD else "transactional",
        ref=delivery.id,
        validity=message.validity,
        meta={"inbound": message.id, "rule": message.rule, "peer": message.peer},
    )
