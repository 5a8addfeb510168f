"""Was anything lost, copied without need or changed? The carrier's own log against what applications were told.

The rule for copies: a slot of a bind's window is freed only once the answer is committed. So at a kill at most `window`
submits of each bind are unrecorded: those that the carrier had not answered, and of the answered ones the last, as many
as the window has room for beside the former. Only these may be sent again, once each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench import keys, wire
from bench.reconcile import Reconciliation, faithful, told_rightly
from bench.sinklog import Message, SinkLog, Submit
from bench.trace import Line
from tests.system.told import Told

WAITING = frozenset({"scheduled", "queued", "submitting", "sent", "in_doubt"})
FINAL = frozenset({"delivered", "undelivered", "expired", "failed", "rejected", "cancelled"})


@dataclass(frozen=True)
class Bounds:
    """window, binds: as configured. inbound_window: the carrier's. response_timeout: seconds until a slot expires.

    ends: when each life of the daemon ended but the last, CLOCK_MONOTONIC. killed: whether by kill -9.
    """

    window: int
    binds: int
    inbound_window: int
    response_timeout: float
    ends: Sequence[float]
    killed: bool
    resend: bool


Shown = Mapping[str, Mapping[str, Any]]
"""By message_id what the `message` method shows, of all messages that were not ended or were copied."""


def outbound(told: Told, lines: Sequence[Line], log: SinkLog, shown: Shown, bounds: Bounds) -> Reconciliation:
    """Acknowledged messages against the carrier's log.

    lost: not whole at the carrier and not shown in doubt; or `delivered` and not whole at the carrier.
    silent: no end was told and `message` does not show it in doubt.
    garbled: another text or peer, or copies that differ. stray: at the carrier, and nobody handed it over.
    needless: copied without doubt. unmarked: copied, and not marked. twice: copied more than once.
    crowd: more copies of one bind after one kill than its window, or more held than was claimed: twice the windows.
    """
    lines = [line for line in lines if line.kind == "mt"]
    seen = log.messages()
    result = Reconciliation({"acknowledged": len(told.ids)})
    wrong = result.wrong
    unrecorded = _Unrecorded(log, bounds)
    counts: Counter[str] = Counter()
    waiting: set[int] = set()
    for number, message_id in sorted(told.ids.items()):
        key = keys.key(keys.MT, number)
        message = seen.pop(key, None)
        state = told.ends.get(message_id)
        complete = message is not None and message.complete
        counts["at the carrier"] += complete
        if state is None:
            state = shown[message_id]["state"] if message_id in shown else "unknown"
            if state == "in_doubt":
                waiting.add(number)
            else:
                wrong["silent"].append(f"{key} {message_id} {state}")
        if not complete and state != "in_doubt":
            wrong["lost"].append(f"{key} {message_id} {state}")
        if message is None:
            continue
        if not _readable(message, lines[number % len(lines)], number):
            wrong["garbled"].append(key)
        for part, copies in message.parts.items():
            doubts = 0
            for before, copy in pairwise(copies):
                if before.status in wire.TEMPORARY:
                    continue
                doubts += 1
                counts["copies"] += 1
                why = unrecorded.judge(before, copy)
                if why:
                    wrong["needless"].append(f"{key} part {part}: {why}")
                if not _marked(shown.get(message_id), part):
                    wrong["unmarked"].append(f"{key} part {part}")
            if doubts > int(bounds.resend):
                wrong["twice"].append(f"{key} part {part}: {len(copies)} times")
    # A long message whose first part is held has no key: it is known by its peer.
    held = {keys.vary(lines[number % len(lines)].to, number).lstrip("+") for number in told.ids if number in waiting}
    wrong["stray"] += [key for key, message in seen.items() if message.parts and _peer(message) not in held]
    for (life, connection), copied in unrecorded.copied.items():
        if copied > bounds.window:
            wrong["crowd"].append(f"life {life}, connection {connection}: {copied} copies")
    for life, copied in unrecorded.by_life.items():
        if copied > bounds.window * bounds.binds:
            wrong["crowd"].append(f"life {life}: {copied} copies")
    result.counts |= {"at the carrier": counts["at the carrier"], "copies": counts["copies"], "held": len(waiting)}
    if len(waiting) > 2 * bounds.window * bounds.binds * len(bounds.ends):
        wrong["crowd"].append(f"{len(waiting)} held in doubt after {len(bounds.ends)} lives")
    result.counts["kills with copies"] = len(unrecorded.by_life)
    result.counts["most copies of a bind"] = max(unrecorded.copied.values(), default=0)
    return result


def _readable(message: Message, line: Line, number: int) -> bool:
    """Whether what came is right; of a message that is not whole, whether its copies are alike."""
    if len(message.parts) == message.total:
        return faithful(message, line, number)
    return all(
        (copy.data, copy.concat) == (part[0].data, part[0].concat) for part in message.parts.values() for copy in part
    )


def _peer(message: Message) -> str:
    return next(iter(message.parts.values()))[0].destination


def _marked(shown: Mapping[str, Any] | None, part: int) -> bool:
    return shown is not None and any(p["part"] == part and p["in_doubt"] >= 1 for p in shown["parts"])


class _Unrecorded:
    """For each connection the submits whose outcome the daemon cannot have recorded when it was killed."""

    def __init__(self, log: SinkLog, bounds: Bounds) -> None:
        self._log = log
        self._bounds = bounds
        self.copied: Counter[tuple[int, int]] = Counter()
        """By life and connection: how many of its submits were sent again."""
        self.by_life: Counter[int] = Counter()
        submits: dict[int, list[Submit]] = defaultdict(list)
        for submit in log.submits:
            submits[submit.connection].append(submit)
        self._open: dict[int, set[int]] = {}
        for connection, found in submits.items():
            life = self._life(connection)
            if not bounds.killed or life >= len(bounds.ends):
                continue
            # A slot whose answer did not come in time is freed by the record of that.
            oldest = bounds.ends[life] - bounds.response_timeout
            unanswered = [s for s in found if s.answered is None and s.t >= oldest]
            answered = sorted((s for s in found if s.answered is not None), key=lambda s: s.answered or 0.0)
            room = max(0, bounds.window - len(unanswered))
            self._open[connection] = {id(s) for s in unanswered + answered[len(answered) - room :]}

    def _life(self, connection: int) -> int:
        return bisect_left(self._bounds.ends, self._log.connections[connection].opened)

    def judge(self, before: Submit, copy: Submit) -> str:
        """Why a copy should not be; "" when its first was in doubt."""
        life = self._life(before.connection)
        if self._life(copy.connection) == life:
            # In one life: no answer in time, or the connection was lost.
            if before.answered is None or before.answered > copy.t:
                return ""
            return f"answered {copy.t - before.answered:.3f} s before, in the same life"
        self.copied[life, before.connection] += 1
        self.by_life[life] += 1
        if before.answered is None and self._bounds.killed:
            return ""
        if id(before) in self._open.get(before.connection, ()):
            return ""
        end = self._bounds.ends[life]
        return f"answered {end - (before.answered or end):.3f} s before the end of life {life}, and no longer open"


def inbound(told: Told, lines: Sequence[Line], count: int, log: SinkLog, bounds: Bounds) -> Reconciliation:
    """The carrier's inbound messages 0 to count - 1 against what the subscription was told.

    lost: not acknowledged with status 0 in the end, or not told. garbled: told with another text, peer or number.
    needless: told twice, and the carrier did not send it twice, or had been answered. crowd: more copies after one
    kill than the carrier's windows.
    """
    lines = [line for line in lines if line.kind == "mo"]
    sent = log.inbound()
    result = Reconciliation({"inbound": count})
    wrong = result.wrong
    events: dict[str, list[Any]] = defaultdict(list)
    for event in told.inbound.values():
        events[keys.find(event.text or "") or f"event {event.event_id}"].append(event)
    by_life: Counter[int] = Counter()
    acknowledged = 0
    for number in range(count):
        key = keys.key(keys.MO, number)
        parts: dict[int, list[Any]] = defaultdict(list)
        for delivery in sent.get(key, ()):
            parts[delivery.concat.part].append(delivery)
        whole = bool(parts) and all(
            any(d.acked is not None and d.status == wire.ROK for d in found) for found in parts.values()
        )
        acknowledged += whole
        copies = events.pop(key, [])
        if not whole or not copies:
            wrong["lost"].append(f"{key} acknowledged {whole}, told {len(copies)} times")
        if any(not told_rightly(event, lines[number % len(lines)], number) for event in copies):
            wrong["garbled"].append(key)
        if len(copies) > 1:
            first = parts[1]
            doubtful = [d for d, _ in pairwise(first) if d.acked is None]
            # Parts of a long message that come again are known by their reference.
            if len(parts) > 1 or len(copies) - 1 > len(doubtful) or not bounds.killed:
                wrong["needless"].append(f"{key} told {len(copies)} times, sent {len(first)} times")
            for delivery in doubtful[: len(copies) - 1]:
                by_life[bisect_left(bounds.ends, log.connections[delivery.connection].opened)] += 1
    wrong["stray"] += list(events)
    for life, copied in by_life.items():
        if copied > bounds.inbound_window * bounds.binds:
            wrong["crowd"].append(f"life {life}: {copied} copies")
    result.counts |= {"taken": acknowledged, "told": len(told.inbound), "copies": sum(by_life.values())}
    return result
