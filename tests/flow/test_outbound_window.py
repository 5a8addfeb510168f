"""What is on the wire and what is claimed: direct claims, the window, and when a slot is free again."""

from __future__ import annotations

from trio.testing import MockClock

from gateway.model import State
from tests.support.daemons import Commits, gateway
from tests.support.smsc import peers, withhold


async def test_a_message_with_a_free_slot_is_claimed_by_its_insert(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        before = commits.done
        await app.submit("Hello")
        assert commits.done == before + 1  # no transaction of its own for the claim
        assert g.segments() == [State.SUBMITTING]
        await g.smsc.came(1)


async def test_nothing_is_written_before_its_claim_is_stored(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits, carrier="window = 1", answer=withhold) as g:
        app = await g.connect()
        commits.hold()
        await app.write(b"".join(app.request("submit", {"to": p, "text": "x"})[1] for p in peers(3)))
        await g.settled()
        assert not g.smsc.submits
        commits.release()
        await g.smsc.came(1)


async def test_claimed_and_unanswered_stay_within_twice_the_window(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 5\nbinds = 2", answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "x"} for p in peers(60)])
        done = 0
        while done < 60:
            await g.settled()
            waiting = g.smsc.unanswered
            claimed = len(g.segments("1", "state = 2"))
            assert len(waiting) == min(10, 60 - done)
            assert claimed <= 20
            for bind in g.smsc.binds:
                assert sum(s.bind is bind for s in waiting) <= 5
            g.smsc.respond(waiting[-1])  # out of order
            done += 1
        assert sorted(s.peer for s in g.smsc.submits) == peers(60)


async def test_a_slot_is_free_when_its_answer_is_stored_and_not_before(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits, carrier="window = 2", answer=withhold) as g:
        app = await g.connect()
        await app.submits([{"to": p, "text": "x"} for p in peers(6)])
        await g.settled()
        assert len(g.smsc.submits) == 2
        commits.hold()
        for submit in g.smsc.unanswered:
            g.smsc.respond(submit)
        await g.settled()
        assert len(g.smsc.submits) == 2, "a slot was used again before its answer was on disk"
        commits.release()
        await g.smsc.came(4)


async def test_segments_of_one_message_may_be_more_than_the_window(autojump_clock: MockClock) -> None:
    async with gateway(carrier="window = 1") as g:
        app = await g.connect()
        first, second = await app.submits([{"to": peers(1)[0], "text": c * 153 * 5} for c in "ab"])
        await app.until_state(second, "sent")
        assert [s.text[0] for s in g.smsc.submits] == ["a"] * 5 + ["b"] * 5
        assert [s.concat[2] for s in g.smsc.submits] == [1, 2, 3, 4, 5] * 2
        assert (await app.message(first))["state"] == "sent"


async def test_throughput_counts_segments(autojump_clock: MockClock) -> None:
    async with gateway(carrier="throughput = 10") as g:
        app = await g.connect()
        ids = await app.submits([{"to": p, "text": "x" * 400} for p in peers(20)])  # 60 segments
        for id in ids:
            await app.until_state(id, "sent")
        times = [s.at for s in g.smsc.submits]
        assert len(times) == 60
        for i in range(len(times) - 10):
            assert times[i + 10] - times[i] >= 1.0 - 1e-6
        assert times[-1] - times[0] < 7
