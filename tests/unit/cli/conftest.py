"""Commands run in this process, as `smsgw` runs them, with nothing of the caller's environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from gateway.cli import main


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict]:
        """Standard output as JSON lines; fails when anything else is there."""
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


Run = Callable[..., Ran]


@pytest.fixture
def smsgw(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in list(os.environ):
        if name.startswith("SMSGW_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("gateway.cli.common.DEFAULT_CONFIG", Path("/nowhere/smsgw.toml"))
    monkeypatch.setattr("gateway.cli.common.DEFAULT_SOCKET", Path("/nowhere/smsgw.sock"))

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(arguments)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
