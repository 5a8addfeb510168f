"""A receiver that misbehaves for an hour: nothing is lost, each conversation is in order, others feel nothing."""

from __future__ import annotations

import pytest
import trio

from gateway.handlers.turns import HELD
from gateway.handlers.webhook import Webhook
from gateway.handlers.wire import NotConnectedError
from tests.support.events import Events, handler, trio_clock
from tests.support.httpd import Request
from tests.support.transport import Posts, forever, public

HOUR = 3600
EVERY = 5.0
"""Seconds between two messages."""
PEERS = [f"+4915110000{n:03}" for n in range(25)]


async def slow() -> int:
    await trio.sleep(8)
    return 200


async def flapping() -> int:
    return 200 if trio.current_time() // 300 % 2 else 503


async def moody() -> int:
    """Each status in turn, by the minute."""
    return (200, 500, 404, 429, 302, 200, 502)[int(trio.current_time() // 60) % 7]


class Receiver(Posts):
    """Notes what it took, and when. ``huge``: its answers have no end."""

    def __init__(self, default: object = 200) -> None:
        super().__init__(default)  # type: ignore[arg-type]
        self.huge = False
        self.taken: list[tuple[float, int]] = []

    def answered(self, request: Request, status: int) -> bytes:
        if status != 200:
            return b""
        self.taken.append((trio.current_time(), int(request.event_id.split("-")[1])))
        return b"x" * 65_536 if self.huge else b""


HABITS: dict[str, object] = {
    "down": NotConnectedError("cannot connect"),
    "slow": slow,
    "flapping": flapping,
    "500": 500,
    "429": (429, {"Retry-After": "120"}),
    "410": 410,
    "never": forever,
    "huge": 200,
    "by the minute another": moody,
}


@pytest.mark.parametrize("name", HABITS)
async def test_an_hour(autojump_clock, nursery, name: str) -> None:
    events = await Events(trio_clock()).start(nursery)
    bad, good = Receiver(HABITS[name]), Receiver()
    bad.huge = name == "huge"
    webhooks = {}
    for named, posts in (("crm", bad), ("other", good)):
        webhooks[named] = Webhook(
            handler(name=named, order="thread"),
            await events.feed(named),
            events.outbox,
            events.metrics,
            events.clock,
            resolver=public,
            connect=posts,
        )
        await nursery.start(webhooks[named].run)
    crm = webhooks["crm"]
    arrived: list[float] = []
    for n in range(int(HOUR / EVERY)):
        arrived.append(trio.current_time())
        await events.arrive(str(n), peer=PEERS[n % 25])
        assert crm._turns is not None
        assert crm._turns.held <= HELD
        await trio.sleep(EVERY)
    waits = sorted(at - arrived[seq - 1] for at, seq in good.taken)
    assert len(waits) == len(arrived)
    assert waits[int(len(waits) * 0.99)] < 1

    mended = trio.current_time()
    bad.default, bad.huge = 200, False
    await events.until(lambda: not crm.feed.backlog and not crm.waiting, 2 * HOUR)
    assert trio.current_time() - mended < 600
    taken = [seq for _, seq in bad.taken]
    assert sorted(set(taken)) == list(range(1, len(arrived) + 1))
    for peer in range(25):
        once = list(dict.fromkeys(seq for seq in taken if (seq - 1) % 25 == peer))
        assert once == sorted(once)
    assert (crm.feed.dead, events.stored_retries(crm.feed), crm.paused) == (0, {}, False)
