"""What a start does not wait for: libraries that are slow to import, where nothing needs them."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import main

SLOW = ("alembic", "sqlalchemy", "smtplib", "holidays", "starlette", "hypercorn", "jinja2", "typer")
"""Some 20 to 250 ms each, when this was written."""

CONFIG = """
[store]
url = "sqlite:///{directory}/smsgw.db"
[metrics]
bind = ""
[[carriers]]
name = "acme"
host = "smsc.example"
system_id = "user"
password = "secret"
"""

PROGRAM = """
import sys
from pathlib import Path
import gateway.process
from gateway.daemon import Daemon
from gateway.settings import load

for _ in range(2):  # the database is made, and then known
    Daemon(load(Path(sys.argv[1]))).store.close()
print(*sorted(set(sys.argv[2:]) & set(sys.modules)))
"""


def test_a_start_waits_for_nothing_that_is_not_configured(tmp_path: Path) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_text(CONFIG.format(directory=tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), *SLOW], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_collector_is_off_for_the_imports_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "smsgw.toml"
    path.write_text(CONFIG.format(directory=tmp_path))
    seen: list[bool] = []
    monkeypatch.setattr("gateway.process.run", lambda *_: seen.append(gc.isenabled()) or 0)
    assert main(["run", "-c", str(path)]) == 0
    assert main(["run", "-c", str(tmp_path / "absent.toml")]) == 2
    assert (seen, gc.isenabled()) == ([True], True)
