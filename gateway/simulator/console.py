"""The commands of a running simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from .lines import printable
from .reading import read_setting
from .smsc import AVAILABILITY, Simulator


class CommandError(ValueError):
    """What was typed cannot be done; the text says why."""


class Console:
    """Reads a line, does it, and says in lines what came of it. `over` once somebody has asked to quit."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.over = False

    def execute(self, line: str) -> list[str]:
        """Do what a line says. Never raises: what is wrong is in the lines."""
        name, _, rest = line.strip().partition(" ")
        if not name:
            return []
        rest = rest.strip()
        command = _COMMANDS.get(name)
        try:
            if command is not None:
                return command.do(self, rest)
            return self._set(_SHORT.get(name, name), rest, asked=name)
        except KeyError as error:
            return [f"{name}: no bind {error.args[0]}"]
        except ValueError as error:
            return [printable(str(error))]

    def _set(self, setting: str, text: str, *, asked: str) -> list[str]:
        config = self._simulator.config
        if setting not in config.__struct_fields__:
            raise CommandError(f"{asked}: no such command, try help")
        if text:
            self._simulator.configure(**{setting: read_setting(setting, text)})
            config = self._simulator.config
        value = "<hidden>" if setting == "password" and config.password else getattr(config, setting)
        return [f"{setting} = {value}"]

    def _mo(self, rest: str) -> list[str]:
        words = rest.split(None, 2)
        if len(words) < 3:
            raise CommandError("mo: PEER NUMBER TEXT expected")
        return self._send(*words)

    def _reply(self, rest: str) -> list[str]:
        conversation = self._simulator.conversation
        if conversation is None:
            raise CommandError("reply: nobody was written to")
        if not rest:
            raise CommandError("reply: TEXT expected")
        return self._send(*conversation, rest)

    def _send(self, peer: str, number: str, text: str) -> list[str]:
        parts = self._simulator.inbound(peer, number, text, scheme=self._simulator.config.mo_scheme)
        waits = "" if any(bind.receives for bind in self._simulator.binds.values()) else ", nobody is bound to get it"
        return [f"queued, {parts} part{'s' if parts != 1 else ''}{waits}"]

    def _alert(self, rest: str) -> list[str]:
        words = rest.split()
        if len(words) not in (2, 3) or (len(words) == 3 and words[2] not in _AVAILABILITY):
            raise CommandError(f"alert: PEER NUMBER and perhaps {', '.join(_AVAILABILITY)} expected")
        availability = _AVAILABILITY[words[2]] if len(words) == 3 else 0
        return [f"#{self._simulator.alert(words[0], words[1], availability)} alerted"]

    def _disconnect(self, rest: str) -> list[str]:
        return [self._on_bind(rest, self._simulator.disconnect, "dropped")]

    def _unbind(self, rest: str) -> list[str]:
        return [self._on_bind(rest, self._simulator.unbind, "unbind sent")]

    def _pause(self, rest: str) -> list[str]:
        return [self._on_bind(rest, self._simulator.pause_reading, "not read any more")]

    def _resume(self, rest: str) -> list[str]:
        return [self._on_bind(rest, self._simulator.resume_reading, "read again")]

    def _on_bind(self, rest: str, do: Callable[[int], None], done: str) -> str:
        """Of several binds one must be named."""
        if rest:
            try:
                number = int(rest.removeprefix("#"))
            except ValueError:
                raise CommandError(f"{rest!r} is no number of a bind") from None
        else:
            numbers = list(self._simulator.connections)
            if len(numbers) != 1:
                raise CommandError(f"which of {len(numbers)} binds? (see status)")
            number = numbers[0]
        do(number)
        return f"#{number} {done}"

    def _status(self, _: str) -> list[str]:
        simulator = self._simulator
        stats = simulator.stats
        lines = [
            f"#{bind.number} {printable(bind.system_id) or '-'} {bind.kind or 'not bound'}"
            f" ({bind.session.state.value}), {bind.load} to deliver"
            for bind in simulator.connections.values()
        ] or ["nobody is bound"]
        statuses = ", ".join(f"0x{status:02X}: {count}" for status, count in sorted(stats.statuses.items()))
        lines += [
            f"submits {stats.submits}: {stats.accepted} accepted, {stats.refused} refused"
            + (f" ({statuses})" if statuses else "")
            + f", {stats.unanswered} left unanswered",
            f"messages {stats.messages} complete, {simulator.incomplete} with parts missing",
            f"asked about {stats.queried}, cancelled {stats.cancelled}, replaced {stats.replaced}; "
            f"broadcasts {stats.broadcasts}, alerts {stats.alerts}",
            f"receipts {stats.receipts}, {stats.receipts_acknowledged} acknowledged",
            f"inbound {stats.inbound}, parts {stats.inbound_parts}, acknowledged {stats.inbound_acknowledged}",
            f"waiting {simulator.waiting}; deferred {stats.deliveries_deferred}, "
            f"refused {stats.deliveries_refused}, not answered {stats.deliveries_expired}, "
            f"dropped {stats.dropped}",
        ]
        return lines

    def _settings(self, _: str) -> list[str]:
        config = self._simulator.config
        return [
            f"{name} = {'<hidden>' if name == 'password' and value else value}"
            for name, value in msgspec.structs.asdict(config).items()
        ]

    def _help(self, _: str) -> list[str]:
        lines = [f"{f'{name} {command.usage}':<28}{command.does}" for name, command in _COMMANDS.items()]
        lines.append(f"{'SETTING [VALUE]':<28}show or change a setting, such as errors 0.1; rate is short for mo_rate")
        return [line.rstrip() for line in lines]

    def _quit(self, _: str) -> list[str]:
        self.over = True
        return []


class _Command(NamedTuple):
    do: Callable[[Console, str], list[str]]
    usage: str
    does: str


_AVAILABILITY: Final = {name: value for value, name in AVAILABILITY.items()}
_SHORT: Final = {"rate": "mo_rate"}
_COMMANDS: Final[dict[str, _Command]] = {
    "mo": _Command(Console._mo, "PEER NUMBER TEXT", "send an inbound message"),
    "reply": _Command(Console._reply, "TEXT", "the same, from whom was written to last"),
    "alert": _Command(Console._alert, "PEER NUMBER [HOW]", "tell that a phone is available, denied or unavailable"),
    "status": _Command(Console._status, "", "binds and counters"),
    "settings": _Command(Console._settings, "", "all settings"),
    "disconnect": _Command(Console._disconnect, "[BIND]", "drop a connection without a word"),
    "unbind": _Command(Console._unbind, "[BIND]", "send unbind"),
    "pause": _Command(Console._pause, "[BIND]", "read nothing more of a connection"),
    "resume": _Command(Console._resume, "[BIND]", "read on"),
    "help": _Command(Console._help, "", "this"),
    "quit": _Command(Console._quit, "", "unbind and stop"),
}
