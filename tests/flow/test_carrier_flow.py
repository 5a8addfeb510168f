"""A whole daemon, and a carrier that goes, refuses and throttles: it reaches nobody else, and all of it is shown."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from gateway.carrier.wire import Wire
from gateway.smpp.constants import CommandStatus
from tests.support.daemons import Gateway, gateway
from tests.support.smsc import Submitted, peers, withhold

Clock = trio.testing.MockClock


def value(running: Gateway, name: str, **labels: str) -> float:
    """A sample of the metrics, as the page would show it."""
    found = running.daemon.metrics.registry.get_sample_value(name, {"carrier": "acme", **labels})
    assert found is not None, name
    return found


async def status(running: Gateway) -> dict[str, Any]:
    app = await running.connect()
    shown: dict[str, Any] = (await app.call("status"))["carriers"][0]
    await app.close()
    return shown


async def test_messages_that_come_while_the_carrier_unbinds_go_out_afterwards(autojump_clock: Clock) -> None:
    """The slots that its last answers free must not be filled again on a session that takes nothing."""
    async with gateway(answer=withhold, carrier="window = 4") as running:
        app = await running.connect()
        ids = await app.submits([{"to": peer, "text": f"{i:04} "} for i, peer in enumerate(peers(12))])
        first = await running.smsc.came(4)
        running.smsc.binds[0].unbind()
        await running.settled()
        for submit in list(first):
            running.smsc.respond(submit)
        running.smsc.answer = lambda _: 0
        await running.smsc.bound(2)
        for id in ids:
            await app.until_state(id, "sent")
        assert sorted(running.smsc.texts) == [f"{i:04} " for i in range(12)], "each once"
        assert value(running, "smsgw_segments_in_doubt_total") == 0
        assert value(running, "smsgw_reconnects_total") == 1
        shown = await status(running)
        assert (shown["state"], shown["in_flight"], shown["queued"]) == ("up", 0, 0)


async def test_a_message_that_fits_no_pdu_fails_alone(autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    make = Wire.written

    def pdu(self: Wire, segment: Any, now_ms: int) -> Any:
        if segment.message.peer.endswith("13"):
            raise ValueError("it fits no PDU")
        return make(self, segment, now_ms)

    monkeypatch.setattr(Wire, "written", pdu)
    async with gateway() as running:
        app = await running.connect()
        ids = await app.submits([{"to": peer, "text": "Hello"} for peer in peers(20)])
        for i, id in enumerate(ids):
            message = await app.until_state(id, "failed" if i == 13 else "sent")
            assert message["reason"] == ("unsendable" if i == 13 else None)
        assert running.daemon.metrics.registry.get_sample_value("smsgw_messages_set_aside_total") == 1
        assert (await status(running))["in_flight"] == 0
        # its pair is free again
        monkeypatch.setattr(Wire, "written", make)
        await app.until_state(await app.submit("Again", to=peers(14)[13]), "sent")


async def test_refused_credentials_raise_the_metric_and_are_in_the_status(autojump_clock: Clock) -> None:
    async with gateway(carrier="refused_delay = 200", bound=False) as running:
        running.smsc.bind_status = int(CommandStatus.ESME_RINVPASWD)
        carrier = running.daemon.outbound.carriers["acme"]
        while carrier.binds[0].state != "refused":
            await carrier.changed()
        assert value(running, "smsgw_bind_refused", bind="acme/1") == 1
        assert value(running, "smsgw_bind_up", bind="acme/1") == 0
        bind = (await status(running))["binds"][0]
        assert bind["state"] == "refused"
        assert bind["last_error"] == "bind refused: ESME_RINVPASWD (0x0E)"
        running.smsc.bind_status = 0
        await running.smsc.bound()
        await running.settled()
        assert running.smsc.attempts[-1] - running.smsc.attempts[0] >= 200
        assert value(running, "smsgw_bind_refused", bind="acme/1") == 0
        assert value(running, "smsgw_bind_up", bind="acme/1") == 1
        bind = (await status(running))["binds"][0]
        assert bind["last_error"] is None
        assert (bind["version"], bind["congestion"]) == ("3.4", None)


async def test_the_time_to_a_receipt_is_measured_from_the_response(autojump_clock: Clock) -> None:
    async with gateway(answer=withhold) as running:
        app = await running.connect()
        ids = await app.submits([{"to": peer, "text": "Hello"} for peer in peers(3)])
        submits = await running.smsc.came(3)
        await trio.sleep(2)
        for submit in submits:
            running.smsc.respond(submit)
        await trio.sleep(5)
        for submit in submits:
            running.smsc.receipt(submit)
        for id in ids:
            await app.until_state(id, "delivered")
        assert value(running, "smsgw_receipt_time_seconds_count") == 3
        assert value(running, "smsgw_receipt_time_seconds_sum") == pytest.approx(15, abs=0.1)
        assert value(running, "smsgw_submit_latency_seconds_sum") == pytest.approx(6, abs=0.1)
        assert value(running, "smsgw_submit_latency_seconds_bucket", le="1.0") == 0
        assert value(running, "smsgw_submit_latency_seconds_bucket", le="2.5") == 3


async def test_throttled_seconds_are_counted_once_for_each(autojump_clock: Clock) -> None:
    throttled = 0

    def answer(submit: Submitted) -> int:
        nonlocal throttled
        if submit.place < 5:
            throttled += 1
            return int(CommandStatus.ESME_RTHROTTLED)
        return 0

    async with gateway(answer=answer, carrier="throttle_pause = 3") as running:
        app = await running.connect()
        ids = await app.submits([{"to": peer, "text": "Hello"} for peer in peers(5)])
        for id in ids:
            await app.until_state(id, "sent")
        assert throttled == 5
        assert value(running, "smsgw_throttled_seconds_total") == pytest.approx(3, abs=0.1)
        assert value(running, "smsgw_segments_failed_total", status="ESME_RTHROTTLED") == 5
        assert value(running, "smsgw_segments_submitted_total") == 10
        assert value(running, "smsgw_segments_accepted_total") == 5


async def test_a_pair_gets_its_receipts_on_the_receiver(autojump_clock: Clock) -> None:
    async with gateway(carrier='bind = "pair"') as running:
        app = await running.connect()
        id = await app.submit("Hello")
        (submit,) = await running.smsc.came(1)
        kinds = {b.kind: b for b in running.smsc.binds}
        assert sorted(kinds) == ["receiver", "transmitter"]
        assert submit.bind is kinds["transmitter"]
        running.smsc.receipt(submit, bind=kinds["receiver"])
        await app.until_state(id, "delivered")
