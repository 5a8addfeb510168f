"""Messages of the simulated SMSC that are scheduled, or not valid for ever."""

from __future__ import annotations

import random
from typing import Any

import pytest
import trio

from gateway.simulator import Simulator, SimulatorConfig
from gateway.smpp.constants import CommandStatus, MessageState, Tag
from gateway.smpp.pdu import CancelSm, QuerySm, ReplaceSm, SubmitSm

from .esme import NUMBER, PEER, Esme, connect

OK = int(CommandStatus.ESME_ROK)
IN_TEN_MINUTES = ("000000001000000R", "231114222320000+")
"""Relative, and after 22:13:20."""


def simulated(**settings: Any) -> Simulator:
    # 2023-11-14 22:13:20 UTC when Trio's clock is at 0
    return Simulator(
        SimulatorConfig(**settings), rng=random.Random(7), wall=lambda: 1_700_000_000.0 + trio.current_time()
    )


def message(schedule: str = "", validity: str = "") -> SubmitSm:
    return SubmitSm(
        NUMBER,
        PEER,
        b"Hello",
        registered_delivery=1,
        schedule_delivery_time=schedule,
        validity_period=validity,
    )


async def answered(esme: Esme, pdu: Any) -> Any:
    """The answer, which has to be good."""
    before = len(esme.responses)
    esme.send(pdu)
    response = (await esme.responds(before + 1))[before]
    assert response.status == OK
    return response.pdu


async def ended(esme: Esme) -> tuple[float, int]:
    """When the receipt came, and its state."""
    (receipt,) = await esme.delivers(1)
    state = receipt.tlv(Tag.MESSAGE_STATE)
    assert isinstance(state, int)
    return trio.current_time(), state


@pytest.mark.parametrize("schedule", IN_TEN_MINUTES)
@pytest.mark.parametrize("delay", [0.0, 5.0])
async def test_a_scheduled_message_is_delivered_in_its_time(autojump_clock, nursery, schedule, delay):
    esme = await connect(nursery, simulated(receipt_delay=delay))
    await answered(esme, message(schedule))
    at, state = await ended(esme)
    assert at == pytest.approx(600 + delay, abs=0.01)
    assert state == MessageState.DELIVERED


async def test_a_time_that_is_past_is_now(autojump_clock, nursery):
    esme = await connect(nursery, simulated())
    await answered(esme, message("231114221000000+"))
    assert (await ended(esme))[0] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("validity", IN_TEN_MINUTES)
async def test_a_message_expires_before_it_is_delivered(autojump_clock, nursery, validity):
    esme = await connect(nursery, simulated(receipt_delay=900.0))
    response = await answered(esme, message("", validity))
    at, state = await ended(esme)
    assert at == pytest.approx(600, abs=0.01)
    assert state == MessageState.EXPIRED
    asked = await answered(esme, QuerySm(response.message_id, NUMBER))
    assert (asked.message_state, asked.final_date) == (MessageState.EXPIRED, "231114222320000+")
    await trio.sleep(1000)
    assert len(esme.delivered) == 1


async def test_a_message_that_is_delivered_does_not_expire(autojump_clock, nursery):
    esme = await connect(nursery, simulated(receipt_delay=300.0))
    await answered(esme, message("", IN_TEN_MINUTES[0]))
    assert (await ended(esme))[1] == MessageState.DELIVERED
    await trio.sleep(1000)
    assert len(esme.delivered) == 1


async def test_a_response_that_takes_longer_than_the_validity(autojump_clock, nursery):
    esme = await connect(nursery, simulated(latency=700.0))
    await answered(esme, message("", IN_TEN_MINUTES[0]))
    assert (await ended(esme))[1] == MessageState.EXPIRED


@pytest.mark.parametrize(("version", "state"), [(0x34, MessageState.ENROUTE), (0x50, MessageState.SCHEDULED)])
async def test_a_scheduled_message_says_so_since_50(autojump_clock, nursery, version, state):
    esme = await connect(nursery, simulated(receipt_delay=5.0), version=version)
    response = await answered(esme, message(IN_TEN_MINUTES[0]))
    asked = await answered(esme, QuerySm(response.message_id, NUMBER))
    assert (asked.message_state, asked.final_date) == (state, "")
    await trio.sleep(601)
    asked = await answered(esme, QuerySm(response.message_id, NUMBER))
    assert asked.message_state == MessageState.ENROUTE


async def test_a_scheduled_message_is_cancelled(autojump_clock, nursery):
    esme = await connect(nursery, simulated())
    response = await answered(esme, message(IN_TEN_MINUTES[0]))
    await answered(esme, CancelSm(response.message_id, NUMBER, PEER))
    assert (await ended(esme))[1] == MessageState.DELETED
    await trio.sleep(1000)
    assert len(esme.delivered) == 1


@pytest.mark.parametrize(
    ("times", "ends", "state"),
    [
        ({}, 600, MessageState.DELIVERED),
        ({"schedule_delivery_time": "000000000200000R"}, 160, MessageState.DELIVERED),
        ({"schedule_delivery_time": "000000002000000R"}, 1240, MessageState.DELIVERED),
        ({"validity_period": "000000000100000R"}, 100, MessageState.EXPIRED),
    ],
)
async def test_other_times_by_a_replacement(autojump_clock, nursery, times, ends, state):
    """Relative ones count from the replacement, which comes after 40 seconds."""
    esme = await connect(nursery, simulated())
    response = await answered(esme, message(IN_TEN_MINUTES[0]))
    await trio.sleep(40)
    await answered(esme, ReplaceSm(response.message_id, NUMBER, b"New", registered_delivery=1, **times))
    at, found = await ended(esme)
    assert at == pytest.approx(ends, abs=0.01)
    assert found == state
    await trio.sleep(2000)
    assert len(esme.delivered) == 1


async def test_so_many_messages_wait_for_their_time(autojump_clock, nursery):
    simulator = simulated(max_waiting=2)
    esme = await connect(nursery, simulator)
    first = await answered(esme, message(IN_TEN_MINUTES[0]))
    await answered(esme, message(IN_TEN_MINUTES[0]))
    refused = (message(IN_TEN_MINUTES[0]), ReplaceSm(first.message_id, NUMBER, b"Later", IN_TEN_MINUTES[0]))
    esme.send(*refused)
    responses = await esme.responds(4)
    assert [response.status for response in responses[2:]] == [CommandStatus.ESME_RMSGQFUL] * 2
    assert simulator.stats.statuses == {CommandStatus.ESME_RMSGQFUL: 1}
    await esme.delivers(2)
    await answered(esme, message(IN_TEN_MINUTES[0]))
