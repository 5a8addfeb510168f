"""The simulation in a process of its own with a fixed hash seed: what fails here fails when it is played again."""

from __future__ import annotations

import os
import subprocess
import sys


def simulate(*args: str) -> subprocess.CompletedProcess[str]:
    """``python -m tests.sim`` with these arguments."""
    env = os.environ | {"PYTHONHASHSEED": "0"}
    return subprocess.run(
        [sys.executable, "-m", "tests.sim", *args], env=env, capture_output=True, text=True, timeout=600, check=False
    )
