"""The simulator as a program: what is on the air on standard output, commands on standard input."""

from __future__ import annotations

import codecs
import os
import random
import signal
import ssl
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, TextIO

import trio

from .config import SimulatorConfig
from .console import Console
from .lines import line_of
from .smsc import Simulator

LONGEST_LINE: Final = 65_536
"""Characters of a command; what is longer is cut there."""
_PROMPT: Final = "> "
_CLEAR_LINE: Final = "\r\x1b[K"


class _Screen:
    """Lines out, and below them a prompt where there is one."""

    def __init__(self, out: TextIO, *, prompt: bool) -> None:
        self._out = out
        self._prompt = prompt
        self.gone = trio.Event()
        """Set when nobody reads the output any more."""

    def show(self, *lines: str) -> None:
        text = "".join(line + "\n" for line in lines)
        if self._prompt:
            text = _CLEAR_LINE + text + _PROMPT
        # A terminal or a file that cannot take every character shows its number instead.
        encoding = self._out.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            self.gone.set()

    def close(self) -> None:
        """Leave the terminal with an empty line."""
        if self._prompt:
            self._prompt = False
            self._out.write(_CLEAR_LINE)
            self._out.flush()


async def simulate(
    config: SimulatorConfig,
    host: str,
    port: int,
    *,
    prompt: bool = True,
    out: TextIO | None = None,
    stdin: int = 0,
    rng: random.Random | None = None,
    ssl_context: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[Simulator] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a simulator until quit, SIGINT or SIGTERM, then unbind everybody; a second signal stops at once.

    Prints one line for each thing on the air to `out` (standard output), and with `prompt` takes commands
    from the file descriptor `stdin`: from a terminal with a prompt, whose end of file stops it, and from
    anything else a line each, whose end is only the end of commands. Reports its Simulator when it can be
    connected to. For the main thread, where signals arrive. Raises OSError when the address cannot be
    listened on.
    """
    out = out or sys.stdout
    terminal = prompt and _is_terminal(stdin) and out.isatty()
    screen = _Screen(out, prompt=terminal)
    simulator = Simulator(config, on_air=lambda event: screen.show(line_of(event)), rng=rng)
    listeners = await trio.open_tcp_listeners(port, host=host)
    stop = trio.Event()
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_heed_signals, signals, stop, nursery.cancel_scope)
            nursery.start_soon(_heed_output, screen, stop)
            await nursery.start(simulator.serve_listeners, listeners, ssl_context)
            screen.show(*(f"listening on {_address(listener)}" for listener in listeners))
            if prompt:
                nursery.start_soon(_take_commands, stdin, Console(simulator), screen, stop, terminal)
            task_status.started(simulator)
            await stop.wait()
            await simulator.stop()
            nursery.cancel_scope.cancel()
    screen.close()


async def _heed_signals(signals: AsyncIterator[int], stop: trio.Event, everything: trio.CancelScope) -> None:
    async for _ in signals:
        if stop.is_set():
            everything.cancel()
        stop.set()


async def _heed_output(screen: _Screen, stop: trio.Event) -> None:
    await screen.gone.wait()
    stop.set()


async def _take_commands(stdin: int, console: Console, screen: _Screen, stop: trio.Event, terminal: bool) -> None:
    async with aclosing(_lines(stdin)) as lines:
        async for line in lines:
            screen.show(*console.execute(line))
            if console.over:
                break
    if console.over or terminal:
        stop.set()


async def _lines(fd: int) -> AsyncGenerator[str, None]:
    # No thread: one that waits in a read of standard input could not be ended.
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while data := await _read(fd):
        rest += decoder.decode(data)
        *lines, rest = rest.split("\n")
        rest = rest[:LONGEST_LINE]
        for line in lines:
            yield line
    if rest:
        yield rest


async def _read(fd: int) -> bytes:
    try:
        await trio.lowlevel.wait_readable(fd)
    except PermissionError:
        await trio.lowlevel.checkpoint()  # a plain file, which is always readable and which epoll refuses
    except OSError:
        return b""  # there is no standard input
    try:
        return os.read(fd, 65_536)
    except BlockingIOError:
        return await _read(fd)
    except OSError:
        return b""  # the terminal went away


def _is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def _address(listener: trio.SocketListener) -> str:
    host, port, *_ = listener.socket.getsockname()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
