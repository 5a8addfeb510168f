"""What holds once everything has come to rest, and after the last stop: the accounts of a run."""

from __future__ import annotations

import sqlite3
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import trio

from gateway.model import STATE_WORDS, State, is_final, message_state
from gateway.store.waiting import Waiting
from tests.sim import own
from tests.sim.ledger import Ledger, Message, Segment
from tests.support import balances

if TYPE_CHECKING:
    from gateway.daemon import Daemon
    from tests.sim.world import World

_OPEN: Final = (State.SENT, State.IN_DOUBT)
"""States in which a message may wait although all is at rest: for a receipt, or for an operator."""


def at_rest(world: World) -> None:
    """The laws of a daemon that has nothing left to do."""
    daemon = world.daemon
    if daemon is None or world._ended.is_set():
        world.ledger.broken("alive", "no daemon at the end")
        return
    con = daemon.store.read_now(lambda c: c)
    _accounts(world, con)
    for message in world.ledger.messages.values():
        for segment in (*message.gone, *message.segments.values()):
            _copies(world, segment)
        for segment in message.segments.values():
            _receipts(world, segment)
    _inbound(world)
    _threads(world, con)
    own.laws(world, daemon, con)
    for said in balances.wrong(con):
        world.ledger.broken("balances", said)
    _counters(world.ledger, daemon, con)
    _tasks(world, daemon)


def at_end(world: World) -> None:
    """After the last stop."""
    for name, carrier in world.carriers.items():
        for (life, at), (later, again) in pairwise(carrier.attempts):
            if life == later and again - at < 0.999:
                said = f"connections to {name} asked for {again - at:.2f} s apart, at {again - world.ledger.start:.3f}"
                world.ledger.broken("hammer", said)


def fill_balance(con: sqlite3.Connection) -> None:
    """Before anything is sent: what the app that pays in advance has, more than it needs."""
    con.execute("INSERT INTO balance VALUES ('crm', 1000000) ON CONFLICT DO NOTHING")
    con.execute("INSERT INTO balance_entry VALUES ('crm', 0, 'added', 1000000, NULL, NULL) ON CONFLICT DO NOTHING")


def uncounted(world: World) -> bool:
    """Whether a queue takes something for queued; nothing is."""
    return world.daemon is not None and any(queue.queued for queue in world.daemon.outbound.queues.values())


# --- messages ---------------------------------------------------------------------------------------------------------


def _accounts(world: World, con: sqlite3.Connection) -> None:
    """accepted = final + waiting, and the end of each message is told once."""
    ledger = world.ledger
    stored = {row[0] for row in con.execute("SELECT id FROM message")}
    states: dict[int, list[tuple[int, int | None]]] = {}
    for mid, state, done_at in con.execute("SELECT message_id, state, done_at FROM segment ORDER BY message_id, part"):
        states.setdefault(mid, []).append((state, done_at))
    if stored != set(ledger.messages):
        ledger.broken("durable", f"{len(stored ^ set(ledger.messages))} messages came or went unseen")
    for app in world.apps.values():
        for wish in app.wishes:
            for id in wish.ids:
                if world.parse(id) not in stored:
                    ledger.broken("durable", f"<{wish.label}> was acknowledged and is gone")
            message = ledger.by_label.get(wish.label)
            if (
                message is not None
                and not wish.ids
                and not wish.unknown
                and any(s.written for s in message.segments.values())
            ):
                ledger.broken("refused", f"<{wish.label}> was refused each time, and is written")
            if wish.cancelled and message is not None and message_state(states[message.id]) != State.CANCELLED:
                ledger.broken("cancel", f"<{wish.label}> was cancelled, and is not")
        _told(world, app.name, states)


def _told(world: World, app: str, states: dict[int, list[tuple[int, int | None]]]) -> None:
    """One receipt event for each end, and none for what waits."""
    ledger = world.ledger
    events = {world.parse(id): told for id, told in world.apps[app].receipts.items()}
    for message in ledger.messages.values():
        if message.app != app:
            continue
        told = events.pop(message.id, {})
        state = message_state(states[message.id])
        if is_final(state, message.receipt):
            if list(told.values()) != [STATE_WORDS[state]]:
                ledger.broken("events", f"<{message.label}> is {STATE_WORDS[state]}, told {sorted(told.items())}")
        elif told:
            ledger.broken("events", f"<{message.label}> is {STATE_WORDS[state]} and its end was told: {told}")
        elif state not in _OPEN:
            ledger.broken("rest", f"<{message.label}> is still {STATE_WORDS[state]}")
        ledger.counts[f"end {STATE_WORDS[state]}"] += 1
    if events:
        ledger.broken("events", f"{app} was told of {len(events)} messages of others")


def _copies(world: World, segment: Segment) -> None:
    """A segment is sent again only after a refusal for now, or from true doubt: once by itself, or by an operator."""
    again = resolved = 0
    doubts = 0
    for _, old, new, in_doubt in segment.history:
        if new == State.QUEUED and in_doubt > doubts:
            again += 1
        if in_doubt < doubts:
            again -= doubts - in_doubt  # a late refusal for now says that nothing was taken: it never was in doubt
        if old == State.IN_DOUBT and new == State.QUEUED:
            resolved += 1
        doubts = in_doubt
    settings = world.settings.carriers_by_name[segment.carrier]
    if again > (settings.in_doubt == "resend"):
        world.ledger.broken("doubt", f"{segment.place} was queued {again} times from doubt ({settings.in_doubt})")
    allowed = 1 + again + resolved
    if segment.accepted > allowed:
        world.ledger.broken("copies", f"{segment.place} was accepted {segment.accepted} times, {allowed} allowed")
    if len(segment.arrivals) - segment.temporary > allowed:
        came, refused = len(segment.arrivals), segment.temporary
        world.ledger.broken(
            "copies", f"{segment.place} came {came} times, {refused} refused for now, {allowed} allowed"
        )


def _receipts(world: World, segment: Segment) -> None:
    """What a receipt ended is the segment that it was sent for."""
    con = world.disk.connection()
    state, error, told = con.execute(
        "SELECT state, error, receipt_state FROM segment WHERE message_id = ? AND part = ?",
        (segment.message.id, segment.part),
    ).fetchone()
    ledger = world.ledger
    if state != segment.state:
        ledger.broken("ledger", f"{segment.place} is {STATE_WORDS[state]}, by its history {STATE_WORDS[segment.state]}")
    if told is None:
        others = {s.state for s in segment.message.segments.values() if s is not segment and s.receipts}
        # An unsent segment ends with the first of its message that comes to a bad end.
        if state == State.DELIVERED or (state == State.UNDELIVERED and state not in others):
            ledger.broken("receipts", f"{segment.place} is {STATE_WORDS[state]} without a receipt")
        return
    if (state, int(error or 0)) not in segment.receipts and state >= State.DELIVERED:
        ledger.broken(
            "receipts", f"{segment.place} is {STATE_WORDS[state]} by error {error}; sent for it: {segment.receipts}"
        )


# --- inbound ----------------------------------------------------------------------------------------------------------


def _inbound(world: World) -> None:
    """What was acknowledged to a carrier is told to each application that it is for."""
    first = next(iter(world.plan.numbers))
    for label, (number, parts, acknowledged) in world.sent_inbound.items():
        for part in range(1, parts + 1):
            if part not in acknowledged:
                world.ledger.broken("inbound", f"<i{label}.{part}> was never acknowledged")
                continue
            for name in ("crm", "shop"):
                told = world.apps[name].inbound.get((label, part))
                wanted = name == "crm" or number == first
                if wanted and not told:
                    world.ledger.broken("inbound", f"<i{label}.{part}> was acknowledged, and {name} not told")
                elif told and not wanted:
                    world.ledger.broken("inbound", f"{name} was told of <i{label}>, which is not for it")


def _threads(world: World, con: sqlite3.Connection) -> None:
    """Each pair that wrote has one thread; each sender is one peer, as are those whose zone was noted before."""
    ledger = world.ledger
    came = con.execute("SELECT DISTINCT number, peer FROM inbound").fetchall()
    kept = con.execute("SELECT number, peer FROM thread").fetchall()
    if sorted(came) != sorted(kept):
        ledger.broken("threads", f"{sorted(set(kept) ^ set(came))[:4]}")
    peers = {row[0] for row in con.execute("SELECT address FROM peer")}
    noted = set(world.plan.quiet.noted) if world.plan.quiet is not None else set()
    if peers != {peer for _, peer in came if peer} | noted:
        ledger.broken("threads", f"{len(peers)} peers")


# --- the daemon -------------------------------------------------------------------------------------------------------


def _counters(ledger: Ledger, daemon: Daemon, con: sqlite3.Connection) -> None:
    """What is counted in memory is what the database has."""
    wrong: list[str] = []

    def equal(what: str, counted: object, expected: object) -> None:
        if counted != expected:
            wrong.append(f"{what} is {counted!r}, should be {expected!r}")

    queued: dict[str, Counter[str]] = {}
    for name, app, n in con.execute("SELECT carrier, app, count(*) FROM segment WHERE state = 1 GROUP BY carrier, app"):
        queued.setdefault(name, Counter())[app] = n
    for name, queue in daemon.outbound.queues.items():
        stored = {app: n for app, n in queue.stored.items() if n}
        equal(f"queue {name} stored", stored, dict(queued.get(name, {})))
        equal(f"queue {name} reserved", queue.reserved, 0)
        equal(f"queue {name} known", sorted(queue.known), [])
        equal(f"queue {name} pairs", sorted(queue.pairs.busy), [])
        equal(f"queue {name} waiting for their pairs", queue.pairs.waiting, 0)
        equal(f"queue {name} retries on disk", sorted(queue.retries.left), [])
        equal(f"queue {name} waiting", queue.waiting, False)
    for name, carrier in daemon.outbound.carriers.items():
        equal(f"carrier {name} claims_waiting", carrier.claims_waiting, 0)
        for bind in carrier.binds:
            equal(f"bind {bind.name} in_use", bind.in_use, 0)
            equal(f"bind {bind.name} unanswered", bind.unanswered, 0)
    writer = daemon.store.writer
    equal("writer pending", len(writer.pending), 0)
    equal("writer rows", (writer.pending.rows, writer.pending.octets), (0, 0))
    equal("parked", writer.base.parked, con.execute("SELECT count(*) FROM parked_receipt").fetchone()[0])
    waiting = Waiting()
    waiting.load(con)
    for part in ("units", "peers", "marks"):
        equal(f"parts waiting, {part}", getattr(writer.base.waiting, part), getattr(waiting, part))
    for stream, last in con.execute("SELECT stream, max(seq) FROM event GROUP BY stream"):
        feed = daemon.outbox.feeds[stream]
        equal(f"stream {stream} last", (feed.last, daemon.store.streams.last_seq[stream]), (last, last))
        acked = con.execute("SELECT acked FROM cursor WHERE stream = ?", (stream,)).fetchone()
        equal(f"stream {stream} acked", (feed.acked, feed.backlog, feed.unacked), (acked[0] if acked else 0, 0, 0))
    for what in wrong:
        ledger.broken("counters", what)


def _tasks(world: World, daemon: Daemon) -> None:
    """As many tasks as there are connections for, and no more."""
    found: Counter[str] = Counter()

    def walk(task: trio.lowlevel.Task) -> None:
        for nursery in task.child_nurseries:
            for child in nursery.child_tasks:
                found[child.name.split(".")[-2] + "." + child.name.split(".")[-1]] += 1
                walk(child)

    root = next(t for t in _all_tasks() if t.name.endswith("World._serve"))
    walk(root)
    binds = sum(len(c.binds) for c in daemon.outbound.carriers.values())
    doors = len(daemon.server.connections)
    several = {
        "Bind.run": binds,
        "Link._read": binds,
        "Link._write": binds,
        "Link._time": binds,
        "Life": len(daemon.outbound.carriers),  # each of its tasks
        "Carrier": len(daemon.outbound.carriers),
        "Connection._slowly": doors,
        "Connection._write_until_closed": doors,
        "Subscription.run": doors,
        "_serve_one_listener": 1,
        "Pusher._work": sum(pusher.handler.at_once for pusher in daemon.handlers.values()),
        "<locals>.run": len(daemon.handlers),
        "_run_handler": doors,
    }
    for name, n in sorted(found.items()):
        owner, _, method = name.partition(".")
        if n > several.get(name, several.get(owner, several.get(method, 1))):
            world.ledger.broken("tasks", f"{n} of {name}")


def _all_tasks() -> list[trio.lowlevel.Task]:
    root = trio.lowlevel.current_root_task()
    assert root is not None
    out = [root]
    for task in out:
        out += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return out


def summary(message: Message) -> str:
    """A message in a line, for a trace."""
    states = " ".join(STATE_WORDS[s.state] for _, s in sorted(message.segments.items()))
    return f"<{message.label}> {message.app} {message.number} -> {message.peer}: {states}"
