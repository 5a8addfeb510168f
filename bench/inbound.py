"""Inbound messages for the sink to send: a trace played at a rate or as fast as it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench import alphabet, keys, wire
from bench.trace import Line

_SAMPLE_KEY = keys.key(keys.MO, 0)


class _Piece(NamedTuple):
    """The body of one segment, cut where peer, reference and key go in."""

    before_peer: bytes
    before_ref: bytes
    """From the peer to the concatenation reference; of a single segment to the key or the end."""
    before_key: bytes | None
    """From the reference to the key; None for a single segment."""
    after: bytes
    keyed: bool


class _Template:
    """A trace line, encoded once, so that a message of it is a few joins."""

    def __init__(self, line: Line) -> None:
        if line.sender is None:
            raise ValueError("an inbound line needs a sender")
        self.vary = line.vary and line.sender.startswith("+")
        self.peer = line.sender.removeprefix("+")
        text = line.keyed().replace(keys.PLACEHOLDER, _SAMPLE_KEY, 1)
        parts = alphabet.segments(text, 0)
        self.wide = parts[0][1] == alphabet.UCS2
        mark = _SAMPLE_KEY.encode("utf-16-be" if self.wide else "ascii")
        ton_npi = wire.address(line.sender)[:2]
        self.pieces: list[_Piece] = []
        for index, (esm_class, coding, octets) in enumerate(parts):
            found = octets.find(mark) if index == 0 else -1
            if index == 0 and found < 0:
                raise ValueError(f"the key is not in the first segment of {line.text[:40]!r}")
            keyed = found >= 0
            body = wire.short_message_body(b"", wire.address(line.to), octets, esm_class=esm_class, data_coding=coding)
            body = b"\0" + body[1:]
            start = len(body) - len(octets)
            cut, after = (start + found, start + found + len(mark)) if keyed else (len(body), len(body))
            if len(parts) == 1:
                piece = _Piece(b"\0" + ton_npi, b"\0" + body[1:cut], None, body[after:], keyed)
            else:
                piece = _Piece(b"\0" + ton_npi, b"\0" + body[1 : start + 3], body[start + 4 : cut], body[after:], keyed)
            self.pieces.append(piece)

    def bodies(self, number: int) -> list[bytes]:
        """The deliver_sm bodies of the message with this number."""
        peer = (keys.vary(self.peer, number) if self.vary else self.peer).encode()
        text = keys.key(keys.MO, number)
        mark = text.encode("utf-16-be") if self.wide else text.encode()
        out = []
        for before_peer, before_ref, before_key, after, keyed in self.pieces:
            middle = before_ref if before_key is None else b"%b%c%b" % (before_ref, number & 0xFF, before_key)
            out.append(b"".join((before_peer, peer, middle, mark if keyed else b"", after)))
        return out


def segments(lines: Sequence[Line], count: int) -> int:
    """How many segments the first `count` inbound messages of a trace are, played round and round."""
    lengths = [len(_Template(line).pieces) for line in lines if line.kind == "mo"]
    rounds, rest = divmod(count, len(lengths))
    return rounds * sum(lengths) + sum(lengths[:rest])


class Inbound:
    """The inbound flow: start() it, then take() what is due.

    window: how many inbound segments may be unacknowledged on a bind.
    """

    def __init__(self, window: int = 200) -> None:
        self.window = window
        self.messages = 0
        """Messages made since the process began; the next one's number."""
        self.remaining = 0
        self._templates: list[_Template] = []
        self._rate = 0.0
        self._began = 0.0
        self._made = 0
        self._blocked = False
        self._ref = 0

    def start(self, lines: Sequence[Line], count: int, rate: float, now: float) -> None:
        """Send count more messages of the inbound lines, rate a second (0: as fast as they are acknowledged).

        Raises ValueError when there is no inbound line among them.
        """
        self._templates = [_Template(line) for line in lines if line.kind == "mo"]
        if not self._templates:
            raise ValueError("no inbound line in the trace")
        self.remaining = count
        self._rate, self._began, self._made = rate, now, 0

    @property
    def running(self) -> bool:
        return self.remaining > 0

    def next_due(self) -> float:
        """When take() will have something, by CLOCK_MONOTONIC; inf when that waits for acknowledgements."""
        if not self.remaining or not self._rate or self._blocked:
            return float("inf")
        return self._began + self._made / self._rate

    def take(self, room: int, now: float) -> list[bytes]:
        """deliver_sm bodies that are due, of at least `room` segments if there are so many."""
        self._blocked = room <= 0
        if self._blocked or not self.remaining:
            return []
        due = self.remaining
        if self._rate:
            due = min(due, int((now - self._began) * self._rate) + 1 - self._made)
        out: list[bytes] = []
        templates, size = self._templates, len(self._templates)
        while due > 0 and len(out) < room:
            out += templates[self.messages % size].bodies(self.messages)
            self.messages += 1
            self._made += 1
            self.remaining -= 1
            due -= 1
        return out

    def bodies(self, source: str, destination: str, text: str) -> list[bytes]:
        """The deliver_sm bodies of a text that is sent as it is, without a key."""
        self._ref += 1
        start, end = wire.address(source), wire.address(destination)
        return [
            wire.short_message_body(
                start,
                end,
                octets,
                esm_class=esm_class,
                data_coding=coding,
            )
            for esm_class, coding, octets in alphabet.segments(text, self._ref)
        ]
