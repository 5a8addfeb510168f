"""The steps of the demo, told from the application's and the phone's side."""

from __future__ import annotations

from typing import Any, Final

import trio

from gateway.demo.app import App
from gateway.demo.screen import Screen, Unmet, quoted
from gateway.demo.webhook import Receiver
from gateway.simulator import OnAir, Simulator

NUMBER: Final = "+12015550123"
"""Ours; 555-0100 to 555-0199 are reserved for fiction."""
PEER: Final = "+12015550147"
"""The phone's."""

SHORT: Final = "Your parcel is here. Shall we keep it for you until Friday?"
LONG: Final = (
    "Thank you! 🎉 We keep it until Friday, 18:00. You find us behind the station 🚉, on the left of the "
    "bakery 🥐; ring twice. Please bring your passport, or the pick-up code 4711, and a friend: the parcel "
    "is heavy 📦💪. See you soon 👋"
)
REPLY: Final = (
    "Great 😀👍 I come on Thursday after work with my sister 👩‍🔧 and her car 🚗. Is there a place to park near by?"
)


class Story:
    """One demo. ``tell`` raises StepFailed for the first step that does not happen as expected."""

    def __init__(self, screen: Screen, simulator: Simulator, receiver: Receiver, app: App) -> None:
        self.screen = screen
        self.simulator = simulator
        self.receiver = receiver
        self.app = app
        self.air: list[OnAir] = []
        """What the carrier has seen so far; the stage fills it."""

    async def tell(self) -> None:
        """All steps, in order."""
        async with self.screen.step("The application subscribes to its events", 2, "an answer to subscribe"):
            await self.app.call("subscribe", name="demo", events=["inbound", "receipt"])
        await self._there("a short text", SHORT, "gsm7", 1)
        await self._there("a long text with emoji", LONG, "ucs2", 4)
        await self._back()
        await self._nothing_left()

    async def _there(self, what: str, text: str, encoding: str, segments: int) -> None:
        screen, app = self.screen, self.app
        async with screen.step(f"The application submits {what}", 2, "an answer to submit"):
            sent = await app.call("submit", to=PEER, text=text, **{"from": NUMBER})
            screen.detail("accepted", f"{sent['id']}, {_segments(sent['segments'])} {sent['encoding']}")
            _expect(sent["encoding"] == encoding, f"encoding {encoding}, not {sent['encoding']}")
            _expect(sent["segments"] == segments, f"{_segments(segments)}, not {sent['segments']}")

        title = f"It is on the air as {_segments(segments)}, and the phone shows the same text"
        async with screen.step(title, 3, f"{_segments(segments)} at the carrier"):
            await self.simulator.until(lambda: text in self._texts())
            parts = [(event.part, event.total) for event in self.air if event.kind == "segment"][-segments:]
            expected = [(n + 1, segments) for n in range(segments)]
            _expect(parts == expected, f"the parts {expected}, not {parts}")
        async with screen.step("Its receipt has come back", 4, "a receipt with state delivered"):
            receipt = await app.event("receipt", id=sent["id"])
            _expect(receipt["state"] == "delivered", f"state delivered, not {receipt['state']}")
            _expect(receipt["segments"] == segments, f"{segments} segments, not {receipt['segments']}")
            screen.detail("event", f"{receipt['state']}, {_segments(receipt['segments'])}", "green")
            await app.acknowledge(receipt)

    def _texts(self) -> list[str | None]:
        """What the phone shows, put together from the segments by the carrier."""
        return [message.text for message in self.simulator.messages]

    async def _back(self) -> None:
        screen = self.screen
        async with screen.step("The phone replies, with emoji", 2, "a bind to send the reply to"):
            parts = self.simulator.inbound(PEER, NUMBER, REPLY)
            _expect(parts == 2, f"a reply of 2 segments, not {parts}")
        async with screen.step("The reply has reached the webhook", 4, "a signed POST with the reply"):
            post = await self.receiver.event("inbound", peer=PEER)
            _expect(post["text"] == REPLY, f"the text as it was sent, not {quoted(post['text'])}")
            _expect(post["number"] == NUMBER, f"the number {NUMBER}, not {post['number']}")
            _expect(not self.receiver.refused, f"signatures that are right: {self.receiver.refused}")
            screen.detail("webhook", f"signature good, {_segments(post['parts'])}  {quoted(post['text'])}", "green")
        async with screen.step("The reply has reached the subscription", 4, "a notification with the reply"):
            event = await self.app.event("inbound", peer=PEER)
            _expect(event["text"] == REPLY, f"the text as it was sent, not {quoted(event['text'])}")
            _expect(event["complete"] is True, "a complete message")
            screen.detail("event", quoted(event["text"]), "green")
            await self.app.acknowledge(event)

    async def _nothing_left(self) -> None:
        expected = "every receipt and reply acknowledged to the carrier, and no message under way"
        async with self.screen.step("Nothing is left under way", 3, expected):
            await self.simulator.until(lambda: self.simulator.waiting == 0)
            carrier = await self._at_rest()
            self.screen.detail(
                "status",
                f"{carrier['submitted']} segments submitted, {carrier['accepted']} accepted, "
                f"{carrier['receipts']} receipts, {carrier['inbound']} inbound",
            )

    async def _at_rest(self) -> dict[str, Any]:
        """The carrier's part of the status, once no segment waits or is under way."""
        while True:
            found = await self.app.call("status")
            if not any(found["counts"].values()):
                carrier: dict[str, Any] = found["carriers"][0]
                return carrier
            await trio.sleep(0.05)


def _expect(met: bool, expected: str) -> None:
    if not met:
        raise Unmet(expected)


def _segments(count: int) -> str:
    return f"{count} segment{'s'[: count != 1]}"
