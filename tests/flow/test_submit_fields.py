"""The fields of a submit_sm on the wire that no app asks for: what the carrier's settings say, else nothing."""

from __future__ import annotations

import pytest
import trio

from gateway.smpp import pdu as p
from gateway.smpp.constants import EsmClass
from tests.support.wire import carrier, segments

Clock = trio.testing.MockClock


async def submitted(**settings: object) -> p.SubmitSm:
    """The first submit_sm of a carrier with these settings."""
    async with carrier(**settings) as held:
        await held.bound()
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        submit = held.line.wires[0].received[1][3]
        assert isinstance(submit, p.SubmitSm)
        return submit


@pytest.mark.parametrize(("settings", "sent"), [({}, ""), ({"service_type": "CMT"}, "CMT")])
async def test_service_type_is_the_carriers(autojump_clock: Clock, settings: dict[str, str], sent: str) -> None:
    assert (await submitted(**settings)).service_type == sent


async def test_what_nothing_asks_for_is_null(autojump_clock: Clock) -> None:
    submit = await submitted()
    assert (submit.priority_flag, submit.protocol_id) == (0, 0)
    assert (submit.schedule_delivery_time, submit.validity_period) == ("", "")
    assert (submit.replace_if_present_flag, submit.sm_default_msg_id) == (0, 0)
    assert submit.esm_class & (EsmClass.MODE_MASK | EsmClass.TYPE_MASK | EsmClass.REPLY_PATH) == 0
    assert submit.source.addr
    assert submit.tlvs == ()
