"""What time does to messages: validity, a time to be sent at, retries."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import labelled, peers, withhold

PEER = peers(1)[0]


async def test_what_is_not_sent_within_its_validity_expires(autojump_clock: MockClock) -> None:
    """While it is queued, while it is claimed and waits for a slot, and while there is no bind at all."""
    async with gateway(carrier="window = 2\nresponse_timeout = 600", answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        ids = await app.submits([{"to": p, "text": labelled(i), "validity": 60} for i, p in enumerate(peers(10))])
        await g.settled()
        assert g.segments() == [2] * 4 + [1] * 6
        await trio.sleep(55)
        assert {await app.state(id) for id in ids[4:]} == {"queued"}
        await trio.sleep(15)
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        events = await app.notified(8)
        assert {(e["state"], e["reason"]) for e in events} == {("expired", "expired_unsent")}
        assert sorted(e["id"] for e in events) == sorted(ids[2:])
        assert [await app.state(id) for id in ids] == ["sent"] * 2 + ["expired"] * 8
        assert g.smsc.texts == [labelled(0), labelled(1)]
        # Nothing of them stands in the way of what comes.
        await app.submits([{"to": p, "text": "after"} for p in peers(10)])
        await g.smsc.came(12)


async def test_expired_messages_at_the_head_do_not_stop_the_queue(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2", bound=False) as g:
        g.smsc.up = False
        app = await g.connect()
        await app.submits([{"to": p, "text": "old", "validity": 2} for p in peers(100)])
        await app.submits([{"to": p, "text": "new"} for p in peers(5)])  # to the same peers
        await trio.sleep(3)
        g.smsc.up = True
        await g.smsc.came(5)
        await trio.sleep(1)
        assert g.smsc.texts == ["new"] * 5


async def test_a_message_in_parts_expires_as_one(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2\nresponse_timeout = 600", answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x" * 900, to=PEER, validity=30)
        after = await app.submit("after", to=PEER)
        await g.settled()
        await trio.sleep(40)
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "expired", "expired_unsent")
        await g.settled()
        parts = (await app.message(id))["parts"]
        assert [p["state"] for p in parts] == ["sent"] * 2 + ["expired"] * 4
        await app.until_state(after, "submitting")
        assert len(g.smsc.submits) == 3
        assert len(app.of("receipt")) == 1


async def test_send_at_is_kept_and_validity_counts_from_then(autojump_clock: MockClock) -> None:
    async with gateway() as g:  # it is 08:53:20Z
        app = await g.connect()
        id = await app.submit("later", to=PEER, send_at="2025-10-09T10:55:00+02:00", validity=10)
        past = await app.call("submit", to=peers(2)[1], text="now", send_at="2025-10-09T08:00:00Z")
        assert past["state"] == "queued"
        message = await app.message(id)
        assert (message["state"], message["expires_at"]) == ("scheduled", "2025-10-09T08:55:10.000Z")
        await trio.sleep(99)
        assert g.smsc.texts == ["now"]
        await trio.sleep(2.5)
        assert g.smsc.texts == ["now", "later"]
        assert await app.state(id) == "sent"


async def test_a_scheduled_message_can_be_cancelled(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("later", to=PEER, send_at="2025-10-09T08:55:00Z")
        assert await app.call("cancel", id=id) == {"id": id, "state": "cancelled"}
        await trio.sleep(200)
        assert not g.smsc.submits
        assert [(e["id"], e["state"]) for e in app.of("receipt")] == [(id, "cancelled")]
        assert (await app.refused("cancel", id=id)).reason == "too_late"


async def test_a_queued_message_can_be_cancelled_and_a_claimed_one_cannot(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1", answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": PEER, "text": labelled(i)} for i in range(4)])
        await g.settled()
        assert (await app.refused("cancel", id=ids[0])).reason == "too_late"
        assert (await app.call("cancel", id=ids[1]))["state"] == "cancelled"
        assert (await app.call("cancel", id=ids[2]))["state"] == "cancelled"
        g.smsc.answer = lambda _: 0
        g.smsc.respond(g.smsc.unanswered[0])
        await app.until_state(ids[3], "sent")
        assert [s.label for s in g.smsc.submits] == ["0000", "0003"]


@pytest.mark.parametrize("status", [0x58, 0x14, 0x64, 0x08, 0x04])
async def test_a_temporary_refusal_is_tried_again_until_it_is_taken(autojump_clock: MockClock, status: int) -> None:
    async with gateway(carrier="retry_delay = 1\nthrottle_pause = 1") as g:
        g.smsc.answer = lambda s: status if s.place < 3 else 0
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1), to=PEER)
        after = await app.submit(labelled(2), to=PEER)
        await app.until_state(after, "sent")
        assert [s.label for s in g.smsc.submits] == ["0001"] * 4 + ["0002"]
        part = (await app.message(id))["parts"][0]
        assert (part["attempts"], part["state"], part["command_status"]) == (4, "sent", 0)
        gaps = [b.at - a.at for a, b in zip(g.smsc.submits[:3], g.smsc.submits[1:4], strict=True)]
        wanted = [1, 1, 1] if status == 0x58 else [1, 2, 4]
        assert all(want <= gap <= want + 1.1 for gap, want in zip(gaps, wanted, strict=True)), gaps
        g.smsc.receipt(g.smsc.submits[3])
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")


async def test_throttling_pauses_the_carrier(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 2\nthrottle_pause = 30", answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(10))])
        await g.settled()
        g.smsc.answer = lambda _: 0
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit, 0x58)
        await trio.sleep(29)
        assert len(g.smsc.submits) == 2
        assert (await app.call("submit", to="+12125559999", text="new"))["state"] == "queued"
        await trio.sleep(5)
        assert sorted(g.smsc.texts[2:]) == sorted([labelled(i) for i in range(10)] + ["new"])


async def test_one_peers_full_queue_slows_nobody_else(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 4\nretry_delay = 60") as g:
        g.smsc.answer = lambda s: 0x14 if s.peer == PEER else 0
        app = await g.connect()
        await app.submits([{"to": PEER, "text": "full"} for _ in range(50)])
        await app.submits([{"to": p, "text": "fine"} for p in peers(50)[1:]])
        await g.settled()
        assert g.smsc.texts == ["full"] + ["fine"] * 49


async def test_a_full_queue_for_many_peers_is_the_carriers(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1\nretry_delay = 300\nthrottle_pause = 60", answer=lambda _: 0x14) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "x"} for p in peers(40)])
        await g.settled()
        assert len(g.smsc.submits) == 10
        await trio.sleep(59)
        assert len(g.smsc.submits) == 10
        # Some phones are full, others take theirs: no pause.
        g.smsc.answer = lambda s: 0 if int(s.peer[-4:]) % 5 else 0x14
        await trio.sleep(2)
        assert len(g.smsc.submits) == 40


async def test_temporary_refusals_end_with_the_validity(autojump_clock: MockClock) -> None:
    async with gateway(carrier="retry_delay = 20", answer=lambda _: 0x14) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER, validity=100)
        after = await app.submit("y", to=PEER, validity=1000)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "expired", "expired_unsent")
        assert 100 <= trio.current_time() <= 160
        assert await app.state(after) in ("queued", "submitting")
        await trio.sleep(10)
        assert "y" in g.smsc.texts, "the next to that peer waits for what has expired"
