"""Jasmin: its daemons, RabbitMQ and Redis; their configuration, and the conversation that sets Jasmin up."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote_plus

from bench.load import LoadOptions
from bench.peers.cases import Case, Setup
from bench.peers.children import Children, PeerError, free_ports
from bench.peers.feed import Feed
from bench.peers.httpfeed import HttpFeed, text_of
from bench.peers.jcli import configure, setting_up
from bench.peers.smppfeed import SmppFeed
from bench.trace import Line

VERSION = "0.11.0"
INSTALL = "sh bench/peers/install.sh"
_RABBITMQ = "/usr/lib/rabbitmq/bin/rabbitmq-server"
_LOCK = Path("/tmp/jasmind.lock")
"""jasmind's own, whatever its configuration says: one on a machine."""

_DAEMONS = ("jasmind", "dlrlookupd", "dlrd")

Sections = Mapping[str, Mapping[str, object]]


class Jasmin:
    """jasmind with dlrlookupd and dlrd beside it, as its documentation advises, a RabbitMQ node and a Redis."""

    name = "jasmin"

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.feeds = (
            f"its SMPP server, one bind, window {setup.window}; receipts as deliver_sm"
            if setup.jasmin_by == "smpp"
            else f"its HTTP API over {setup.connections} connections; receipts by dlr-url"
        )
        self.stores = "RabbitMQ queues and Redis in memory: neither queues nor messages are declared durable"

    def missing(self) -> list[str]:
        found = []
        venv = self._setup.jasmin
        for program in (f"{name}.py" for name in _DAEMONS):
            if not (venv / "bin" / program).is_file():
                found.append(f"{venv}/bin/{program}: {INSTALL} {venv}")
        if not (venv / "jasmin" / "amqp0-9-1.xml").is_file():
            found.append(f"{venv}/jasmin/amqp0-9-1.xml, which is only in Jasmin's source package: {INSTALL} {venv}")
        if not os.access(_RABBITMQ, os.X_OK):
            found.append(f"{_RABBITMQ}: apt-get install rabbitmq-server")
        if shutil.which("redis-server") is None:
            found.append("redis-server: apt-get install redis-server")
        return found

    @contextmanager
    def started(self, directory: Path, port: int, case: Case) -> Iterator[_Running]:
        if _LOCK.exists():
            raise PeerError(f"{_LOCK} is there: another jasmind runs, or one was killed; remove it if none does")
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        bin_, resources = self._setup.jasmin.resolve() / "bin", self._setup.jasmin.resolve() / "jasmin"
        for part in ("log", "store", "redis", "rabbitmq"):
            (directory / part).mkdir()
        (directory / "jasmin.cfg").write_text(config(sections(directory.resolve(), resources, ports)))
        env = {"ROOT_PATH": str(directory), "CONFIG_PATH": str(directory), "LOG_PATH": str(directory / "log")}
        try:
            with Children(directory) as children:
                # Redis as it comes: a snapshot now and then, no append-only file.
                children.start(
                    "redis",
                    [
                        "redis-server", "--port", str(ports["redis"]), "--bind", "127.0.0.1",
                        "--dir", str(directory.resolve() / "redis"),
                    ],
                )  # fmt: skip
                # Erlang would start its port mapper apart, and it would stay where this process was killed.
                children.start("epmd", ["epmd", "-address", "127.0.0.1", "-port", str(ports["epmd"])])
                children.wait_port("epmd", ports["epmd"])
                children.start("rabbitmq", [_RABBITMQ], broker(directory.resolve(), ports))
                children.wait_port("redis", ports["redis"])
                children.wait_port("rabbitmq", ports["amqp"])
                for name in _DAEMONS:
                    command = [str(bin_ / "python"), str(bin_ / f"{name}.py"), "-c", "jasmin.cfg"]
                    # jasmind has no id; the other two keep their locks apart by it.
                    children.start(name, command if name == "jasmind" else [*command, "-i", f"bench-{port}"], env)
                for door in ("jcli", "http", "smpps"):
                    children.wait_port("jasmind", ports[door])
                configure(ports["jcli"], setting_up(port, self._setup.binds))
                time.sleep(0.5)
                for name in _DAEMONS:
                    children.check(name)
                yield _Running(children, ports, self._setup)
        finally:
            # They are ours: there were none before. Who had to be killed leaves them.
            for lock in (_LOCK, *(_LOCK.with_name(f"{name}-bench-{port}.lock") for name in _DAEMONS)):
                lock.unlink(missing_ok=True)


class _Running:
    def __init__(self, children: Children, ports: Mapping[str, int], setup: Setup) -> None:
        self.cpu = children.cpu
        self.resident = children.resident
        self._ports = ports
        self._setup = setup

    def feed(self, options: LoadOptions) -> Feed:
        if self._setup.jasmin_by == "smpp":
            return SmppFeed(options, self._ports["smpps"], "bench", "bench", self._setup.window)

        def target(line: Line, receipts_port: int) -> str:
            return send_target(line, receipts_port if options.receipts else None)

        return HttpFeed(options, self._ports["http"], self._setup.connections, target, read_reply, read_receipt)


PORTS = ("amqp", "dist", "epmd", "redis", "jcli", "http", "smpps", "router", "clients", "smpps-pb")


def broker(directory: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """The environment of a RabbitMQ node of its own: nothing of the system's, port mapper included."""
    own = directory / "rabbitmq"
    (own / "plugins").write_text("[].")
    return {
        "HOME": str(own),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_CONFIG_FILE": str(own / "none"),
        "RABBITMQ_NODENAME": "bench@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["amqp"]),
        "RABBITMQ_DIST_PORT": str(ports["dist"]),
        "RABBITMQ_MNESIA_BASE": str(own / "mnesia"),
        "RABBITMQ_LOG_BASE": str(own / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "plugins"),
        "RABBITMQ_PID_FILE": str(own / "pid"),
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        # Makes the script become the node, so that signals reach it.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def sections(directory: Path, resources: Path, ports: Mapping[str, int]) -> Sections:
    """jasmin.cfg: addresses and places; everything else as it comes."""
    here = {"bind": "127.0.0.1"}
    store = {"store_path": str(directory / "store")}
    return {
        "smpp-server": here | {"port": ports["smpps"]},
        "smpp-server-pb": here | {"port": ports["smpps-pb"]},
        "smpp-server-pb-client": {"host": "127.0.0.1", "port": ports["smpps-pb"]},
        "client-management": here | store | {"port": ports["clients"]},
        "router": here | store | {"port": ports["router"]},
        "amqp-broker": {"host": "127.0.0.1", "port": ports["amqp"], "spec": str(resources / "amqp0-9-1.xml")},
        "redis-client": {"host": "127.0.0.1", "port": ports["redis"]},
        "http-api": here | {"port": ports["http"]},
        "jcli": here | {"port": ports["jcli"], "authentication": "no"},
        "dlr-thrower": {"dlr_pdu": "deliver_sm"},
    }


def config(found: Sections) -> str:
    """Sections as an INI file."""
    texts = []
    for name, keys in found.items():
        texts.append("\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in keys.items())]) + "\n")
    return "\n".join(texts)


def send_target(line: Line, receipts_port: int | None) -> str:
    """Path and query of the HTTP API; dlr-level 2 asks for the terminal's receipt alone, as smsgw's app gets it.

    Addresses without +, which would go on the air.
    """
    query = (
        f"/send?username=bench&password=bench&coding=0&from={quote_plus((line.sender or '').removeprefix('+'))}"
        f"&to={{digits}}&content={text_of(line)}"
    )
    if receipts_port is not None:
        query += f"&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url={quote_plus(f'http://127.0.0.1:{receipts_port}/')}"
    return query


def read_reply(number: int, status: int, body: str) -> str | None:
    """200 with `Success "message id"`."""
    return body[9:-1] if status == 200 and body.startswith('Success "') else None


def read_receipt(query: dict[str, str]) -> tuple[str, str]:
    return query["id"], query["message_status"]
