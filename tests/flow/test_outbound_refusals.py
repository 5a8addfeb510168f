"""Refusals by the carrier: final ones are final at once and told of once, and half a text helps nobody."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import Submitted, labelled, peers, withhold

PEER = peers(1)[0]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (0x01, "carrier_refused"),
        (0x0A, "sender_refused"),
        (0x0B, "invalid_destination"),
        (0x45, "carrier_refused"),
        (0x48, "sender_refused"),
        (0x50, "invalid_destination"),
        (0x65, "carrier_refused"),
        (0xFF, "carrier_refused"),
        (0x400, "carrier_refused"),
        (0x12345678, "carrier_refused"),
    ],
)
async def test_a_permanent_refusal_is_final_at_once(autojump_clock: MockClock, status: int, reason: str) -> None:
    async with gateway(answer=lambda s: status if s.text == "bad" else 0) as g:
        app = await g.connect()
        await app.call("subscribe")
        bad = await app.submit("bad", to=PEER, meta={"order": [1, None, "ä"]}, ref="r")
        good = await app.submit("good", to=PEER)
        (event,) = await app.notified(1)
        assert {k: event[k] for k in ("id", "ref", "state", "reason", "from", "to", "segments", "meta")} == {
            "id": bad,
            "ref": "r",
            "state": "failed",
            "reason": reason,
            "from": "+15551230001",
            "to": PEER,
            "segments": 1,
            "meta": {"order": [1, None, "ä"]},
        }
        message = await app.message(bad)
        assert (message["state"], message["reason"]) == ("failed", reason)
        assert message["parts"][0]["command_status"] == status
        assert message["done_at"] is not None
        await trio.sleep(1000)
        assert g.smsc.texts == ["bad", "good"]
        assert await app.state(good) == "sent"
        assert len(app.of("receipt")) == 1


@pytest.mark.parametrize("refused", [1, 3, 6])
@pytest.mark.parametrize("window", [2, 10])
async def test_one_part_refused_ends_the_message(autojump_clock: MockClock, refused: int, window: int) -> None:
    """What was not sent of it is not sent any more; the pair goes on."""
    async with gateway(carrier=f"window = {window}\nretry_delay = 1") as g:
        # The first refusal of each other part is a temporary one, so that some wait when the final one comes.
        seen: set[int] = set()

        def answer(s: Submitted) -> int:
            part = s.concat[2]
            if s.label != "0001":
                return 0
            if part == refused:
                return 0x0B
            first = part not in seen
            seen.add(part)
            return 0x14 if first else 0

        g.smsc.answer = answer
        app = await g.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit(labelled(1, 900), to=PEER)
        after = await app.submit(labelled(2), to=PEER)
        await app.until_state(after, "sent")
        await trio.sleep(100)
        assert [(e["id"], e["state"], e["reason"]) for e in app.of("receipt")] == [
            (id, "failed", "invalid_destination")
        ]
        message = await app.message(id)
        assert (message["state"], message["reason"]) == ("failed", "invalid_destination")
        assert {p["state"] for p in message["parts"]} <= {"failed", "sent"}
        labels = [s.label for s in g.smsc.submits]
        assert labels == sorted(labels), "the next message went before the refused one had ended"
        assert sum(s.label == "0001" and s.concat[2] == refused for s in g.smsc.submits) == 1
        assert not g.segments("1", "state < 3")


async def test_one_part_tried_again_makes_one_whole_message(autojump_clock: MockClock) -> None:
    async with gateway(carrier="retry_delay = 1") as g:
        g.smsc.answer = lambda s: 0x14 if s.concat[2] == 2 and s.place < 3 else 0
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1, 400), to=PEER, ref="x")
        await app.until_state(id, "sent")
        assert [s.concat[2] for s in g.smsc.submits] == [1, 2, 3, 2]
        first, again = g.smsc.submits[1], g.smsc.submits[3]
        assert first.pdu == again.pdu
        assert len({s.concat[0] for s in g.smsc.submits}) == 1
        for submit in g.smsc.submits:
            if submit.status == 0:
                assert not app.of("receipt")
                g.smsc.receipt(submit)
                await g.settled()
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["segments"]) == (id, "delivered", 3)


async def test_a_message_without_receipt_ends_with_its_last_answer(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1, 400), to=PEER, receipt=False)
        await g.settled()
        assert [s.pdu.registered_delivery for s in g.smsc.submits] == [0, 0, 0]
        for submit in g.smsc.unanswered:
            assert not app.of("receipt")
            g.smsc.respond(submit)
            await g.settled()
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "sent", None)
        assert (await app.message(id))["done_at"] is not None


async def test_a_generic_nack_refuses(autojump_clock: MockClock) -> None:
    """SMPP 3.4 §4.3: a carrier that could not read the submit has not taken it."""
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        id = await app.submit("x")
        (submit,) = await g.smsc.came(1)
        # generic_nack, ESME_RINVCMDLEN, with the submit's sequence_number
        nack = b"\0\0\0\x10\x80\0\0\0\0\0\0\x02" + submit.sequence.to_bytes(4, "big")
        await submit.bind.link.stream.send_all(nack)
        message = await app.until_state(id, "failed")
        assert message["parts"][0]["command_status"] == 2
