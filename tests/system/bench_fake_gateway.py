"""A gateway in a hundred lines for the tests of the bench: `python bench_fake_gateway.py run -c FILE`.

One bind, one app, no store. FAKE_FAULT makes it wrong on purpose, so that the bench can be seen to notice:
`lose`, `double`, `garble`, `unended`, `deaf` (inbound is acknowledged and not told), `crash`, `mute` (never
listens).
"""

import asyncio
import json
import os
import signal
import sys
import tomllib

from bench import alphabet, wire

FAULT = os.environ.get("FAKE_FAULT", "")


class Gateway:
    def __init__(self, config):
        self.config = config
        self.sequence = 1
        self.messages = 0
        self.events = 0
        self.by_sequence = {}
        self.by_smsc_id = {}
        self.parts = {}
        self.waiting = {}
        self.subscriber = None

    async def run(self):
        carrier = self.config["carriers"][0]
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        self.reader, self.smsc = await asyncio.open_connection(carrier["host"], carrier["port"])
        self.smsc.write(wire.pdu(wire.BIND_TRANSCEIVER, 1, wire.bind_body(carrier["system_id"])))
        pump = asyncio.create_task(self.pump())
        server = await asyncio.start_unix_server(self.serve, self.config["socket"]["path"])
        await stop.wait()
        server.close()
        pump.cancel()
        self.smsc.close()

    async def serve(self, reader, writer):
        while line := await reader.readline():
            request = json.loads(line)
            method, params = request["method"], request["params"]
            if method == "submit":
                result = self.submit(params)
            elif method == "subscribe":
                self.subscriber, result = writer, {"name": params["name"], "backlog": 0}
            else:
                continue
            reply = {"jsonrpc": "2.0", "id": request["id"], "result": result}
            writer.write(json.dumps(reply).encode() + b"\n")

    def submit(self, params):
        self.messages += 1
        number, text = self.messages, params["text"]
        faulty = FAULT if number == 3 else ""
        if faulty == "crash":
            os._exit(3)
        parts = alphabet.segments(text + "!" if faulty == "garble" else text, number)
        self.parts[number] = len(parts)
        for esm_class, coding, octets in [] if faulty == "lose" else parts * (1 + (faulty == "double")):
            self.sequence += 1
            self.by_sequence[self.sequence] = number
            body = wire.short_message_body(
                wire.address(params["from"]), wire.address(params["to"]), octets,
                esm_class=esm_class, data_coding=coding, registered_delivery=1,
            )  # fmt: skip
            self.smsc.write(wire.pdu(wire.SUBMIT_SM, self.sequence, body))
        return {"id": f"m{number}", "segments": len(parts), "state": "queued"}

    async def pump(self):
        data = b""
        while received := await self.reader.read(65536):
            data += received
            end = 0
            for start, end, command, _, sequence in wire.frames(data):
                if command == wire.SUBMIT_SM_RESP:
                    self.by_smsc_id[wire.c_octets(data[start:end])] = self.by_sequence[sequence]
                elif command == wire.DELIVER_SM:
                    self.smsc.write(wire.pdu(wire.DELIVER_SM_RESP, sequence, b"\0"))
                    self.deliver(wire.parse_short_message(data[start:end]))
            data = data[end:]

    def deliver(self, pdu):
        if pdu.esm_class & wire.TYPE_RECEIPT:
            number = self.by_smsc_id[pdu.tlvs[wire.RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode()]
            self.parts[number] -= 1
            if self.parts[number] == 0 and not (FAULT == "unended" and number == 3):
                self.tell("receipt", {"id": f"m{number}", "state": "delivered"})
            return
        concat, data = pdu.content()
        parts = self.waiting.setdefault((pdu.source, concat.ref, concat.total), {})
        parts[concat.part] = data
        if len(parts) == concat.total:
            octets = b"".join(parts[part] for part in sorted(parts))
            self.waiting.pop((pdu.source, concat.ref, concat.total))
            text = alphabet.decode(octets, pdu.data_coding)
            if FAULT != "deaf":
                self.tell(
                    "inbound",
                    {
                        "number": "+" + pdu.destination,
                        "peer": "+" + pdu.source,
                        "text": text,
                        "complete": True,
                    },
                )

    def tell(self, method, params):
        self.events += 1
        if self.subscriber is not None:
            event = {"jsonrpc": "2.0", "method": method, "params": {"event_id": self.events} | params}
            self.subscriber.write(json.dumps(event).encode() + b"\n")


if __name__ == "__main__":
    if FAULT == "mute":
        signal.pause()
    with open(sys.argv[3], "rb") as file:
        chosen = tomllib.load(file)
    asyncio.run(Gateway(chosen).run())
