"""The scripted carrier as a process of its own: commands in, a line of JSON each, and replies out."""

from __future__ import annotations

import json
import os
import selectors
import sys
from types import TracebackType
from typing import Any

from bench.piped import Piped
from tests.system.hostile.carrier import ScriptedCarrier
from tests.system.hostile.conduct import HONEST, Conduct
from tests.system.hostile.records import Report


class CarrierProcess:
    """Context manager over `python -m tests.system.hostile.process`; it ends with the context."""

    def __init__(self, seed: str) -> None:
        self._piped = Piped("tests.system.hostile.process", seed)
        self.port: int = self._reply()["port"]

    def __enter__(self) -> CarrierProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._piped.stop()

    def begin(self, conduct: Conduct) -> None:
        """A new log, and a conduct."""
        self._ask("begin", conduct.to_json())

    def behave(self, conduct: Conduct = HONEST) -> None:
        """Another conduct, in the same log."""
        self._ask("behave", conduct.to_json())

    def stats(self) -> dict[str, int]:
        """See `ScriptedCarrier.stats`."""
        return self._ask("stats")

    def report(self) -> Report:
        """The log since `begin`."""
        return Report.of(self._ask("report"))

    def _ask(self, name: str, argument: str = "{}") -> dict[str, Any]:
        self._piped.say(f"{name} {argument}")
        return self._reply()

    def _reply(self) -> dict[str, Any]:
        line = self._piped.line()
        if not line:
            raise RuntimeError(f"the scripted carrier has ended with status {self._piped.status()}")
        reply: dict[str, Any] = json.loads(line)
        return reply


def _carry_out(carrier: ScriptedCarrier, line: str) -> dict[str, Any]:
    name, _, argument = line.partition(" ")
    values = json.loads(argument)
    match name:
        case "begin":
            carrier.begin(Conduct.of(values))
        case "behave":
            carrier.behave(Conduct.of(values))
        case "stats":
            return carrier.stats()
        case "report":
            return carrier.log.to_dict()
        case _:
            raise ValueError(f"no command {name!r}")
    return {}


def main() -> int:
    """Serves until standard input ends."""
    carrier = ScriptedCarrier(sys.argv[1])
    tail = b""
    running = True

    def say(reply: dict[str, Any]) -> None:
        print(json.dumps(reply), flush=True)

    def commands(_events: int) -> None:
        nonlocal tail, running
        data = os.read(0, 1 << 20)
        running = bool(data)
        *lines, tail = (tail + data).split(b"\n")
        for line in lines:
            say(_carry_out(carrier, line.decode()))

    carrier.selector.register(0, selectors.EVENT_READ, commands)
    say({"port": carrier.port})
    while running:
        carrier.turn()
    carrier.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
