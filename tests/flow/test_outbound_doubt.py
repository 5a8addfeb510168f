"""In doubt: written, perhaps, and not answered. Never lost, at most once more, and settled by whoever knows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.support.daemons import gateway
from tests.support.smsc import Smsc, Submitted, labelled, peers, withhold

PEER = peers(1)[0]
RESEND = 'window = 5\nresponse_timeout = 10\nin_doubt = "resend"'
HOLD = 'window = 5\nresponse_timeout = 10\nin_doubt = "hold"'


def doubt(message: dict) -> list[tuple[str, int]]:  # type: ignore[type-arg]
    return [(p["state"], p["in_doubt"]) for p in message["parts"]]


async def test_resend_sends_once_more_and_then_holds(autojump_clock: MockClock) -> None:
    async with gateway(carrier=RESEND, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1), to=PEER)
        after = await app.submit(labelled(2), to=PEER)
        await trio.sleep(9)
        assert len(g.smsc.submits) == 1
        await trio.sleep(14)
        assert [s.label for s in g.smsc.submits] == ["0001", "0001"]
        assert g.smsc.submits[0].pdu == g.smsc.submits[1].pdu
        await trio.sleep(12)
        # Held now; a hold releases the pair.
        assert [s.label for s in g.smsc.submits] == ["0001", "0001", "0002"]
        message = await app.message(id)
        assert (message["state"], message["reason"], doubt(message)) == ("in_doubt", "in_doubt", [("in_doubt", 2)])
        await trio.sleep(500)
        assert [s.label for s in g.smsc.submits] == ["0001", "0001", "0002", "0002"]
        assert not app.of("receipt"), "in doubt is not an end"
        assert await app.state(after) == "in_doubt"


async def test_hold_sends_nothing_twice(autojump_clock: MockClock) -> None:
    async with gateway(carrier=HOLD, answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": PEER, "text": labelled(i)} for i in range(3)])
        await trio.sleep(50)
        assert [s.label for s in g.smsc.submits] == ["0000", "0001", "0002"]
        for id in ids:
            assert doubt(await app.message(id)) == [("in_doubt", 1)]
        found = await app.call("messages", state="in_doubt")
        assert [m["id"] for m in found["messages"]] == ids[::-1]


@pytest.mark.parametrize("policy", [RESEND, HOLD], ids=["resend", "hold"])
async def test_a_broken_connection_puts_in_doubt_what_was_written_and_nothing_else(
    autojump_clock: MockClock, policy: str
) -> None:
    async with gateway(carrier=policy, answer=withhold) as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(20))])
        await g.settled()
        assert g.segments() == [2] * 10 + [1] * 10
        g.smsc.respond(g.smsc.unanswered[0])
        await g.settled()
        g.smsc.binds[0].disconnect()
        await g.settled()
        assert g.segments("in_doubt") == [0] + [1] * 5 + [0] * 14
        # Claims that were not written are queued again, with no attempt counted.
        assert g.segments("attempts") == [1] * 6 + [0] * 14
        g.smsc.answer = lambda _: 0
        await g.smsc.bound(2)
        await trio.sleep(10)
        expected = [labelled(i) for i in range(6)]
        expected += [labelled(i) for i in range(1 if policy is RESEND else 6, 20)]
        assert g.smsc.texts[:6] == expected[:6]
        assert sorted(g.smsc.texts) == sorted(expected)
        states = [await app.state(id) for id in ids]
        assert states == (["sent"] * 20 if policy is RESEND else ["sent"] + ["in_doubt"] * 5 + ["sent"] * 14)


async def test_copies_after_a_lost_session_come_one_after_the_other(autojump_clock: MockClock) -> None:
    """Whatever made the carrier close does not meet again all that it met before; new messages do not wait."""
    async with gateway(carrier='window = 10\nin_doubt = "resend"', answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(5))])
        await g.smsc.came(5)
        g.smsc.answer = lambda _: 0
        g.smsc.binds[0].disconnect()
        await g.smsc.bound(2)
        again = trio.current_time()
        await app.submit(labelled(9), to=peers(6)[5])
        submits = await g.smsc.came(11)
        assert [s.label for s in submits[5:]] == ["0009", "0000", "0001", "0002", "0003", "0004"]
        assert submits[5].at == pytest.approx(again, abs=0.02)
        assert all(b.at - a.at >= 0.09 for a, b in pairwise(submits[6:]))


async def test_no_copy_goes_to_a_link_that_may_be_dead(autojump_clock: MockClock) -> None:
    """Submits expire and nothing came in: an enquire_link asks, and copies wait until the link is found dead."""
    async with gateway(carrier='response_timeout = 2\nin_doubt = "resend"', answer=withhold) as g:
        app = await g.connect()
        await app.submit(labelled(0), to=peers(2)[0])
        (first,) = await g.smsc.came(1)
        first.bind.link.hold()
        await app.submit(labelled(1), to=peers(2)[1])
        await g.smsc.came(2)  # by the read that was under way; there is none after it
        g.smsc.answer = lambda _: 0
        again = await g.smsc.bound(2)
        assert trio.current_time() - first.at < 6
        submits = await g.smsc.came(4)
        assert [(s.label, s.bind) for s in submits[2:]] == [("0000", again), ("0001", again)]
        await g.settled()
        assert g.segments("in_doubt") == [1, 1]


async def test_a_link_that_lives_gets_the_copy_soon(autojump_clock: MockClock) -> None:
    async with gateway(carrier='response_timeout = 2\nin_doubt = "resend"', answer=withhold) as g:
        app = await g.connect()
        one, other = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(2))])
        await g.smsc.came(2)
        await trio.sleep(1)
        g.smsc.respond(g.smsc.submits[1])
        await trio.sleep(1.5)
        assert [s.label for s in g.smsc.submits] == ["0000", "0001", "0000"]
        assert await app.state(other) == "sent"
        assert await app.state(one) == "submitting"


async def test_what_certainly_was_not_written_is_not_in_doubt(autojump_clock: MockClock) -> None:
    """The socket is full: what is put behind the write under way goes back when the connection breaks."""
    async with gateway(carrier=RESEND, answer=withhold) as g:
        app = await g.connect()
        g.smsc.hang()
        await app.submit(labelled(0), to=peers(9)[0])
        await g.smsc.came(1)
        await app.submits([{"to": p, "text": labelled(i + 1)} for i, p in enumerate(peers(9)[1:4])])
        await g.settled()
        assert g.segments() == [2] * 4
        assert len(g.smsc.submits) == 1
        g.smsc.up = False
        g.smsc.binds[0].disconnect()
        await trio.sleep(5)
        assert g.segments("in_doubt") == [1, 0, 0, 0]
        assert g.segments("attempts") == [1, 0, 0, 0]
        g.smsc.hung = None
        g.smsc.up = True
        g.smsc.answer = lambda _: 0
        await g.smsc.came(5)
        assert sorted(s.label for s in g.smsc.submits) == ["0000", "0000", "0001", "0002", "0003"]


@pytest.mark.parametrize(
    ("policy", "status", "state"),
    [(RESEND, 0, "sent"), (HOLD, 0, "sent"), (HOLD, 0x0B, "failed")],
)
async def test_a_late_answer_settles(autojump_clock: MockClock, policy: str, status: int, state: str) -> None:
    async with gateway(carrier=policy + "\nthroughput = 0.1", answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1), to=PEER)
        await trio.sleep(5)
        # Keeps the pace busy, so that the copy has to wait.
        await app.submit(labelled(2), to=peers(2)[1])
        await trio.sleep(5.5)
        assert (await app.message(id))["parts"][0]["in_doubt"] == 1
        (first,) = [s for s in g.smsc.submits if s.label == "0001"]
        g.smsc.respond(first, status)
        await g.settled()
        assert await app.state(id) == state
        g.smsc.answer = lambda _: 0
        await trio.sleep(60)
        if state == "sent":
            g.smsc.receipt(first)
            (event,) = await app.notified(1)
            assert (event["id"], event["state"]) == (id, "delivered")
        else:
            assert [(e["id"], e["state"]) for e in app.of("receipt")] == [(id, "failed")]
        # The copy that was waiting is not sent.
        assert sum(s.label == "0001" for s in g.smsc.submits) == 1


async def test_an_operator_settles(autojump_clock: MockClock) -> None:
    """The first part of each is answered, the second never."""
    async with gateway(carrier=HOLD, answer=lambda s: 0 if s.concat[2] == 1 else None) as g:
        app = await g.connect()
        await app.call("subscribe")
        ids = await app.submits([{"to": p, "text": labelled(i, 300)} for i, p in enumerate(peers(4))])
        await trio.sleep(50)
        for id in ids:
            assert doubt(await app.message(id)) == [("sent", 0), ("in_doubt", 1)]
        assert await app.call("resolve", action="fail", ids=[ids[0]]) == {"resolved": 1}
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (ids[0], "failed", "resolved")
        again = await app.call("resolve", action="fail", ids=[ids[0]])
        assert again == {"resolved": 0, "left": 1, "skipped": [{"id": ids[0], "reason": "too_late"}]}
        g.smsc.answer = lambda _: 0
        assert await app.call("resolve", action="resend", ids=[ids[1]]) == {"resolved": 1}
        await app.until_state(ids[1], "sent")
        assert [(s.label, s.concat[2]) for s in g.smsc.submits[8:]] == [("0001", 2)]
        copies = [s.pdu for s in g.smsc.submits if s.label == "0001" and s.concat[2] == 2]
        assert copies[0] == copies[1]
        assert await app.call("resolve", action="resend", carrier="acme") == {"resolved": 2}
        await app.until_state(ids[3], "sent")
        assert await app.call("resolve", action="resend", carrier="acme") == {"resolved": 0}
        assert (await app.refused("resolve", action="resend", ids=["no such"])).reason == "not_found"


async def test_a_late_refusal_for_now_takes_the_doubt_away(autojump_clock: MockClock) -> None:
    """That attempt was not taken: held with `hold`, it goes again, and as often as the carrier asks for."""
    async with gateway(carrier=HOLD, answer=withhold) as g:
        app = await g.connect()
        id = await app.submit(labelled(1), to=PEER)
        await trio.sleep(11)
        assert doubt(await app.message(id)) == [("in_doubt", 1)]
        g.smsc.respond(g.smsc.submits[0], 0x58)
        await trio.sleep(3)
        assert len(g.smsc.submits) == 2
        assert doubt(await app.message(id)) == [("submitting", 0)]
        assert (await app.message(id))["parts"][0]["command_status"] == 0x58
        g.smsc.respond(g.smsc.submits[1])
        await app.until_state(id, "sent")


async def test_of_two_in_doubt_a_late_refusal_takes_away_one(autojump_clock: MockClock) -> None:
    """With `resend` one copy may be on its way beside the first; the refused one counts for nothing."""
    async with gateway(carrier=RESEND, answer=withhold) as g:
        app = await g.connect()
        id = await app.submit(labelled(1), to=PEER)
        await trio.sleep(33)
        assert len(g.smsc.submits) == 2
        assert doubt(await app.message(id)) == [("in_doubt", 2)]
        g.smsc.respond(g.smsc.submits[1], 0x14)
        await trio.sleep(3)
        assert len(g.smsc.submits) == 3
        assert doubt(await app.message(id)) == [("submitting", 1)]
        await trio.sleep(10)
        assert doubt(await app.message(id)) == [("in_doubt", 2)], "the first and the third"
        await trio.sleep(100)
        assert len(g.smsc.submits) == 3


async def test_a_late_refusal_of_the_first_leaves_its_copy_alone(autojump_clock: MockClock) -> None:
    async with gateway(carrier=RESEND, answer=withhold) as g:
        app = await g.connect()
        id = await app.submit(labelled(1), to=PEER)
        await trio.sleep(23)
        assert doubt(await app.message(id)) == [("submitting", 1)]
        g.smsc.respond(g.smsc.submits[0], 0x58)
        await trio.sleep(2)
        assert doubt(await app.message(id)) == [("submitting", 0)]
        await trio.sleep(10)
        assert len(g.smsc.submits) == 3, "now the copy is the first in doubt"
        g.smsc.respond(g.smsc.submits[2])
        await app.until_state(id, "sent")


@pytest.mark.parametrize("policy", [RESEND, HOLD], ids=["resend", "hold"])
async def test_in_doubt_past_its_validity_waits_and_is_not_sent(autojump_clock: MockClock, policy: str) -> None:
    """Its first attempt may have been taken: no end is made up, and no copy sent; a late answer still settles it."""
    async with gateway(carrier=policy, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id, other = await app.submits([{"to": p, "text": labelled(1), "validity": 11} for p in peers(2)])
        await g.smsc.came(2)
        g.smsc.up = False
        g.smsc.binds[0].disconnect()
        await trio.sleep(20)
        assert not app.of("receipt")
        assert doubt(await app.message(id)) == [("in_doubt", 1)]
        left = await app.call("resolve", action="resend", carrier="acme")
        assert left["resolved"] == 0
        assert left["skipped"] == [{"id": i, "reason": "validity_over"} for i in (id, other)]
        g.smsc.up = True
        await g.smsc.bound(2)
        await trio.sleep(20)
        assert len(g.smsc.submits) == 2
        assert await app.call("resolve", action="fail", ids=[other]) == {"resolved": 1}
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (other, "failed", "resolved")
        assert await app.state(id) == "in_doubt"


async def test_a_copy_that_waits_past_the_validity_is_held(autojump_clock: MockClock) -> None:
    """The carrier refuses the copy for now until the validity is over: the first attempt is in doubt still."""
    async with gateway(carrier=RESEND, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1), to=PEER, validity=30)
        await g.smsc.came(1)
        g.smsc.answer = lambda _: 0x58
        await trio.sleep(60)
        assert len(g.smsc.submits) > 2
        assert not app.of("receipt")
        assert doubt(await app.message(id)) == [("in_doubt", 1)]
        g.smsc.respond(g.smsc.submits[0])
        await app.until_state(id, "sent")


async def test_resolve_says_what_it_cannot_settle(autojump_clock: MockClock) -> None:
    async with gateway(carrier=HOLD, answer=lambda s: None if s.label == "0001" else 0) as g:
        app = await g.connect()
        held, sent = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(2)[::-1])][::-1])
        await trio.sleep(12)
        assert [await app.state(i) for i in (held, sent)] == ["in_doubt", "sent"]
        ids = [sent, held, held]
        g.smsc.answer = lambda _: 0
        assert await app.call("resolve", action="resend", ids=ids) == {
            "resolved": 1,
            "left": 1,
            "skipped": [{"id": sent, "reason": "too_late"}],
        }
        await app.until_state(held, "sent")
        refused = await app.refused("resolve", action="resend", carrier="nobody")
        assert (refused.reason, refused.field) == ("not_found", "carrier")
        # of a carrier that was taken out of the configuration
        gone = "UPDATE segment SET state = 4, carrier = 'gone' WHERE message_id = (SELECT max(id) FROM message)"
        g.daemon.store.read_now(lambda con: con.execute(gone))
        one = await app.call("resolve", action="resend", carrier="gone")
        assert (one["resolved"], [s["reason"] for s in one["skipped"]]) == (0, ["no_route"])
        assert await app.call("resolve", action="fail", carrier="gone") == {"resolved": 1}


async def test_one_part_is_resolved_while_another_waits_for_its_retry(autojump_clock: MockClock) -> None:
    async with gateway(carrier=HOLD + "\nretry_delay = 60") as g:
        answers = {1: [0], 2: [None, 0], 3: [0x14, 0]}
        g.smsc.answer = lambda s: answers[s.concat[2]].pop(0)
        app = await g.connect()
        id = await app.submit(labelled(1, 400), to=PEER)
        await trio.sleep(15)
        message = await app.message(id)
        assert [p["state"] for p in message["parts"]] == ["sent", "in_doubt", "queued"]
        assert await app.call("resolve", action="resend", ids=[id]) == {"resolved": 1}
        await app.until_state(id, "sent")
        assert [s.concat[2] for s in g.smsc.submits][:3] == [1, 2, 3]
        assert sorted(s.concat[2] for s in g.smsc.submits) == [1, 2, 2, 3, 3]


async def test_resolved_beside_a_backlog_that_is_on_disk(autojump_clock: MockClock) -> None:
    async with gateway(carrier=HOLD, extra="[limits]\nlook_ahead = 10", answer=withhold) as g:
        app = await g.connect()

        def rest() -> list[Submitted]:
            return [s for s in g.smsc.unanswered if s.label > "0004"]

        held = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(5))])
        await trio.sleep(12)
        await app.submits([{"to": p, "text": labelled(i + 5)} for i, p in enumerate(peers(105)[5:])])
        for _ in range(30):
            await g.settled()
            g.smsc.respond(rest()[0])
        assert await app.call("resolve", action="resend", ids=held) == {"resolved": 5}
        g.smsc.answer = lambda _: 0
        for submit in rest():
            g.smsc.respond(submit)
        for id in held:
            await app.until_state(id, "sent")
        await g.smsc.came(110)


async def test_a_restart_after_a_kill_resends_what_was_under_way(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        before = Smsc(nursery, withhold)
        async with gateway(tmp_path, smsc=before, carrier=RESEND, stop=False) as g:
            app = await g.connect()
            ids = await app.submits([{"to": p, "text": labelled(i, 300)} for i, p in enumerate(peers(6))])
            await g.settled()
            wire = [(s.label, s.concat) for s in before.submits]
            assert len(wire) == 5
        after = Smsc(nursery)
        async with gateway(tmp_path, smsc=after, carrier=RESEND) as g:
            app = await g.connect()
            for id in ids:
                await app.until_state(id, "sent")
            # In their order, under the same reference, and each once.
            again = [(s.label, s.concat) for s in after.submits]
            assert again[:5] == wire
            assert len(again) == len(set(again)) == 12
            messages = [await app.message(id) for id in ids]
            assert sum(p["in_doubt"] for m in messages for p in m["parts"]) == 10  # all that was claimed
        nursery.cancel_scope.cancel()


async def test_a_stop_waits_for_answers_and_leaves_no_doubt(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        before = Smsc(nursery, withhold)
        async with gateway(tmp_path, smsc=before, carrier=RESEND) as g:
            app = await g.connect()
            ids = await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(20))])
            await g.settled()
            g.daemon.stop()
            await trio.sleep(2)
            for submit in before.unanswered:
                before.respond(submit)
        assert before.binds[0].unbound
        assert len(before.submits) == 5
        after = Smsc(nursery)
        async with gateway(tmp_path, smsc=after, carrier=RESEND) as g:
            app = await g.connect()
            await app.until_state(ids[-1], "sent")
            assert after.texts == [labelled(i) for i in range(5, 20)]
            assert g.segments("in_doubt") == [0] * 20
        nursery.cancel_scope.cancel()
