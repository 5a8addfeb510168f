"""Jasmin's console (jCli): the lines that make a user, connectors and routes, and saying them to it."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from bench.peers.children import PeerError

_PROMPT = b"jcli : "
_INSIDE = b"> "
_BAD = (b"Error", b"Unknown", b"Failed", b"Invalid", b"Incorrect", b"You must")


def setting_up(port: int, binds: int) -> list[str]:
    """A user `bench`, `binds` connectors to 127.0.0.1:port without a limit of their own, and a route over them.

    One connector is a DefaultRoute; several are one in turn by chance, which is Jasmin's only way to spread.
    """
    lines = ["group -a", "gid bench", "ok"]
    lines += ["user -a", "uid bench", "gid bench", "username bench", "password bench", "ok"]
    names = [f"sink{number}" for number in range(1, binds + 1)]
    for name in names:
        lines += [
            "smppccm -a", f"cid {name}", "host 127.0.0.1", f"port {port}", "username bench", "password bench",
            "bind transceiver", "submit_throughput 0", "con_fail_delay 1", "con_loss_delay 1", "ok",
            f"smppccm -1 {name}",
        ]  # fmt: skip
    lines += ["mtrouter -a", "type DefaultRoute", f"connector smppc({names[0]})", "rate 0.0", "ok"]
    if binds > 1:
        several = ";".join(f"smppc({name})" for name in names)
        lines += ["filter -a", "fid all", "type TransparentFilter", "ok"]
        lines += ["mtrouter -a", "type RandomRoundrobinMTRoute", "order 10", "filters all", f"connectors {several}"]
        lines += ["rate 0.0", "ok"]
    # What comes in needs a route, or it is acknowledged and dropped; without deliversmd it stays in its queue.
    lines += ["httpccm -a", "cid app", "url http://127.0.0.1:9/", "method GET", "ok"]
    lines += ["morouter -a", "type DefaultRoute", "connector http(app)", "ok"]
    return lines


def configure(port: int, lines: Sequence[str], timeout: float = 20.0) -> None:
    """Say the lines to the console at 127.0.0.1:port. Raises PeerError when it does not like one."""
    with socket.create_connection(("127.0.0.1", port), timeout) as sock:
        # It prompts first when it was told something.
        for line in ("", *lines):
            sock.sendall(line.encode("ascii") + b"\r\n")
            answer = _until_prompt(sock, line)
            if any(bad in answer for bad in _BAD):
                raise PeerError(f"jcli at {line!r}: {answer.decode('latin-1').strip()}")


def _until_prompt(sock: socket.socket, line: str) -> bytes:
    data = b""
    while not data.endswith((_PROMPT, _INSIDE)):
        try:
            piece = sock.recv(4096)
        except TimeoutError:
            raise PeerError(f"jcli says nothing more after {line!r}: {data.decode('latin-1')[-200:]}") from None
        if not piece:
            raise PeerError(f"jcli closed the connection after {line!r}")
        data += piece
    return data
