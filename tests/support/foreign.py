"""Implementations that are not ours: whether they are here, what brings them, and how they are run."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

NODE = Path(__file__).parents[1] / "foreign/node"
"""Where our scripts for node are, and the packages that `.ci/peers` installs."""
LONG = os.environ.get("SMSGW_FOREIGN") == "long"
"""Whether the long forms are asked for, as by `make foreign`."""


@functools.cache
def missing_node() -> str:
    """What is missing to run scripts in `NODE`, and what brings it; empty when nothing is."""
    if shutil.which("node") is None:
        return "needs the command node, 18 or later: apt install nodejs npm"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=60).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < 18:
        return f"needs node 18 or later, this is {version}"
    wanted: dict[str, str] = json.loads((NODE / "package.json").read_text())["dependencies"]
    for name in wanted:
        if not (NODE / "node_modules" / name / "package.json").exists():
            return f"needs the npm package {name}: .ci/peers tests/foreign/node (make test runs it where npm is)"
    return ""


@functools.cache
def missing_tshark() -> str:
    """What is missing to have Wireshark's dissectors read a capture; empty when nothing is."""
    return "" if shutil.which("tshark") else "needs the command tshark: apt install tshark"


needs_node = pytest.mark.skipif(bool(missing_node()), reason=missing_node())
needs_tshark = pytest.mark.skipif(bool(missing_tshark()), reason=missing_tshark())


def node(script: str, given: Any, seconds: float = 120) -> Any:
    """Runs a script of `NODE` to its end: JSON to its standard input, JSON from its standard output."""
    result = subprocess.run(
        ["node", str(NODE / script)],
        input=json.dumps(given).encode(),
        capture_output=True,
        cwd=NODE,
        timeout=seconds,
    )
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return json.loads(result.stdout)


class Peer:
    """A script of `NODE` that runs: what it says line by line, and commands to it. Made by `peer`."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []
        self.ended = False
        self._told = 0
        self._changed = trio.Event()

    async def read(self) -> None:
        """Reads until it ends; a task."""
        assert self.process.stdout is not None
        rest = b""
        async with self.process.stdout:
            async for data in self.process.stdout:
                *lines, rest = (rest + data).split(b"\n")
                self.said += [json.loads(line) for line in lines]
                self._wake()
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def of(self, event: str) -> list[dict[str, Any]]:
        """What it said of this kind so far."""
        return [line for line in self.said if line["event"] == event]

    async def heard(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """What it said of this kind, once there is so much."""
        while len(self.of(event)) < count:
            assert not self.ended, f"the script ended; it said {self.said[-3:]}"
            await self._changed.wait()
        return self.of(event)

    async def tell(self, **command: Any) -> None:
        """One command; returns when it has been done."""
        assert self.process.stdin is not None
        self._told += 1
        await self.process.stdin.send_all(json.dumps(command).encode() + b"\n")
        await self.heard("done", self._told)


@asynccontextmanager
async def peer(script: str, *arguments: str, patience: float = 60) -> AsyncIterator[Peer]:
    """Runs a script beside the block; it is given the end of its standard input at the end, and has to go."""
    with trio.fail_after(patience):
        async with trio.open_nursery() as nursery:
            start = functools.partial(
                trio.run_process,
                ["node", str(NODE / script), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=NODE,
            )
            process = await nursery.start(start)
            running = Peer(process)
            nursery.start_soon(running.read)
            yield running
            await process.stdin.aclose()
