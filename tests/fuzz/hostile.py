"""`python -m tests.fuzz.hostile`: mutated PDUs against real processes, an honest PDU after each batch of them.

A hostile carrier against the daemon, with an honest one beside it, and a hostile ESME against `smsgw simulate`. Every
honest PDU has to be answered in a second, a length that is none has to end its connection at once, memory has to stay,
and no log may hold a traceback.
"""

from __future__ import annotations

import argparse
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from bench.daemon import ROOT, DaemonProcess, config
from bench.figures import memory_mib
from bench.trace import NUMBERS
from gateway.smpp import pdu as p
from tests.support.processes import call, log

from .line import LIES, SERVED_IN, Growth, Line, Listener, batches, connect, half_a_frame

BATCH: Final = 250
_UNBOUND: Final = 50
"""Connections that send before they have bound."""
GROWTH_MOST: Final = 64.0
"""MiB by which a process may grow, after the first tenth of the PDUs (PROMISES 21)."""
LIE_MOST: Final = 1.0
"""MiB that a length may cost before the octets have come (PROMISES 22)."""
CLOSED_IN: Final = 1.0
HALF_FRAME_MOST: Final = 35.0
"""Seconds that half a frame may hold its connection (30 by the session's limits)."""

_CARRIERS: Final = (0x05, 0x05, 0x05, 0x103, 0x80000004, 0x102)
_ESMES: Final = (0x04, 0x04, 0x04, 0x21, 0x103, 0x03, 0x07, 0x08, 0x111, 0x112, 0x113, 0x80000005)
"""Commands that this end sends."""

_NUMBER: Final = p.Address(1, 1, NUMBERS[0].removeprefix("+"))


class Outcome(NamedTuple):
    """What a run came to; times in seconds, memory in MiB."""

    name: str
    pdus: int
    answers: int
    taken: int
    seconds: float
    probes: int
    slowest: float
    slowest_beside: float
    growth: float
    highest: float
    tenths: tuple[float, ...]
    lie_growth: float
    half_frame: float | None
    """How long half a frame held its connection; None: it was not waited for."""

    def __str__(self) -> str:
        held = "" if self.half_frame is None else f"; half a frame held its connection {self.half_frame:.1f} s"
        return (
            f"{self.name}: {self.pdus:,} mutated PDUs in {self.seconds:,.0f} s, "
            f"{self.pdus / self.seconds:,.0f} a second, {self.answers:,} answered, {self.taken:,} with status 0; "
            f"{self.probes:,} honest ones, the slowest answered in {self.slowest * 1000:.0f} ms, on the connection "
            f"beside in {self.slowest_beside * 1000:.0f} ms ({SERVED_IN * 1000:.0f} allowed); memory "
            f"{self.highest:.0f} MiB at most, grown by {self.growth:.1f} ({GROWTH_MOST:.0f} allowed), by lengths that "
            f"lie {self.lie_growth:.2f} ({LIE_MOST:g} allowed){held}\n  MiB after each tenth: "
            + " ".join(f"{mib:.0f}" for mib in self.tenths)
        )


def against_daemon(directory: Path, count: int, seed: str, *, lies: int = len(LIES), patient: bool = True) -> Outcome:
    """A daemon with a hostile and an honest carrier. `patient`: half a frame is waited for until it is given up."""
    hostile, honest = Listener(), Listener()
    text = config(
        directory,
        hostile.port,
        carrier={"reconnect_max": 1, "enquire_link": 0, "window": 50},
    )
    text += (
        f'\n[[carriers]]\nname = "honest"\nhost = "127.0.0.1"\nport = {honest.port}\nsystem_id = "h"\npassword = "h"\n'
        "enquire_link = 0\n"
    )
    try:
        with DaemonProcess(directory, text) as daemon:
            line, beside = hostile.accept(), honest.accept()

            def submit(number: int) -> None:
                # An application goes on sending: its submits are what a mutated answer may be taken for.
                call(daemon, "submit", to=f"+1212555{number % 10_000:04}", text="hello", **{"from": NUMBERS[0]})

            outcome = _attack(
                "carrier against the daemon",
                line,
                beside,
                hostile.accept,
                _CARRIERS,
                _delivery,
                lambda: memory_mib(daemon.pid)[0],
                count=count,
                seed=seed,
                lies=lies,
                patient=patient,
                between=submit,
            )
            written = log(daemon)
    finally:
        hostile.close()
        honest.close()
    _check_log(written)
    return outcome


def against_simulator(
    directory: Path, count: int, seed: str, *, lies: int = len(LIES), patient: bool = True
) -> Outcome:
    """`smsgw simulate` with a hostile ESME and an honest one."""
    path = directory / "simulator.log"
    with path.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", "simulate", "--port", "0", "--no-prompt", "--seed", "1"],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        port = _port(path, process)
        honest = connect(port, "honest")
        _before_binding(port, honest, seed)
        outcome = _attack(
            "ESME against the simulator",
            connect(port, "hostile"),
            honest,
            lambda: connect(port, "hostile"),
            _ESMES,
            _submission,
            lambda: memory_mib(process.pid)[0],
            count=count,
            seed=seed,
            lies=lies,
            patient=patient,
        )
        assert process.poll() is None, "the simulator has ended"
    finally:
        process.terminate()
        process.wait(20)
    _check_log(path.read_text(errors="replace"))
    return outcome


def _before_binding(port: int, beside: Line, seed: str) -> None:
    # Connections that have not bound, with PDUs of any kind, some of them cut off.
    rng = random.Random(f"unbound {seed}")
    for number, octets in enumerate(batches(rng, _ESMES, _UNBOUND * 20, 20)):
        line = Line(socket.create_connection(("127.0.0.1", port), 20))
        line.send(octets[: 1 + int(rng.random() * len(octets))])
        beside.probe(_submission(number))
        line.close()


def _attack(
    name: str,
    line: Line,
    beside: Line,
    again: Callable[[], Line],
    commands: tuple[int, ...],
    honest: Callable[[int], p.Pdu],
    memory: Callable[[], float],
    *,
    count: int,
    seed: str,
    lies: int,
    patient: bool,
    between: Callable[[int], None] | None = None,
) -> Outcome:
    rng = random.Random(f"{name} {seed}")
    began = time.monotonic()
    growth: Growth | None = None
    tenths: list[float] = []
    done = 0
    for number, octets in enumerate(batches(rng, commands, count, BATCH)):
        if between is not None and number % 20 == 0:
            between(number)
        line.send(octets)
        line.probe(honest(number))
        beside.probe(honest(number))
        done += BATCH
        if done * 10 >= count * (len(tenths) + 1):
            tenths.append(memory())
            growth = growth or Growth(memory)
            growth.look()
    seconds = time.monotonic() - began
    assert growth is not None
    grown = growth.look()
    slowest, probes = line.slowest, line.probes + beside.probes
    answers, taken = line.answers, line.taken
    liar = Growth(memory)
    lied = _lie(line, beside, again, honest, liar, lies)
    held = _half_a_frame(again(), beside, honest, liar, patient=patient)
    slowest = max(slowest, lied)
    assert grown < GROWTH_MOST, f"memory grew by {grown:.1f} MiB"
    assert liar.highest - liar.first < LIE_MOST, f"lengths cost {liar.highest - liar.first:.2f} MiB"
    for it in (line, beside):
        it.close()
    return Outcome(
        name=name,
        pdus=count,
        answers=answers,
        taken=taken,
        seconds=seconds,
        probes=probes,
        slowest=slowest,
        slowest_beside=beside.slowest,
        growth=grown,
        highest=growth.highest,
        tenths=tuple(tenths),
        lie_growth=liar.highest - liar.first,
        half_frame=held,
    )


def _lie(
    line: Line, beside: Line, again: Callable[[], Line], honest: Callable[[int], p.Pdu], memory: Growth, lies: int
) -> float:
    # A connection ends at a length that is none, at once; the next one is served, and the one beside all the time.
    slowest = 0.0
    for number, lie in enumerate(LIES[:lies]):
        line.send(lie)
        taken = line.until_closed(20)
        assert taken < CLOSED_IN, f"{lie[:8].hex()} was closed after {taken:.2f} s"
        memory.look()
        beside.probe(honest(number))
        line.close()
        line = again()
        line.probe(honest(number))
        slowest = max(slowest, line.slowest)
    line.send(b"\0\0\0\x0f")  # and this one makes room for what comes next
    line.until_closed(20)
    line.close()
    return slowest


def _half_a_frame(
    line: Line, beside: Line, honest: Callable[[int], p.Pdu], memory: Growth, *, patient: bool
) -> float | None:
    line.send(half_a_frame())
    beside.probe(honest(0))
    memory.look()
    if patient:
        held = line.until_closed(HALF_FRAME_MOST)
        line.close()
        beside.probe(honest(1))
        return held
    line.send(bytes(131_072 - len(half_a_frame())))
    line.probe(honest(0))
    line.close()
    return None


def _delivery(number: int) -> p.DeliverSm:
    return p.DeliverSm(p.Address(1, 1, f"1415555{number % 10_000:04}"), _NUMBER, b"honest")


def _submission(number: int) -> p.SubmitSm:
    return p.SubmitSm(_NUMBER, p.Address(1, 1, f"1415555{number % 10_000:04}"), b"honest")


def _port(path: Path, process: subprocess.Popen[bytes]) -> int:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        first = path.read_text(errors="replace").partition("\n")[0]
        if "127.0.0.1:" in first:
            return int(first.rpartition(":")[2])
        time.sleep(0.02)
    raise AssertionError(f"the simulator did not start: {path.read_text(errors='replace')[-500:]}")


def _check_log(text: str) -> None:
    for bad in ("Traceback", "bind_error", "internal error"):
        at = text.find(bad)
        assert at < 0, f"the log has: {text[max(0, at - 200) : at + 2000]}"


def main(arguments: list[str] | None = None) -> int:
    """0 when everything held; an AssertionError says what did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.hostile", description=__doc__)
    parser.add_argument("--pdus", type=int, default=1_000_000, help="mutated ones, each way (%(default)s)")
    parser.add_argument("--seed", default="1", help="the same seed gives the same PDUs (%(default)s)")
    options = parser.parse_args(arguments)
    for attack in (against_daemon, against_simulator):
        with tempfile.TemporaryDirectory(prefix="smsgw-fuzz-") as directory:
            print(attack(Path(directory), options.pdus, options.seed), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
