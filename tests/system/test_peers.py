"""Foreign packages are pinned, come from no particular registry, and their absence is said and is no failure."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "tests/foreign/node"
LOCK = json.loads((PEERS / "package-lock.json").read_text())


def test_the_lock_pins_every_package_and_names_no_registry() -> None:
    asked = json.loads((PEERS / "package.json").read_text())["dependencies"]
    packages = {name: entry for name, entry in LOCK["packages"].items() if name}
    assert {f"node_modules/{name}" for name in asked} <= set(packages)
    for name, entry in packages.items():
        assert entry["version"].replace(".", "").isdigit(), name
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name
    for name, version in asked.items():
        assert packages[f"node_modules/{name}"]["version"] == version


def peers(directory: Path, *tools: tuple[str, str]) -> subprocess.CompletedProcess[str]:
    """`.ci/peers` with these commands, as shell, and the usual tools alone on its PATH."""
    path = directory / "bin"
    path.mkdir()
    for tool in ("sh", "touch", "mkdir"):
        found = shutil.which(tool)
        assert found is not None
        path.joinpath(tool).symlink_to(found)
    for name, text in tools:
        path.joinpath(name).write_text(f"#!/bin/sh\n{text}\n")
        path.joinpath(name).chmod(0o755)
    work = directory / "node"
    work.mkdir()
    return subprocess.run(
        ["sh", str(ROOT / ".ci/peers"), str(work)],
        env={"PATH": str(path), "HOME": os.fspath(directory)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def installed(directory: Path) -> bool:
    return directory.joinpath("node/node_modules/.smsgw-installed").exists()


def test_without_node_it_says_what_brings_it(tmp_path: Path) -> None:
    result = peers(tmp_path)
    assert result.returncode == 0
    assert "apt install nodejs npm" in result.stderr
    assert not installed(tmp_path)


@pytest.mark.parametrize(
    ("node", "npm", "said"),
    [
        ("exit 0", "mkdir -p node_modules", ""),
        ("exit 0", "exit 1", "npm ci failed"),
        ('[ "$1" = --version ] && echo v16.0.0 || exit 1', "exit 0", "node v16.0.0 is older than 18"),
    ],
)
def test_what_it_makes_of_what_it_finds(tmp_path: Path, node: str, npm: str, said: str) -> None:
    result = peers(tmp_path, ("node", node), ("npm", npm))
    assert result.returncode == 0, result.stderr
    assert said in result.stderr
    assert installed(tmp_path) is not bool(said)


def test_everything_that_a_skip_may_name_is_installed_by_ci() -> None:
    """`.ci/run` brings the commands without which a test is skipped, and lets none be."""
    script = (ROOT / ".ci/run").read_text()
    for package in ("tshark", "nodejs", "npm", "openssl"):
        assert f"missing+=({package})" in script
    assert "export SMSGW_REQUIRE_FOREIGN=1" in script
