"""What the checks of whether a message may be sent cost, with a million opt-outs and a million consents stored.

    python -m bench.policy [--stored 1000000] [--burst 64] [--rounds 300] [--messages 20000] [--directory D]

The checks that are asked in the transaction are timed one by one and all together, on bursts of messages to phones from
all over the list, in turn within each round, so that a machine that is busy for a while is busy for all of them. Every
round has other phones, so that pages are found in the cache as they would be. Then a daemon runs on the same store and
takes messages in, each of which is checked: its memory is what the second part prints. With --messages 0 there is none.

Beside bench.codec only this imports the gateway: it measures its code, and nothing else checks by it.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench import trace
from bench.daemon import DaemonProcess, config
from bench.figures import machine, memory_mib
from bench.load import Load, LoadOptions
from bench.trace import NUMBERS
from gateway.model import CLASSES, State
from gateway.policy.consent import Consents
from gateway.policy.optout import OptOuts
from gateway.settings import Settings
from gateway.store.checks import checks
from gateway.store.store import Store
from gateway.store.submits import NewMessage
from gateway.store.tx import Tx
from gateway.store.verdicts import judge

TARGET_US: Final = 15.0
"""What all checks of a message may take together."""
TARGET_MIB: Final = 200.0
MARKETING: Final = CLASSES.index("marketing")
APP: Final = "crm"
_PAGE: Final = 10_000

CASES: Final[dict[str, dict[str, Any]]] = {
    "opt-out, which is always asked": {},
    "consent": {"consent": {"marketing": "required"}},
    "caps by prefix": {"caps": [{"prefix": "+370", "per_hour": 1_000_000_000}]},
    "quotas, of the app by day and month": {"app": {"quota": {"day": 1_000_000_000, "month": 1_000_000_000}}},
    "quota of each phone by day": {"app": {"quota": {"per_peer_day": 1_000_000}}},
    "same text within a day": {"app": {"same_text_within": 86_400}},
}
"""By what is printed, the settings that have it asked; the opt-out is asked beside each, and taken off again."""


class Timed(NamedTuple):
    """Microseconds a message: the least of all rounds, and the median."""

    name: str
    least: float
    median: float


def settings_of(data: Mapping[str, Any]) -> Settings:
    """A configuration with these settings, those of `CASES` put together."""
    given = {key: value for key, value in data.items() if key != "app"}
    app = {"name": APP, "token": "bench-bench-bench-bench", **data.get("app", {})}
    return Settings.model_validate(
        {"numbers": [{"number": number} for number in NUMBERS], "apps": [app], "default_region": "US", **given}
    )


def every_case() -> dict[str, Any]:
    """All of `CASES` in one."""
    found: dict[str, Any] = {}
    app: dict[str, Any] = {"quota": {}}
    for data in CASES.values():
        found |= data
        for key, value in data.get("app", {}).items():
            app[key] = app["quota"] | value if key == "quota" else value
    return found | {"app": app}


def phone(i: int) -> str:
    """The phone of a place in the list."""
    return f"+3706{10_000_000 + i * 7}"


def fill(store: Store, stored: int) -> None:
    """So many phones agreed to marketing, and as many others opted out, with the records of it."""
    con = store.read_now(lambda con: con)
    key = b"bench-bench-key!"
    con.execute("INSERT INTO consent_wording VALUES (?, 'v1', 'Offers of ACME, up to 4 a month')", (key,))
    for first in range(0, stored, _PAGE):
        page = range(first, min(first + _PAGE, stored))
        ids = [store.ids.next() for _ in page]
        con.execute("BEGIN")
        con.executemany(
            "INSERT INTO consent VALUES (?, ?, 'set:default', 1, 'import', ?)",
            [(phone(2 * i), MARKETING, id) for i, id in zip(page, ids, strict=True)],
        )
        con.executemany(
            "INSERT INTO consent_change VALUES (?, ?, ?, 'set:default', 'granted', 1, 'import', 'ops', NULL, ?, NULL,"
            " NULL, NULL)",
            [(id, phone(2 * i), MARKETING, key) for i, id in zip(page, ids, strict=True)],
        )
        con.executemany(
            "INSERT INTO optout VALUES (?, 'set:default', 1, 'import', NULL, NULL)", [(phone(2 * i + 1),) for i in page]
        )
        con.execute("COMMIT")


def bursts(rng: random.Random, stored: int, burst: int) -> Iterator[list[NewMessage]]:
    """Messages to phones that agreed, a burst at a time, without an end."""
    serial = 0
    while True:
        found = []
        for _ in range(burst):
            serial += 1
            found.append(_message(serial, phone(2 * rng.randrange(stored))))
        yield found


def _message(id: int, peer: str) -> NewMessage:
    return NewMessage(
        id=id,
        app=APP,
        number=NUMBERS[id % len(NUMBERS)],
        peer=peer,
        klass=MARKETING,
        body=b"Offer %d" % id,
        meta=None,
        ref=None,
        digest=b"",
        encoding="gsm7",
        options=None,
        scheme="udh8",
        concat_ref=0,
        parts=1,
        receipt=1,
        expires_at=1 << 42,
        carrier="sink",
        lane=1,
        rank=9,
        shard=0,
        state=int(State.QUEUED),
        due_at=None,
    )


def measure(store: Store, stored: int, burst: int, rounds: int, seed: int = 7) -> list[Timed]:
    """Times all cases; each transaction is rolled back. Raises RuntimeError where a check refused a message."""
    con, base = store.read_now(lambda con: con), store.writer.base
    made = []
    for name, data in {**CASES, "all": every_case()}.items():
        settings = settings_of(data)
        made.append((name, Consents(settings, OptOuts(settings)), checks(settings)))
    times: list[list[float]] = [[] for _ in made]
    source = bursts(random.Random(seed), stored, burst)
    for _ in range(rounds):
        for place, (name, consents, asked) in enumerate(made):
            messages = next(source)
            base.consents, base.checks = consents, asked
            con.execute("BEGIN IMMEDIATE")
            tx = Tx(con, store.clock.now_ms(), base)
            began = time.perf_counter()
            passed = judge(tx, messages)
            times[place].append((time.perf_counter() - began) / burst * 1e6)
            con.execute("ROLLBACK")
            if len(passed) != burst:
                raise RuntimeError(f"{name}: {next(m.refused for m in messages if m.refused)}")
    least, median = [min(one) for one in times], [statistics.median(one) for one in times]
    found = [Timed(made[0][0], least[0], median[0])]
    for place in range(1, len(made) - 1):
        found.append(Timed(made[place][0], max(0.0, least[place] - least[0]), max(0.0, median[place] - median[0])))
    return [*found, Timed("all", least[-1], median[-1])]


def resident(directory: Path, messages: int) -> tuple[float, float]:
    """MiB of a daemon on that store: at its start, and after messages of which each was checked."""
    text = config(directory, 1, sections={"consent": {"marketing": "recorded"}, "limits": {"queued": messages + 1}})
    bulk = [replace(line, message_class="marketing") for line in trace.load("otp") if line.kind == "mt"]
    with DaemonProcess(directory, text, timeout=60.0) as daemon:
        before = memory_mib(daemon.pid)[0]
        with Load(LoadOptions(str(daemon.socket), bulk, messages, subscribe=None, receipts=False)) as load:
            load.submit_all()
            if load.accepted < messages:
                raise RuntimeError(f"{load.accepted} of {messages} accepted; refused: {set(load.refused.values())}")
        return before, memory_mib(daemon.pid)[0]


def main(arguments: list[str] | None = None) -> int:
    """Prints the figures; 0 whatever they are."""
    parser = argparse.ArgumentParser(prog="python -m bench.policy", description=__doc__)
    parser.add_argument("--stored", type=int, default=1_000_000, help="opt-outs, and as many consents (%(default)s)")
    parser.add_argument("--burst", type=int, default=64, help="messages in a transaction (%(default)s)")
    parser.add_argument("--rounds", type=int, default=300, help="bursts of each case (%(default)s)")
    parser.add_argument("--messages", type=int, default=20_000, help="that the daemon takes in (%(default)s)")
    parser.add_argument("--directory", type=Path, help="for the store; a temporary one by default")
    parser.add_argument("--json", action="store_true", help="for a program")
    options = parser.parse_args(arguments)
    if min(options.stored, options.burst, options.rounds) < 1 or options.messages < 0:
        parser.error("--stored, --burst and --rounds: at least 1; --messages: 0 or more")
    if options.directory is not None:
        options.directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory() if options.directory is None else nullcontext(options.directory) as given:
        directory = Path(given)
        store = Store(f"sqlite:///{directory.resolve() / 'smsgw.db'}", inline=True)
        fill(store, options.stored)
        timed = measure(store, options.stored, options.burst, options.rounds)
        store.close()
        size = (directory / "smsgw.db").stat().st_size / (1 << 20)
        memory = resident(directory, options.messages) if options.messages else None
        about = machine(directory)
    if options.json:
        found = {"machine": about, "microseconds": [it._asdict() for it in timed], "store_mib": size}
        json.dump(found | {"resident_mib": memory}, sys.stdout, indent=2)
        print()
        return 0
    print(f"{about['cpu']}, {about['cores']} cores, Python {about['python']}, SQLite {about['sqlite']}")
    print(f"{options.stored:,} opt-outs and as many consents, {size:.0f} MiB; bursts of {options.burst}")
    print(f"{'microseconds a message':44} {'least':>8} {'median':>8}")
    for it in timed:
        print(f"{it.name:44} {it.least:8.2f} {it.median:8.2f}")
    print(f"aim: {TARGET_US:.0f} for all")
    if memory is not None:
        print(f"daemon on that store: {memory[0]:.0f} MiB, after {options.messages:,} messages {memory[1]:.0f} MiB")
        print(f"aim: {TARGET_MIB:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
