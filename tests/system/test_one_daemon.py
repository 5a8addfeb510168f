"""One daemon to a store and a socket: a second is refused, and a kill leaves nothing that refuses the next start."""

import os
import socket
import stat
import subprocess
import sys

import pytest

from bench.daemon import ROOT, DaemonProcess, config
from gateway.client import Client, ConnectError

PORT = 1  # nobody listens there: the carrier stays down, which is no matter here


@pytest.fixture
def first(tmp_path):
    directory = tmp_path / "first"
    directory.mkdir()
    with DaemonProcess(directory, config(directory, PORT)) as daemon:
        yield daemon


def refused(directory, text):
    """Starts a daemon that must not start: its exit code and what it said, without the log's own lines."""
    directory.mkdir(exist_ok=True)
    file = directory / "refused.toml"
    file.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "-c", str(file)],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    said = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert len(said) == 1, ended.stderr
    return ended.returncode, said[0]


def serves(daemon):
    try:
        with Client(daemon.socket) as client:
            sent = client.call("submit", to="+14155550123", **{"from": "+15551230001"}, text="hello")
            return client.call("message", id=sent["id"])["state"] == "queued"
    except ConnectError as error:
        pytest.fail(f"{error}\n{daemon.log_end()}")


def elsewhere(tmp_path, **sections):
    """A second daemon's configuration, in a directory of its own but for what `sections` say."""
    directory = tmp_path / "second"
    directory.mkdir(exist_ok=True)
    return directory, config(directory, PORT, sections=sections)


def test_a_second_daemon_on_the_same_database_is_refused(first, tmp_path):
    directory, text = elsewhere(tmp_path, store={"url": f"sqlite:///{first.directory / 'smsgw.db'}"})
    code, said = refused(directory, text)
    assert code == 1
    assert str(first.directory / "smsgw.db") in said
    assert f"in use by another smsgw (process {first.pid})" in said
    assert serves(first)


def test_a_second_daemon_on_the_same_socket_is_refused_and_the_first_keeps_it(first, tmp_path):
    before = os.stat(first.socket).st_ino
    directory, text = elsewhere(tmp_path, socket={"path": str(first.socket)})
    code, said = refused(directory, text)
    assert code == 1
    assert str(first.socket) in said
    assert f"in use by another smsgw (process {first.pid})" in said
    assert os.stat(first.socket).st_ino == before
    assert serves(first)


def test_the_same_configuration_twice_is_refused(first):
    code, said = refused(first.directory, (first.directory / "smsgw.toml").read_text())
    assert code == 1
    assert "in use by another smsgw" in said
    assert serves(first)


def test_a_kill_leaves_nothing_that_refuses_the_next_start(first):
    for _ in range(3):
        first.kill()
        assert stat.S_ISSOCK(os.lstat(first.socket).st_mode), "the killed daemon leaves its socket"
        first.start()
        assert serves(first)


def test_a_kill_during_the_start_leaves_nothing_either(first):
    first.stop()
    for delay in (0.2, 0.4, 0.6):
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "run", "-c", str(first.directory / "smsgw.toml")],
            cwd=ROOT, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        process.wait()
    first.start()
    assert serves(first)


def test_a_stop_leaves_no_socket(first):
    first.stop()
    assert not first.socket.exists()
    first.start()
    assert serves(first)


def test_a_stale_socket_of_another_program_is_taken_over(first):
    first.stop()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(first.socket))
    first.start()
    assert serves(first)


def test_a_socket_that_another_program_listens_on_is_not(first):
    first.stop()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(first.socket))
        other.listen()
        code, said = refused(first.directory, (first.directory / "smsgw.toml").read_text())
        assert code == 1
        assert f"another process listens on {first.socket}" in said
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(first.socket))
    first.start()


@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_not_a_socket_is_not_taken_over(first, kind):
    first.stop()
    path, precious = first.socket, first.directory / "precious"
    precious.write_text("data")
    if kind == "file":
        path.write_text("data")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(precious)
    code, said = refused(first.directory, (first.directory / "smsgw.toml").read_text())
    assert code == 1
    assert f"{path} exists and is not a socket" in said
    assert precious.read_text() == "data"
    assert os.path.lexists(path)
    if kind == "directory":
        path.rmdir()
    else:
        path.unlink()
    first.start()


def test_a_refused_start_gives_everything_up_again(first):
    first.stop()
    first.socket.write_text("in the way")
    assert refused(first.directory, (first.directory / "smsgw.toml").read_text())[0] == 1
    first.socket.unlink()
    first.start()
    assert serves(first)


@pytest.mark.parametrize("where", ["no such directory", "a file for a database"])
def test_a_database_that_cannot_be_opened_is_said(tmp_path, where):
    directory = tmp_path / "broken"
    directory.mkdir()
    if where == "no such directory":
        url, expected = directory / "absent" / "smsgw.db", "does not exist"
    else:
        url, expected = directory / "smsgw.db", "cannot open the database"
        url.write_bytes(b"this is no database\n" * 200)
    code, said = refused(directory, config(directory, PORT, sections={"store": {"url": f"sqlite:///{url}"}}))
    assert code == 1
    assert expected in said
    assert str(url.parent) in said
