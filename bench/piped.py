"""A module of this tree as a child process: a line to it, a line from it."""

from __future__ import annotations

import subprocess
import sys

from bench.daemon import ROOT


class Piped:
    """`python -m MODULE ARGUMENTS...`, a module that ends when its standard input does."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def say(self, line: str) -> None:
        """A line to its standard input. Raises OSError when it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def line(self) -> str:
        """The next line of its standard output, waited for; empty once it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def status(self) -> int:
        """Its exit status, waited for."""
        return self._process.wait()

    def stop(self) -> None:
        """Closes its standard input, at which it ends; it is killed when it has not after 10 s."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
