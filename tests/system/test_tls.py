"""TLS to a carrier: who is trusted, who trusts us, and what the operator is told when somebody does not."""

from __future__ import annotations

import datetime
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme

from gateway.carrier.connection import connect_tcp
from gateway.simulator import Simulator, SimulatorConfig
from tests.support.wire import Held, carrier, segments

PATIENCE = 20.0


class Authority:
    """A CA and what it signed, as files."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self.ca = trustme.CA()
        self.pem = directory / "ca.pem"
        self.ca.cert_pem.write_to_path(self.pem)

    def server(self, *names: str, **given: Any) -> ssl.SSLContext:
        """A server's context with a certificate for these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*(names or ("127.0.0.1",)), **given).configure_cert(context)
        return context

    def client(self) -> tuple[Path, Path]:
        """Certificate and key of a client."""
        issued = self.ca.issue_cert("esme@example.org")
        cert, key = self.directory / "client.pem", self.directory / "client.key"
        for i, blob in enumerate(issued.cert_chain_pems):
            blob.write_to_path(cert, append=bool(i))
        issued.private_key_pem.write_to_path(key)
        return cert, key


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ours")


@pytest.fixture
def theirs(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "theirs")


@asynccontextmanager
async def to(port: int, **given: Any) -> AsyncIterator[Held]:
    """A carrier's bind over TCP and TLS to a port of this machine."""
    values = {"host": "127.0.0.1", "port": port, "tls": True, **given}
    async with carrier(connector=connect_tcp, patience=PATIENCE, **values) as held:
        yield held


@asynccontextmanager
async def strict(context: ssl.SSLContext) -> AsyncIterator[int]:
    """A server of the standard library's ssl, which tells its reason for a refusal as servers in life do."""

    def refuse(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.settimeout(PATIENCE)
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse, listener)
            yield listener.getsockname()[1]


@asynccontextmanager
async def bind(context: ssl.SSLContext | None, **given: Any) -> AsyncIterator[tuple[Held, Simulator]]:
    """A carrier's bind over TCP to a simulator with this context."""
    async with trio.open_nursery() as nursery:
        simulator = Simulator(SimulatorConfig())
        listeners = await nursery.start(partial(simulator.serve, "127.0.0.1", 0, ssl_context=context))
        port = listeners[0].socket.getsockname()[1]
        async with to(port, **given) as held:
            yield held, simulator
        nursery.cancel_scope.cancel()


async def _error(held: Held) -> str:
    await held.notes.until(lambda: held.bind.last_error)
    return str(held.bind.last_error)


async def test_a_carrier_that_our_authority_vouches_for_is_bound_and_gets_submits(ours: Authority) -> None:
    async with bind(ours.server(), tls_ca=str(ours.pem)) as (held, simulator):
        await held.bound()
        held.carrier.push(segments(200, receipt=False))
        await held.notes.until(lambda: len(held.notes.answers) == 200)
        assert simulator.stats.submits == 200
        link = held.bind.link
        assert link is not None
        assert isinstance(link.stream, trio.SSLStream)
        tcp = link.stream.transport_stream
        assert tcp.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        context = held.carrier.tls_context()
        assert context is not None
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
        await held.carrier.stop()
        await held.state("stopped")


async def test_another_authority_is_refused_before_the_password_is_told(ours: Authority, theirs: Authority) -> None:
    async with bind(theirs.server(), tls_ca=str(ours.pem)) as (held, simulator):
        error = await _error(held)
        assert error.startswith("TLS: certificate refused: ")
        assert "issuer" in error
        assert simulator.stats.binds == 0
        await held.attempts_made(1)
        await held.state("down")
        assert simulator.stats.binds == 0


async def test_the_systems_authorities_do_not_know_ours(ours: Authority) -> None:
    async with bind(ours.server()) as (held, simulator):
        assert "certificate refused" in await _error(held)
        assert simulator.stats.binds == 0


async def test_the_certificate_has_to_be_for_the_host(ours: Authority) -> None:
    context = ours.server("smpp.acme.example")
    async with bind(context, tls_ca=str(ours.pem)) as (held, simulator):
        error = await _error(held)
        assert "certificate refused: IP address mismatch, certificate is not valid for '127.0.0.1'" in error
        assert simulator.stats.binds == 0
    async with bind(context, tls_ca=str(ours.pem), tls_server_name="smpp.other.example") as (held, _):
        assert "Hostname mismatch, certificate is not valid for 'smpp.other.example'" in await _error(held)
    async with bind(context, tls_ca=str(ours.pem), tls_server_name="smpp.acme.example") as (held, _):
        await held.bound()


async def test_an_expired_certificate_is_refused_in_words(ours: Authority) -> None:
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    context = ours.server("127.0.0.1", not_before=past, not_after=past + datetime.timedelta(days=30))
    async with bind(context, tls_ca=str(ours.pem)) as (held, _):
        assert "certificate has expired" in await _error(held)


async def test_a_check_that_is_switched_off_checks_nothing(theirs: Authority) -> None:
    async with bind(theirs.server("elsewhere.example"), tls_verify=False) as (held, _):
        await held.bound()


async def test_a_carrier_that_asks_for_our_certificate_gets_it(ours: Authority, theirs: Authority) -> None:
    context = theirs.server()
    context.verify_mode = ssl.CERT_REQUIRED
    ours.ca.configure_trust(context)
    cert, key = ours.client()
    both = ours.directory / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    for given in ({"tls_cert": str(cert), "tls_key": str(key)}, {"tls_cert": str(both)}):
        async with bind(context, tls_ca=str(theirs.pem), **given) as (held, simulator):
            await held.bound()
            assert simulator.stats.binds == 1


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_without_a_certificate_the_operator_reads_what_is_missing(
    ours: Authority, newest: ssl.TLSVersion
) -> None:
    context = ours.server()
    context.maximum_version = newest
    context.verify_mode = ssl.CERT_REQUIRED
    ours.ca.configure_trust(context)
    async with strict(context) as port, to(port, tls_ca=str(ours.pem)) as held:
        error = await _error(held)
        # 1.2 says so in the handshake, 1.3 only with the first read after it
        assert error.startswith("TLS: ")
        assert "CERTIFICATE_REQUIRED" in error or "HANDSHAKE_FAILURE" in error


async def test_a_certificate_of_ours_that_they_do_not_know_is_told(ours: Authority, theirs: Authority) -> None:
    context = ours.server()
    context.verify_mode = ssl.CERT_REQUIRED
    ours.ca.configure_trust(context)
    cert, key = theirs.client()
    keys = {"tls_cert": str(cert), "tls_key": str(key)}
    async with strict(context) as port, to(port, tls_ca=str(ours.pem), **keys) as held:
        assert "UNKNOWN_CA" in await _error(held)


async def test_tls_to_a_carrier_without_it_is_told(ours: Authority) -> None:
    async with bind(None, tls_ca=str(ours.pem)) as (held, simulator):
        assert "TLS: WRONG_VERSION_NUMBER" in await _error(held)
        assert simulator.stats.binds == 0


async def test_no_tls_to_a_carrier_with_it_ends(ours: Authority) -> None:
    async with bind(ours.server(), tls=False, bind_timeout=3) as (held, _):
        assert await _error(held) == "the carrier closed the connection"


async def test_a_carrier_that_is_silent_in_the_handshake_is_given_up(ours: Authority) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    async with to(port, connect_timeout=0.5) as held:
        start = trio.current_time()
        assert await _error(held) == "connecting took too long"
        assert trio.current_time() - start < 3
        stream = await listeners[0].accept()
        with trio.fail_after(5):
            while await stream.receive_some(65536):  # the hello, then the end: no connection is left behind
                pass
        await stream.aclose()
    await listeners[0].aclose()


async def test_a_file_that_is_no_certificate_costs_no_connection_and_no_daemon(ours: Authority) -> None:
    bad = ours.directory / "bad.pem"
    bad.write_text("this is no certificate\n")
    for given in ({"tls_ca": str(bad)}, {"tls_ca": str(ours.pem), "tls_cert": str(bad)}):
        async with bind(ours.server(), **given) as (held, simulator):
            assert (await _error(held)).startswith("TLS: ")
            assert simulator.stats.connections == 0


async def test_renewed_files_are_taken_at_the_next_connection(ours: Authority, theirs: Authority) -> None:
    trusted = ours.directory / "trusted.pem"
    trusted.write_bytes(theirs.pem.read_bytes())
    async with bind(ours.server(), tls_ca=str(trusted)) as (held, _):
        assert "certificate refused" in await _error(held)
        trusted.write_bytes(ours.pem.read_bytes())
        os.utime(trusted, ns=(1, 1))
        await held.bound()
