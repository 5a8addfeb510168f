"""The commands of the simulator."""

import random

import pytest

from gateway.simulator import Simulator, SimulatorConfig
from gateway.simulator.console import Console


@pytest.fixture
async def console(autojump_clock):
    simulator = Simulator(SimulatorConfig(password="secret"), rng=random.Random(1))
    return Console(simulator), simulator


async def test_inbound_messages(console):
    console, simulator = console
    assert console.execute("mo +12125550101 +15551230001  Hello 👋\n") == ["queued, 1 part, nobody is bound to get it"]
    assert console.execute("mo +12125550101 +15551230001 " + "long " * 50)[0].startswith("queued, 2 parts")
    assert simulator.waiting == 3


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("mo +12125550101", "mo: PEER NUMBER TEXT expected"),
        ("mo +" + "1" * 40 + " 12345 Hi", "source addr: 40 characters, at most 20 fit"),
        ("reply Hi", "reply: nobody was written to"),
        ("frobnicate", "frobnicate: no such command, try help"),
        ("errors 3", "errors: 3.0 is no share from 0 to 1"),
        ("errors many", "errors: 'many' cannot be read"),
        ("disconnect", "which of 0 binds? (see status)"),
        ("disconnect 7", "disconnect: no bind 7"),
        ("pause x", "'x' is no number of a bind"),
        ("\x1b[31m", "\\x1b[31m: no such command, try help"),
    ],
)
async def test_what_cannot_be_done_is_said(console, line, answer):
    console, _ = console
    assert console.execute(line) == [answer]


async def test_settings(console):
    console, simulator = console
    assert console.execute("rate 5") == ["mo_rate = 5.0"]
    assert console.execute("latency 0.1-0.2") == ["latency = (0.1, 0.2)"]
    assert console.execute("latency") == ["latency = (0.1, 0.2)"]
    assert (simulator.config.mo_rate, simulator.config.latency) == (5.0, (0.1, 0.2))
    assert console.execute("password") == ["password = <hidden>"]
    assert "password = <hidden>" in console.execute("settings")
    assert not any("secret" in line for line in console.execute("settings"))


async def test_status_help_and_quit(console):
    console, _ = console
    assert console.execute("") == []
    assert console.execute("status")[0] == "nobody is bound"
    assert any(line.startswith("mo PEER NUMBER TEXT") for line in console.execute("help"))
    assert not console.over
    assert console.execute("quit") == []
    assert console.over
