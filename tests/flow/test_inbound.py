"""Inbound messages: stored before they are acknowledged, put together from parts, and told to whom they are for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import Address, DataSm, DeliverSm, Tlv
from tests.support.daemons import Commits, gateway
from tests.support.smsc import Bound, Smsc, address, peers

NUMBER, PEER = "+15551230001", peers(1)[0]


def deliver(
    bind: Bound, text: bytes, *, to: str = NUMBER, by: str = PEER, token: object = None, **fields: object
) -> None:
    bind.deliver(DeliverSm(address(by), address(to), text, **fields), token)  # type: ignore[arg-type]


def part(ref: int, total: int, seq: int, text: bytes) -> bytes:
    """A part with an 8-bit reference (TS 23.040 §9.2.3.24.1)."""
    return bytes((5, 0, 3, ref, total, seq)) + text


async def test_it_is_stored_before_it_is_acknowledged(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        await app.call("subscribe")
        commits.hold()
        deliver(g.smsc.binds[0], b"Hello")
        await g.settled()
        assert not g.smsc.binds[0].answers
        assert not app.of("inbound")
        commits.release()
        (event,) = await app.notified(1)
        await g.settled()
        assert [s for _, s in g.smsc.binds[0].answers] == [0]
        assert {k: event[k] for k in event if k not in ("id", "at", "event_id")} == {
            "redelivered": False,
            "number": NUMBER,
            "peer": PEER,
            "text": "Hello",
            "data": None,
            "encoding": "gsm7",
            "parts": 1,
            "complete": True,
            "carrier": "acme",
        }


async def test_a_store_that_fails_is_a_temporary_error(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        await app.call("subscribe")
        bind = g.smsc.binds[0]
        commits.fill_disk()
        for i in range(5):
            deliver(bind, b"%d" % i)
        await g.smsc.until(lambda: len(bind.answers) == 5)
        assert [s for _, s in bind.answers] == [0x64] * 5
        error = await app.refused("submit", to=PEER, text="x")
        assert (error.code, error.reason) == (-32001, "store_unavailable")
        assert error.data["retry_after"] > 0
        commits.heal()
        for i in range(5):
            deliver(bind, b"%d" % i)
        events = await app.notified(5)
        assert [e["text"] for e in events] == list("01234")
        await g.settled()
        assert [s for _, s in bind.answers] == [0x64] * 5 + [0] * 5
        await app.until_state(await app.submit("x"), "sent")


@pytest.mark.parametrize(
    "destination",
    [
        Address(1, 1, "15551230001"),
        Address(1, 1, "+15551230001"),
        Address(0, 1, "15551230001"),
        Address(0, 0, "+15551230001"),
        Address(2, 8, "15551230001"),
    ],
)
@pytest.mark.parametrize(
    "source", [Address(1, 1, "12125550000"), Address(1, 1, "+12125550000"), Address(0, 1, "+12125550000")]
)
async def test_addresses_as_carriers_write_them(
    autojump_clock: MockClock, destination: Address, source: Address
) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", numbers=[NUMBER])
        g.smsc.binds[0].deliver(DeliverSm(source, destination, b"x"))
        (event,) = await app.notified(1)
        assert (event["number"], event["peer"]) == (NUMBER, PEER)


@pytest.mark.parametrize("scheme", ["udh8", "udh16", "sar"])
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1, 1, 2, 3), (1, 1, 3, 3, 2, 2)])
async def test_parts_in_any_order_over_two_binds(
    autojump_clock: MockClock, scheme: str, order: tuple[int, ...]
) -> None:
    """The euro sign's escape pair is cut between the parts by a sender who should not."""
    texts = {1: b"one \x1b", 2: b"\x65 two ", 3: b"three"}
    async with gateway(carrier="binds = 2") as g:
        app = await g.connect()
        await app.call("subscribe")
        for i, seq in enumerate(order):
            bind = g.smsc.binds[i % 2]
            if scheme == "sar":
                tlvs = (Tlv(0x020C, 77), Tlv(0x020E, 3), Tlv(0x020F, seq))
                deliver(bind, texts[seq], tlvs=tlvs)
            elif scheme == "udh8":
                deliver(bind, part(77, 3, seq, texts[seq]), esm_class=0x40)
            else:
                deliver(bind, bytes((6, 8, 4, 1, 77, 3, seq)) + texts[seq], esm_class=0x40)
            await g.settled()
        assert sum(len(b.answers) for b in g.smsc.binds) == len(order)
        assert {s for b in g.smsc.binds for _, s in b.answers} == {0}
        (event,) = app.of("inbound")
        assert (event["text"], event["parts"], event["complete"]) == ("one € two three", 3, True)


async def test_two_people_may_use_one_reference(autojump_clock: MockClock) -> None:
    async with gateway(numbers=2) as g:
        app = await g.connect()
        await app.call("subscribe")
        bind = g.smsc.binds[0]
        for seq in (1, 2):
            for by in peers(2):
                for to in (NUMBER, "+15551230002"):
                    deliver(bind, part(1, 2, seq, f"{by}{to}".encode()), to=to, by=by, esm_class=0x40)
        events = await app.notified(4)
        for e in events:
            assert e["text"] == f"{e['peer']}{e['number']}" * 2


async def test_missing_parts_are_shown_as_partial_after_their_time(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        limits = "[limits]\nreassembly_age = 600"
        before = Smsc(nursery)
        async with gateway(tmp_path, smsc=before, extra=limits) as g:
            app = await g.connect()
            await app.call("subscribe")
            deliver(before.binds[0], part(9, 3, 3, b"three"), esm_class=0x40)
            await g.settled()
            assert [s for _, s in before.binds[0].answers] == [0]
        after = Smsc(nursery)
        async with gateway(tmp_path, smsc=after, extra=limits) as g:
            app = await g.connect()
            await app.call("subscribe")
            deliver(after.binds[0], part(9, 3, 1, b"one "), esm_class=0x40)
            await trio.sleep(500)
            assert not app.of("inbound")
            await trio.sleep(250)
            (event,) = app.of("inbound")
            assert (event["text"], event["parts"], event["complete"]) == ("one three", 3, False)
        nursery.cancel_scope.cancel()


async def test_parts_that_came_before_a_restart_count(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        for run, seq in enumerate((2, 1)):
            smsc = Smsc(nursery)
            async with gateway(tmp_path, smsc=smsc, stop=False) as g:
                app = await g.connect()
                await app.call("subscribe")
                deliver(smsc.binds[0], part(9, 2, seq, b"%d" % seq), esm_class=0x40)
                await smsc.until(lambda smsc=smsc: smsc.binds[0].answers)
                if run:
                    (event,) = await app.notified(1)
                    assert event["text"] == "12"
        nursery.cancel_scope.cancel()


async def test_parts_outlive_a_stop_longer_than_their_time(autojump_clock: MockClock, tmp_path: Path) -> None:
    """A carrier keeps what it could not deliver: the missing part comes with the first bind after the stop."""
    async with trio.open_nursery() as nursery:
        for run, seq in enumerate((2, 1)):
            smsc = Smsc(nursery)
            async with gateway(tmp_path, smsc=smsc, extra="[limits]\nreassembly_age = 600") as g:
                app = await g.connect()
                await app.call("subscribe")
                await trio.sleep(5)  # a carrier takes its time
                deliver(smsc.binds[0], part(9, 2, seq, b"%d" % seq), esm_class=0x40)
                if run:
                    (event,) = await app.notified(1)
                    assert (event["text"], event["complete"]) == ("12", True)
                else:
                    await g.settled()
            await trio.sleep(3600)
        nursery.cancel_scope.cancel()


async def test_a_data_sm_is_a_message_too(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        bind = g.smsc.binds[0]
        pdu = DataSm(address(PEER), address(NUMBER), data_coding=8, tlvs=(Tlv(0x0424, "Grüße 👋".encode("utf-16-be")),))
        bind.session.send_request(pdu, trio.current_time())
        bind.link.flush()
        (event,) = await app.notified(1)
        assert (event["text"], event["encoding"]) == ("Grüße 👋", "ucs2")
        await g.settled()
        assert [s for _, s in bind.answers] == [0]


async def test_an_app_hears_of_its_own_numbers_alone(autojump_clock: MockClock) -> None:
    apps = f"""
[[apps]]
name = "one"
uid = [{os.getuid()}]
numbers = ["+15551230001"]
[[apps]]
name = "two"
token = "{"t" * 20}"
numbers = ["+15551230001", "+15551230002"]
"""
    async with gateway(apps=apps, numbers=3) as g:
        one, two = await g.connect(), await g.connect()
        await two.call("auth", app="two", token="t" * 20)
        await one.call("subscribe")
        await two.call("subscribe")
        await two.call("subscribe", name="second", numbers=["+15551230002"])
        for i in (1, 2, 3):
            deliver(g.smsc.binds[0], b"%d" % i, to=f"+1555123000{i}")
        await g.settled()
        assert [e["text"] for e in one.of("inbound")] == ["1"]
        assert sorted(e["text"] for e in two.of("inbound")) == ["1", "2", "2"]
        assert [s for _, s in g.smsc.binds[0].answers] == [0, 0, 0]


async def test_order_of_arrival_is_kept(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe", max_unacked=19_999)
        for i in range(3000):
            deliver(g.smsc.binds[0], b"%d" % i)
        events = await app.notified(3000)
        assert [e["text"] for e in events] == [str(i) for i in range(3000)]
