"""The commands of the simulator while an ESME is bound."""

from __future__ import annotations

from gateway.simulator import Simulator
from gateway.simulator.console import Console

from .esme import connect, message


async def test_a_reply_goes_back_to_the_number_that_wrote(autojump_clock, nursery):
    simulator = Simulator()
    console = Console(simulator)
    esme = await connect(nursery, simulator)
    esme.send(message(receipt=0))
    await esme.responds(1)
    assert console.execute("reply See you 👋") == ["queued, 1 part"]
    (pdu,) = await esme.delivers(1)
    assert pdu.short_message.decode("utf-16-be") == "See you 👋"
    assert (pdu.source.addr, pdu.destination.addr) == ("12125550101", "15551230001")


async def test_status_names_binds_and_counts(autojump_clock, nursery):
    simulator = Simulator()
    console = Console(simulator)
    console.execute("errors 1")
    console.execute("error_statuses 0x58")
    esme = await connect(nursery, simulator)
    esme.send(message(), message())
    await esme.responds(2)
    lines = console.execute("status")
    assert lines[0] == "#1 esme transceiver (bound_trx), 0 to deliver"
    assert lines[1] == "submits 2: 0 accepted, 2 refused (0x58: 2), 0 left unanswered"


async def test_binds_are_dropped_paused_and_unbound(autojump_clock, nursery):
    simulator = Simulator()
    console = Console(simulator)
    first = await connect(nursery, simulator)
    assert console.execute("pause") == ["#1 not read any more"]
    assert console.execute("resume #1") == ["#1 read again"]
    second = await connect(nursery, simulator)
    assert console.execute("unbind") == ["which of 2 binds? (see status)"]
    assert console.execute("unbind 2") == ["#2 unbind sent"]
    await second.closed()
    assert second.was_unbound
    assert console.execute("disconnect 1") == ["#1 dropped"]
    await first.closed()
    assert not first.was_unbound
