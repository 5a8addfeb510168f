"""Where the demo plays: a temporary directory, and carrier, daemon, webhook and application in one nursery."""

from __future__ import annotations

import random
import signal
import tempfile
import time
import traceback
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Final

import trio

from gateway import daemon, log
from gateway.demo.app import App
from gateway.demo.screen import Screen, StepFailed
from gateway.demo.story import NUMBER, PEER, Story
from gateway.demo.webhook import Receiver
from gateway.settings import load
from gateway.simulator import OnAir, Simulator, SimulatorConfig

FAILED: Final = 1
INTERRUPTED: Final = 130
STOP_WAIT: Final = 8.0
"""Seconds that the daemon has for its orderly stop: it waits up to 5 for answers."""

_LONGEST_DIRECTORY: Final = 80  # a socket's path has at most 107 octets

_ACCOUNT: Final = "demo"

_CONFIG: Final = """\
default_region = "US"

[store]
url = "sqlite:///{directory}/smsgw.db"

[socket]
path = "{directory}/smsgw.sock"

[metrics]
bind = ""

[log]
level = "warning"

[[carriers]]
name = "simulated"
host = "127.0.0.1"
port = {port}
system_id = "{account}"
password = "{account}"

[[numbers]]
number = "{number}"
handlers = ["crm"]

[[handlers]]
name = "crm"
webhook = "http://127.0.0.1:{webhook_port}/sms"
secret = "{secret}"
allow_private = true
"""


def run(*, stay: bool = False) -> int:
    """Plays the demo and returns its exit code: 0 when every step happened, 1 when one did not.

    ``stay``: carrier, daemon and webhook go on until SIGINT or SIGTERM.
    """
    screen = Screen()
    stage = _Stage(screen, stay=stay)
    home = None if len(tempfile.gettempdir()) <= _LONGEST_DIRECTORY else "/tmp"  # noqa: S108 (made 0700 in it)
    with tempfile.TemporaryDirectory(prefix="smsgw-demo-", dir=home) as directory:
        trio.run(stage.play, Path(directory))
    return stage.code


class _Stage:
    def __init__(self, screen: Screen, *, stay: bool) -> None:
        self._screen = screen
        self._stay = stay
        self._story: Story | None = None
        self._end = trio.Event()
        self.code = INTERRUPTED

    async def play(self, directory: Path) -> None:
        began = time.monotonic()
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._heed, signals, nursery.cancel_scope)
                    await self._set_up_and_tell(directory, nursery, began)
                    nursery.cancel_scope.cancel()
            except* StepFailed as failed:
                # The step itself has said what was expected.
                self._failed(f"at: {_first(failed)}")
            except* SystemExit:
                self.code = FAILED  # rich's way to say that nobody reads the output any more
            except* Exception as others:
                traceback.print_exception(others)
                self._failed(f"by an error: {_first(others)!r}")

    def _failed(self, how: str) -> None:
        self._screen.title(f"The demo failed {how}")
        self.code = FAILED

    async def _heed(self, signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
        """A signal ends what stays in order, and anything else at once."""
        async for _ in signals:
            if self.code == 0 and not self._end.is_set():
                self._end.set()
            else:
                scope.cancel()

    async def _set_up_and_tell(self, directory: Path, nursery: trio.Nursery, began: float) -> None:
        screen = self._screen
        screen.title("smsgw demo: an application, the daemon and a simulated carrier, in one process")
        config = SimulatorConfig(system_id=_ACCOUNT, password=_ACCOUNT, latency=0.02, receipt_delay=0.2)
        simulator = Simulator(config, on_air=self._on_air, rng=random.Random())
        async with screen.step("A carrier listens for SMPP", 2, "a free port"):
            listeners = await nursery.start(simulator.serve, "127.0.0.1", 0)
            port = listeners[0].socket.getsockname()[1]
            screen.detail("carrier", f"127.0.0.1:{port}")
        secret = random.SystemRandom().randbytes(16).hex()
        receiver = Receiver(secret)
        async with screen.step("A webhook listens for HTTP", 2, "a free port"):
            webhook_port = await nursery.start(receiver.serve)
            screen.detail("webhook", f"http://127.0.0.1:{webhook_port}/sms")
        path = directory / "smsgw.toml"
        path.touch(0o600)
        path.write_text(
            _CONFIG.format(
                directory=directory,
                port=port,
                account=_ACCOUNT,
                number=NUMBER,
                webhook_port=webhook_port,
                secret=secret,
            )
        )
        async with screen.step("The daemon starts, on an empty database", 8, "a daemon that is ready"):
            settings = load(path, {})
            log.configure(settings.log)
            serve = partial(daemon.serve, settings, config_path=path)
            running: daemon.Daemon = await nursery.start(serve)
            screen.detail("store", str(settings.store.path))
            screen.detail("socket", str(settings.socket.path))
        async with screen.step("It has bound to the carrier", 4, "a bind"):
            await simulator.until(lambda: bool(simulator.binds))
            screen.detail("bind", next(iter(simulator.binds.values())).kind)
        async with screen.step("The application connects to the socket", 2, "a connection"):
            app = await App.connect(settings.socket.path)
        nursery.start_soon(app.run)
        self._story = Story(screen, simulator, receiver, app)
        await self._story.tell()
        screen.title(f"Every step happened, in {time.monotonic() - began:.1f} s.")
        self.code = 0
        if self._stay:
            self._invite(path)
            await self._end.wait()
        async with screen.step("The daemon stops in order", STOP_WAIT, "a daemon that has stopped"):
            running.stop()
            await simulator.until(lambda: not simulator.connections)
            await app.over.wait()

    def _on_air(self, event: OnAir) -> None:
        self._screen.on_air(event)
        if self._story is not None:
            self._story.air.append(event)

    def _invite(self, path: Path) -> None:
        screen = self._screen
        screen.title("It goes on until Ctrl-C. From another terminal:")
        for command in (
            f'smsgw send -c {path} {PEER} "Hello 👋" --wait',
            f"smsgw status -c {path} --watch",
            f"smsgw messages -c {path}",
        ):
            screen.detail("", command)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
