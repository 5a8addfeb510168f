"""The daemon is killed while messages come in that rules forward and answer: each of that is done once."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from bench import keys, wire
from bench.daemon import DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.model import IdText
from tests.system.lives import come_to_rest, segments, unacknowledged

TARGETS = [f"+1415555{i:04}" for i in range(40)]
RULES = f"""
[[rules]]
name = "on-call"
forward = {json.dumps(TARGETS)}
forward_mode = "turn"
forward_text = "{{text}}"
then = "continue"
[[rules]]
name = "closed"
reply = "We are closed."
"""
ROUNDS, RATE = 6, 300
SEED = 20267


def _at_rest(con: sqlite3.Connection) -> bool:
    """Nothing is queued or unanswered, and every event is done."""
    return not segments(con, 0, 1, 2) and not unacknowledged(con)


def test_kills_neither_lose_nor_repeat_forwards_and_replies(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    limits = {"limits": {"forwards_per_hour": 1_000_000}}
    with SinkProcess(log=tmp_path / "sink.log", latency_ms=5, inbound_window=50, retry_ms=200, seed=SEED) as sink:
        daemon = DaemonProcess(tmp_path, config(tmp_path, sink.port, binds=2, sections=limits) + RULES)
        try:
            for _ in range(ROUNDS):
                daemon.start()
                sink.command("inbound", count=10**6, rate=RATE)
                time.sleep(rng.uniform(0.2, 1.2))
                daemon.kill()
            daemon.start()
            sink.command("inbound", count=0)
            come_to_rest(daemon, sink, _at_rest)
            daemon.stop()
        finally:
            if daemon.running:
                daemon.kill()
        log = sink.read_log()

    with closing(sqlite3.connect(tmp_path / "smsgw.db")) as con:
        text = IdText(int(con.execute("SELECT value FROM store_info WHERE key = 'install'").fetchone()[0])).format
        arrived = con.execute("SELECT id, number, peer, text FROM inbound").fetchall()
        sent = con.execute("SELECT id, door, number, peer, meta, ref, body FROM message").fetchall()
        doubtful = {row[0] for row in con.execute("SELECT message_id FROM segment WHERE in_doubt > 0")}
    # Killed in the middle of something, or this shows nothing.
    assert len(arrived) > ROUNDS * 20
    assert doubtful

    # What was acknowledged is stored.
    stored = {keys.find(body) for *_, body in arrived}
    for key, deliveries in log.inbound().items():
        parts = {d.concat.part for d in deliveries}
        if all(any(d.concat.part == p and d.status == wire.ROK for d in deliveries) for p in parts):
            assert key in stored, key

    # Each message that is stored is forwarded once, by a message of its own.
    forwards = [json.loads(meta)["inbound"] for _, door, _, _, meta, _, _ in sent if door == "forward"]
    assert Counter(forwards) == Counter(text(mid) for mid, *_ in arrived)
    turns = Counter(peer for _, door, _, peer, *_ in sent if door == "forward")
    assert max(turns.values()) - min(turns.get(target, 0) for target in TARGETS) <= 1

    # Each sender is answered once by each number.
    replies = [(number, peer) for _, door, number, peer, *_ in sent if door == "reply"]
    assert Counter(replies) == Counter({(number, peer) for _, number, peer, _ in arrived if peer.startswith("+")})
    refs = [ref for *_, ref, _ in sent]
    assert len(set(refs)) == len(refs)

    # On the air: all of it, and nothing twice but what was in doubt.
    air = Counter(
        (s.destination.lstrip("+"), keys.find(s.text)) for s in log.submits if s.accepted and s.concat.part == 1
    )
    for mid, door, _, peer, _, _, body in sent:
        if door == "forward":
            copies = air[peer.lstrip("+"), keys.find(body.decode())]
            assert copies >= 1
            assert copies == 1 or mid in doubtful
