"""The method `capture`: what passes over a carrier's binds, as notifications to the operator who asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import trio

from gateway.carrier.capture import MOST_CAPTURES, Capture, Captures
from gateway.doors import rpc
from gateway.doors.acts import carrier_named, operator
from gateway.log import logger
from gateway.outbound.outbound import Outbound
from gateway.outbound.request import Refusal

if TYPE_CHECKING:
    from gateway.doors.connection import Connection

_log = logger(component="socket")

LONGEST: Final = 7 * 86_400.0
"""Seconds of one capture, at most."""


class CaptureParams(msgspec.Struct, forbid_unknown_fields=True):
    """``capture``: of a carrier, or of one bind of it; until so many PDUs or seconds, or the connection's end."""

    carrier: str
    bind: str | None = None
    seconds: float | None = None
    count: int | None = None


class Capturing:
    """Begins captures and sends what they get."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def capture(self, connection: Connection, params: CaptureParams) -> object:
        """Begins one; its records follow as `capture` notifications, and `capture_ended` at the end."""
        operator(connection.app)
        carrier = carrier_named(self._outbound, params.carrier, "carrier")
        if params.seconds is not None and not 0 < params.seconds <= LONGEST:
            raise Refusal("invalid_params", f"seconds is up to {LONGEST:.0f}", field="seconds")
        if params.count is not None and params.count < 1:
            raise Refusal("invalid_params", "count is at least 1", field="count")
        names = [b.name for b in carrier.binds]
        if params.bind is not None:
            names = _named(names, carrier.name, params.bind)
        wanted = frozenset(names)
        captures = self._outbound.captures.setdefault(carrier.name, Captures())
        if len(captures.active) >= MOST_CAPTURES:
            raise Refusal("too_many", f"{MOST_CAPTURES} captures of {carrier.name} run already", field="carrier")
        # Without --bind also those that a reload adds.
        capture = Capture((lambda name: name in wanted) if params.bind is not None else _every, params.count)
        captures.start(capture, carrier.binds)
        _log.info("capture_begun", carrier=carrier.name, bind=params.bind, peer=connection.peer)
        connection.pump(lambda: self._run(connection, carrier.name, captures, capture, params.seconds))
        shown = [{"name": b.name, "state": b.state} for b in carrier.binds if b.name in wanted]
        return {"carrier": carrier.name, "binds": shown}

    async def _run(
        self, connection: Connection, carrier: str, captures: Captures, capture: Capture, seconds: float | None
    ) -> None:
        try:
            with trio.move_on_after(seconds if seconds is not None else float("inf")) as scope:
                while records := await capture.take():
                    connection.tell("capture", {"records": records, "dropped": capture.dropped})
                    await connection.output_room()
            captures.stop(capture)
            if scope.cancelled_caught:
                # What was captured before the time was up, and waits for room in the output.
                while records := await capture.take():
                    connection.tell("capture", {"records": records, "dropped": capture.dropped})
                    await connection.output_room()
            reason = "seconds" if scope.cancelled_caught else capture.over
            ended = {"reason": reason, "pdus": capture.pdus, "dropped": capture.dropped}
            connection.tell("capture_ended", ended)
        finally:
            captures.stop(capture)
            _log.info("capture_ended", carrier=carrier, pdus=capture.pdus, dropped=capture.dropped)


def _every(name: str) -> bool:
    return True


def _named(names: list[str], carrier: str, wanted: str) -> list[str]:
    """The binds that a word means: a number has both of a pair."""
    short = wanted.removeprefix(f"{carrier}/")
    found = [name for name in names if name.removeprefix(f"{carrier}/") in (short, f"{short}t", f"{short}r")]
    if not found:
        known = ", ".join(name.removeprefix(f"{carrier}/") for name in names)
        raise Refusal("invalid_params", f"{carrier} has no bind {rpc.short(wanted)}; it has {known}", field="bind")
    return found
