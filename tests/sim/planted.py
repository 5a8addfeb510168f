"""Defects planted on purpose, one of each kind: a simulation that finds none of them proves nothing.

Each is a patch of the gateway and the laws of which one has to be broken by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

import msgspec
import trio

import gateway.store.quiet as putting
from gateway.carrier.bind import Bind
from gateway.carrier.carrier import Carrier
from gateway.carrier.outgoing import Outgoing
from gateway.carrier.pacer import Pacer
from gateway.handlers.own import Own
from gateway.link import Link
from gateway.outbound import loader
from gateway.outbound.answers import Answers
from gateway.outbound.carriers import Carriers
from gateway.outbound.claims import Claims
from gateway.outbound.prepare import Preparer
from gateway.outbound.queue import CarrierQueue
from gateway.outbound.repeats import Repeats
from gateway.outbound.resting import Resting
from gateway.outbound.restoring import restore
from gateway.store import checks, ends, matching, optedout, optouts, peers, ruled, sends, stops, submits
from gateway.store.consents import ConsentChanges
from gateway.store.guards import Change
from gateway.store.hot import Values
from gateway.store.inbound import InboundOp
from gateway.store.submits import SubmitOp
from gateway.store.tx import Tx
from gateway.store.writer import Writer

Plant = Callable[[ExitStack], None]
_heed = stops._heed


def _method(owner: type, name: str, make: Callable[[Any], Any]) -> Plant:
    """Replaces a method by what ``make`` makes of it."""

    def plant(stack: ExitStack) -> None:
        stack.enter_context(mock.patch.object(owner, name, make(getattr(owner, name))))

    return plant


def _statement(module: Any, name: str, old: str, new: str) -> Plant:
    """Replaces a piece of a statement."""

    def plant(stack: ExitStack) -> None:
        statement: Values = getattr(module, name)
        assert old in statement.text, f"{name} has no {old!r}"
        stack.enter_context(
            mock.patch.object(
                module, name, Values(statement.text.replace(old, new), statement.columns, statement.shared)
            )
        )

    return plant


def _function(module: Any, name: str, other: Any) -> Plant:
    """Replaces a function."""
    return lambda stack: stack.enter_context(mock.patch.object(module, name, other)) and None


def _told_before_the_commit(kind: type) -> Plant:
    def make(put: Any) -> Any:
        def early(self: Writer, op: Any, on_commit: Any = None, on_fail: Any = None) -> None:
            if isinstance(op, kind) and on_commit is not None:
                on_commit(op)
                on_commit = on_fail = None
            put(self, op, on_commit, on_fail)

        return early

    return _method(Writer, "put", make)


def _some_events_dropped(emit: Any) -> Any:
    count = 0

    def drop(self: Tx, *args: Any) -> None:
        nonlocal count
        count += 1
        if count % 10:
            emit(self, *args)

    return drop


def _faster(init: Any) -> Any:
    return lambda self, rate, *rest, **named: init(self, rate + 1 if rate else 0, *rest, **named)


def _slot_not_taken(send: Any) -> Any:
    def sent(self: Bind, *args: Any) -> None:
        send(self, *args)
        self.in_use -= self.in_use > 1

    return sent


def _slot_free_when_read(answered: Any) -> Any:
    def early(self: Answers, bind: Bind, answers: Any) -> None:
        bind.in_use -= sum(not a.late for a in answers)
        answered(self, bind, answers)

    return early


def _slot_leaks(settled: Any) -> Any:
    return lambda self, bind, segments: settled(self, bind, max(1, segments - 1) if segments else 0)


def _longer(item: Outgoing) -> Outgoing:
    item.expires_at += 600_000
    item.until += 600_000
    return item


def _all_longer(prepare: Any) -> Any:
    def prepared(self: Preparer, *args: Any, **named: Any) -> Any:
        made = prepare(self, *args, **named)
        _longer(made.outgoing)
        return made

    return prepared


def _one_lane(_: Any) -> Any:
    def push(self: Carrier, segments: Any) -> None:
        self._ready[1].extend(segments)
        self.pump()

    return push


def _tasks_left(start: Any) -> Any:
    async def leaky(self: Carriers, *args: Any) -> None:
        assert self._nursery is not None
        self._nursery.start_soon(trio.sleep_forever)
        self._nursery.start_soon(trio.sleep_forever)
        await start(self, *args)

    return leaky


def _without_ref(submit: Any) -> Any:
    async def anew(self: Own, request: Any, door: str) -> Any:
        return await submit(self, msgspec.structs.replace(request, ref=None), door)

    return anew


def _goes_on(_: Any) -> Any:
    def rests(self: Resting, queue: CarrierQueue, item: Outgoing, *args: Any) -> bool:
        item.until = item.expires_at
        return False

    return rests


def _refused_at_once(_: Any) -> Any:
    def refuse(self: Repeats, batch: Any, refused: Any) -> None:
        for place, _, refusal in refused:
            batch.outcomes[place] = refusal

    return refuse


def _begun_when_claimed(rests: Any) -> Any:
    def all_begun(self: Resting, queue: CarrierQueue, item: Outgoing, *args: Any) -> bool:
        item.begun = True
        told: bool = rests(self, queue, item, *args)
        return told

    return all_begun


def _both(*plants: Plant) -> Plant:
    def plant(stack: ExitStack) -> None:
        for one in plants:
            one(stack)

    return plant


def _for_ever(pending: Any) -> Any:
    return lambda self, peer, number: [one for (at, _), one in self._pending[peer].items() if at == number]


def _only(*changes: str) -> Any:
    def make(record: Any) -> Any:
        return lambda self, change, *rest: record(self, change, *rest) if change in changes else self._tx.ids.next()

    return make


def _answered_again(*args: Any) -> Any:
    one = _heed(*args)
    if one is not None and one.taken_for == "optout":
        one.answered = True
    return one


def _all_unwritten(_: Any) -> Any:
    return lambda self: {sequence for sequence, _ in self.session.outstanding_requests()}


def _nothing(_: Any) -> Any:
    return lambda self, *args, **named: None


PLANTED: Final[dict[str, tuple[Plant, frozenset[str]]]] = {
    "a submit is acknowledged before its commit": (_told_before_the_commit(SubmitOp), frozenset({"durable"})),
    "an inbound message is acknowledged before its commit": (
        _told_before_the_commit(InboundOp),
        frozenset({"durable"}),
    ),
    "what waits goes on in quiet hours": (_method(Resting, "rests", _goes_on), frozenset({"quiet"})),
    "what is claimed is taken for begun in quiet hours": (
        _method(Resting, "rests", _begun_when_claimed),
        frozenset({"quiet"}),
    ),
    "quiet hours go by the number alone": (
        _method(
            Preparer,
            "rest",
            lambda rest: lambda self, klass, peer, zone, known, app="": rest(self, klass, peer, None, None, app),
        ),
        frozenset({"quiet"}),
    ),
    "what quiet hours put off waits a minute more": (
        _statement(putting, "PUT_OFF", "due_at = v.due", "due_at = v.due + 60000"),
        frozenset({"quiet", "validity"}),
    ),
    "what was accepted is refused in quiet hours": (
        _method(Repeats, "refuse", _refused_at_once),
        frozenset({"idempotent"}),
    ),
    "a pair is not held": (
        _method(CarrierQueue, "set_ordered", lambda f: lambda self, ordered: f(self, ordered=False)),
        frozenset({"pair", "order"}),
    ),
    "a message passes one that is being stored": (
        _method(CarrierQueue, "passes", lambda _: lambda self, lane, number, peer: (number, peer) not in self._busy),
        frozenset({"order"}),
    ),
    "the pacer gives one more": (_method(Pacer, "__init__", _faster), frozenset({"throughput"})),
    "a slot of the window is not taken": (_method(Bind, "send", _slot_not_taken), frozenset({"window"})),
    "a slot is free when the answer is read": (
        _both(_method(Answers, "answered", _slot_free_when_read), _method(Carrier, "settled", _nothing)),
        frozenset({"doubts"}),
    ),
    "a receipt is matched by another carrier's id": (
        _both(
            _statement(matching, "MATCH_RECEIPT", " AND d.carrier = v.carrier", ""),
            _statement(matching, "MATCH_RECEIPT", "s.carrier IS NOT v.carrier", "0"),
            _function(matching, "same_peer", lambda a, b: True),
        ),
        frozenset({"receipts"}),
    ),
    "a claim is not put back": (_method(Claims, "unclaim", _nothing), frozenset({"rest"})),
    "what was written is taken for unwritten": (_method(Link, "unwritten", _all_unwritten), frozenset({"copies"})),
    "doubt is resent again and again": (
        _statement(sends, "DOUBT", "v.resend AND in_doubt = 0", "v.resend"),
        frozenset({"doubt", "copies"}),
    ),
    "a cancelled message is claimed": (
        _both(
            _statement(sends, "CLAIM", "AND state = 1", "AND state IN (1, 10)"),
            _statement(sends, "CLAIM_ALIKE", "AND state = 1", "AND state IN (1, 10)"),
        ),
        frozenset({"monotone"}),
    ),
    "a late response takes a final state back": (
        _both(
            _statement(sends, "SENT", "CASE WHEN state <= 4 THEN 3 ELSE state END", "3"),
            _statement(sends, "SENT_ALIKE", "CASE WHEN state <= 4 THEN 3 ELSE state END", "3"),
        ),
        frozenset({"monotone"}),
    ),
    "marketing goes before a one-time code": (_method(Carrier, "push", _one_lane), frozenset({"lanes"})),
    "validity is not looked at": (
        _both(
            _method(Preparer, "prepare", _all_longer),
            _function(loader, "restore", lambda *args: _longer(restore(*args))),
        ),
        frozenset({"validity"}),
    ),
    "an event is dropped": (_method(Tx, "emit", _some_events_dropped), frozenset({"events", "inbound"})),
    "who was answered is answered again": (
        _function(ruled, "not_now", lambda *_: {}),
        frozenset({"own"}),
    ),
    "a forward is not counted": (_method(Change, "forwarded", _nothing), frozenset({"own"})),
    "what rules send is another message each time": (_method(Own, "_submit", _without_ref), frozenset({"own"})),
    "who wrote has no thread": (
        _statement(peers, "NEW_PAIRS", "NOT EXISTS", "EXISTS"),
        frozenset({"threads"}),
    ),
    "a ref is not found again": (
        _statement(submits, "SELECT_REF", "r.ref = v.ref", "r.ref < v.ref"),
        frozenset({"idempotent", "durable"}),
    ),
    "who opted out is not asked for": (
        _function(submits, "judge", lambda tx, messages: messages),
        frozenset({"optout"}),
    ),
    "what waits goes on after a STOP": (_function(optouts, "_sweep", lambda tx, stopped: 0), frozenset({"optout"})),
    "what is claimed is not taken back by a STOP": (_method(Claims, "stop_peers", _nothing), frozenset({"optout"})),
    "what comes back to the queue goes on after a STOP": (
        _function(ends, "covered", lambda tx, ids: set()),
        frozenset({"optout"}),
    ),
    "who agreed is not asked for": (_function(checks, "agreed_to", lambda tx, messages: False), frozenset({"consent"})),
    "what waits goes on without consent": (_method(ConsentChanges, "_sweep", _nothing), frozenset({"consent"})),
    "what comes back to the queue goes on without consent": (
        _function(optedout, "lacking", lambda tx, ids: set()),
        frozenset({"consent"}),
    ),
    "a YES counts at any time": (_method(ConsentChanges, "pending", _for_ever), frozenset({"heed"})),
    "a withdrawal is not recorded": (
        _method(ConsentChanges, "_record", _only("asked", "granted")),
        frozenset({"record"}),
    ),
    "a second STOP is answered": (_function(stops, "_heed", _answered_again), frozenset({"answer"})),
    "the answer to a STOP goes out again from doubt": (
        _statement(optedout, "SELECT_COVERED", "s.in_doubt > 0", "s.in_doubt > 9"),
        frozenset({"answer"}),
    ),
    "a task is left behind": (_method(Carriers, "_start", _tasks_left), frozenset({"tasks"})),
    "a slot of the window leaks": (_method(Carrier, "settled", _slot_leaks), frozenset({"counters"})),
}
"""By what is wrong: the patch, and the laws that see it."""

FIRST: Final = {
    "what waits goes on in quiet hours": 3,
    "what is claimed is taken for begun in quiet hours": 3,
    "quiet hours go by the number alone": 2,
    "what quiet hours put off waits a minute more": 3,
    "what was accepted is refused in quiet hours": 14,
    "a message passes one that is being stored": 20,
    "the pacer gives one more": 2,
    "a slot of the window is not taken": 4,
    "a slot is free when the answer is read": 4,
    "a receipt is matched by another carrier's id": 5,
    "what was written is taken for unwritten": 6,
    "doubt is resent again and again": 7,
    "a late response takes a final state back": 6,
    "marketing goes before a one-time code": 5,
    "validity is not looked at": 3,
    "who was answered is answered again": 5,
    "a forward is not counted": 13,
    "who opted out is not asked for": 2,
    "what waits goes on after a STOP": 6,
    "what is claimed is not taken back by a STOP": 14,
    "what comes back to the queue goes on after a STOP": 14,
    "who agreed is not asked for": 2,
    "what waits goes on without consent": 33,
    "what comes back to the queue goes on without consent": 22,
    "a YES counts at any time": 14,
    "a withdrawal is not recorded": 2,
    "a second STOP is answered": 2,
    "the answer to a STOP goes out again from doubt": 53,
}
"""The seed to begin with, where the first one did not find it."""


@contextmanager
def planted(name: str) -> Iterator[frozenset[str]]:
    """The gateway with this defect; gives the laws that see it."""
    plant, laws = PLANTED[name]
    with ExitStack() as stack:
        plant(stack)
        yield laws
