"""A carrier's own ways, from an application to the carrier's octets and back."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock

from gateway.smpp.pdu import Address, DeliverSm, Tlv
from tests.support.daemons import gateway
from tests.support.smsc import labelled, peers, withhold

NUMBER, PEER = "+15551230001", peers(1)[0]
LONG = labelled(1, 400)


@pytest.mark.parametrize(
    ("mode", "asked", "told"),
    [("each", [1, 1, 1], [0, 1, 2]), ("first", [1, 0, 0], [0]), ("last", [0, 0, 1], [2]), ("any", [1, 1, 1], [1])],
)
async def test_a_message_ends_with_the_receipts_that_its_carrier_sends(
    autojump_clock: MockClock, mode: str, asked: list[int], told: list[int]
) -> None:
    async with gateway(carrier=f'receipt_segments = "{mode}"') as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(LONG, to=PEER)
        submits = await g.smsc.came(3)
        assert [submit.pdu.registered_delivery for submit in submits] == asked
        await app.until_state(id, "sent")
        for place in told:
            assert not app.of("receipt")
            g.smsc.receipt(submits[place])
            await g.settled()
        (event,) = app.of("receipt")
        assert (event["id"], event["state"], event["reason"]) == (id, "delivered", "delivered")
        message = await app.message(id)
        assert (message["state"], message["reason"]) == ("delivered", "delivered")


async def test_a_message_keeps_the_way_of_its_carrier_over_a_restart(autojump_clock: MockClock, tmp_path: Any) -> None:
    before = 'receipt_segments = "last"'
    async with gateway(tmp_path, carrier=before, answer=withhold, stop=False) as g:
        app = await g.connect()
        id = await app.submit(LONG, to=PEER)
        await g.smsc.came(3)
    async with gateway(tmp_path, carrier='receipt_segments = "each"') as g:
        app = await g.connect()
        submits = await g.smsc.came(3)
        assert [submit.pdu.registered_delivery for submit in submits] == [0, 0, 1]
        await app.until_state(id, "sent")


@pytest.mark.parametrize(
    ("carrier", "address"),
    [
        ('peer_numbers = "national"\nregion = "US"', Address(1, 1, "2125550000")),
        ('peer_numbers = "international"', Address(0, 0, "12125550000")),
        ('peer_rules = [{ prefix = "9", digits = 11, put = "+1" }]', Address(0, 0, "92125550000")),
        ("", Address(1, 1, "+12125550000")),
    ],
)
async def test_a_phone_is_known_again_however_its_number_is_written(
    autojump_clock: MockClock, carrier: str, address: Address
) -> None:
    """In messages, and in receipts, whose source it is."""
    async with gateway(carrier=carrier, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        bind = g.smsc.binds[0]
        bind.deliver(DeliverSm(address, Address(1, 1, NUMBER[1:]), b"hello"), None)
        (event,) = await app.notified(1)
        assert (event["peer"], event["number"]) == (PEER, NUMBER)
        id = await app.submit("x", to=PEER)
        (submit,) = await g.smsc.came(1)
        g.smsc.respond(submit, 0, "77")
        await g.settled()
        text = b"id:77 sub:001 dlvrd:001 submit date:2611220500 done date:2611220501 stat:DELIVRD err:000 text:"
        bind.deliver(DeliverSm(address, Address(1, 1, NUMBER[1:]), text, esm_class=4), None)
        await app.until_state(id, "delivered")


async def test_receipts_of_a_carriers_own_form_and_codes(autojump_clock: MockClock) -> None:
    carrier = """
        text_receipts = true
        receipt_text = "SMS {id} to {} - {stat} ({err})"
        receipt_states = { "not delivered" = "undeliverable" }
        reasons = { "err:045" = "landline", "0x401" = "spam" }
    """
    async with gateway(carrier=carrier, answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        (submit,) = await g.smsc.came(1)
        g.smsc.respond(submit, 0, "7f3a")
        await g.settled()
        source, destination = Address(1, 1, PEER[1:]), Address(1, 1, NUMBER[1:])
        submit.bind.deliver(DeliverSm(source, destination, b"SMS 7F3A to 12125550000 - Not delivered (45)"), None)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"], event["error_code"]) == (
            id,
            "undelivered",
            "landline",
            "45",
        )
        id = await app.submit("y", to=PEER)
        (_, submit) = await g.smsc.came(2)
        g.smsc.respond(submit, 0x401)
        await app.until_state(id, "failed")
        assert (await app.message(id))["reason"] == "spam"


async def test_what_goes_with_every_submit(autojump_clock: MockClock) -> None:
    carrier = """
        tlvs = { "0x1400" = "1701158019811140068" }
        validity_format = "absolute"
        validity_sent = "always"
        time_zone = "+05:30"
        region = "US"
        dest_national = true
        national_prefix = "0"
        source_types = { international = "0/1" }
        source_plus = true
        service_type = "VMA"
        longest_short_message = 3
    """
    async with gateway(carrier=carrier) as g:
        app = await g.connect()
        await app.submit("four", to=PEER)
        (submit,) = await g.smsc.came(1)
        pdu = submit.pdu
        assert pdu.tlvs == (Tlv(0x0424, b"four"), Tlv(0x1400, b"1701158019811140068"))
        assert (pdu.short_message, pdu.service_type) == (b"", "VMA")
        assert pdu.destination == Address(2, 1, "0" + PEER[2:])
        assert pdu.source == Address(0, 1, NUMBER)
        # Two days by default, from 2025-10-09T08:53:20Z, on the carrier's clock.
        assert pdu.validity_period == "251011142320022+"


async def test_the_history_says_when_the_carrier_was_done_by_its_clock(autojump_clock: MockClock) -> None:
    async with gateway(carrier='receipt_time_zone = "+05:30"', answer=withhold) as g:
        app = await g.connect()
        ids = [await app.submit(text, to=peer) for text, peer in (("x", PEER), (LONG, peers(2)[1]))]
        await g.smsc.came(4)
        for number, submit in enumerate(list(g.smsc.submits)):
            g.smsc.respond(submit, 0, f"n{number}")
        await g.settled()
        for number, submit in enumerate(list(g.smsc.submits)):
            text = (
                f"id:n{number} sub:001 dlvrd:001 submit date:2510091400 done date:2510091423 stat:DELIVRD err:000 text:"
            )
            source = Address(1, 1, submit.pdu.destination.addr)
            submit.bind.deliver(DeliverSm(source, Address(1, 1, NUMBER[1:]), text.encode(), esm_class=4), None)
        for id in ids:
            await app.until_state(id, "delivered")
            found = (await app.call("history", id=id))["history"]
            told = [entry["carrier_done_at"] for entry in found if entry["what"] == "receipt"]
            assert set(told) == {"2025-10-09T08:53:00.000Z"}
