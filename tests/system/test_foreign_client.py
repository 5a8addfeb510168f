"""The simulated SMSC against an ESME that is not ours: smpplib's Client on real sockets."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
from smpplib import consts
from smpplib.client import Client
from smpplib.exceptions import PDUError
from smpplib.gsm import make_parts

from gateway.simulator import Simulator, SimulatorConfig

NUMBER, PEER = "15551230001", "12125550101"
RUSSIAN = "Напоминаем: завтра в 10:30 запись к врачу, улица Ленина, 5. " * 5
JAPANESE = "ご予約は明日の午前十時です。場所は駅前の三番出口です。" * 9
LATIN = "Your table is booked for tomorrow at 10:30 [window], price {20} euro. " * 6


class Esme:
    """smpplib's Client with what it received; unbinds at the end of its `with`. It blocks, so it lives in a
    thread.
    """

    def __init__(self, port: int, system_id: str = "foreign", password: str = "secret") -> None:
        self.responses: list[Any] = []
        self.messages: list[Any] = []
        self.client = Client("127.0.0.1", port, allow_unknown_opt_params=True, timeout=10)
        self.client.set_message_sent_handler(lambda pdu: self.responses.append(pdu))
        self.client.set_message_received_handler(lambda pdu: self.messages.append(pdu) or consts.SMPP_ESME_ROK)
        self.credentials = {"system_id": system_id, "password": password}

    def __enter__(self) -> "Esme":
        self.client.connect()
        try:
            self.client.bind_transceiver(**self.credentials)
        except BaseException:
            self.client.disconnect()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        try:
            if error[0] is None:
                assert self.client.unbind().command == "unbind_resp"
        finally:
            self.client.disconnect()

    def submit(self, text: str) -> int:
        parts, coding, esm_class = make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=1, source_addr_npi=1, source_addr=NUMBER,
                dest_addr_ton=1, dest_addr_npi=1, destination_addr=PEER,
                short_message=part, data_coding=coding, esm_class=esm_class, registered_delivery=1,
            )  # fmt: skip
        return len(parts)

    def read(self, responses: int = 0, messages: int = 0) -> None:
        while len(self.responses) < responses or len(self.messages) < messages:
            self.client.read_once()


async def against(config: SimulatorConfig, play: Callable[[int], Any], before: Any = None) -> tuple[Simulator, Any]:
    """Runs `play(port)` in a thread against a simulator, and waits until the ESME has gone."""
    simulator = Simulator(config, rng=random.Random(1))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(simulator.serve, "127.0.0.1", 0)
            if before is not None:
                before(simulator)
            result = await trio.to_thread.run_sync(play, listeners[0].socket.getsockname()[1])
            await simulator.until(lambda: not simulator.connections)
            nursery.cancel_scope.cancel()
    return simulator, result


@pytest.mark.parametrize(
    ("text", "parts", "encoding"),
    [
        ("See you at 10", 1, "gsm7"),
        (LATIN, 3, "gsm7"),
        (RUSSIAN, 5, "ucs2"),
        (JAPANESE, 4, "ucs2"),
    ],
)
async def test_long_texts_arrive_as_they_were_written_and_each_part_is_receipted(text, parts, encoding):
    def play(port: int) -> Esme:
        with Esme(port) as esme:
            assert esme.submit(text) == parts
            esme.read(responses=parts, messages=parts)
        return esme

    simulator, esme = await against(SimulatorConfig(), play)
    (message,) = simulator.messages
    assert (message.text, message.parts, message.encoding) == (text, parts, encoding)
    assert (message.source, message.destination) == (f"+{NUMBER}", f"+{PEER}")
    ids = [pdu.message_id for pdu in esme.responses]
    assert len(set(ids)) == parts
    assert [pdu.receipted_message_id for pdu in esme.messages] == ids
    for pdu, message_id in zip(esme.messages, ids, strict=True):
        assert pdu.esm_class == consts.SMPP_MSGTYPE_DELIVERYACK >> 1 == 0x04
        assert pdu.message_state == consts.SMPP_MESSAGE_STATE_DELIVERED
        assert pdu.short_message.startswith(b"id:" + message_id + b" sub:001 dlvrd:001 submit date:")
        assert (pdu.source_addr, pdu.destination_addr) == (PEER.encode(), NUMBER.encode())
    assert simulator.stats.receipts_acknowledged == parts
    assert simulator.waiting == 0


async def test_a_text_with_emoji_reaches_a_foreign_client_in_parts():
    text = "Да, буду вовремя 👍🏽 " * 8

    def play(port: int) -> list[Any]:
        with Esme(port) as esme:
            esme.read(messages=3)
        return esme.messages

    def before(simulator: Simulator) -> None:
        assert simulator.inbound(f"+{PEER}", f"+{NUMBER}", text) == 3

    simulator, pdus = await against(SimulatorConfig(), play, before)
    headers = [pdu.short_message[:6] for pdu in pdus]
    assert [header[:3] for header in headers] == [b"\x05\x00\x03"] * 3
    assert len({header[3] for header in headers}) == 1
    assert [tuple(header[4:]) for header in headers] == [(3, 1), (3, 2), (3, 3)]
    assert "".join(pdu.short_message[6:].decode("utf-16-be") for pdu in pdus) == text
    assert {(pdu.esm_class, pdu.data_coding) for pdu in pdus} == {(0x40, 8)}
    assert {(pdu.source_addr, pdu.destination_addr) for pdu in pdus} == {(PEER.encode(), NUMBER.encode())}
    assert simulator.stats.inbound_acknowledged == 3


@pytest.mark.parametrize(
    ("system_id", "password", "status"),
    [("foreign", "wrong", consts.SMPP_ESME_RINVPASWD), ("nobody", "secret", consts.SMPP_ESME_RINVSYSID)],
)
async def test_wrong_credentials_are_refused(system_id, password, status):
    def play(port: int) -> None:
        with pytest.raises(PDUError) as refused, Esme(port, system_id, password):
            pass
        assert refused.value.args[1] == status
        with Esme(port):
            pass

    simulator, _ = await against(SimulatorConfig(system_id="foreign", password="secret"), play)
    assert (simulator.stats.binds, simulator.stats.binds_refused) == (1, 1)


async def test_a_receipt_can_come_first_and_with_another_form_of_the_id():
    def play(port: int) -> Esme:
        with Esme(port) as esme:
            esme.submit("Hello")
            esme.read(messages=1)
            assert esme.responses == []
            esme.read(responses=1)
        return esme

    config = SimulatorConfig(receipts_before_response=True, id_form="hex", receipt_id_form="padded")
    _, esme = await against(config, play)
    response_id, receipt_id = esme.responses[0].message_id, esme.messages[0].receipted_message_id
    assert int(response_id, 16) == int(receipt_id)
    assert len(receipt_id) == 12
