"""A carrier refuses for a reason that another may not share, or its receipt is negative: the next carrier tries."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock

from gateway.store.reroute import RerouteOp
from tests.support.carriers import Stage, routes, stage
from tests.support.daemons import Commits
from tests.support.smsc import Submitted, labelled, peers, withhold

PEER, OTHER = peers(2)
THREE = '{ name = "acme" }, { name = "beta", preference = 2 }, { name = "gamma", preference = 3 }'
SENDER = 0x0A  # ESME_RINVSRCADR: of the account, not of the phone
PHONE = 0x0B  # ESME_RINVDSTADR


def refuse(stage: Stage, name: str, status: int = SENDER) -> None:
    stage.smsc[name].answer = lambda _: status


async def test_the_next_carrier_takes_what_one_refuses(autojump_clock: MockClock) -> None:
    async with stage() as s:
        refuse(s, "acme")
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x", to=PEER)
        message = await app.until_state(id, "sent")
        assert message["carrier"] == "beta"
        assert (s.texts("acme"), s.texts("beta")) == (["x"], ["x"])
        assert s.rows("SELECT tried, route FROM message") == [('["acme"]', "all")]
        s.smsc["beta"].receipt(s.smsc["beta"].submits[0])
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")
        # The pair stays where it was taken; others begin at home.
        await app.submit("y", to=PEER)
        await app.submit("z", to=OTHER)
        await s.running.settled()
        assert (s.texts("acme"), s.texts("beta")) == (["x", "z"], ["x", "y", "z"])
        assert s.counted_right()


async def test_what_speaks_of_the_phone_is_final(autojump_clock: MockClock) -> None:
    async with stage() as s:
        refuse(s, "acme", PHONE)
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        message = await app.until_state(id, "failed")
        assert message["reason"] == "invalid_destination"
        assert s.texts("beta") == []


@pytest.mark.parametrize("given", ["failover_on_refusal = false", 'apps = ["operator"]'])
async def test_without_a_route_that_asks_for_it_a_refusal_is_final(autojump_clock: MockClock, given: str) -> None:
    async with stage(extra=routes(given=given)) as s:
        refuse(s, "acme")
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        message = await app.until_state(id, "failed")
        assert (message["reason"], message["parts"][0]["command_status"]) == ("sender_refused", SENDER)
        assert s.texts("beta") == []
        assert s.counted_right()


async def test_each_carrier_tries_once_and_the_last_reason_counts(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(carriers=THREE)) as s:
        refuse(s, "acme")
        refuse(s, "beta")
        refuse(s, "gamma", 0x45)  # ESME_RSUBMITFAIL
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x", to=PEER)
        await app.notified(1)
        message = await app.until_state(id, "failed")
        assert (message["carrier"], message["reason"]) == ("gamma", "carrier_refused")
        assert message["parts"][0]["command_status"] == 0x45
        assert [len(smsc.submits) for smsc in s.smsc.values()] == [1, 1, 1]
        await trio.sleep(100)
        assert len(app.of("receipt")) == 1
        assert s.waiting() == {}


async def test_it_waits_for_a_carrier_that_is_down_rather_than_to_fail(autojump_clock: MockClock) -> None:
    async with stage() as s:
        refuse(s, "acme")
        await s.break_off("beta")
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        await trio.sleep(5)
        assert await app.state(id) == "queued"
        assert s.waiting() == {"beta": 1}
        await s.back("beta")
        await app.until_state(id, "sent")
        assert s.texts("beta") == ["x"]


@pytest.mark.parametrize("refused", [1, 2, 3])
async def test_a_long_message_goes_as_a_whole(autojump_clock: MockClock, refused: int) -> None:
    """One part refused for good and the others for now: none is accepted."""
    async with stage() as s:
        s.smsc["acme"].answer = lambda m: SENDER if m.concat[2] == refused else 0x14
        app = await s.running.connect()
        id = await app.submit(labelled(1, 400), to=PEER)
        message = await app.until_state(id, "sent")
        assert message["carrier"] == "beta"
        assert [m.concat[1:] for m in s.smsc["beta"].submits] == [(3, 1), (3, 2), (3, 3)]
        assert len(s.smsc["acme"].submits) == 3
        assert s.counted_right()


async def test_a_long_message_that_is_partly_accepted_ends(autojump_clock: MockClock) -> None:
    async with stage() as s:
        s.smsc["acme"].answer = lambda m: SENDER if m.concat[2] == 2 else 0
        app = await s.running.connect()
        id = await app.submit(labelled(1, 400), to=PEER)
        message = await app.until_state(id, "failed")
        assert (message["carrier"], message["reason"]) == ("acme", "sender_refused")
        assert s.texts("beta") == []
        after = await app.submit("next", to=PEER)
        await app.until_state(after, "sent")
        assert s.counted_right()


async def test_nothing_goes_while_a_part_is_without_an_answer(autojump_clock: MockClock) -> None:
    async with stage(carrier='in_doubt = "hold"') as s:
        acme = s.smsc["acme"]
        acme.answer = lambda m: SENDER if m.concat[2] == 1 else None
        app = await s.running.connect()
        id = await app.submit(labelled(1, 200), to=PEER)
        await acme.came(2)
        await trio.sleep(5)
        assert s.texts("beta") == []
        await trio.sleep(60)
        message = await app.message(id)
        assert {p["state"] for p in message["parts"]} == {"failed", "in_doubt"}
        assert s.texts("beta") == []


async def test_messages_behind_it_stay_behind_it(autojump_clock: MockClock) -> None:
    async with stage() as s:
        acme = s.smsc["acme"]
        acme.answer = withhold
        app = await s.running.connect()
        for i in range(20):
            await app.submit(labelled(i), to=PEER)
        await acme.came(1)
        beta = s.smsc["beta"]

        async def more() -> None:
            for i in range(20, 60):
                await app.submit(labelled(i), to=PEER)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(more)
            acme.respond(acme.submits[0], SENDER)
            acme.answer = lambda _: 0
        await beta.until(lambda: len(beta.submits) == 60)
        assert [m.label for m in beta.submits] == [f"{i:04}" for i in range(60)]
        assert len(acme.submits) == 1
        await s.running.settled()
        assert s.waiting() == {}
        assert s.rows("SELECT carrier, count(*) FROM sticky GROUP BY carrier") == [("beta", 1)]


async def test_many_refused_at_once(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(carriers=THREE)) as s:
        phones = peers(50)
        s.smsc["acme"].answer = lambda m: SENDER if int(m.label) % 2 else 0
        s.smsc["beta"].answer = lambda m: SENDER if int(m.label) % 4 == 3 else 0
        app = await s.running.connect()
        for i in range(400):
            await app.submit(labelled(i), to=phones[i % 50])
        await trio.sleep(30)
        assert s.rows("SELECT state, count(*) FROM segment GROUP BY state") == [(3, 400)]
        assert s.waiting() == {}
        accepted: list[Submitted] = [m for smsc in s.smsc.values() for m in smsc.submits if m.status == 0]
        assert len({m.label for m in accepted}) == len(accepted) == 400


async def test_a_refused_message_over_a_restart(autojump_clock: MockClock, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A crash before it went leaves it queued where it was, from where it goes again."""
    async with stage(tmp_path, stop=False) as s:
        s.smsc["acme"].answer = lambda m: SENDER if m.concat[2] == 1 else None
        app = await s.running.connect()
        await app.submit(labelled(1, 200), to=PEER)
        await s.smsc["acme"].came(2)
        await s.running.settled()
        assert s.rows("SELECT state, status FROM segment ORDER BY part") == [(1, SENDER), (2, None)]
    async with stage(tmp_path) as s:
        await trio.sleep(60)
        # Its second part was in doubt: it must not go elsewhere.
        assert s.texts("beta") == []
        assert s.counted_right()


# --- receipts ---------------------------------------------------------------------------------------------------------

ON_RECEIPT = "failover_on_receipt = true"


async def test_a_negative_receipt_has_the_next_carrier_try(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(given=ON_RECEIPT)) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x", to=PEER)
        await app.until_state(id, "sent")
        acme.receipt(acme.submits[0], "UNDELIV", error="069")
        await beta.came(1)
        await s.running.settled()
        assert app.of("receipt") == []
        # What the first one says of it from now on changes nothing, and the same id of the other's is the other's.
        assert acme.submits[0].message_id == beta.submits[0].message_id
        acme.receipt(acme.submits[0], "UNDELIV", error="069")
        acme.receipt(acme.submits[0], "DELIVRD")
        await s.running.settled()
        assert app.of("receipt") == []
        assert await app.state(id) == "sent"
        beta.receipt(beta.submits[0], "DELIVRD")
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")
        await trio.sleep(10)
        assert len(app.of("receipt")) == 1
        assert s.rows("SELECT tried FROM message") == [('["acme"]',)]
        assert s.rows("SELECT * FROM sticky") == []


async def test_the_last_carrier_s_receipt_is_the_end(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(given=ON_RECEIPT)) as s:
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await app.submit("x", to=PEER)
        for name, stat in (("acme", "UNDELIV"), ("beta", "REJECTD")):
            (submit,) = await s.smsc[name].came(1)
            await s.running.settled()
            s.smsc[name].receipt(submit, stat)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "undelivered", "rejected_by_carrier")


async def test_without_the_setting_a_negative_receipt_is_the_end(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        id = await app.submit("x", to=PEER)
        (submit,) = await s.smsc["acme"].came(1)
        await s.running.settled()
        s.smsc["acme"].receipt(submit, "UNDELIV")
        await app.until_state(id, "undelivered")
        assert s.texts("beta") == []


async def long(s: Stage, app, parts: int = 3) -> str:  # type: ignore[no-untyped-def]
    id: str = await app.submit(labelled(1, 150 * parts), to=PEER)
    await app.until_state(id, "sent")
    return id


async def test_a_long_message_goes_when_every_segment_failed(autojump_clock: MockClock) -> None:
    async with stage(extra=routes(given=ON_RECEIPT)) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await long(s, app)
        for submit in acme.submits:
            assert beta.submits == []
            assert await app.state(id) == "sent"
            acme.receipt(submit, "UNDELIV")
            await s.running.settled()
        assert len(beta.submits) == 3
        assert app.of("receipt") == []
        # The phone may have some of the first attempt: these are other parts.
        assert {m.concat[0] for m in acme.submits} != {m.concat[0] for m in beta.submits}
        for submit in beta.submits:
            beta.receipt(submit)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
async def test_a_long_message_of_which_a_part_arrived_ends(autojump_clock: MockClock, order: tuple[int, ...]) -> None:
    """Whichever receipt comes first, it is told of once, as undelivered."""
    async with stage(extra=routes(given=ON_RECEIPT)) as s:
        acme = s.smsc["acme"]
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await long(s, app)
        for i in order:
            acme.receipt(acme.submits[i], "DELIVRD" if i == 1 else "UNDELIV")
            await s.running.settled()
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "undelivered")
        states = [p["state"] for p in (await app.message(id))["parts"]]
        assert states == ["undelivered", "delivered", "undelivered"]
        await trio.sleep(1000)
        assert len(app.of("receipt")) == 1
        assert s.texts("beta") == []


async def test_what_is_not_decided_in_time_ends(autojump_clock: MockClock, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Only one segment is ever told of; the end comes also after a restart between."""
    async with stage(tmp_path, extra=routes(given=ON_RECEIPT)) as s:
        acme = s.smsc["acme"]
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        id = await long(s, app)
        acme.receipt(acme.submits[1], "EXPIRED")
        await trio.sleep(300)
        assert await app.state(id) == "sent"
    async with stage(tmp_path, extra=routes(given=ON_RECEIPT)) as s:
        app = await s.running.connect()
        await app.call("subscribe", events=["receipt"])
        await trio.sleep(400)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "expired", "expired_at_carrier")


async def test_nothing_of_a_decision_is_in_memory_alone(autojump_clock: MockClock, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A kill between the receipts, and one right after the last."""
    async with stage(tmp_path, extra=routes(given=ON_RECEIPT), stop=False) as s:
        acme = s.smsc["acme"]
        app = await s.running.connect()
        id = await long(s, app, 2)
        acme.receipt(acme.submits[0], "UNDELIV")
        await s.running.settled()
        first = [m.message_id for m in acme.submits]
    async with stage(tmp_path, extra=routes(given=ON_RECEIPT), stop=False) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        beta.answer = withhold
        acme.receipt(await _like(s, "acme"), "UNDELIV", message_id=first[1], peer=PEER)
        await beta.came(2)
    async with stage(tmp_path, extra=routes(given=ON_RECEIPT)) as s:
        app = await s.running.connect()
        await trio.sleep(60)
        message = await app.message(id)
        assert (message["state"], message["carrier"]) == ("sent", "beta")
        assert [p["in_doubt"] for p in message["parts"]] == [1, 1]


async def _like(s: Stage, name: str) -> Submitted:
    """A submit of this run, for its addresses."""
    app = await s.running.connect()
    await app.submit("other", to=OTHER)
    return (await s.smsc[name].came(1))[-1]


async def test_what_is_being_stored_when_its_pair_goes_follows(autojump_clock: MockClock) -> None:
    """A message that was prepared for the old carrier, and stored after the one before it went."""
    commits = Commits()
    async with stage(run_sync=commits) as s:
        acme, beta = s.smsc["acme"], s.smsc["beta"]
        acme.answer = withhold
        beta.answer = withhold
        app = await s.running.connect()
        await app.submit("1", to=PEER)
        (first,) = await acme.came(1)
        moved = s.running.daemon.outbound.writer.put
        acme.answer = lambda _: 0
        async with trio.open_nursery() as nursery:

            def put(op, *callbacks) -> None:  # type: ignore[no-untyped-def]
                moved(op, *callbacks)
                if isinstance(op, RerouteOp) and op.cause == "refused":
                    # From now on its transaction is under way, and what comes in is stored after it.
                    s.running.daemon.outbound.writer.put = moved  # type: ignore[method-assign]
                    commits.hold()

            s.running.daemon.outbound.writer.put = put  # type: ignore[method-assign]
            acme.respond(first, SENDER)
            await s.running.settled()
            nursery.start_soon(partial(app.submit, "2", to=PEER))
            await s.running.settled()
            commits.release()
        await app.submit("3", to=PEER)
        for count in (1, 2, 3):
            await beta.came(count)
            await s.running.settled()
            assert len(beta.submits) == count
            beta.respond(beta.submits[-1])
        assert s.texts("beta") == ["1", "2", "3"]
        assert s.texts("acme") == ["1"]
        await s.running.settled()
        assert s.waiting() == {}
