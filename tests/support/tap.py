"""A stream that writes down the octets of both directions as they pass."""

from __future__ import annotations

from collections.abc import Iterator

import trio


def pdus(octets: bytes) -> Iterator[bytes]:
    """Whole SMPP PDUs one by one, by their command_length (SMPP 3.4 §3.2)."""
    while octets:
        length = int.from_bytes(octets[:4])
        yield octets[:length]
        octets = octets[length:]


Piece = tuple[int, bool, bytes]
"""The number of a connection, whether the ESME sent this, and PDUs that went together."""


class Tap(trio.abc.Stream):
    """Over the ESME's end of a connection, which has a number; it adds to ``traffic``, which taps may share."""

    def __init__(self, stream: trio.abc.Stream, traffic: list[Piece], number: int = 0) -> None:
        self._stream = stream
        self._rest = b""
        self.traffic = traffic
        self.number = number

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.traffic.append((self.number, True, bytes(data)))
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        data = bytes(await self._stream.receive_some(max_bytes))
        self._rest += data
        end = 0
        while len(self._rest) >= end + 4 and len(self._rest) >= end + int.from_bytes(self._rest[end : end + 4]):
            end += int.from_bytes(self._rest[end : end + 4])
        if end:
            self.traffic.append((self.number, False, self._rest[:end]))
            self._rest = self._rest[end:]
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()
