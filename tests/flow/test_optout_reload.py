"""Other sets of numbers by a reload: what waits already is sent only where it still may be."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.outbound.rescoped import Rescoped
from gateway.policy.optout import OptOuts
from gateway.smpp.pdu import Address, DeliverSm
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import address, peers, withhold

FIRST, SECOND = "+15551230001", "+15551230002"
PEER, OTHER_PEER, THIRD = peers(3)
APART = f'[[number_sets]]\nname = "apart"\nnumbers = ["{SECOND}"]\n'


def sent(g: Gateway) -> list[str]:
    return [s.text for s in g.smsc.submits if not s.text.startswith("You are")]


def ends(g: Gateway) -> list[tuple[str, str]]:
    """Texts and reasons of what ended unsent."""
    query = (
        "SELECT CAST(m.body AS TEXT), s.reason FROM message m JOIN segment s ON s.message_id = m.id WHERE s.state = 9"
        " ORDER BY m.id"
    )
    return g.daemon.store.read_now(lambda con: con.execute(query).fetchall())


async def test_what_waits_ends_where_a_new_set_takes_it_in(autojump_clock: MockClock) -> None:
    """Queued in memory, on disk beyond the look-ahead, and scheduled; others wait on."""
    async with gateway(numbers=2, extra="[limits]\nlook_ahead = 50\n" + APART, patience=2000) as g:
        app = await g.connect()
        for peer in (PEER, THIRD):
            g.smsc.binds[0].deliver(DeliverSm(address(peer), address(FIRST), b"STOP"))
        await g.settled()
        await app.call("carrier", name="acme", action="pause")
        others = [f"other {i}" for i in range(60)]
        for text in ("first", *others, "next"):
            await app.submit(text, to=OTHER_PEER if text in others else PEER, from_=SECOND)
        await app.submit("late", to=THIRD, from_=SECOND, send_at="2025-10-09T09:03:20Z")
        await g.settled()
        g.config.write_text(g.config.read_text().replace(APART, ""))
        told = await app.call("reload")
        assert "number_sets" in told["changed"]
        assert [w for w in told["warnings"] if "left set:" in w]
        await trio.sleep(2)
        assert ends(g) == [("first", "opted_out"), ("next", "opted_out")]
        assert g.daemon.outbound.queue("acme").queued == len(others)
        await app.call("carrier", name="acme", action="resume")
        await trio.sleep(700)
        assert ends(g)[2:] == [("late", "opted_out")]
        assert sent(g) == others


async def test_what_waits_for_who_was_erased_ends_as_well(autojump_clock: MockClock) -> None:
    """Of them only a name is left, which no queued message has."""
    async with gateway(numbers=2, extra=APART) as g:
        app = await g.connect()
        await g.tell("STOP", peer=PEER, number=FIRST)
        await g.settled()
        await app.call("erase", peer=PEER)
        await app.call("carrier", name="acme", action="pause")
        await app.submit("first", to=PEER, from_=SECOND)
        await app.submit("other", to=OTHER_PEER, from_=SECOND)
        g.config.write_text(g.config.read_text().replace(APART, ""))
        await app.call("reload")
        await trio.sleep(2)
        assert ends(g) == [("first", "opted_out")]


async def test_what_waits_ends_at_a_start_with_other_sets(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with gateway(tmp_path, numbers=2, extra=APART) as g:
        app = await g.connect()
        g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(FIRST), b"STOP"))
        await g.settled()
        await app.call("carrier", name="acme", action="pause")
        await app.submit("next", to=PEER, from_=SECOND)
        await g.settled()
    async with gateway(tmp_path, numbers=2) as g:
        await trio.sleep(2)
        app = await g.connect()
        await app.call("carrier", name="acme", action="resume")
        await g.settled()
        assert (sent(g), ends(g)) == ([], [("next", "opted_out")])


def named(name: str, *numbers: str) -> str:
    listed = ", ".join(f'"{number}"' for number in numbers)
    return f'[[number_sets]]\nname = "{name}"\nnumbers = [{listed}]\n'


async def test_opt_outs_go_along_with_a_number(autojump_clock: MockClock) -> None:
    """The set has a new name, then one of its numbers comes to another; what START lifts is what holds there."""
    both = named("sales", FIRST, SECOND)
    async with gateway(numbers=2, extra=both) as g:
        app = await g.connect()
        bind = g.smsc.binds[0]
        bind.deliver(DeliverSm(address(PEER), address(FIRST), b"STOP"))
        await g.settled()
        for sets in (named("sold", FIRST, SECOND), named("sold", FIRST) + named("help", SECOND)):
            g.config.write_text(g.config.read_text().replace(both, sets))
            both = sets
            await app.call("reload")
            for number in (FIRST, SECOND):
                assert (await app.refused("submit", to=PEER, text="x", **{"from": number})).reason == "opted_out"
        await app.submit("x", to=OTHER_PEER, from_=SECOND)
        bind.deliver(DeliverSm(address(PEER), address(SECOND), b"START"))
        await g.settled()
        await app.submit("again", to=PEER, from_=SECOND)
        assert (await app.refused("submit", to=PEER, text="x", **{"from": FIRST})).reason == "opted_out"


async def test_opt_outs_go_along_while_nothing_runs(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with gateway(tmp_path, numbers=2) as g:
        g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(FIRST), b"STOP"))
        await g.settled()
    for sets in ("", APART, named("new", FIRST, SECOND)):
        async with gateway(tmp_path, numbers=2, extra=sets) as g:
            app = await g.connect()
            assert (await app.refused("submit", to=PEER, text="x", **{"from": SECOND})).reason == "opted_out"
            await app.submit("x", to=OTHER_PEER, from_=SECOND)


async def test_a_stop_to_a_number_that_is_gone_is_for_the_set_it_was_in(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """The answer to what was sent from it before; also after a start, and START lifts it."""
    gone = "+15551230003"
    async with gateway(tmp_path, numbers=3, extra=named("sales", FIRST, gone)) as g:
        app = await g.connect()
        await app.submit("ad", to=PEER, from_=gone)
        text = g.config.read_text().replace(f', "{gone}"', "")
        text = text.replace(f'[[numbers]]\nnumber = "{gone}"\ncarrier = "acme"\n', "")
        assert gone not in text
        g.config.write_text(text)
        await app.call("reload")
        await g.tell("STOP", number=gone)
        for number in (FIRST, SECOND):
            assert (await app.refused("submit", to=PEER, text="x", **{"from": number})).reason == "opted_out"
    async with gateway(tmp_path, numbers=2, extra=named("sales", FIRST)) as g:
        app = await g.connect()
        await g.tell("START", number=gone)
        await app.submit("again", to=PEER, from_=FIRST)
        # As some carriers write our numbers.
        g.smsc.binds[0].deliver(DeliverSm(address(PEER), Address(0, 0, gone[1:]), b"STOP"))
        await g.settled()
        assert (await app.refused("submit", to=PEER, text="x", **{"from": FIRST})).reason == "opted_out"


FULL = "window = 2\nresponse_timeout = 600"


async def test_what_is_claimed_and_not_written_ends_as_well(autojump_clock: MockClock) -> None:
    """Nothing else waits for that person, so that nothing is found in a queue."""
    async with gateway(numbers=2, extra=APART, carrier=FULL, answer=withhold, patience=10_000) as g:
        app = await g.connect()
        for peer in (PEER, THIRD):
            await app.call("optout_set", peer=peer, out=True, scope="set:default")
        await app.call("erase", peer=THIRD)
        others = [await app.submit(text, to=OTHER_PEER[:-1] + text, from_=SECOND) for text in ("5", "6")]
        await g.smsc.came(2)
        gone = [await app.submit("gone", to=peer, from_=SECOND) for peer in (PEER, THIRD)]
        assert [await app.state(id) for id in gone] == ["submitting"] * 2
        g.config.write_text(g.config.read_text().replace(APART, ""))
        await app.call("reload")
        with trio.fail_after(30):  # long before the session is given up, and with it what is claimed
            await g.until(lambda: ends(g) == [("gone", "opted_out")] * 2)
        for submitted in g.smsc.submits:
            g.smsc.respond(submitted)
        for id in others:
            await app.until_state(id, "sent")
        assert sent(g) == ["5", "6"]


async def test_nothing_is_claimed_unasked_while_the_queues_are_looked_through(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million that wait take seconds, in which the first of them would be sent."""
    async with gateway(tmp_path, numbers=2, extra=APART) as g:
        app = await g.connect()
        await app.call("optout_set", peer=PEER, out=True, scope="set:default")
        await app.call("carrier", name="acme", action="pause")
        for text in ("first", "other", "last"):
            await app.submit(text, to=OTHER_PEER if text == "other" else PEER, from_=SECOND)
    look = trio.Event()

    async def slow(self: Rescoped, optouts: OptOuts) -> None:
        await look.wait()

    monkeypatch.setattr(Rescoped, "_look", slow)
    async with gateway(tmp_path, numbers=2) as g:
        app = await g.connect()
        await app.call("carrier", name="acme", action="resume")
        await g.settled()
        assert (sent(g), [text for text, _ in ends(g)]) == (["other"], ["first", "last"])
        assert not g.daemon.outbound.queue("acme").queued
        look.set()
