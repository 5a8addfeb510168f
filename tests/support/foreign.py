"""Implementations that are not ours: whether they are here, what brings them, and how they are run."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

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
