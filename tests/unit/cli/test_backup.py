"""`smsgw backup` and `smsgw restore`: what the daemon is asked and says, and the file without a daemon."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.store.backup import Backup
from gateway.store.database import Database
from gateway.store.restore import check
from tests.support.daemons import write_config

from .conftest import Run
from .fake_daemon import FakeDaemon, Request, result


def answering(*more: tuple[str, dict[str, Any]]) -> Any:
    def answer(request: Request) -> list[Any]:
        told = [{"jsonrpc": "2.0", "method": method, "params": params} for method, params in more]
        return [result(request, {"file": request["params"]["file"]}), *told]

    return answer


MADE = ("backup_ended", {"error": None, "octets": 3 << 20, "seconds": 1.25})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


def test_the_daemon_is_asked_for_the_whole_path(
    smsgw: Run, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FakeDaemon(path, answering(("backup", {"octets": 1, "total": 2}), MADE)) as fake:
        ran = smsgw("backup", "copy.db", "--rate", "8", "--socket", str(path))
    assert fake.requests[0]["params"] == {"file": str(tmp_path / "copy.db"), "rate": 8}
    assert (ran.code, ran.out, ran.err) == (0, "", f"{tmp_path}/copy.db: 3.0 MiB in 1.2 s\n")
    path.unlink()
    with FakeDaemon(path, answering(MADE)) as fake:
        ran = smsgw("backup", "copy.db", "--json", "--socket", str(path))
    assert fake.requests[0]["params"] == {"file": str(tmp_path / "copy.db")}
    assert ran.lines == [{"file": str(tmp_path / "copy.db"), "octets": 3 << 20, "seconds": 1.25}]


def test_one_that_failed_is_said(smsgw: Run, path: Path) -> None:
    with FakeDaemon(path, answering(("backup_ended", {"error": "the disk is full", "octets": 1, "seconds": 1.0}))):
        ran = smsgw("backup", "/a/copy.db", "--socket", str(path))
    assert (ran.code, ran.out, ran.err) == (1, "", "smsgw backup: no backup was made: the disk is full\n")


def test_without_a_daemon_the_file_is_copied_and_put_back(smsgw: Run, config: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/smsgw.db"
    Database(url).close()
    copy = tmp_path / "copy.db"
    ran = smsgw("backup", str(copy), "-c", str(config), "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines[0]["octets"] > 100_000
    assert check(copy) is not None
    ran = smsgw("backup", str(copy), "-c", str(config))
    assert ran.code == 1
    assert "nothing is overwritten" in ran.err
    ran = smsgw("restore", "--check", str(copy))
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.startswith(f"{copy} can be restored; taken 20")
    ran = smsgw("restore", "--yes", str(copy), "-c", str(config), "--json")
    (done,) = ran.lines
    assert {name: done[name] for name in ("segments", "scheduled", "answers", "optouts", "trouble")} == {
        "segments": 0, "scheduled": 0, "answers": 0, "optouts": 0, "trouble": None,
    }  # fmt: skip
    assert Path(done["aside"]).exists()
    ran = smsgw("restore", "--yes", str(config), "-c", str(config))
    assert (ran.code, ran.out) == (1, "")
    assert "smsgw.toml cannot be restored: file is not a database" in ran.err


def test_nothing_is_restored_without_a_yes(smsgw: Run, config: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/smsgw.db")
    made = Backup(tmp_path / "copy.db", threading.Lock())
    made.open()
    con = database.connect()
    made.run(con, 1)
    con.close()
    database.close()
    before = (tmp_path / "smsgw.db").read_bytes()
    ran = smsgw("restore", str(tmp_path / "copy.db"), "-c", str(config))  # from no terminal
    assert ran.code == 2
    assert ran.err.endswith("smsgw.db: say --yes\n")
    assert (tmp_path / "smsgw.db").read_bytes() == before


def test_a_daemon_that_has_the_file_and_no_socket(smsgw: Run, config: Path, tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/smsgw.db")
    ran = smsgw("backup", str(tmp_path / "copy.db"), "-c", str(config))
    database.close()
    assert ran.code == 1
    assert "in use by another smsgw" in ran.err
    assert ran.out == ""
