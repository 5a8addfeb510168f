"""A carrier goes down: what waits for it goes to the next one of its route, in order, once that has lasted."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.store.wishes import Wish
from tests.support.carriers import routes, stage
from tests.support.smsc import labelled, peers, withhold

PEER = peers(1)[0]


async def test_what_waits_goes_to_the_next_carrier_when_the_first_is_down_for_long(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await s.running.settled()
        ids = [await app.submit(f"{i}", to=peer) for i, peer in enumerate(peers(5))]
        await trio.sleep(28)
        assert s.waiting() == {"acme": 5}
        assert s.texts("beta") == []
        await trio.sleep(4)
        assert sorted(s.texts("beta")) == ["0", "1", "2", "3", "4"]
        assert s.texts("acme") == []
        assert s.left("acme") == {"all"}
        assert s.waiting() == {}
        for id in ids:
            message = await app.message(id)
            assert (message["state"], message["carrier"]) == ("sent", "beta")


async def test_new_messages_go_past_it_while_it_is_down_and_stay_when_it_is_back(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await trio.sleep(32)
        before, other = peers(2)
        await app.submit("past it", to=before)
        await s.running.settled()
        assert s.texts("beta") == ["past it"]
        assert s.rows("SELECT peer, carrier FROM sticky") == [(before, "beta")]
        await s.back("acme")
        await trio.sleep(2)
        assert s.left("acme") == set()
        await app.submit("stays", to=before)
        await app.submit("at home", to=other)
        await s.running.settled()
        assert s.texts("beta") == ["past it", "stays"]
        assert s.texts("acme") == ["at home"]


async def test_a_pair_that_was_moved_is_known_after_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with stage(tmp_path) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await app.submit("waits", to=PEER)
        await trio.sleep(32)
        assert s.texts("beta") == ["waits"]
    async with stage(tmp_path) as s:
        app = await s.running.connect()
        await app.submit("stays", to=PEER)
        await app.submit("home", to=peers(2)[1])
        await s.running.settled()
        assert (s.texts("acme"), s.texts("beta")) == (["home"], ["stays"])
        # And to its first carrier when the other is down, from where it does not go back either.
        await s.break_off("beta")
        await trio.sleep(32)
        await app.submit("moves again", to=PEER)
        await s.back("beta")
        await trio.sleep(2)
        await app.submit("and stays", to=PEER)
        await s.running.settled()
        assert s.texts("acme") == ["home", "moves again", "and stays"]


@pytest.mark.parametrize("look_ahead", [3, 2000])
async def test_order_of_a_pair_is_kept_over_the_move(autojump_clock: MockClock, look_ahead: int) -> None:
    """Also while new messages come in the whole time, and where the queues are mostly on disk."""
    given = f"[limits]\nlook_ahead = {look_ahead}\n" + routes()
    async with stage(extra=given) as s:
        app = await s.running.connect()
        phones = peers(4)
        await s.break_off("acme")
        count = 0
        while trio.current_time() < 60:
            for _ in range(10):
                await app.submit(labelled(count), to=phones[count % 4])
                count += 1
            await trio.sleep(0.5)
        await trio.sleep(10)
        assert s.texts("acme") == []
        for peer in phones:
            labels = [m.label for m in s.smsc["beta"].submits if m.peer == peer]
            assert labels == sorted(labels)
        assert len(s.smsc["beta"].submits) == count > 900
        assert s.waiting() == {}


async def test_a_large_queue_moves_in_pages(autojump_clock: MockClock) -> None:
    """Some of it in memory, most of it on disk; over lanes, apps' ranks and long messages."""
    async with stage(extra="[limits]\nlook_ahead = 50\n" + routes()) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await s.running.settled()
        phones = peers(300)
        for i in range(900):
            klass = "marketing" if i % 3 else "transactional"
            await app.submit(
                labelled(i, 400 if i % 10 == 0 else 10), to=phones[i % 300], **{"class": klass}, priority=i % 2
            )
        segments = s.waiting()["acme"]
        assert segments == 900 + 2 * 90
        await trio.sleep(60)
        assert s.waiting() == {}
        assert len(s.smsc["beta"].submits) == segments
        assert s.counted_right()
        await s.back("acme")
        await trio.sleep(2)
        await app.submit("home", to=peers(301)[300])
        await s.running.settled()
        assert s.texts("acme") == ["home"]


async def test_what_was_accepted_or_is_in_doubt_stays(autojump_clock: MockClock) -> None:
    """All segments of a message go to one carrier, and nothing is sent twice but for true doubt."""
    async with stage(carrier="window = 2") as s:
        acme = s.smsc["acme"]
        acme.answer = lambda m: 0 if m.concat[2] == 1 and m.concat[1] > 1 else None
        app = await s.running.connect()
        partly, doubtful, free = peers(3)
        first = await app.submit(labelled(1, 400), to=partly)
        await acme.came(2)
        second = await app.submit("perhaps", to=doubtful)
        third = await app.submit("waits", to=free)
        behind = await app.submit("behind", to=doubtful)
        await s.break_off("acme")
        await trio.sleep(60)
        assert await app.state(third) == "sent"
        assert "waits" in s.texts("beta")
        assert not any(m.label == "0001" for m in s.smsc["beta"].submits if m.text[:4] == "0001")
        assert (await app.message(first))["carrier"] == "acme"
        carriers = {(await app.message(id))["carrier"] for id in (second, behind)}
        assert carriers <= {"acme", "beta"}
        acme.answer = lambda _: 0
        await s.back("acme")
        await trio.sleep(60)
        for id in (first, second, third, behind):
            assert await app.state(id) == "sent"
        assert s.counted_right()


async def test_nothing_moves_where_no_other_carrier_is_up_until_one_is(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await s.break_off("beta")
        id = await app.submit("waits", to=PEER)
        await trio.sleep(100)
        assert s.waiting() == {"acme": 1}
        assert (await app.message(id))["carrier"] == "acme"
        await s.back("beta")
        await trio.sleep(3)
        assert s.texts("beta") == ["waits"]


async def test_order_of_a_pair_is_kept_while_all_carriers_are_down(autojump_clock: MockClock) -> None:
    """What comes then waits behind what was there, wherever that is, and goes with it to the first that is back."""
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await trio.sleep(32)
        await app.submit("1", to=PEER)
        await s.running.settled()
        await s.break_off("beta")
        for text in ("2", "3"):
            await app.submit(text, to=PEER)
        await trio.sleep(60)
        assert s.left("beta") == set()
        for text in ("4", "5"):
            await app.submit(text, to=PEER)
        assert s.waiting() == {"beta": 4}
        await s.back("acme")
        for text in ("6", "7"):
            await app.submit(text, to=PEER)
        await trio.sleep(3)
        assert s.left("beta") == {"all"}
        await app.submit("8", to=PEER)
        await s.running.settled()
        assert (s.texts("beta"), s.texts("acme")) == (["1"], ["2", "3", "4", "5", "6", "7", "8"])
        assert s.counted_right()


async def test_order_of_a_pair_is_kept_while_the_next_carrier_is_paused(autojump_clock: MockClock) -> None:
    """Nothing can go there: so it is not given what comes after what stays behind."""
    async with stage() as s:
        app = await s.running.connect()
        s.running.daemon.outbound.want("beta", Wish("pause", 0))
        await s.break_off("acme")
        await app.submit("1", to=PEER)
        await trio.sleep(60)
        await app.submit("2", to=PEER)
        assert s.waiting() == {"acme": 2}
        s.running.daemon.outbound.want("beta", None)
        await app.submit("3", to=PEER)
        await trio.sleep(3)
        assert s.left("acme") == {"all"}
        assert s.texts("beta") == ["1", "2", "3"]


async def test_a_carrier_that_operators_paused_keeps_what_waits(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        s.running.daemon.outbound.carriers["acme"].held = True
        await app.submit("waits", to=PEER)
        await trio.sleep(100)
        assert s.waiting() == {"acme": 1}
        await s.break_off("acme")
        await trio.sleep(100)
        assert s.waiting() == {"acme": 1}
        assert s.texts("beta") == []


async def test_scheduled_messages_that_come_due_go_on(autojump_clock: MockClock) -> None:
    async with stage() as s:
        app = await s.running.connect()
        at = s.running.daemon.store.clock.now_ms() / 1000 + 50
        await app.submit("later", to=PEER, send_at=datetime.fromtimestamp(at, UTC).isoformat())
        await s.break_off("acme")
        await trio.sleep(45)
        assert s.left("acme") == {"all"}
        assert s.texts("beta") == []
        await trio.sleep(8)
        assert s.texts("beta") == ["later"]


async def test_messages_without_a_route_wait_for_their_carrier(autojump_clock: MockClock) -> None:
    given = routes(given='classes = ["marketing"]')
    async with stage(extra=given) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await app.submit("bulk", to=PEER, **{"class": "marketing"})
        await app.submit("code", to=PEER)
        await trio.sleep(100)
        assert s.texts("beta") == ["bulk"]
        assert s.waiting() == {"acme": 1}
        await s.back("acme")
        await trio.sleep(1)
        assert s.texts("acme") == ["code"]


async def test_a_message_is_planned_anew_where_the_next_carrier_is_sent_to_otherwise(autojump_clock: MockClock) -> None:
    given = routes(beta='default_alphabet = "latin1"\nlong_messages = "sar"')
    async with stage(extra=given) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        short = await app.submit("café", to=PEER)
        long = await app.submit("x" * 200, to=peers(2)[1])
        assert (await app.message(long))["segments"] == 2
        await trio.sleep(35)
        beta = s.smsc["beta"].submits
        assert beta[0].pdu.short_message == "café".encode("latin-1")
        assert [t.tag for m in beta[1:] for t in m.pdu.tlvs] == [0x020C, 0x020E, 0x020F] * 2
        assert b"".join(m.pdu.short_message for m in beta[1:]) == b"x" * 200
        for id in (short, long):
            assert await app.state(id) == "sent"


async def test_a_crash_while_it_moves_loses_and_doubles_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    count = 450
    async with stage(tmp_path, stop=False) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        s.smsc["beta"].answer = withhold
        for i in range(count):
            await app.submit(labelled(i), to=peers(count)[i])
        await trio.sleep(29)
        await s.smsc["beta"].came(1)
        written = {m.label for m in s.smsc["beta"].submits}
    async with stage(tmp_path, bound=False) as s:
        await s.break_off("acme")
        await trio.sleep(120)
        again = [m.label for m in s.smsc["beta"].submits]
        assert {*written, *again} == {f"{i:04}" for i in range(count)}
        assert len(again) == len(set(again))
        # Only what was written and not answered may come twice, and it is counted so.
        doubled = written & set(again)
        assert doubled == written
        # Claimed and not written is the same after a kill.
        assert len(written) <= s.rows("SELECT count(*) FROM segment WHERE in_doubt > 0")[0][0] <= 100
        assert s.counted_right()


async def test_what_is_behind_a_message_is_found_by_its_phone(autojump_clock: MockClock) -> None:
    """And not by a walk over all that waits: that made a page of 200 take half a second with 20 000 in the queue."""
    async with stage() as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await app.submit("waits", to=PEER)
        executed: list[str] = []
        con = s.running.daemon.store.read_now(lambda con: con)
        con.set_trace_callback(executed.append)
        await trio.sleep(32)
        con.set_trace_callback(None)
        (behind,) = {sql for sql in executed if "m.peer = " in sql}
        plan = [row[3] for row in s.rows(f"EXPLAIN QUERY PLAN {behind}")]
        assert [line.split(" (")[0] for line in plan] == [
            "SEARCH m USING INDEX message_peer",
            "SEARCH s USING PRIMARY KEY",
        ]


async def test_a_carrier_that_is_drained_gives_away_what_waits_at_once(autojump_clock: MockClock) -> None:
    async with stage(carrier="throughput = 1") as s:
        app = await s.running.connect()
        for i, peer in enumerate(peers(200)):
            await app.submit(f"{i}", to=peer)
        await trio.sleep(3)
        s.running.daemon.outbound.carriers["acme"].drain()
        await trio.sleep(5)
        assert s.left("acme") == {"all"}
        assert s.waiting() == {}
        sent = [*s.texts("acme"), *s.texts("beta")]
        assert sorted(sent, key=int) == [f"{i}" for i in range(200)]
        assert 2 <= len(s.texts("acme")) < 10
        s.running.daemon.outbound.carriers["acme"].release()
        await trio.sleep(5)
        assert s.left("acme") == set()


async def test_a_reload_that_brings_a_way_out(autojump_clock: MockClock) -> None:
    """What could go nowhere goes once a route has another carrier."""
    async with stage(extra=routes(carriers='{ name = "acme" }')) as s:
        app = await s.running.connect()
        await s.break_off("acme")
        await app.submit("waits", to=PEER)
        await trio.sleep(60)
        assert s.waiting() == {"acme": 1}
        text = s.running.config.read_text()
        s.running.config.write_text(
            text.replace('carriers = [{ name = "acme" }]', 'carriers = [{ name = "acme" }, { name = "beta" }]')
        )
        assert "routes" in (await app.call("reload"))["changed"]
        await trio.sleep(3)
        assert s.texts("beta") == ["waits"]
