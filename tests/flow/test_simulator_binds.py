"""How the simulated SMSC takes, refuses and ends binds, and what other ends can do to it."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import memory_stream_pair

from gateway.simulator import OnAir, Simulator, SimulatorConfig
from gateway.smpp.constants import CommandStatus
from gateway.smpp.events import BindRefused, CloseReason
from gateway.smpp.pdu import BindTransceiver

from .esme import connect, message


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"system_id": "other"}, CommandStatus.ESME_RINVSYSID),
        ({"system_id": "esme", "password": "other"}, CommandStatus.ESME_RINVPASWD),
        ({"password": "other"}, CommandStatus.ESME_RINVPASWD),
        ({"bind_status": 0x0D}, CommandStatus.ESME_RBINDFAIL),
    ],
)
async def test_refused_binds(autojump_clock, nursery, settings, status):
    shown: list[OnAir] = []
    simulator = Simulator(SimulatorConfig(**settings), on_air=shown.append)
    esme = await connect(nursery, simulator, wait=False)
    await esme.until(lambda: bool(esme.events))
    assert esme.events == [BindRefused(status)]
    assert [(event.kind, event.status) for event in shown] == [("bind_refused", status)]
    assert simulator.binds == {}
    simulator.configure(system_id=None, password=None, bind_status=0)
    esme.send(BindTransceiver("esme", "secret"))
    await esme.until(lambda: len(esme.events) == 2)
    assert list(simulator.binds) == [1]


async def test_the_right_credentials(autojump_clock, nursery):
    simulator = Simulator(SimulatorConfig(system_id="esme", password="secret", smsc_id="carrier"))
    esme = await connect(nursery, simulator)
    assert (await esme.bound()).system_id == "carrier"


@pytest.mark.parametrize(("version", "said"), [("3.4", 0x34), ("5.0", 0x50)])
async def test_the_version_that_it_says(autojump_clock, nursery, version, said):
    simulator = Simulator(SimulatorConfig(interface_version=version))
    esme = await connect(nursery, simulator)
    assert (await esme.bound()).interface_version == said
    assert esme.session.peer_version == said
    assert simulator.binds[1].session.peer_version == 0x34


async def test_no_more_binds_of_one_account_than_allowed(autojump_clock, nursery):
    simulator = Simulator(SimulatorConfig(max_binds=2))
    first = await connect(nursery, simulator)
    await connect(nursery, simulator)
    await connect(nursery, simulator, system_id="other")
    third = await connect(nursery, simulator, wait=False)
    await third.until(lambda: bool(third.events))
    assert third.events == [BindRefused(CommandStatus.ESME_RALYBND)]
    await first.unbind()
    await simulator.until(lambda: 1 not in simulator.connections)
    third.send(BindTransceiver("esme", "secret"))
    await third.until(lambda: len(third.events) == 2)
    assert len(simulator.binds) == 3


async def test_unbind_answers_what_is_under_way_first(autojump_clock, nursery):
    simulator = Simulator(SimulatorConfig(latency=0.5))
    esme = await connect(nursery, simulator)
    esme.send(message(receipt=0))
    await simulator.until(lambda: simulator.stats.submits == 1)
    await esme.unbind()
    assert esme.statuses == [0]


async def test_the_simulator_unbinds(autojump_clock, nursery):
    simulator = Simulator()
    esme = await connect(nursery, simulator)
    simulator.unbind(1)
    closed = await esme.closed()
    assert esme.was_unbound
    assert closed.reason is CloseReason.UNBOUND
    await simulator.until(lambda: not simulator.connections)


async def test_the_simulator_drops_a_connection(autojump_clock, nursery):
    simulator = Simulator()
    esme = await connect(nursery, simulator)
    simulator.disconnect(1)
    assert (await esme.closed()).reason is CloseReason.EOF
    assert not esme.was_unbound
    await simulator.until(lambda: not simulator.connections)
    with pytest.raises(KeyError):
        simulator.disconnect(1)


async def test_stop_unbinds_everybody(autojump_clock, nursery):
    simulator = Simulator()
    esmes = [await connect(nursery, simulator, kind) for kind in ("transmitter", "receiver", "transceiver")]
    await simulator.stop()
    assert simulator.connections == {}
    assert all(esme.was_unbound for esme in esmes)
    late = await connect(nursery, simulator, wait=False)
    await late.until(lambda: bool(late.events))
    assert late.events == [BindRefused(CommandStatus.ESME_RBINDFAIL)]


async def test_stop_does_not_wait_for_ever(autojump_clock, nursery):
    simulator = Simulator()
    ours, theirs = memory_stream_pair()
    nursery.start_soon(simulator.serve_stream, theirs)
    await ours.send_all(bytes.fromhex("0000001f00000009000000000000000161006200000034000000") + bytes(5))
    await simulator.until(lambda: bool(simulator.binds))
    start = trio.current_time()
    await simulator.stop(grace=3.0)
    assert trio.current_time() - start == pytest.approx(3.0)
    await simulator.until(lambda: not simulator.connections)


async def test_a_paused_connection_is_not_read(autojump_clock, nursery):
    simulator = Simulator()
    esme = await connect(nursery, simulator)
    simulator.pause_reading(1)
    esme.send(message(receipt=0))  # the read that was under way takes this one
    await simulator.until(lambda: simulator.stats.submits == 1)
    esme.send(message(receipt=0), message(receipt=0))
    await trio.sleep(5)
    assert simulator.stats.submits == 1
    simulator.resume_reading(1)
    await esme.responds(3)


async def test_garbage_ends_its_own_connection_only(autojump_clock, nursery):
    simulator = Simulator()
    esme = await connect(nursery, simulator)
    ours, theirs = memory_stream_pair()
    nursery.start_soon(simulator.serve_stream, theirs)
    await ours.send_all(b"GET / HTTP/1.1\r\n\r\n")
    assert (await ours.receive_some())[4:8] == bytes.fromhex("80000000")
    assert await ours.receive_some() == b""
    esme.send(message())
    await esme.delivers(1)


async def test_an_unknown_command_is_rejected_and_the_session_lives(autojump_clock, nursery):
    simulator = Simulator()
    esme = await connect(nursery, simulator)
    await esme.link.stream.send_all(bytes.fromhex("00000010 00000777 00000000 00000009"))
    await simulator.until(lambda: simulator.stats.pdus_rejected == 1)
    esme.send(message())
    await esme.delivers(1)


async def test_the_timer_goes_on_when_the_connection_that_ran_it_ends(autojump_clock, nursery):
    simulator = Simulator(SimulatorConfig(latency=5.0))
    first = await connect(nursery, simulator)
    second = await connect(nursery, simulator)
    second.send(message(receipt=0))
    await simulator.until(lambda: simulator.stats.submits == 1)
    first.link.close()
    await second.responds(1)


async def test_idle_binds_are_asked_whether_they_are_there(autojump_clock, nursery):
    simulator = Simulator(SimulatorConfig(enquire_link=10.0, response_timeout=2.0))
    esme = await connect(nursery, simulator)
    await trio.sleep(100)
    assert simulator.binds
    esme.link.hold()
    await trio.sleep(11)  # the read under way takes one enquire_link
    await simulator.until(lambda: not simulator.connections)


async def test_bad_changes_change_nothing(autojump_clock):
    simulator = Simulator(SimulatorConfig(errors=0.5), rng=random.Random(1))
    before = simulator.config
    for changes in ({"errors": 2.0}, {"id_form": "octal"}, {"colour": "red"}, {"receipt_states": {"LOST": 1.0}}):
        with pytest.raises(ValueError, match=next(iter(changes))):
            simulator.configure(**changes)
    assert simulator.config is before
