"""The sink as a process: its options, and the commands that it takes while it runs."""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from bench import trace
from bench.behaviour import FORMS, Behaviour
from bench.sink import Sink
from bench.sinklog import SinkLogWriter


def parser() -> argparse.ArgumentParser:
    """The options of `python -m bench.sink`."""
    out = argparse.ArgumentParser(prog="bench.sink", description="A fast SMSC that answers and keeps a log.")
    add = out.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=2775, help="port; 0: a free one, printed on the first line")
    add("--latency-ms", type=float, default=0.0, help="from a submit to its answer")
    add("--receipts", type=float, default=1.0, help="share of submits asking for a receipt that get one")
    add("--receipt-delay-ms", type=float, default=0.0, help="from the answer to the receipt")
    add("--receipt-form", choices=FORMS, default="both", help="what a receipt is told by (%(default)s)")
    add("--retry-ms", type=float, default=500.0, help="from a temporary refusal of a deliver_sm to its repeat")
    add("--cap", type=int, default=0, help="submits taken in any second, more get ESME_RTHROTTLED; 0: no limit")
    add("--faults", default="", help="name:share,...; names: a status (0x58), silent, cut, undelivered")
    add("--seed", type=int, default=0, help="of the faults")
    add("--window", type=int, default=200, help="unacknowledged receipts on a bind")
    add(
        "--inbound",
        metavar="TRACE",
        help="send the inbound messages of this trace as soon as a bind takes them",
    )
    add("--inbound-count", type=int, default=1000, help="how many of them")
    add("--inbound-rate", type=float, default=0.0, help="a second; 0: as fast as they are acknowledged")
    add("--inbound-window", type=int, default=200, help="unacknowledged inbound segments on a bind")
    add(
        "--first-id",
        type=int,
        help="the first message_id, less one; default: by the clock, rising over restarts",
    )
    add("--log", metavar="FILE", help="log every octet here, for bench.sinklog")
    add(
        "--quickack",
        action=argparse.BooleanOptionalAction,
        help="have TCP acknowledge at once, or late, as many carriers' stacks do; default: when the kernel likes",
    )
    add("--control", metavar="PATH", help="take commands on this unix socket; - for standard input")
    return out


class Control:
    """Commands for a running sink: a word and, after a space, its arguments in JSON; a JSON reply to each."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._commands: dict[str, Callable[..., Any]] = {
            "stats": sink.stats,
            "flush": self._flush,
            "mo": self._mo,
            "inbound": self._inbound,
            "orphans": self._orphans,
            "drop": self._drop,
            "behave": self._behave,
            "quit": self._quit,
        }

    def serve(self, line: str) -> str:
        """The reply to one line: {"ok": true, ...} or {"ok": false, "error": ...}."""
        name, _, arguments = line.strip().partition(" ")
        try:
            if name not in self._commands:
                raise LookupError(f"no command {name!r}; there are {', '.join(sorted(self._commands))}")
            result = self._commands[name](**json.loads(arguments or "{}"))
        except (LookupError, TypeError, ValueError) as error:
            return json.dumps({"ok": False, "error": str(error)})
        return json.dumps({"ok": True, **result})

    def _flush(self) -> dict[str, Any]:
        self._sink.flush()
        return {}

    def _mo(self, to: str, text: str, account: str | None = None, **sender: str) -> dict[str, Any]:
        return {"segments": self._sink.send_text(account, sender["from"], to, text)}

    def _inbound(
        self,
        trace_name: str = "inbound",
        count: int = 1000,
        rate: float = 0.0,
        window: int | None = None,
        first: int | None = None,
    ) -> dict[str, Any]:
        if window is not None:
            self._sink.inbound.window = window
        if first is None:
            first = self._sink.inbound.messages
        self._sink.inbound.messages = first
        self._sink.inbound.start(trace.load(trace_name), count, rate, time.monotonic())
        return {"first": first, "count": count}

    def _orphans(self, count: int, account: str | None = None) -> dict[str, Any]:
        return {"count": self._sink.send_orphans(account, count)}

    def _drop(self, account: str | None = None) -> dict[str, Any]:
        return {"dropped": self._sink.drop(account)}

    def _behave(self, **knobs: Any) -> dict[str, Any]:
        self._sink.behaviour = Behaviour(**knobs)
        return {}

    def _quit(self) -> dict[str, Any]:
        self._sink.quit()
        return {}


class _Lines:
    """Reads command lines from a file descriptor and writes each reply to another."""

    def __init__(self, sink: Sink, control: Control, read_fd: int, write_fd: int, at_end: Callable[[], None]) -> None:
        self._sink, self._control = sink, control
        self._read, self._write, self._at_end = read_fd, write_fd, at_end
        self._tail = b""
        sink.watch(read_fd, self._ready)

    def _ready(self, _event: int) -> None:
        try:
            data = os.read(self._read, 65536)
        except OSError:
            data = b""
        if not data:
            self._sink.unwatch(self._read)
            self._at_end()
            return
        *lines, self._tail = (self._tail + data).split(b"\n")
        for line in filter(None, lines):
            reply = self._control.serve(line.decode(errors="replace")).encode() + b"\n"
            # Who does not wait for the reply is still obeyed.
            with suppress(BrokenPipeError):
                os.write(self._write, reply)


def _listen(sink: Sink, control: Control, path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def accept(_event: int) -> None:
        connection, _ = listener.accept()
        _Lines(sink, control, connection.fileno(), connection.fileno(), connection.close)

    sink.watch(listener.fileno(), accept)
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sink until `quit`, SIGTERM, SIGINT, or, with --control -, the end of standard input."""
    options = parser().parse_args(arguments)
    try:
        behaviour = Behaviour(
            latency=options.latency_ms / 1000,
            receipts=options.receipts,
            receipt_delay=options.receipt_delay_ms / 1000,
            receipt_form=options.receipt_form,
            retry_after=options.retry_ms / 1000,
            cap=options.cap,
            faults=options.faults,
            seed=options.seed,
        )
        lines = trace.load(options.inbound) if options.inbound else []
    except ValueError as error:
        print(f"bench.sink: {error}", file=sys.stderr)
        return 2
    try:
        log = SinkLogWriter(options.log) if options.log else None
        sink = Sink(
            options.host,
            options.port,
            behaviour,
            log,
            window=options.window,
            quickack=options.quickack,
            first_id=options.first_id,
        )
    except OSError as error:
        print(f"bench.sink: {error}", file=sys.stderr)
        return 2
    sink.inbound.window = options.inbound_window
    if lines:
        sink.inbound.start(lines, options.inbound_count, options.inbound_rate, time.monotonic())
    control = Control(sink)
    listener = None
    if options.control == "-":
        _Lines(sink, control, sys.stdin.fileno(), sys.stdout.fileno(), sink.quit)
    elif options.control:
        listener = _listen(sink, control, options.control)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, partial(_stop, sink))
    print(json.dumps({"host": options.host, "port": sink.port, "pid": os.getpid()}), flush=True)
    sink.run()
    if listener is not None:
        listener.close()
        os.unlink(options.control)
    return 0


def _stop(sink: Sink, *_signal: object) -> None:
    sink.quit()
