"""The accounts of rules: what was decided of each inbound message was done once, and nothing of it is lost."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.model import id_ms
from gateway.settings.own import FORWARDS, OWN_APP, REPLIES
from gateway.store.optedout import OPTED_OUT
from gateway.store.stops import ANSWERS
from gateway.store.streams import HANDLER
from tests.sim.book import TEXTS

if TYPE_CHECKING:
    from gateway.daemon import Daemon
    from tests.sim.plan import RulePlan
    from tests.sim.world import World


class _Sent(NamedTuple):
    """A message of ours that follows from an inbound one."""

    id: int
    door: str
    number: str
    peer: str
    ref: str
    inbound: int
    rule: str


_GREETED = ["greeted"]
_OUT = "who would get it opted out"
_SAID = frozenset(text for texts in TEXTS.values() for text in texts)
"""What people say about the messages that they get: no rule knows it, so it is forwarded and no more."""


def waits(daemon: Daemon) -> bool:
    """Whether something that rules send failed, and is to be tried again."""
    found = (daemon.store.streams.find(HANDLER, "", name) for name in (FORWARDS, REPLIES))
    return any(due is not None for info in found if info for _, due, _ in daemon.outbox.retries[info.id].values())


def laws(world: World, daemon: Daemon, con: sqlite3.Connection) -> None:
    """The laws of a run with rules or answers, once it has come to rest."""
    plan = world.plan.rules
    broken = world.ledger.broken
    sent = [
        _Sent(mid, door, number, peer, ref, world.parse((said := json.loads(meta))["inbound"]), said["rule"])
        for mid, door, number, peer, ref, meta in con.execute(
            "SELECT id, door, number, peer, ref, meta FROM message WHERE app = ? ORDER BY id", (OWN_APP,)
        )
    ]
    refused = _events(world, daemon, con, sent)
    world.ledger.permits.at_rest(refused)
    sent = [one for one in sent if one.rule != ANSWERS]
    if plan is None:
        return
    twice = [key for key, n in Counter((one.inbound, one.door, one.peer) for one in sent).items() if n > 1]
    if twice:
        broken("own", f"sent twice of one inbound message to one phone: {twice[:3]}")
    by_inbound: dict[int, list[_Sent]] = defaultdict(list)
    for one in sent:
        by_inbound[one.inbound].append(one)
    answered: dict[tuple[str, str], list[int]] = defaultdict(list)
    for mid, number, peer, text, extra in con.execute("SELECT id, number, peer, text, extra FROM inbound ORDER BY id"):
        said = json.loads(extra) if extra else {}
        what = f"{number} <- {peer} {mid}"
        if text in _SAID:
            _done(world, plan, what, said, by_inbound.pop(mid, []), rules=["duty"], tags=None)
            continue
        _done(world, plan, what, said, by_inbound.pop(mid, []), refused=mid in refused)
        pair = (number, peer)
        out = any(_OUT in one for one in said.get("held_back", ()))
        if plan.replies and not said.get("replied") and pair not in answered and not out:
            broken("own", f"the first message of {pair} was not answered")
        if said.get("replied"):
            answered[pair].append(mid)
    if by_inbound:
        broken("own", f"{len(by_inbound)} of our own messages follow from nothing")
    if not world.plan.clock_steps:
        _guards(world, plan, answered, sent)


def _events(world: World, daemon: Daemon, con: sqlite3.Connection, sent: list[_Sent]) -> set[int]:
    """Each event became the message whose ref is its id, and there is no other.

    Apart from what goes to who opted out meanwhile; returns the inbound messages of which that was.
    """
    events: set[str] = set()
    refused: set[int] = set()
    for name in (FORWARDS, REPLIES):
        info = daemon.store.streams.find(HANDLER, "", name)
        if info is None:
            continue  # nothing of this kind was ever to be sent
        dead = 0
        for seq, payload, error in con.execute(
            "SELECT e.seq, e.payload, r.error FROM event e LEFT JOIN retry r ON r.stream = e.stream AND r.seq = e.seq"
            " AND r.due_at IS NULL WHERE e.stream = ?",
            (info.id,),
        ):
            if error is None:
                events.add(f"{info.id}-{seq}")
                continue
            dead += 1
            refused.add(world.parse(json.loads(payload)["id"]))
            if not error.startswith(f"{OPTED_OUT}:"):
                world.ledger.broken("own", f"a dead letter of {name}: {error}")
        if daemon.outbox.feeds[info.id].dead != dead:
            world.ledger.broken("own", f"{dead} dead letters of {name}, counted {daemon.outbox.feeds[info.id].dead}")
    if events != {one.ref for one in sent} or len(events) != len(sent):
        lost, other = events - {one.ref for one in sent}, {one.ref for one in sent} - events
        world.ledger.broken("own", f"{len(sent)} messages of {len(events)} events; not sent {lost}, from none {other}")
    return refused


def _done(
    world: World,
    plan: RulePlan,
    what: str,
    said: dict[str, Any],
    sent: list[_Sent],
    *,
    rules: list[str] | None = None,
    tags: list[str] | None = _GREETED,
    refused: bool = False,
) -> None:
    """What was done with an inbound message is what its row says."""
    if rules is None:
        rules = ["tag", "auto", "duty"] if plan.replies else ["tag", "duty"]
    forwards = sum(one.door == "forward" for one in sent)
    wanted = len(plan.targets) if plan.mode == "all" else 1
    held = sum("duty: forward" in one for one in said.get("held_back", ()))
    if said.get("rules") != rules or said.get("tags") != tags:
        world.ledger.broken("own", f"{what} was decided by {said.get('rules')}")
    elif forwards > wanted or (forwards < wanted and not held):
        world.ledger.broken("own", f"{what} was forwarded {forwards} times, and not {wanted}")
    elif len(sent) - forwards != (said.get("replied", False) and not refused):
        world.ledger.broken("own", f"{what} was answered {len(sent) - forwards} times, its row says otherwise")


def _guards(world: World, plan: RulePlan, answered: dict[tuple[str, str], list[int]], sent: list[_Sent]) -> None:
    """No sender is answered twice within the span, no target gets more than it may, and turns go round."""
    for pair, ids in answered.items():
        for one, other in pairwise(ids):
            if id_ms(other) - id_ms(one) < plan.reply_interval * 1000:
                world.ledger.broken("own", f"{pair} was answered twice in {id_ms(other) - id_ms(one)} ms")
    # A run is shorter than an hour.
    counted = Counter((one.number, one.peer) for one in sent if one.door == "forward")
    if any(n > plan.forwards_per_hour for n in counted.values()):
        world.ledger.broken("own", f"more than {plan.forwards_per_hour} forwards in an hour: {counted.most_common(2)}")
    turns = [sum(one.door == "forward" and one.peer == target for one in sent) for target in plan.targets]
    if plan.mode == "turn" and plan.forwards_per_hour > len(sent) and max(turns) - min(turns) > 1:
        world.ledger.broken("own", f"turns were {turns}")
