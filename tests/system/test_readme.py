"""README's own examples, run as they stand but for paths and the carrier's address."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.daemon import ROOT, DaemonProcess, socket_path
from bench.sinkprocess import SinkProcess

README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)


class House(NamedTuple):
    directory: Path
    environment: dict[str, str]

    def here(self, text: str) -> str:
        """A text of README with this test's paths in it."""
        return (
            text.replace("/run/smsgw/smsgw.sock", str(socket_path(self.directory)))
            .replace("/var/lib/smsgw", str(self.directory))
            .replace("-c smsgw.toml", f"-c {self.directory / 'smsgw.toml'}")
        )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A daemon with README's configuration, bound to a carrier on this machine."""
    (toml,) = blocks("toml")
    environment = {**os.environ, "ACME_PASSWORD": "secret", "SMSGW_CONFIG": str(tmp_path / "smsgw.toml")}
    house = House(tmp_path, environment)
    with SinkProcess() as sink:
        text = house.here(toml).replace('host = "smpp.acme.example"', f'host = "127.0.0.1"\nport = {sink.port}')
        # What README leaves to the defaults are paths of a service, which a test has no right to.
        text += f'\n[socket]\npath = "{socket_path(tmp_path)}"\n[metrics]\nbind = ""\n'
        with DaemonProcess(tmp_path, text, env=environment):
            yield house


def run(house: House, command: str) -> subprocess.CompletedProcess[str]:
    words = shlex.split(house.here(command), comments=True)
    assert words.pop(0) == "smsgw"
    return subprocess.run(
        [sys.executable, "-m", "gateway", *words],
        env=house.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def commands() -> list[str]:
    """README's smsgw commands that come to an end."""
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("smsgw ")]
    return [line for line in lines if not line.startswith("smsgw run")]


def test_the_commands(house: House) -> None:
    assert {line.split()[1] for line in commands()} == {"check", "send", "status"}
    for line in commands():
        ran = run(house, line)
        assert ran.returncode == 0, (line, ran.stdout, ran.stderr)


def test_submitting_from_python(house: House) -> None:
    (example,) = blocks("python")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", house.here(example)],
        env=house.environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert re.fullmatch(r"[0-9a-f-]{36} 1\n", process.stdout.readline())
        # The receipt of this message may be over before the example subscribes: another message's comes in any case.
        assert run(house, 'smsgw send +15557654321 "Hi"').returncode == 0
        assert process.stdout.readline().startswith("receipt {")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
