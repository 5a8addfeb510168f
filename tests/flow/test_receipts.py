"""Receipts find their segment, whatever the carrier does to their time, way and form."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from gateway.smpp.pdu import DeliverSm, Tlv
from tests.support.daemons import Commits, gateway
from tests.support.smsc import Smsc, address, labelled, peers, withhold

PEER = peers(1)[0]


@pytest.mark.parametrize("form", ["both", "tlv", "text"])
@pytest.mark.parametrize("on", ["same", "other"])
@pytest.mark.parametrize("when", ["after", "before", "together"])
async def test_time_bind_and_form(autojump_clock: MockClock, form: str, on: str, when: str) -> None:
    async with gateway(carrier="binds = 2", answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        (submit,) = await g.smsc.came(1)
        bind = submit.bind if on == "same" else next(b for b in g.smsc.binds if b is not submit.bind)
        if when == "after":
            g.smsc.respond(submit)
            await g.settled()
        g.smsc.receipt(submit, message_id="1000", bind=bind, form=form)
        if when != "after":
            if when == "before":
                await g.settled()
                assert bind.answers == [(("receipt", "1000"), 0)]
                assert not app.of("receipt")
            g.smsc.respond(submit)
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, "delivered", "delivered")
        await g.settled()
        assert bind.answers == [(("receipt", "1000"), 0)]
        part = (await app.message(id))["parts"][0]
        assert (part["smsc_message_id"], part["state"], part["receipt_state"]) == ("1000", "delivered", 2)


@pytest.mark.parametrize(
    ("response", "receipt"),
    [
        ("3039", "12345"),  # hexadecimal, then decimal
        ("12345", "3039"),
        ("12345", "00003039"),
        ("0000012345", "12345"),
        ("12345", "0000012345"),
        ("deadbeef", "DEADBEEF"),
        ("DEADBEEF", "3735928559"),
        ("00DEADBEEF", "3735928559"),
        ("a1b2-c3d4", "A1B2-C3D4"),
        ("7FFFFFFFFFFFFFFF", "9223372036854775807"),
        ("id with space", "id with space"),
        ("0", "0"),
    ],
)
@pytest.mark.parametrize("early", [False, True])
async def test_written_forms_of_an_id(autojump_clock: MockClock, response: str, receipt: str, early: bool) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        (submit,) = await g.smsc.came(1)
        if early:
            g.smsc.receipt(submit, message_id=receipt, form="tlv")
            await g.settled()
        g.smsc.respond(submit, 0, response)
        if not early:
            await g.settled()
            g.smsc.receipt(submit, message_id=receipt, form="tlv")
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")
        assert (await app.message(id))["parts"][0]["smsc_message_id"] == response


async def test_another_form_of_an_id_counts_only_for_the_same_phone(autojump_clock: MockClock) -> None:
    """One message's id is another's in hexadecimal: the exact form wins, and a guess needs the peer's address."""
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        one = await app.submit(labelled(1), to=peers(2)[0])
        two = await app.submit(labelled(2), to=peers(2)[1])
        first, second = await g.smsc.came(2)
        g.smsc.respond(first, 0, "12345")
        g.smsc.respond(second, 0, "3039")
        await g.settled()
        g.smsc.receipt(first, message_id="12345", form="tlv")
        await app.notified(1)
        # For the second by its hexadecimal form, from the second's phone: not for the first.
        g.smsc.receipt(second, "UNDELIV", message_id="12345", form="tlv")
        await app.notified(2)
        assert [(e["id"], e["state"]) for e in app.of("receipt")] == [(one, "delivered"), (two, "undelivered")]


async def test_a_guess_is_never_made(autojump_clock: MockClock) -> None:
    async with gateway(answer=withhold) as g:
        app = await g.connect()
        await app.call("subscribe")
        await app.submits([{"to": p, "text": labelled(i)} for i, p in enumerate(peers(2))])
        for submit in await g.smsc.came(2):
            g.smsc.respond(submit, 0, "12345")
        await g.settled()
        # From a third phone, in another form; and an id that nobody has.
        g.smsc.receipt(g.smsc.submits[0], message_id="3039", peer="+491511234567", form="tlv")
        g.smsc.receipt(g.smsc.submits[0], message_id="777", form="tlv")
        await g.settled()
        assert [s for _, s in g.smsc.binds[0].answers] == [0, 0]
        assert not app.of("receipt")
        assert g.segments() == [3, 3]


@pytest.mark.parametrize(
    ("stat", "state", "reason"),
    [
        ("DELIVRD", "delivered", "delivered"),
        ("EXPIRED", "expired", "expired_at_carrier"),
        ("DELETED", "undelivered", "deleted"),
        ("UNDELIV", "undelivered", "undelivered"),
        ("REJECTD", "undelivered", "rejected_by_carrier"),
        ("ACCEPTD", None, None),
        ("ENROUTE", None, None),
        ("UNKNOWN", None, None),
    ],
)
@pytest.mark.parametrize("form", ["tlv", "text"])
async def test_states(autojump_clock: MockClock, stat: str, state: str | None, reason: str, form: str) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        (submit,) = await g.smsc.came(1)
        await g.settled()
        g.smsc.receipt(submit, stat, form=form)
        await g.settled()
        if state is None:
            assert not app.of("receipt")
            g.smsc.receipt(submit)
            state, reason = "delivered", "delivered"
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["reason"]) == (id, state, reason)


async def test_the_first_final_receipt_wins(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        ids = await app.submits([{"to": p, "text": "x"} for p in peers(2)])
        one, two = await g.smsc.came(2)
        await g.settled()
        for submit, stats in ((one, ["DELIVRD", "DELIVRD", "UNDELIV", "ENROUTE"]), (two, ["UNDELIV", "DELIVRD"])):
            for stat in stats:
                g.smsc.receipt(submit, stat)
        await g.settled()
        assert [(e["id"], e["state"]) for e in app.of("receipt")] == [(ids[0], "delivered"), (ids[1], "undelivered")]
        assert [await app.state(id) for id in ids] == ["delivered", "undelivered"]
        assert [s for _, s in g.smsc.binds[0].answers] == [0] * 6


@pytest.mark.parametrize(
    ("stats", "state"),
    [
        (["DELIVRD"] * 3, "delivered"),
        (["DELIVRD", "UNDELIV", "DELIVRD"], "undelivered"),
        (["EXPIRED", "UNDELIV", "DELIVRD"], "expired"),
    ],
)
async def test_a_message_in_parts_is_told_of_once(autojump_clock: MockClock, stats: list[str], state: str) -> None:
    async with gateway() as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit(labelled(1, 400), to=PEER)
        submits = await g.smsc.came(3)
        await g.settled()
        for submit, stat in zip(submits, stats, strict=True):
            g.smsc.receipt(submit, stat)
            await g.settled()
        (event,) = await app.notified(1)
        assert (event["id"], event["state"], event["segments"]) == (id, state, 3)
        assert await app.state(id) == state


async def test_a_receipt_after_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    """One that came before its response was stored, and one for what an earlier run sent."""
    async with trio.open_nursery() as nursery:
        before = Smsc(nursery)
        async with gateway(tmp_path, smsc=before) as g:
            app = await g.connect()
            await app.call("subscribe")
            id = await app.submit("x", to=PEER)
            await app.until_state(id, "sent")
        after = Smsc(nursery)
        async with gateway(tmp_path, smsc=after) as g:
            app = await g.connect()
            await app.call("subscribe")
            after.receipt(before.submits[0], bind=after.binds[0])
            (event,) = await app.notified(1)
            assert (event["id"], event["state"]) == (id, "delivered")
        nursery.cancel_scope.cancel()


async def test_a_parked_receipt_outlives_a_restart(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        before = Smsc(nursery, withhold)
        async with gateway(tmp_path, smsc=before, stop=False) as g:
            app = await g.connect()
            await app.call("subscribe")
            id = await app.submit("x", to=PEER)
            (submit,) = await before.came(1)
            before.receipt(submit, message_id="4711")
            await g.settled()
        after = Smsc(nursery)
        after.next_id = lambda _: "4711"  # the carrier knows the copy for what it is
        async with gateway(tmp_path, smsc=after) as g:
            app = await g.connect()
            await app.call("subscribe")
            (event,) = await app.notified(1)
            assert (event["id"], event["state"]) == (id, "delivered")
        nursery.cancel_scope.cancel()


RECEIPT = b"id:1000 sub:001 dlvrd:001 submit date:2511212200 done date:2511212201 stat:DELIVRD err:000 text:x"
TLVS = (Tlv(0x001E, "1000"), Tlv(0x0427, 2))


@pytest.mark.parametrize(
    ("carrier", "esm_class", "octets", "tlvs", "is_receipt"),
    [
        ("", 0x04, RECEIPT, (), True),
        ("", 0x07, RECEIPT, (), True),  # the mode's bits say nothing (SMPP 3.4 §5.2.12)
        ("", 0x84, RECEIPT, (), True),  # reply path
        ("", 0x00, RECEIPT, TLVS, True),
        ("", 0x00, b"", TLVS, True),
        ("", 0x20, RECEIPT, TLVS, True),  # intermediate: told, and changes nothing
        ("", 0x00, RECEIPT, (), False),  # a person's text that looks like one
        ("text_receipts = true", 0x00, RECEIPT, (), True),
        ("text_receipts = true", 0x00, b"id: is not enough, stat: neither", (), False),
        ("", 0x08, b"read", (), False),  # an acknowledgement by the phone's user
        ("", 0x00, b"Hello", (), False),
    ],
)
async def test_what_is_a_receipt_and_what_is_a_message(
    autojump_clock: MockClock, carrier: str, esm_class: int, octets: bytes, tlvs: tuple[Tlv, ...], is_receipt: bool
) -> None:
    async with gateway(carrier=carrier) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        await app.until_state(id, "sent")
        bind = g.smsc.binds[0]
        bind.deliver(DeliverSm(address(PEER), address("+15551230001"), octets, esm_class=esm_class, tlvs=tlvs))
        await g.settled()
        assert bind.answers == [(None, 0)]
        inbound = app.of("inbound")
        assert len(inbound) == (0 if is_receipt else 1)
        if not is_receipt:
            assert inbound[0]["text"] == octets.decode()
        delivered = is_receipt and esm_class != 0x20
        assert await app.state(id) == ("delivered" if delivered else "sent")


async def test_a_receipt_that_cannot_be_stored_is_refused_for_now(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(run_sync=commits) as g:
        app = await g.connect()
        await app.call("subscribe")
        id = await app.submit("x", to=PEER)
        await app.until_state(id, "sent")
        commits.fill_disk()
        g.smsc.receipt(g.smsc.submits[0])
        await g.smsc.until(lambda: g.smsc.binds[0].answers)
        assert [s for _, s in g.smsc.binds[0].answers] == [0x64]
        assert not app.of("receipt")
        commits.heal()
        g.smsc.receipt(g.smsc.submits[0])
        (event,) = await app.notified(1)
        assert (event["id"], event["state"]) == (id, "delivered")
        await g.settled()
        assert [s for _, s in g.smsc.binds[0].answers] == [0x64, 0]
