"""The systemd unit: sound, and hardened to the figure that is promised."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy/smsgw.service"
MOST_EXPOSURE = 2.5

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on this machine"
)


def _exposure(unit: Path) -> float:
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", result.stdout)
    assert found, result.stdout + result.stderr
    return float(found[1])


def test_exposure() -> None:
    assert _exposure(UNIT) <= MOST_EXPOSURE


def test_the_figure_can_be_missed(tmp_path: Path) -> None:
    soft = tmp_path / "smsgw.service"
    lines = UNIT.read_text().split("\n")
    soft.write_text("\n".join(line for line in lines if not line.startswith(("SystemCall", "Protect", "Restrict"))))
    assert _exposure(soft) > MOST_EXPOSURE


def test_verify(tmp_path: Path) -> None:
    """As systemd reads it, with a command that is there."""
    unit = tmp_path / "smsgw.service"
    unit.write_text(UNIT.read_text().replace("/opt/smsgw/bin/smsgw", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60
    )
    complaints = [line for line in result.stderr.split("\n") if "smsgw" in line]
    assert complaints == []


def test_what_the_program_relies_on() -> None:
    """Ready, reload and watchdog by notification; the socket reachable by group; a bad config not retried."""
    settings = dict(
        line.split("=", 1) for line in UNIT.read_text().split("\n") if "=" in line and not line.startswith("#")
    )
    assert settings["Type"] == "notify"
    assert settings["NotifyAccess"] == "main"
    assert settings["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert settings["WatchdogSec"] == "30"
    assert settings["RestartPreventExitStatus"] == "2"
    assert settings["User"] == settings["Group"] == "smsgw"
    assert settings["RuntimeDirectoryMode"] == "0750"
    assert "PrivateUsers" not in settings
