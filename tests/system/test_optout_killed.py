"""The daemon is killed while people write STOP and an application goes on submitting: nothing follows a STOP."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from bench import wire
from bench.daemon import DaemonProcess, config, socket_path
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from tests.support.processes import bound
from tests.system.lives import come_to_rest, segments

NUMBER = "+15551230001"
PEERS = [f"+1212555{i:04}" for i in range(30)]
ANSWER = "No more."
ROUNDS = 4
WINDOW = 4
SEED = 20281


def _submit(client: Client, rng: random.Random, until: float, refused: Counter[str]) -> None:
    """Submits to anybody, in a row, until then or until the daemon is gone."""
    while time.monotonic() < until:
        peer = rng.choice(PEERS)
        try:
            client.call("submit", to=rng.choice((peer, peer[2:])), text="Hello")
        except RpcError as error:
            if error.reason != "opted_out":
                raise
            refused[peer] += 1


def _at_rest(con: sqlite3.Connection) -> bool:
    answered = con.execute("SELECT count(*) FROM message WHERE door = 'optout'").fetchone()[0]
    stopped = con.execute("SELECT count(*) FROM optout").fetchone()[0]
    return not segments(con, 0, 1, 2) and answered == stopped


def test_kills_let_nothing_past_a_stop(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    refused: Counter[str] = Counter()
    # More is submitted than the window takes, so that at each STOP some wait, some are claimed and one is on the wire.
    with SinkProcess(log=tmp_path / "sink.log", latency_ms=20, retry_ms=100, seed=SEED) as sink:
        sections = {"optout": {"stop_reply": ANSWER}, "limits": {"default_validity": 600}}
        text = config(tmp_path, sink.port, window=WINDOW, numbers=[NUMBER], sections=sections)
        daemon = DaemonProcess(tmp_path, text)
        said = iter(rng.sample(PEERS, len(PEERS)))
        try:
            for number in range(ROUNDS):
                daemon.start()
                bound(daemon)
                with Client(socket_path(tmp_path)) as client:
                    if not number:
                        # Something waits for everybody, however slow this machine is just now.
                        client.pipeline([("submit", {"to": peer, "text": "Hello"}) for peer in PEERS] * 10)
                    for peer in (next(said) for _ in range(len(PEERS) // ROUNDS)):
                        _submit(client, rng, time.monotonic() + rng.uniform(0.02, 0.1), refused)
                        sink.command("mo", to=NUMBER, text=rng.choice(("STOP", "stop.")), **{"from": peer})
                    _submit(client, rng, time.monotonic() + rng.uniform(0.0, 0.05), refused)
                    daemon.kill()
            daemon.start()
            with Client(socket_path(tmp_path)) as client:
                _submit(client, rng, time.monotonic() + 0.3, refused)
            come_to_rest(daemon, sink, _at_rest)
            daemon.stop()
        finally:
            if daemon.running:
                daemon.kill()
        log = sink.read_log()

    acknowledged: dict[str, float] = {}
    for delivery in log.deliveries:
        if delivery.kind == "mo" and delivery.status == wire.ROK and delivery.acked is not None:
            peer = "+" + delivery.source.lstrip("+")
            acknowledged[peer] = min(acknowledged.get(peer, delivery.acked), delivery.acked)
    stopped = [peer for peer in PEERS if peer in acknowledged]
    assert len(stopped) == ROUNDS * (len(PEERS) // ROUNDS)
    assert sum(refused[peer] for peer in stopped) > len(stopped)

    # One connection at a time: what the carrier read after the acknowledgement was written after it.
    after = [
        s
        for s in log.submits
        if s.t > acknowledged.get("+" + s.destination.lstrip("+"), float("inf")) and s.text != ANSWER
    ]
    assert not after, after[:3]

    with closing(sqlite3.connect(tmp_path / "smsgw.db")) as con:
        answers = Counter(row[0] for row in con.execute("SELECT peer FROM message WHERE door = 'optout'"))
        ended = con.execute("SELECT count(*) FROM segment WHERE state = 9 AND reason = 'opted_out'").fetchone()[0]
        kept = {row[0] for row in con.execute("SELECT peer FROM optout")}
    assert kept == set(stopped)
    assert answers == Counter(stopped)
    # Some of each kind were there, or this shows nothing.
    assert ended > len(stopped)
    # Nobody is answered twice; what a kill met on the wire is in doubt, and stays so.
    answered = Counter(s.destination for s in log.submits if s.text == ANSWER)
    assert set(answered.values()) == {1}
    assert len(stopped) - ROUNDS * WINDOW <= len(answered) <= len(stopped)
