"""`make` from nothing: what it says when something is missing, and what it makes of what it finds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP = ROOT / ".ci/venv"
TOOLS = ("sh", "ls", "printf", "make", "sed", "env", "touch", "echo")


def _setup(venv: Path, *python: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    env = {"PATH": path or os.environ["PATH"], "HOME": str(venv.parent)}
    sh = shutil.which("sh") or "/bin/sh"
    return subprocess.run([sh, str(SETUP), str(venv), *python], capture_output=True, text=True, timeout=120, env=env)


@pytest.fixture
def bin_directory(tmp_path: Path) -> Path:
    """A PATH with the usual tools and no Python."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for tool in TOOLS:
        if (found := shutil.which(tool)) is not None:
            directory.joinpath(tool).symlink_to(found)
    return directory


def _fake_python(path: Path, version: str, missing: str = "") -> None:
    """A command that behaves as a Python of a version, or as one that lacks a module."""
    new_enough = tuple(int(part) for part in version.split(".")) >= (3, 11)
    path.write_text(
        f"""#!/bin/sh
case "$*" in
    *version_info\\ \\<*) exit {0 if new_enough else 1} ;;
    *version_info*) echo {version} ;;
    -V) echo Python {version}.0 ;;
    *{missing or "no-such-module"}*) exit 1 ;;
    *) exit 0 ;;
esac
"""
    )
    path.chmod(0o755)


def test_no_python(tmp_path: Path, bin_directory: Path) -> None:
    result = _setup(tmp_path / "venv", path=str(bin_directory))
    assert result.returncode == 2
    assert "Python 3.11 or later is needed; no python3 was found" in result.stderr


def test_too_old(tmp_path: Path, bin_directory: Path) -> None:
    _fake_python(bin_directory / "python3", "3.9")
    result = _setup(tmp_path / "venv", path=str(bin_directory))
    assert result.returncode == 2
    assert "Python 3.11 or later is needed; python3 is Python 3.9.0" in result.stderr
    result = _setup(tmp_path / "venv", "python3", path=str(bin_directory))
    assert result.returncode == 2
    assert "python3 is Python 3.9.0; Python 3.11 or later is needed" in result.stderr


def test_an_old_python3_and_a_newer_beside_it(tmp_path: Path, bin_directory: Path) -> None:
    _fake_python(bin_directory / "python3", "3.9")
    _fake_python(bin_directory / "python3.12", "3.12")
    assert _setup(tmp_path / "venv", path=str(bin_directory)).returncode == 0


def test_no_venv_module_names_the_package(tmp_path: Path, bin_directory: Path) -> None:
    _fake_python(bin_directory / "python3", "3.11", missing="ensurepip")
    result = _setup(tmp_path / "venv", path=str(bin_directory))
    assert result.returncode == 2
    assert "apt install python3.11-venv" in result.stderr
    assert "python3-venv" in result.stderr


def test_no_such_command(tmp_path: Path) -> None:
    result = _setup(tmp_path / "venv", "python9")
    assert result.returncode == 2
    assert "there is no command python9" in result.stderr


def test_a_directory_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    venv.joinpath("precious").write_text("x")
    result = _setup(venv, sys.executable)
    assert result.returncode == 2
    assert "is no virtual environment" in result.stderr
    assert venv.joinpath("precious").read_text() == "x"


def test_an_inherited_environment_without_pip_gets_one(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    marker = venv / "marker"
    marker.touch()
    result = _setup(venv, base)
    assert result.returncode == 0, result.stderr
    subprocess.run([str(venv / "bin/python"), "-m", "pip", "--version"], check=True, timeout=60)
    assert marker.exists()


def test_a_broken_environment_is_made_anew(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    base = getattr(sys, "_base_executable", sys.executable)
    subprocess.run([base, "-m", "venv", "--without-pip", str(venv)], check=True, timeout=60)
    venv.joinpath("bin/python").unlink()
    venv.joinpath("bin/python").symlink_to("/nowhere/python")
    result = _setup(venv, base)
    assert result.returncode == 0, result.stderr
    subprocess.run([str(venv / "bin/python"), "-m", "pip", "--version"], check=True, timeout=60)


def test_make_says_what_there_is() -> None:
    result = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, timeout=60)
    phony = re.search(r"^\.PHONY: help (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert phony is not None
    targets = phony[1].split()
    assert {"demo", "test", "bench", "kills", "hostile", "sim", "fuzz", "foreign"} <= set(targets)
    for target in targets:
        assert f"make {target}" in result.stdout
