"""Kannel: bearerbox holds the bind, smsbox has the HTTP door; their configuration and how messages get in."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

from bench.load import LoadOptions
from bench.peers.boxfeed import BoxFeed
from bench.peers.cases import Case, Setup
from bench.peers.children import Children, free_ports
from bench.peers.feed import Feed
from bench.peers.httpfeed import HttpFeed, text_of
from bench.trace import Line

_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
INSTALL = "apt-get install kannel"
STORES = ("file", "spool")
"""store-type: one file that is written anew now and then, or a file for every message."""

Group = tuple[str, Mapping[str, object]]


class Kannel:
    """bearerbox and smsbox of one Kannel, each message in through sendsms, each receipt out through dlr-url."""

    name = "kannel"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.feeds = (
            "the protocol of its boxes, one in the place of smsbox; receipts the same way back"
            if setup.kannel_by == "box"
            else f"HTTP sendsms over {setup.connections} connections that stay; receipts by dlr-url"
        )
        self.stores = f"store-type {setup.kannel_store}, handed to the kernel and never synced; dlr-storage internal"

    def missing(self) -> list[str]:
        return [f"{program}: {INSTALL}" for program in ("bearerbox", "smsbox") if find(program) is None]

    @contextmanager
    def started(self, directory: Path, port: int, case: Case) -> Iterator[_Running]:
        admin, box, sendsms = free_ports(3)
        text = config(core(self._setup, case, port, admin, box) + boxes(box, sendsms))
        (directory / "kannel.conf").write_text(text)
        (directory / "spool").mkdir()
        with Children(directory) as children:
            children.start("bearerbox", [find("bearerbox") or "bearerbox", "kannel.conf"])
            children.wait_port("bearerbox", box)
            if self._setup.kannel_by == "http" and not case.inbound:
                # Without a box what comes in stays in bearerbox's store, as with smsgw when nobody subscribes.
                children.start("smsbox", [find("smsbox") or "smsbox", "kannel.conf"])
                children.wait_port("smsbox", sendsms)
            yield _Running(children, box, sendsms, self._setup)


class _Running:
    def __init__(self, children: Children, box: int, sendsms: int, setup: Setup) -> None:
        self.cpu = children.cpu
        self.resident = children.resident
        self._box, self._sendsms = box, sendsms
        self._setup = setup

    def feed(self, options: LoadOptions) -> Feed:
        if self._setup.kannel_by == "box":
            return BoxFeed(options, self._box, self._setup.outstanding)

        def target(line: Line, receipts_port: int) -> str:
            return sendsms_target(line, receipts_port if options.receipts else None)

        return HttpFeed(options, self._sendsms, self._setup.connections, target, read_reply, read_receipt)


def find(program: str) -> str | None:
    """Where a program of Debian's package is; its directory is not in everybody's PATH."""
    return shutil.which(program) or shutil.which(program, path=_PATH)


def core(setup: Setup, case: Case, port: int, admin: int, box: int) -> list[Group]:
    """bearerbox and its SMSC. Log level 1 is the production setting of the user's guide; there is no access log."""
    groups: list[Group] = [
        (
            "core",
            {
                "admin-port": admin, "admin-interface": "127.0.0.1", "admin-password": "bench",
                "smsbox-port": box, "box-allow-ip": "127.0.0.1", "box-deny-ip": "*.*.*.*",
                "store-type": setup.kannel_store,
                "store-location": "spool" if setup.kannel_store == "spool" else "kannel.store",
                "dlr-storage": "internal", "log-file": "bearerbox.log", "log-level": 1,
            },
        ),
        (
            "smsc",
            {
                "smsc": "smpp", "smsc-id": "sink", "host": "127.0.0.1", "port": port, "transceiver-mode": "true",
                "smsc-username": "bench", "smsc-password": "bench", "system-type": "bench",
                "source-addr-autodetect": "true", "max-pending-submits": case.window or setup.window,
                "instances": setup.binds,
            },
        ),
    ]  # fmt: skip
    return groups


def boxes(box: int, sendsms: int) -> list[Group]:
    """smsbox with its HTTP door, and a service for whatever comes in."""
    return [
        (
            "smsbox",
            {
                "bearerbox-host": "127.0.0.1", "bearerbox-port": box, "sendsms-port": sendsms,
                "sendsms-interface": "127.0.0.1", "log-file": "smsbox.log", "log-level": 1,
            },
        ),
        ("sendsms-user", {"username": "bench", "password": "bench", "max-messages": 1}),
        ("sms-service", {"keyword": "default", "text": '""', "max-messages": 0}),
    ]  # fmt: skip


def config(groups: Sequence[Group]) -> str:
    """Groups in the syntax of kannel.conf; a name may be there twice."""
    texts = []
    for name, keys in groups:
        texts.append("\n".join([f"group = {name}", *(f"{key} = {value}" for key, value in keys.items())]) + "\n")
    return "\n".join(texts)


def sendsms_target(line: Line, receipts_port: int | None) -> str:
    """Path and query of sendsms; dlr-mask 3 asks for delivered and undelivered, %d is which of them came."""
    query = (
        "/cgi-bin/sendsms?username=bench&password=bench&charset=UTF-8&coding=0"
        f"&from={quote_plus(line.sender or '')}&to={{to}}&text={text_of(line)}"
    )
    if receipts_port is not None:
        url = quote_plus(f"http://127.0.0.1:{receipts_port}/?n=\0&s=%d").replace("%00", "{number}")
        query += f"&dlr-mask=3&dlr-url={url}"
    return query


def read_reply(number: int, status: int, body: str) -> str | None:
    """202 with `0: Accepted for delivery`, or `3: Queued for later delivery`; its id is the number we gave."""
    return str(number) if status == 202 and body[:1] in ("0", "3") else None


def read_receipt(query: dict[str, str]) -> tuple[str, str]:
    """The number that went out with the message, and 1 for delivered, 2 for not."""
    return query["n"], query["s"]
