"""What hands over a forward or a reply: what it asks for, and what each answer of the intake makes of the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from gateway.handlers.outcome import Outcome
from gateway.handlers.own import Own
from gateway.outbound.intake import Outcome as Taken
from gateway.outbound.request import Accepted, App, Refusal, Submit
from gateway.outbox import Delivery
from gateway.settings import Settings
from gateway.settings.own import FORWARDS, OWN_APP
from gateway.store.ruled import OwnMessage
from gateway.store.streams import HANDLER
from tests.support.events import NUMBER, PEER, Events

ANN = "+14155550101"
MESSAGE = OwnMessage(
    at="2026-03-01T09:30:00.250Z", id="019", rule="on-call", number=NUMBER, peer=PEER, to=ANN, text="Help", name="Ann"
)
ACCEPTED = Accepted("1", "7-1", "queued", 1, "gsm7", NUMBER, ANN, False, [])


class Intake:
    """Answers each request with what the test says, and remembers it."""

    def __init__(self, answer: Taken | None) -> None:
        self.answer = answer
        self.longest = 10_000
        self.asked: list[tuple[App, Submit, str]] = []

    def submit(self, app: App, requests: list[Submit], done: Callable[[list[Taken]], None], door: str) -> None:
        self.asked += [(app, request, door) for request in requests]
        if len(requests[0].text or "") > self.longest:
            done([Refusal("too_long", "9 segments")])
        elif self.answer is not None:
            done([self.answer])


async def own(nursery: trio.Nursery, answer: Taken | None) -> tuple[Own, Any]:
    events = await Events().start(nursery)
    feed = await events.outbox.open(HANDLER, "", FORWARDS)
    intake: Any = Intake(answer)
    terms = Settings().own_handlers[FORWARDS]
    return Own(terms, feed, events.outbox, events.metrics, events.clock, intake), intake


def delivery(message: OwnMessage = MESSAGE, kind: str = "forward", payload: bytes | None = None) -> Delivery:
    return Delivery(7, 1, 1_750_000_000_000, kind, 19, payload or msgspec.json.encode(message), redelivered=False)


@pytest.mark.parametrize(("kind", "klass", "validity"), [("forward", "direct", None), ("reply", "transactional", 3600)])
async def test_what_is_asked_for(nursery: trio.Nursery, kind: str, klass: Any, validity: float | None) -> None:
    """The same request each time: the ref is the event's id."""
    sender, intake = await own(nursery, ACCEPTED)
    message = msgspec.structs.replace(MESSAGE, validity=validity)
    for attempt in (1, 2):
        assert await sender.deliver(delivery(message, kind), attempt) == Outcome(None, None)
    expected = Submit(
        to=ANN,
        text="Help",
        from_=NUMBER,
        class_=klass,
        ref="7-1",
        validity=validity,
        meta={"inbound": "019", "rule": "on-call", "peer": PEER},
    )
    assert [(app.name, request, door) for app, request, door in intake.asked] == [(OWN_APP, expected, kind)] * 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Refusal("no_route"), Outcome(None, "no_route: no carrier for this number", final=True)),
        (Refusal("too_long", "9 segments"), Outcome(None, "too_long: 9 segments", final=True)),
        (
            Refusal("disk_full", retry_after=10),
            Outcome(None, "disk_full: free disk space is below the configured floor", down=True, retry_after=10),
        ),
        # It was taken in under this id before, worded otherwise: that was it.
        (Refusal("ref_conflict", field="ref"), Outcome(None, None)),
    ],
)
async def test_what_an_answer_means(nursery: trio.Nursery, answer: Taken, outcome: Outcome) -> None:
    sender, _ = await own(nursery, answer)
    assert await sender.deliver(delivery(), 1) == outcome


async def test_a_forward_that_is_too_long_is_cut(nursery: trio.Nursery) -> None:
    """It reaches whom it is for, with most of what it says; an answer of the configuration does not change."""
    sender, intake = await own(nursery, ACCEPTED)
    intake.longest = 500
    text = "x" * 300 + " " + "y" * 400
    assert await sender.deliver(delivery(msgspec.structs.replace(MESSAGE, text=text)), 1) == Outcome(None, None)
    (first, *_, last) = [request for _, request, _ in intake.asked]
    assert first.text == text
    assert 450 <= len(last.text) <= 500
    assert (last.text[:-4], last.text[-4:]) == (text[: len(last.text) - 4], " ...")
    assert {request.ref for _, request, _ in intake.asked} == {"7-1"}
    intake.longest = 100
    outcome = await sender.deliver(delivery(msgspec.structs.replace(MESSAGE, text=text)), 1)
    assert (outcome.final, (outcome.error or "")[:8]) == (True, "too_long")
    intake.asked.clear()
    outcome = await sender.deliver(delivery(msgspec.structs.replace(MESSAGE, text=text), "reply"), 1)
    assert (outcome.final, len(intake.asked)) == (True, 1)


async def test_an_event_that_cannot_be_read_is_asked_for_nothing(nursery: trio.Nursery) -> None:
    sender, intake = await own(nursery, ACCEPTED)
    outcome = await sender.deliver(delivery(payload=b'{"to":1}'), 1)
    assert outcome.final
    assert outcome.error is not None
    assert not intake.asked


async def test_a_daemon_that_stops_leaves_the_event_where_it_is(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    sender, intake = await own(nursery, Refusal("stopping", retry_after=5))
    with trio.move_on_after(1000) as scope:
        await sender.deliver(delivery(), 1)
    assert scope.cancelled_caught
    assert len(intake.asked) == 1
