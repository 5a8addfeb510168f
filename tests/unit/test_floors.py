"""The floors hold, and the check that says so can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECK = "from importlinter.cli import lint_imports_command as main; main()"


def _check(directory: Path) -> subprocess.CompletedProcess[str]:
    """The floors check as `make lint` runs it."""
    return subprocess.run(
        [sys.executable, "-c", CHECK, "--no-cache", "--no-logo"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small house with the same rules: a few empty rooms on each floor."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for room in ("smpp", "sms", "store", "carrier", "doors", "settings", "handlers", "."):
        tmp_path.joinpath("gateway", room).mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath("gateway", room, "__init__.py").touch()
    for room in ("link", "model", "metrics", "outbox", "outbound", "inbound", "simulator", "daemon", "cli"):
        tmp_path.joinpath("gateway", f"{room}.py").touch()
    return tmp_path


def test_the_floors_hold() -> None:
    result = _check(ROOT)
    assert result.returncode == 0, result.stdout


def test_an_empty_house_is_in_order(house: Path) -> None:
    result = _check(house)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("smpp/codec.py", "import gateway.link"),
        ("smpp/codec.py", "from gateway.sms import x"),
        ("sms/segment.py", "import gateway.smpp"),
        ("sms/segment.py", "import gateway.settings"),
        ("settings/load.py", "import gateway.model"),
        ("link.py", "import gateway.metrics"),
        ("model.py", "import gateway.store"),
        ("store/writer.py", "import gateway.carrier"),
        ("carrier/bind.py", "import gateway.outbound"),
        ("outbox.py", "import gateway.outbound"),
        ("outbound.py", "import gateway.inbound"),
        ("inbound.py", "def late():\n    import gateway.doors"),
        ("doors/socket.py", "import gateway.daemon"),
        ("doors/socket.py", "import gateway.simulator"),
        ("simulator.py", "import gateway.store"),
        ("simulator.py", "import gateway.settings"),
        ("daemon.py", "import gateway.cli"),
        ("helpers.py", "import json"),  # a room on no floor
    ],
)
def test_a_planted_import_is_found(house: Path, room: str, line: str) -> None:
    house.joinpath("gateway", room).write_text(line + "\n")
    result = _check(house)
    assert result.returncode == 1, result.stdout
    assert "BROKEN" in result.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        ("inbound.py", "import gateway.outbound, gateway.outbox, gateway.store, gateway.smpp"),
        ("outbound.py", "import gateway.outbox, gateway.carrier"),
        ("settings/load.py", "import gateway.sms"),
        ("simulator.py", "import gateway.link, gateway.smpp, gateway.sms"),
    ],
)
def test_what_is_shown_in_the_plan_is_allowed(house: Path, room: str, line: str) -> None:
    house.joinpath("gateway", room).write_text(line + "\n")
    result = _check(house)
    assert result.returncode == 0, result.stdout


def test_every_room_of_the_house_has_a_floor() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {name.strip(" ()") for layer in contracts[0]["layers"] for name in layer.split("|")}
    rooms = {path.stem for path in (ROOT / "gateway").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert rooms - {"__init__", "__pycache__", "py"} <= layers
