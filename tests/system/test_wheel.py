"""The wheel holds the whole package, data files with it, and runs from elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--no-build-isolation", "--wheel-dir", str(directory), str(ROOT)),
        ],
        check=True,
        timeout=120,
        cwd=directory,
    )
    (built,) = directory.glob("smsgw-*.whl")
    return built


def test_every_file_of_the_package_is_in_it(wheel: Path) -> None:
    here = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "gateway").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if not name.startswith("smsgw-")}
    assert inside == here
    assert "gateway/py.typed" in inside


def test_it_declares_the_command_and_what_it_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (points,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        assert "smsgw = gateway.cli:main" in archive.read(points).decode()
        text = archive.read(metadata).decode()
    assert "Requires-Python: >=3.11" in text
    for needed in ("trio", "pydantic", "structlog", "sqlalchemy", "alembic", "msgspec", "phonenumbers"):
        assert f"Requires-Dist: {needed}>=" in text


def test_it_runs_from_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """Installed into a directory of its own, with the libraries of this environment but not this source."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import gateway; print(gateway.__file__); "
        "from gateway.cli import main; sys.argv[0] = 'smsgw'; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(site), "config", "reference"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "SMSGW_"))},
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, _, rest = result.stdout.partition("\n")
    assert result.returncode == 0, result.stderr
    assert first == str(site / "gateway/__init__.py")
    assert rest == (ROOT / "docs/config.md").read_text()
