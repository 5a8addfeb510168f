"""`smsgw simulate` as a process, and npm smpp (node-smpp) as the ESME that binds to it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.foreign.test_node_carrier import SCHEMES, TEXTS
from tests.foreign.texts import texts
from tests.support.foreign import LONG, Peer, needs_node, peer
from tests.support.programs import Program

pytestmark = needs_node

NUMBER, PEER = "15551230001", "12125550101"
SOURCE = {"source_addr_ton": 1, "source_addr_npi": 1, "source_addr": NUMBER}
ADDRESSES = {**SOURCE, "dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": PEER}
DELIVERED, ENROUTE, DELETED = 2, 1, 4


class Asker:
    """The ESME and the program that it is bound to. `ask` sends one PDU and gives its answer."""

    def __init__(self, script: Peer, simulator: Program) -> None:
        self.script = script
        self.simulator = simulator
        self._tokens = itertools.count(1)

    async def ask(self, command: str, **fields: Any) -> dict[str, Any]:
        token = next(self._tokens)
        await self.script.tell(do="send", command=command, fields=fields, token=token)
        found: list[dict[str, Any]] = []
        while not found:
            count = len(self.script.of("answered"))
            found = [line for line in self.script.of("answered") if line["token"] == token]
            if not found:
                await self.script.heard("answered", count + 1)
        return {"command": found[0]["command"], "status": found[0]["status"], **found[0]["answer"]}

    async def submit(self, text: Any, **fields: Any) -> str:
        """Submits; the carrier's id."""
        answer = await self.ask("submit_sm", **{**ADDRESSES, "short_message": text, **fields})
        assert (answer["command"], answer["status"]) == ("submit_sm_resp", 0)
        return str(answer["message_id"])


@asynccontextmanager
async def asking(*options: str, kind: str = "transceiver") -> AsyncIterator[Asker]:
    """An ESME that has bound to a simulator of these options; it unbinds at the end."""
    with Program("simulate", "--port", "0", "--seed", "1", *options) as simulator:
        port = simulator.line("listening on").rsplit(":", 1)[1]
        async with peer("client.mjs", port) as script:
            await script.heard("connected")
            asker = Asker(script, simulator)
            answer = await asker.ask(f"bind_{kind}", system_id="foreign", password="secret", interface_version=0x34)
            assert (answer["command"], answer["status"]) == (f"bind_{kind}_resp", 0)
            assert (answer["system_id"], answer["sc_interface_version"]) == ("simulator", 0x34)
            yield asker
            answer = await asker.ask("unbind")
            assert (answer["command"], answer["status"]) == ("unbind_resp", 0)
            await script.heard("closed")
            assert not script.of("error")
        assert simulator.stop() == 0


@pytest.mark.parametrize("kind", ["transceiver", "transmitter", "receiver"])
async def test_a_bind_of_each_kind(kind: str) -> None:
    async with asking(kind=kind) as asker:
        assert (await asker.ask("enquire_link"))["command"] == "enquire_link_resp"
        answer = await asker.ask("submit_sm", **ADDRESSES, short_message="Hello")
        assert answer["status"] == (0x04 if kind == "receiver" else 0)  # ESME_RINVBNDSTS, §2.3
        again = await asker.ask("bind_transceiver", system_id="foreign", password="secret")
        assert (again["command"], again["status"]) == ("bind_transceiver_resp", 0x05)  # ESME_RALYBND


async def test_a_wrong_password_is_refused() -> None:
    with Program("simulate", "--port", "0", "--password", "right") as simulator:
        port = simulator.line("listening on").rsplit(":", 1)[1]
        async with peer("client.mjs", port) as script:
            asker = Asker(script, simulator)
            answer = await asker.ask("bind_transceiver", system_id="foreign", password="wrong")
            assert (answer["command"], answer["status"]) == ("bind_transceiver_resp", 0x0E)


async def test_texts_that_node_encodes_are_shown_and_receipted() -> None:
    """data_coding is given: what node chooses by itself is in node_differences."""
    given = {
        "Yes, see you at 10": 0, "price [20] {ok} €": 0, "Спасибо, буду вовремя": 8, "OK 👍🏽": 8, "naïve þ": 3,
    }  # fmt: skip
    async with asking() as asker:
        for count, (text, coding) in enumerate(given.items(), 1):
            id = await asker.submit(text, data_coding=coding, registered_delivery=1)
            assert f'"{text}"' in asker.simulator.line("message")
            receipt = (await asker.script.heard("deliver_sm", count))[-1]
            assert (receipt["esm_class"], receipt["message_state"]) == (4, DELIVERED)
            assert receipt["receipted_message_id"] == id
            assert receipt["short_message"]["message"].startswith(f"id:{id} sub:001 dlvrd:001 submit date:")
            assert (receipt["source_addr"], receipt["destination_addr"]) == (PEER, NUMBER)


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_inbound_texts_of_the_simulator_are_read_by_node(scheme: str) -> None:
    # The console takes one line for each message.
    given = [t for t in (*TEXTS, *texts(3, 200 if LONG else 30)) if t.strip() == t and t.isprintable() and t]
    async with asking("--mo-scheme", scheme) as asker:
        for text in given:
            asker.simulator.say(f"mo +{PEER} +{NUMBER} {text}")
        messages = await asker.script.heard("message", len(given))
        assert sorted(message["text"] for message in messages) == sorted(given)
        assert {(message["source"], message["destination"]) for message in messages} == {(PEER, NUMBER)}
        assert {message["scheme"] for message in messages} == {"single", scheme}


async def test_an_inbound_text_that_node_refuses_for_now_comes_again() -> None:
    async with asking("--retry-delay", "0.05") as asker:
        await asker.script.tell(do="status", status=0x64)  # ESME_RX_T_APPN
        asker.simulator.say(f"mo +{PEER} +{NUMBER} later")
        await asker.script.heard("deliver_sm", 2)
        await asker.script.tell(do="status", status=0)
        (message,) = await asker.script.heard("message")
        assert message["text"] == "later"


async def test_the_simulator_asks_whether_node_is_there() -> None:
    async with asking("--enquire-link", "0.1") as asker:
        await asker.script.heard("enquire_link", 3)
        assert (await asker.ask("enquire_link"))["status"] == 0


async def test_submit_multi() -> None:
    """§4.5: addresses and a distribution list; who did not get it is in the answer."""
    numbers = [{"dest_addr_ton": 1, "dest_addr_npi": 1, "destination_addr": f"1212555010{n}"} for n in range(3)]
    async with asking("--distribution-lists", "staff=+12125550103,+12125550104") as asker:
        answer = await asker.ask("submit_multi", **SOURCE, dest_address=numbers, data_coding=0, short_message="to all")
        assert (answer["command"], answer["status"], answer["unsuccess_sme"]) == ("submit_multi_resp", 0, [])
        for number in numbers:
            assert f'+{number["destination_addr"]} 1 part gsm7 "to all"' in asker.simulator.line("message")
        answer = await asker.ask(
            "submit_multi",
            **SOURCE,
            dest_address=[numbers[0], {"dl_name": "staff"}],
            data_coding=0,
            short_message="to staff",
        )
        assert (answer["status"], answer["unsuccess_sme"]) == (0, [])
        for number in ("12125550100", "12125550103", "12125550104"):
            assert f'+{number} 1 part gsm7 "to staff"' in asker.simulator.line("message")
        answer = await asker.ask(
            "submit_multi", **SOURCE, dest_address=[{"dl_name": "nobody"}], short_message="to nobody"
        )
        assert answer["status"] == 0x34  # ESME_RINVDLNAME


async def test_query_cancel_and_replace() -> None:
    """§4.8 to §4.10, while the message waits for its receipt and after."""
    async with asking("--receipt-delay", "600") as asker:
        id = await asker.submit("first words", registered_delivery=1)
        answer = await asker.ask("query_sm", message_id=id, **SOURCE)
        assert (answer["command"], answer["status"]) == ("query_sm_resp", 0)
        assert (answer["message_id"], answer["message_state"], answer["final_date"]) == (id, ENROUTE, "")
        answer = await asker.ask("replace_sm", message_id=id, **SOURCE, short_message="other words")
        assert (answer["command"], answer["status"]) == ("replace_sm_resp", 0)
        assert '"other words"' in asker.simulator.line("replace")
        answer = await asker.ask("cancel_sm", message_id=id, **ADDRESSES)
        assert (answer["command"], answer["status"]) == ("cancel_sm_resp", 0)
        answer = await asker.ask("query_sm", message_id=id, **SOURCE)
        assert (answer["status"], answer["message_state"]) == (0, DELETED)
        assert answer["final_date"].startswith("20")
        for command, fields, status in (
            ("query_sm", SOURCE, 0x67), ("cancel_sm", ADDRESSES, 0x11), ("replace_sm", SOURCE, 0x13),
        ):  # fmt: skip
            answer = await asker.ask(command, message_id="none", **fields)
            assert (answer["command"], answer["status"]) == (f"{command}_resp", status)


async def test_data_sm() -> None:
    async with asking() as asker:
        text = "as payload, " * 40
        answer = await asker.ask("data_sm", **ADDRESSES, data_coding=0, message_payload=text, registered_delivery=1)
        assert (answer["command"], answer["status"]) == ("data_sm_resp", 0)
        assert text.strip() in asker.simulator.line("message")
        (receipt,) = await asker.script.heard("deliver_sm")
        assert receipt["receipted_message_id"] == answer["message_id"]


async def test_broadcasts() -> None:
    """SMPP 5.0 §4.4: taken with an id, asked about, cancelled."""
    async with asking() as asker:
        answer = await asker.ask(
            "broadcast_sm", **SOURCE, data_coding=0, broadcast_area_identifier=["North", "South"],
            broadcast_content_type={"network": 1, "content_type": 32}, broadcast_rep_num=3,
            broadcast_frequency_interval={"unit": 9, "interval": 600}, message_payload="storm",
        )  # fmt: skip
        assert (answer["command"], answer["status"]) == ("broadcast_sm_resp", 0)
        id = answer["message_id"]
        answer = await asker.ask("query_broadcast_sm", message_id=id, **SOURCE)
        assert (answer["command"], answer["status"], answer["message_id"]) == ("query_broadcast_sm_resp", 0, id)
        assert answer["message_state"] == ENROUTE
        assert [area["data"] for area in answer["broadcast_area_identifier"]] == ["North", "South"]
        answer = await asker.ask("cancel_broadcast_sm", message_id=id, **SOURCE)
        assert (answer["command"], answer["status"]) == ("cancel_broadcast_sm_resp", 0)


async def test_an_alert_reaches_node() -> None:
    """§4.12: it has no response."""
    async with asking() as asker:
        asker.simulator.say(f"alert +{PEER} +{NUMBER}")
        (alert,) = await asker.script.heard("alert_notification")
        assert (alert["source_addr"], alert["esme_addr"]) == (PEER, NUMBER)


async def test_the_simulator_unbinds() -> None:
    with Program("simulate", "--port", "0") as simulator:
        port = simulator.line("listening on").rsplit(":", 1)[1]
        async with peer("client.mjs", port) as script:
            asker = Asker(script, simulator)
            await asker.ask("bind_transceiver", system_id="foreign", password="secret")
            simulator.say("quit")
            await script.heard("unbind")
            await script.heard("closed")
        assert simulator.end() == 0
