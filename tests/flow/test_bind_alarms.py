"""What is wrong with a carrier and for how long: alarms by kind, and waits that fit the cause."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import trio

from gateway.carrier.alarms import KINDS, Alarms
from gateway.carrier.life import DOWN_AFTER, LOOK_EVERY
from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from gateway.smpp.states import RESPONSE_TO
from tests.support.wire import Behaviour, Held, Wire, carrier, hold, segments

Clock = trio.testing.MockClock
AWAY = ConnectionRefusedError(111, "Connection refused")


def kinds(held: Held) -> list[str]:
    return [alarm["kind"] for alarm in held.carrier.alarms()]


def refusing(status: CommandStatus) -> Behaviour:
    async def refuse(wire: Wire) -> None:
        await wire.refuse(status)
        await wire.end()

    return refuse


async def test_an_alarm_keeps_its_beginning_and_has_its_last_words() -> None:
    alarms = Alarms("acme")
    alarms.set("down", "Connection refused")
    since = alarms.shown()[0]["since"]
    assert abs(since - time.time()) < 5
    alarms.set("down", "Connection timed out")
    alarms.set("stalled", "no answer")
    assert alarms.shown()[0] == {"kind": "down", "since": since, "detail": "Connection timed out"}
    assert "down" in alarms
    alarms.set("down", None)
    alarms.set("down", None)
    assert [a["kind"] for a in alarms.shown()] == ["stalled"]
    with pytest.raises(AssertionError):
        alarms.set("other", "x")


async def test_already_bound_waits_and_alarms_and_is_no_matter_of_credentials(autojump_clock: Clock) -> None:
    async with carrier(behave=refusing(CommandStatus.ESME_RALYBND), already_bound_delay=30) as held:
        await held.attempts(4)
        assert [30 <= w <= 33.1 or 60 <= w <= 66.1 or 120 <= w <= 132.1 for w in held.line.waits] == [True] * 3
        await held.state("refused")
        assert held.bind.already_bound
        assert not held.bind.refused
        assert set(kinds(held)) == {"already_bound", "down"}
        assert "acme/1: bind refused: ESME_RALYBND" in held.carrier.alarms()[0]["detail"]
        held.line.behave = hold
        await held.bound()
        assert not held.bind.already_bound
        assert kinds(held) == []


async def test_after_an_unclean_end_the_old_connection_is_closed_before_the_next_is_made(autojump_clock: Clock) -> None:
    """Whatever ended it: an SMSC that allows one session does not see two of ours."""

    async def break_off(wire: Wire) -> None:
        await wire.accept()
        await wire.stream.send_all(b"HTTP/1.1 400\r\n\r\n")
        await wire.end()

    async def mute(wire: Wire) -> None:
        await wire.accept()
        await wire.end()

    async def unbinds(wire: Wire) -> None:
        await wire.accept()
        await wire.send(p.Unbind(), 1)
        await wire.end()

    for behave in (break_off, mute, unbinds, refusing(CommandStatus.ESME_RSYSERR)):
        async with carrier(behave=behave, reconnect_min=1) as held:
            await held.attempts(4)
            for before, after in zip(held.line.wires, held.line.wires[1:], strict=False):
                assert before.ended_at is not None
                assert before.ended_at <= after.at


async def test_fewer_binds_allowed_than_configured_leave_those_that_are_up_alone(autojump_clock: Clock) -> None:
    bound = 0

    async def behave(wire: Wire) -> None:
        nonlocal bound
        if bound == 2:
            await refusing(CommandStatus.ESME_RALYBND)(wire)
        else:
            bound += 1
            await hold(wire)

    async with carrier(binds=3, behave=behave) as held:
        await held.notes.until(lambda: sorted(b.state for b in held.carrier.binds) == ["bound", "bound", "refused"])
        await trio.sleep(3000)
        assert held.carrier.state == "degraded"
        assert kinds(held) == ["already_bound"]
        assert len([w for w in held.line.wires if w.ended_at is None]) == 2


async def test_refused_credentials_raise_their_alarm_and_a_bind_ends_it(autojump_clock: Clock) -> None:
    async with carrier(behave=refusing(CommandStatus.ESME_RINVPASWD)) as held:
        await held.state("refused")
        assert kinds(held) == ["credentials"]
        held.line.behave = hold
        held.bind.wake()
        await held.bound()
        assert kinds(held) == []


async def test_a_short_loss_is_no_alarm_and_a_long_one_is(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        held.line.behave = AWAY
        start = trio.current_time()
        await held.line.wires[0].close()
        await held.notes.until(lambda: held.bind.state == "down")
        assert held.carrier.down_since == pytest.approx(start)
        await trio.sleep(DOWN_AFTER - 0.5)
        assert kinds(held) == []
        await trio.sleep(LOOK_EVERY + 1)
        assert kinds(held) == ["down"]
        assert held.carrier.alarms()[0]["detail"]
        held.line.behave = hold
        await held.bound()
        assert kinds(held) == []
        assert held.carrier.down_since is None


@pytest.mark.parametrize(("lost", "kind"), [("acme/1t", "no_transmitter"), ("acme/1r", "no_receiver")])
async def test_half_of_a_pair_is_degraded_and_the_other_half_works(autojump_clock: Clock, lost: str, kind: str) -> None:
    pdus: dict[str, Any] = {"acme/1t": p.BindTransmitter, "acme/1r": p.BindReceiver}

    async def behave(wire: Wire) -> None:
        sequence, pdu = await wire.next()
        if isinstance(pdu, pdus[lost]):
            await wire.send(RESPONSE_TO[type(pdu)](), sequence, CommandStatus.ESME_RSYSERR)
            await wire.end()
            return
        await wire.send(RESPONSE_TO[type(pdu)]("carrier"), sequence)
        if isinstance(pdu, p.BindReceiver):
            await wire.send(p.DeliverSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x"), 1)
        await wire.serve()

    async with carrier(bind="pair", behave=behave) as held:
        await held.notes.until(lambda: sorted(b.state for b in held.carrier.binds) == ["bound", "down"])
        assert held.carrier.state == "degraded"
        await trio.sleep(DOWN_AFTER + LOOK_EVERY)
        assert kinds(held) == [kind]
        claimed = segments(3)
        held.carrier.push(claimed)
        if kind == "no_receiver":
            await held.notes.until(lambda: len(held.notes.answers) == 3)
        else:
            assert held.notes.given_back == claimed
            assert held.notes.came
        held.line.behave = hold
        await held.bound(2)
        assert held.carrier.state == "up"
        assert kinds(held) == []


async def test_a_carrier_that_is_drained_or_ended_has_no_alarm_of_being_down(autojump_clock: Clock) -> None:
    async with carrier(behave=AWAY) as held:
        await trio.sleep(100)
        assert kinds(held) == ["down"]
        held.carrier.drain()
        assert kinds(held) == []
        await trio.sleep(100)
        assert kinds(held) == []


def test_every_kind_is_explained_to_operators() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
    for kind in KINDS:
        assert f"`{kind}`" in text, kind
