"""The sink's own log, the carrier's side of the truth: how it is written, and a reader for whoever compares.

The file is a capture. It starts with MAGIC; then come blocks of `>BdII` (kind, time, connection, length) and
`length` octets. Times are seconds of CLOCK_MONOTONIC, one clock for all processes of a machine, so they
compare with times that the load generator took. Octets are logged as they passed the socket, received ones
when recv returned them, sent ones when the kernel took them: logging costs the sink next to nothing for each
message, and nothing is lost by summing up early. The reader does the parsing, later.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Any

from bench import alphabet, keys, wire

MAGIC = b"smpp-sink-log 1\n"
BLOCK = Struct(">BdII")
META, OPEN, IN, OUT, CLOSE = 0, 1, 2, 3, 4
"""META and OPEN carry JSON, CLOSE a reason in UTF-8, IN and OUT octets."""

_FLUSH_AT = 1 << 20


class SinkLogWriter:
    """Appends blocks to a file; buffered until 1 MiB has gathered or flush() is called."""

    def __init__(self, path: str | Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._pieces: list[bytes] = []
        self._size = 0
        if os.fstat(self._fd).st_size == 0:
            self._pieces.append(MAGIC)
        self.add(META, 0, json.dumps({"wall": time.time(), "monotonic": time.monotonic()}).encode())

    def add(self, kind: int, connection: int, data: bytes) -> None:
        """One block, timed now."""
        self._pieces.append(BLOCK.pack(kind, time.monotonic(), connection, len(data)))
        self._pieces.append(data)
        self._size += len(data) + 17
        if self._size > _FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the kernel; enough for other processes to read it."""
        data = memoryview(b"".join(self._pieces))
        self._pieces.clear()
        self._size = 0
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        self.flush()
        os.close(self._fd)


@dataclass(slots=True)
class Connection:
    """One TCP connection to the sink; account and command are of its bind, if there was one."""

    id: int
    opened: float
    closed: float | None = None
    reason: str | None = None
    account: str | None = None
    command: int | None = None


@dataclass(slots=True)
class Submit:
    """One submit_sm as it was received, with the answer as it was written."""

    t: float
    connection: int
    account: str | None
    sequence: int
    source: str
    destination: str
    data_coding: int
    registered_delivery: int
    concat: wire.Concat
    data: bytes
    """Octets of the text, without a user data header."""
    frame: bytes
    answered: float | None = None
    """When the response had been written; None: the sink never answered, or the connection closed first."""
    status: int | None = None
    smsc_message_id: str | None = None

    @property
    def text(self) -> str:
        """The text of this segment by an independent decoder."""
        return alphabet.decode(self.data, self.data_coding)

    @property
    def accepted(self) -> bool:
        return self.status == wire.ROK


@dataclass(slots=True)
class Delivery:
    """One deliver_sm as it was written, with the answer as it was received."""

    t: float
    connection: int
    account: str | None
    sequence: int
    kind: str
    """`receipt` or `mo`."""
    source: str
    destination: str
    data_coding: int
    concat: wire.Concat
    data: bytes
    smsc_message_id: str | None
    """Of a receipt: by its TLV, or by the `id:` in its text."""
    acked: float | None = None
    status: int | None = None

    @property
    def text(self) -> str:
        return alphabet.decode(self.data, self.data_coding)


@dataclass(slots=True)
class Message:
    """What was submitted under one key: for each part all the copies that arrived, in order."""

    key: str
    parts: dict[int, list[Submit]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return next(iter(self.parts.values()))[0].concat.total

    @property
    def first_seen(self) -> float:
        return min(copies[0].t for copies in self.parts.values())

    @property
    def complete(self) -> bool:
        """Whether the sink accepted every part at least once."""
        accepted = [part for part, copies in self.parts.items() if any(copy.accepted for copy in copies)]
        return len(accepted) == self.total

    @property
    def copies(self) -> list[Submit]:
        """Submits beyond the first of a part, but for those after a temporary refusal of the one before."""
        return [
            copy
            for copies in self.parts.values()
            for before, copy in pairwise(copies)
            if before.status not in wire.TEMPORARY
        ]

    @property
    def text(self) -> str:
        """The whole text: the octets of the parts joined, then decoded."""
        ordered = [self.parts[part][0] for part in sorted(self.parts)]
        return alphabet.decode(b"".join(part.data for part in ordered), ordered[0].data_coding)


class SinkLog:
    """A log read whole: `connections` by id, `submits` and `deliveries` in the order of the wire."""

    def __init__(self) -> None:
        self.meta: dict[str, Any] = {}
        self.connections: dict[int, Connection] = {}
        self.submits: list[Submit] = []
        self.deliveries: list[Delivery] = []
        self._open_submits: dict[tuple[int, int], Submit] = {}
        self._open_deliveries: dict[tuple[int, int], Delivery] = {}
        self._tails: dict[tuple[int, int], bytes] = defaultdict(bytes)
        self._before = 0

    @classmethod
    def load(cls, path: str | Path) -> SinkLog:
        """Read a log, of a running sink too (half a block at the end is left out).

        Raises ValueError when the file is no sink log.
        """
        log = cls()
        for block in blocks(Path(path).read_bytes()):
            log.add(*block)
        return log

    def add(self, kind: int, t: float, connection: int, data: bytes) -> None:
        """The next block, as `blocks` gives it."""
        connection += self._before
        if kind == META:
            # Another sink goes on with the log, and counts its connections from 1 again.
            self._before = max(self.connections, default=0)
            self.meta = json.loads(data)
        elif kind == OPEN:
            self.connections[connection] = Connection(connection, t)
        elif kind == CLOSE:
            self.connections[connection].closed = t
            self.connections[connection].reason = data.decode()
        else:
            stream = self._tails[connection, kind] + data
            end = 0
            try:
                for start, end, command, status, sequence in wire.frames(stream):
                    frame = stream[start:end]
                    if kind == IN:
                        self._received(t, connection, command, status, sequence, frame)
                    else:
                        self._sent(t, connection, command, status, sequence, frame)
            except wire.BadFrame:
                # The sink closes such a connection; what it logged before stands.
                end = len(stream)
            self._tails[connection, kind] = stream[end:]

    def _received(self, t: float, connection: int, command: int, status: int, sequence: int, frame: bytes) -> None:
        bound = self.connections[connection]
        if command == wire.SUBMIT_SM:
            fields = wire.parse_short_message(frame)
            concat, data = fields.content()
            submit = Submit(
                t, connection, bound.account, sequence, fields.source, fields.destination,
                fields.data_coding, fields.registered_delivery, concat, data, frame,
            )  # fmt: skip
            self.submits.append(submit)
            self._open_submits[connection, sequence] = submit
        elif command == wire.DELIVER_SM_RESP:
            delivery = self._open_deliveries.pop((connection, sequence), None)
            if delivery is not None:
                delivery.acked, delivery.status = t, status
        elif command in (wire.BIND_TRANSCEIVER, wire.BIND_TRANSMITTER, wire.BIND_RECEIVER):
            bound.account, bound.command = wire.c_octets(frame), command

    def _sent(self, t: float, connection: int, command: int, status: int, sequence: int, frame: bytes) -> None:
        if command in (wire.SUBMIT_SM_RESP, wire.GENERIC_NACK):
            submit = self._open_submits.pop((connection, sequence), None)
            if submit is not None:
                submit.answered, submit.status = t, status
                submit.smsc_message_id = wire.c_octets(frame) or None
        elif command == wire.DELIVER_SM:
            fields = wire.parse_short_message(frame)
            concat, data = fields.content()
            receipt = fields.esm_class & wire.TYPE_MASK == wire.TYPE_RECEIPT
            delivery = Delivery(
                t, connection, self.connections[connection].account, sequence,
                "receipt" if receipt else "mo", fields.source, fields.destination, fields.data_coding,
                concat, data, _receipted(fields) if receipt else None,
            )  # fmt: skip
            self.deliveries.append(delivery)
            self._open_deliveries[connection, sequence] = delivery

    def messages(self) -> dict[str, Message]:
        """Submits gathered by key, segments without a key by the concatenation that they share with one.

        A message whose text has no key at all is under `source>destination/ref@first time`.
        """
        found: dict[str, Message] = {}
        owner: dict[tuple[str | None, str, str, int, int], str] = {}
        waiting: list[Submit] = []
        for submit in self.submits:
            key = keys.find(submit.text) if submit.concat.part == 1 else None
            if key is None:
                waiting.append(submit)
                continue
            owner[_group(submit)] = key
            found.setdefault(key, Message(key)).parts.setdefault(submit.concat.part, []).append(submit)
        for submit in waiting:
            key = owner.get(_group(submit)) if submit.concat.total > 1 else None
            if key is None:
                key = f"{submit.source}>{submit.destination}/{submit.concat.ref}@{submit.t:.6f}"
                if submit.concat.total > 1:
                    owner[_group(submit)] = key
            found.setdefault(key, Message(key)).parts.setdefault(submit.concat.part, []).append(submit)
        return found

    def unanswered(self) -> list[Submit]:
        """Submits that the sink had not answered when their connection ended or the log did."""
        return [submit for submit in self.submits if submit.answered is None]

    def receipts(self) -> dict[str, list[Delivery]]:
        """Receipts by the smsc_message_id that they carry."""
        found: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in self.deliveries:
            if delivery.kind == "receipt":
                found[delivery.smsc_message_id or ""].append(delivery)
        return dict(found)

    def inbound(self) -> dict[str, list[Delivery]]:
        """Inbound segments by key; those of one message share it by concatenation, as in messages()."""
        found: dict[str, list[Delivery]] = defaultdict(list)
        owner: dict[tuple[str, str, int], str] = {}
        parts = [delivery for delivery in self.deliveries if delivery.kind == "mo"]
        for part in parts:
            key = keys.find(part.text)
            if key is not None and part.concat.total > 1:
                owner[part.source, part.destination, part.concat.ref] = key
        for part in parts:
            group = (part.source, part.destination, part.concat.ref)
            key = keys.find(part.text) or (owner.get(group) if part.concat.total > 1 else None)
            found[key or f"{group[0]}>{group[1]}/{group[2]}@{part.t:.6f}"].append(part)
        return dict(found)


def _group(submit: Submit) -> tuple[str | None, str, str, int, int]:
    return submit.account, submit.source, submit.destination, submit.concat.ref, submit.concat.total


def _receipted(fields: wire.ShortMessage) -> str | None:
    """The id of a receipt: receipted_message_id, else `id:` of Appendix B."""
    value = fields.tlvs.get(wire.RECEIPTED_MESSAGE_ID)
    if value is not None:
        return value.rstrip(b"\0").decode("latin-1")
    text = fields.short_message.decode("latin-1")
    return text[3:].split(" ", 1)[0] if text.startswith("id:") else None


def blocks(data: bytes) -> Iterator[tuple[int, float, int, bytes]]:
    """(kind, time, connection, octets) of each whole block. Raises ValueError when data is no sink log."""
    if not data.startswith(MAGIC):
        raise ValueError("not a sink log: it does not start with its magic line")
    at = len(MAGIC)
    while at + BLOCK.size <= len(data):
        kind, t, connection, length = BLOCK.unpack_from(data, at)
        at += BLOCK.size
        if at + length > len(data):
            return
        yield kind, t, connection, data[at : at + length]
        at += length


def long_blocks(path: str | Path, piece: int = 1 << 24) -> Iterator[tuple[int, float, int, bytes]]:
    """As `blocks`, of a file that is too large for memory: `piece` octets of it at a time."""
    with open(path, "rb") as file:
        rest = file.read(len(MAGIC))
        if rest != MAGIC:
            raise ValueError(f"{path} is not a sink log: it does not start with its magic line")
        rest = b""
        while data := file.read(piece):
            rest += data
            used = 0
            for block in blocks(MAGIC + rest):
                used += BLOCK.size + len(block[3])
                yield block
            rest = rest[used:]
