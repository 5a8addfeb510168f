"""The simulator as a program: standard input and output, signals, real sockets."""

import io
import os
import pty
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from gateway.simulator import Simulator, SimulatorConfig, simulate
from gateway.smpp.codec import decode, encode
from gateway.smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, Unbind, UnbindResp

NO_FILE = 1_000_003
"""A file descriptor that is not open."""


class Output(io.StringIO):
    """What was printed; a terminal if asked to look like one."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@asynccontextmanager
async def program(stdin: int, out: Output, **settings: object) -> AsyncIterator[Simulator]:
    """The program, which must have ended by itself when the block is over."""
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            start = partial(simulate, SimulatorConfig(**settings), "127.0.0.1", 0, out=out, stdin=stdin)
            yield await nursery.start(start)


@pytest.fixture
def pipe():
    """Both ends of standard input, as the program and as the person have it."""
    theirs, ours = os.pipe()
    with open(ours, "wb", buffering=0) as ours_file:
        yield theirs, ours_file
    os.close(theirs)


async def connected(out: Output) -> trio.SocketStream:
    """An ESME that has bound."""
    port = int(out.getvalue().split("127.0.0.1:")[1].split()[0])
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all(encode(BindTransceiver("esme", "secret"), 1))
    assert (await stream.receive_some())[4:8] == bytes.fromhex("80000009")
    return stream


async def test_commands_by_lines_and_quit(pipe):
    stdin, person = pipe
    out = Output()
    async with program(stdin, out):
        stream = await connected(out)
        person.write(b"mo +12125550101 +15551230001 Hel" + "lo 👋".encode()[:-2])
        person.write("lo 👋".encode()[-2:] + b"\n\xff\xfe\n")
        sequence, _, pdu = decode(await stream.receive_some())
        assert isinstance(pdu, DeliverSm)
        assert pdu.short_message.decode("utf-16-be") == "Hello 👋"
        await stream.send_all(encode(DeliverSmResp(), sequence))
        person.write(b"quit\n")
        sequence, _, pdu = decode(await stream.receive_some())
        assert isinstance(pdu, Unbind)
        await stream.send_all(encode(UnbindResp(), sequence))
        assert await stream.receive_some() == b""
        await stream.aclose()
    printed = out.getvalue()
    assert "#1 bind     esme transceiver\n" in printed
    assert '#1 inbound  +12125550101 → +15551230001 ucs2 "Hello 👋"\n' in printed
    assert "queued, 1 part\n" in printed
    assert "no such command" in printed
    assert "> " not in printed


async def test_the_end_of_a_pipe_is_not_the_end(pipe):
    stdin, person = pipe
    out = Output()
    async with program(stdin, out):
        person.write(b"errors 0.5")
        person.close()
        stream = await connected(out)
        os.kill(os.getpid(), signal.SIGTERM)
        sequence, _, pdu = decode(await stream.receive_some())
        assert isinstance(pdu, Unbind)
        await stream.send_all(encode(UnbindResp(), sequence))
        assert await stream.receive_some() == b""
        await stream.aclose()
    assert "errors = 0.5\n" in out.getvalue()


async def test_a_second_signal_does_not_wait(pipe):
    out = Output()
    with trio.fail_after(3):
        async with program(pipe[0], out):
            stream = await connected(out)
            os.kill(os.getpid(), signal.SIGINT)
            assert isinstance(decode(await stream.receive_some())[2], Unbind)
            os.kill(os.getpid(), signal.SIGINT)
            assert await stream.receive_some() == b""
            await stream.aclose()


async def test_a_terminal_has_a_prompt_and_its_end_of_file_stops():
    person, stdin = pty.openpty()
    out = Output(terminal=True)
    try:
        async with program(stdin, out):
            os.write(person, b"rate 0\n\x04")
    finally:
        os.close(person)
        os.close(stdin)
    printed = out.getvalue()
    assert printed.startswith("\r\x1b[Klistening on 127.0.0.1:")
    assert "\r\x1b[Kmo_rate = 0.0\n> " in printed
    assert printed.endswith("\r\x1b[K")


@pytest.fixture
def commands(tmp_path):
    """A plain file as standard input."""
    (tmp_path / "commands").write_bytes(b"rate 0\nquit\n")
    with open(tmp_path / "commands", "rb") as file:
        yield file.fileno()


@pytest.fixture
def nothing():
    """/dev/null as standard input."""
    with open(os.devnull, "rb") as file:
        yield file.fileno()


async def test_commands_from_a_file(commands):
    out = Output()
    async with program(commands, out):
        pass
    assert "mo_rate = 0.0\n" in out.getvalue()


@pytest.mark.parametrize("closed", [False, True])
async def test_without_standard_input_it_serves(nothing, closed):
    out = Output()
    async with program(NO_FILE if closed else nothing, out):
        await (await connected(out)).aclose()
        os.kill(os.getpid(), signal.SIGTERM)
    assert "#1 bind " in out.getvalue()


async def test_nobody_reads_the_output_any_more(pipe):
    class Gone(Output):
        def write(self, text: str) -> int:
            if "bind" in text:
                raise BrokenPipeError
            return super().write(text)

    out = Gone()
    async with program(pipe[0], out):
        stream = await connected(out)
        await stream.aclose()


async def test_an_output_without_the_characters(pipe):
    class Ascii(Output):
        encoding = "ascii"

    out = Ascii()
    async with program(pipe[0], out) as simulator:
        stream = await connected(out)
        simulator.inbound("+12125550101", "+15551230001", "👋")
        os.kill(os.getpid(), signal.SIGTERM)
        await stream.aclose()
    assert '\\u2192 +15551230001 ucs2 "\\U0001f44b"' in out.getvalue()


async def test_an_address_in_use_is_an_os_error(pipe):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        await simulate(SimulatorConfig(), "127.0.0.1", taken.getsockname()[1], out=Output(), stdin=pipe[0])
