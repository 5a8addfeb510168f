"""The drill: load, a backup under it, more load, a kill, the backup restored, started, and every message accounted for.

What the carrier got is read from its own log (PROMISES: handed over = final + waiting + set aside).
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from pathlib import Path

from bench import keys
from bench.daemon import DaemonProcess, config
from bench.sinkprocess import SinkProcess
from gateway.client import Client, RpcError
from gateway.store.restore import restore
from tests.support.processes import until
from tests.system.verdict import FINAL, WAITING

BEFORE, AFTER = 600, 200


def submitted(client: Client, numbers: range) -> dict[str, str]:
    """Message ids by key; all of them were acknowledged."""
    wanted = [keys.key(keys.MT, n) for n in numbers]
    requests = [
        ("submit", {"to": f"+1415555{n:04}", "from": "+15551230001", "text": f"drill {key}", "ref": key})
        for n, key in zip(numbers, wanted, strict=True)
    ]
    answers = client.pipeline(requests)
    return {key: answer["id"] for key, answer in zip(wanted, answers, strict=True)}


def states(client: Client, ids: list[str]) -> Counter[str]:
    found = client.pipeline([("message", {"id": one}) for one in ids])
    return Counter(one.reason if isinstance(one, RpcError) else one["state"] for one in found)


def test_the_drill(tmp_path: Path) -> None:
    with SinkProcess(log=tmp_path / "sink.log", latency_ms=20) as sink:
        text = config(tmp_path, sink.port, window=20, carrier={"throughput": 400})
        with DaemonProcess(tmp_path, text) as daemon:
            with Client(daemon.socket) as client:
                first = submitted(client, range(BEFORE))
                client.call("backup", file=str(tmp_path / "copy.db"))
                made = next(told.params for told in client.notifications() if told.method == "backup_ended")
                assert made["error"] is None
                second = submitted(client, range(BEFORE, BEFORE + AFTER))
                sent = sink.stats()["submits"]
                until(lambda: sink.stats()["submits"] > sent + 100, daemon)
            daemon.kill()
            done = restore(f"sqlite:///{tmp_path}/smsgw.db", tmp_path / "copy.db", int(time.time() * 1000))
            held = done.segments
            assert 0 < held <= BEFORE

            before = sink.stats()["submits"]
            daemon.start()
            with Client(daemon.socket) as client:
                until(lambda: client.call("status")["carriers"][0]["state"] == "up", daemon)
                # All that was acknowledged before the backup is there, and in one state; of the rest nothing is known.
                ids = list(first.values())
                until(lambda: states(client, ids)["in_doubt"] == held, daemon)
                counted = states(client, ids)
                assert sum(counted.values()) == BEFORE
                assert set(counted) <= FINAL | WAITING
                assert states(client, list(second.values())) == {"not_found": AFTER}
                # Nothing was sent that may have been: what is new goes out, and only that.
                (news,) = submitted(client, range(5000, 5001)).values()
                until(lambda: states(client, [news])["delivered"] == 1, daemon)
                assert sink.stats()["submits"] == before + 1
                # The operator decides; then the books are closed.
                assert client.call("resolve", action="fail", carrier="sink")["resolved"] == held
                until(lambda: not WAITING - {"sent"} & set(states(client, ids)), daemon)
                counted = states(client, ids)
                assert counted["failed"] == held
                assert sum(counted.values()) == BEFORE
            daemon.stop()
        assert done.aside is not None
        con = sqlite3.connect(done.aside)
        assert con.execute("SELECT count(*) FROM message").fetchone() == (BEFORE + AFTER,)
        con.close()
    got = sink.read_log().messages()
    assert {len(one.copies) for one in got.values()} == {0}
