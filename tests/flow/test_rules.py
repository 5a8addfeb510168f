"""Rules for inbound messages, from the carrier to what is sent of our own accord: forwards, replies, reloads, kills."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gateway.settings.own import FORWARDS, OWN_APP, REPLIES
from gateway.smpp.pdu import DeliverSm
from tests.support.daemons import Commits, Gateway, gateway, write_config
from tests.support.smsc import Bound, Smsc, Submitted, address, peers

NUMBER, OTHER_NUMBER = "+15551230001", "+15551230002"
PEER, OTHER_PEER = peers(2)
ANN, BOB = "+14155550101", "+14155550102"

GROUP = f"""
[groups.oncall]
members = [{{ name = "Ann", phone = "{ANN}" }}, {{ name = "Bob", phone = "{BOB}" }}]
"""
FORWARD = (
    GROUP
    + """
[[rules]]
name = "on-call"
forward = ["oncall"]
forward_text = "{name}, {peer} says: {text}"
"""
)
REPLY = """
[[rules]]
name = "closed"
reply = "We are closed."
"""


def deliver(bind: Bound, text: bytes, *, to: str = NUMBER, by: str = PEER) -> None:
    bind.deliver(DeliverSm(address(by), address(to), text))


def seen(smsc: Smsc) -> list[tuple[str, str]]:
    return [(s.peer, s.text) for s in smsc.submits]


def messages(g: Gateway, columns: str = "app, door, number, peer, ref, meta") -> list[Any]:
    return g.daemon.store.read_now(lambda con: con.execute(f"SELECT {columns} FROM message ORDER BY id").fetchall())


# --- forwards ---------------------------------------------------------------------------------------------------------


async def test_a_message_is_forwarded_to_a_group(autojump_clock: MockClock) -> None:
    async with gateway(extra=FORWARD) as g:
        app = await g.connect()
        await app.call("subscribe")
        deliver(g.smsc.binds[0], b"Help {name}")
        (event,) = await app.notified(1)
        await g.settled()
        assert sorted(seen(g.smsc)) == [
            (ANN, f"Ann, {PEER} says: Help {{name}}"),
            (BOB, f"Bob, {PEER} says: Help {{name}}"),
        ]
        assert event["rules"] == ["on-call"]
        rows = messages(g)
        assert {row[:4] for row in rows} == {(OWN_APP, "forward", NUMBER, ANN), (OWN_APP, "forward", NUMBER, BOB)}
        assert {row[4] for row in rows} == {f"{stream(g, FORWARDS)}-1", f"{stream(g, FORWARDS)}-2"}
        assert json.loads(rows[0][5]) == {"inbound": event["id"], "peer": PEER, "rule": "on-call"}


def stream(g: Gateway, name: str) -> int:
    return g.daemon.handlers[name].feed.info.id


async def test_the_answer_to_a_forward_reaches_who_wrote(autojump_clock: MockClock) -> None:
    """Without the phone that it is from; and of two who wrote nobody gets what may be for the other."""
    relay = '[[rules]]\nname = "answer"\ngroups = ["oncall"]\nrelay_within = 600\nhandlers = []\n'
    own = '[[rules]]\nname = "staff"\ngroups = ["oncall"]\n'
    async with gateway(extra=relay + own + FORWARD) as g:
        bind = g.smsc.binds[0]
        deliver(bind, b"It leaks")
        await g.smsc.came(2)
        await g.settled()
        deliver(bind, b"On my way", by=ANN)
        *_, answer = await g.smsc.came(3)
        assert (answer.peer, answer.text, f"+{answer.pdu.source.addr}") == (PEER, "On my way", NUMBER)
        await g.settled()
        deliver(bind, b"Thanks")  # goes to both again, and they may answer again
        await g.smsc.came(5)
        deliver(bind, b"Me too", by=OTHER_PEER)
        await g.smsc.came(7)
        await g.settled()
        app = await g.connect()
        found = await app.call("rules", **{"from": ANN, "text": "Which?"})
        assert (found["matched"], found["rules"][0]["found"]) == (["staff"], "those of 2")
        deliver(bind, b"Which?", by=ANN)
        await g.settled()
        await trio.sleep(700)
        deliver(bind, b"Too late", by=ANN)
        await g.settled()
        assert len(g.smsc.submits) == 7


async def test_turns_and_order(autojump_clock: MockClock) -> None:
    """One after the other has it, and each gets theirs in the order in which they came."""
    rules = GROUP + '[[rules]]\nname = "turn"\nforward = ["oncall"]\nforward_mode = "turn"\nforward_text = "{text}"\n'
    async with gateway(extra=rules) as g:
        for i in range(40):
            deliver(g.smsc.binds[0], b"%02d" % i, by=peers(40)[i])
        await g.settled()
        assert [text for peer, text in seen(g.smsc) if peer == ANN] == [f"{i:02}" for i in range(0, 40, 2)]
        assert [text for peer, text in seen(g.smsc) if peer == BOB] == [f"{i:02}" for i in range(1, 40, 2)]


async def test_two_numbers_of_ours_do_not_send_a_message_to_and_fro(autojump_clock: MockClock) -> None:
    """A carrier brings a forward to another number of ours, whose rule forwards as well: it ends there."""
    rules = f"""
[[rules]]
name = "all"
forward = ["{ANN}"]
forward_text = "{{text}}"
[[rules]]
name = "never"
"""

    def answer(submitted: Submitted) -> int:
        # Ann's phone is diverted to our other number; whose sender is the number that sent it.
        deliver(submitted.bind, submitted.pdu.short_message, to=OTHER_NUMBER, by=NUMBER)
        return 0

    async with gateway(extra=rules, numbers=2, answer=answer) as g:
        app = await g.connect()
        await app.call("subscribe")
        deliver(g.smsc.binds[0], b"x")
        first, second = await app.notified(2)
        await g.settled()
        assert len(g.smsc.submits) == 1
        assert (first["number"], second["number"]) == (NUMBER, OTHER_NUMBER)
        assert second["held_back"] == ["all: forward: the sender or the target is one of our own numbers"]
        assert count(g, "smsgw_rules_held_back_total", action="forward", cause="own_number") == 1


async def test_a_loop_by_somebody_elses_phone_ends_at_the_rate(autojump_clock: MockClock) -> None:
    """Ann's phone answers all by itself, from another number each time: no number tells it from people."""
    rules = f'[limits]\nforwards_per_hour = 7\n[[rules]]\nname = "all"\nforward = ["{ANN}"]\n'
    rounds = iter(peers(100))

    def answer(submitted: Submitted) -> int:
        deliver(submitted.bind, b"I am away", by=next(rounds))
        return 0

    async with gateway(extra=rules, answer=answer) as g:
        deliver(g.smsc.binds[0], b"x")
        await g.settled()
        assert len(g.smsc.submits) == 7
        assert count(g, "smsgw_rules_held_back_total", action="forward", cause="rate") == 1


def count(g: Gateway, metric: str, **labels: str) -> float:
    return g.daemon.metrics.registry.get_sample_value(metric, labels) or 0.0


# --- replies ----------------------------------------------------------------------------------------------------------


async def test_an_automatic_reply(autojump_clock: MockClock) -> None:
    async with gateway(extra=REPLY) as g:
        app = await g.connect()
        await app.call("subscribe")
        deliver(g.smsc.binds[0], b"Are you there?")
        deliver(g.smsc.binds[0], b"Hello?")
        first, second = await app.notified(2)
        await g.settled()
        assert seen(g.smsc) == [(PEER, "We are closed.")]
        assert first["replied"] is True
        assert second["held_back"] == ["closed: reply: the sender was answered a short while ago"]
        ((name, door, number, peer, ref, meta),) = messages(g)
        assert (name, door, number, peer, ref) == (OWN_APP, "reply", NUMBER, PEER, f"{stream(g, REPLIES)}-1")
        assert json.loads(meta) == {"inbound": first["id"], "peer": PEER, "rule": "closed"}
        await trio.sleep(601)
        deliver(g.smsc.binds[0], b"Still closed?")
        await g.settled()
        assert len(g.smsc.submits) == 2


async def test_two_gateways_that_answer_by_themselves_stop(autojump_clock: MockClock) -> None:
    def answer(submitted: Submitted) -> int:
        deliver(submitted.bind, b"I am an automaton too", by=submitted.peer)
        return 0

    async with gateway(extra=REPLY, answer=answer) as g:
        deliver(g.smsc.binds[0], b"x")
        await g.settled()
        assert len(g.smsc.submits) == 1


@pytest.mark.parametrize(
    ("esm_class", "flag"), [(0x08, "delivery_ack"), (0x10, "user_ack"), (0x18, "conversation_abort"), (0x00, None)]
)
async def test_an_acknowledgement_of_a_phone_is_not_answered(
    autojump_clock: MockClock, esm_class: int, flag: str | None
) -> None:
    async with gateway(extra=REPLY) as g:
        app = await g.connect()
        await app.call("subscribe")
        g.smsc.binds[0].deliver(DeliverSm(address(PEER), address(NUMBER), b"read", esm_class=esm_class))
        (event,) = await app.notified(1)
        await g.settled()
        assert event.get("flags", []) == ([flag] if flag else [])
        assert len(g.smsc.submits) == (0 if flag else 1)


async def test_a_reply_is_not_sent_when_it_is_old(autojump_clock: MockClock) -> None:
    """It has the validity of `limits.reply_age`: a carrier that is back tomorrow does not get it."""
    async with gateway(extra="[limits]\nreply_age = 60\n" + REPLY) as g:
        bind = g.smsc.binds[0]
        deliver(bind, b"x")
        await g.until(lambda: g.smsc.submits)
        created, expires = messages(g, "id >> 21, expires_at")[0]
        assert 59_000 <= expires - created <= 61_000


# --- what is not taken in ---------------------------------------------------------------------------------------------


async def test_a_forward_that_is_refused_for_good_is_a_dead_letter(autojump_clock: MockClock) -> None:
    async with gateway(extra="[limits]\nmax_segments = 1\n" + FORWARD) as g:
        app = await g.connect()
        await app.call("subscribe")
        deliver(g.smsc.binds[0], b"x" * 150)
        await app.notified(1)
        await g.settled()
        assert not g.smsc.submits
        status = await app.call("status")
        (row,) = [row for row in status["handlers"] if row["name"] == FORWARDS]
        assert (row["configured"], row["dead"], row["backlog"]) == (True, 2, 0)
        assert row["last_error"].startswith("too_long: ")


async def test_a_dead_forward_is_replayed_once_it_can_be_sent(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Once, also when it is asked for again: the event is the same, and so is its message."""
    async with gateway(tmp_path, extra="[limits]\nmax_segments = 1\n" + FORWARD) as g:
        app = await g.connect()
        deliver(g.smsc.binds[0], b"x" * 150)
        await g.settled()
        dead = (await app.call("events", handler=FORWARDS, dead=True))["events"]
        assert [e["error"].split(":")[0] for e in dead] == ["too_long", "too_long"]
        write_config(tmp_path, extra=FORWARD)
        await app.call("reload")
        for _ in range(2):
            await app.call("replay", ids=[e["event_id"] for e in dead])
            await g.settled()
        assert sorted({s.peer for s in g.smsc.submits}) == [ANN, BOB]
        assert len(messages(g)) == 2


async def test_a_full_disk_delays_a_forward(autojump_clock: MockClock) -> None:
    commits = Commits()

    async with gateway(extra=FORWARD, run_sync=commits) as g:
        submit = g.daemon.outbound.intake.submit

        def full(*args: Any) -> None:
            g.daemon.outbound.intake.submit = submit  # type: ignore[method-assign]
            g.daemon.store.writer.disk_full = True
            submit(*args)
            g.daemon.store.writer.disk_full = False

        g.daemon.outbound.intake.submit = full  # type: ignore[method-assign, assignment]
        deliver(g.smsc.binds[0], b"x")
        await g.until(lambda: len(g.smsc.submits) == 2)
        assert sorted(peer for peer, _ in seen(g.smsc)) == [ANN, BOB]
        await g.settled()
        assert not g.daemon.outbox.retries[stream(g, FORWARDS)]


# --- reloads ----------------------------------------------------------------------------------------------------------


async def test_rules_come_and_go_with_a_reload(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with gateway(tmp_path) as g:
        app = await g.connect()
        deliver(g.smsc.binds[0], b"1")
        await g.settled()
        assert not g.smsc.submits
        assert FORWARDS not in g.daemon.handlers
        for rules in (FORWARD, FORWARD.replace("says", "said"), ""):
            write_config(tmp_path, extra=rules)
            assert "rules" in (await app.call("reload"))["changed"]
            deliver(g.smsc.binds[0], b"2")
            await g.settled()
        texts = [text for peer, text in seen(g.smsc) if peer == ANN]
        assert texts == [f"Ann, {PEER} says: 2", f"Ann, {PEER} said: 2"]


# --- kills ------------------------------------------------------------------------------------------------------------


class Killed(Commits):
    """The disk of a daemon that dies at its ``last`` transaction: that one is committed or not, and nobody is told."""

    def __init__(self, last: int, *, committed: bool) -> None:
        super().__init__()
        self.left: int | None = None
        self.last = last
        self.committed = committed

    async def __call__(self, function: Callable[[], object]) -> object:
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                if self.committed:
                    await super().__call__(function)
                self.fill_disk()
        return await super().__call__(function)


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize("last", range(1, 9))
async def test_a_kill_at_any_commit_neither_loses_nor_repeats_one(
    autojump_clock: MockClock, tmp_path: Path, last: int, committed: bool
) -> None:
    """What was acknowledged is forwarded once to each, and answered once, as messages; none for what was not stored."""
    rules = FORWARD.replace('name = "on-call"', 'name = "on-call"\nthen = "continue"') + REPLY
    disk = Killed(last, committed=committed)
    async with gateway(tmp_path, extra=rules, run_sync=disk, stop=False) as g:
        bind = g.smsc.binds[0]
        disk.left = disk.last
        deliver(bind, b"x")
        await g.settled()
        acknowledged = any(status == 0 for _, status in bind.answers)
    async with gateway(tmp_path, extra=rules) as g:
        await g.settled()
        stored = g.daemon.store.read_now(lambda con: con.execute("SELECT count(*) FROM inbound").fetchone()[0])
        assert stored >= acknowledged
        expected = [(ANN, "forward"), (BOB, "forward"), (PEER, "reply")] if stored else []
        assert sorted(messages(g, "peer, door")) == sorted(expected)
        backlogs = {name: g.daemon.handlers[name].feed.backlog for name in (FORWARDS, REPLIES)}
        assert backlogs == {FORWARDS: 0, REPLIES: 0}
