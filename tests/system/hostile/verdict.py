"""What the carrier's log and the daemon's words about the same messages have to agree on."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.system.hostile.apps import FINAL, Message
from tests.system.hostile.conduct import Conduct
from tests.system.hostile.receipts import fate
from tests.system.hostile.records import TEMPORARY, Connected, Report, Submitted

LATE_MARGIN = 0.5
"""Seconds in which an answer that was late, or on a connection that ended, crosses with the copy."""
READ_APART = 0.05
"""Seconds by which what came on two connections may be read in another order."""
_LATE = "answered late"
_WORDS = {"DELIVRD": "delivered", "UNDELIV": "undelivered"}


@dataclass
class Judgement:
    """Counts of one case, and what was wrong with it, by kind."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        return not any(self.wrong.values())

    def __str__(self) -> str:
        lines = [", ".join(f"{name} {count}" for name, count in self.counts.items())]
        lines += [f"{kind}: {'; '.join(found[:4])} ({len(found)})" for kind, found in self.wrong.items() if found]
        return "\n".join(lines)


def judge(
    messages: list[Message],
    shown: dict[str, dict[str, Any]],
    report: Report,
    conduct: Conduct,
    *,
    response_timeout: float,
    resend: bool = True,
) -> Judgement:
    """Every message ended right or waits as it should, and every copy was of what was in doubt.

    lost: no end and no reason to wait. state: another end than its carrier gave it. twice: told of more than once.
    order: sent while, or before, one to the same phone was. needless: a copy of what had been answered. unmarked: a
    copy, and no doubt recorded. again: sent after a final refusal. crowd: more than two times in doubt.
    """
    found = Judgement()
    connections = {c.number: c for c in report.connections}
    by_key: dict[tuple[str, int], list[Submitted]] = defaultdict(list)
    for submit in report.submits:
        by_key[submit.key].append(submit)
    accepted = [m for m in messages if m.id]
    found.counts["accepted"] = len(accepted)
    found.wrong["refused"] += [f"{m.label}: {m.refused or 'no reply'}" for m in messages if not m.id]
    for message in accepted:
        _message(message, shown[message.id], by_key, connections, conduct, found, response_timeout, resend)
    _order(accepted, by_key, found)
    labels = {m.label for m in messages}
    found.wrong["stray"] += [f"{s.label!r} to {s.peer}" for s in report.submits if s.label not in labels]
    found.counts["submits"] = len(report.submits)
    for told in report.receipts:
        found.counts["receipts"] += 1
        if told.acknowledged:
            found.wrong["receipts refused"].append(f"{told.smsc_id}: 0x{told.acknowledged:02X}")
    return found


def _order(messages: list[Message], by_key: dict[tuple[str, int], list[Submitted]], found: Judgement) -> None:
    # One message of a pair at a time: all submits of the one are before the first of the next.
    times = {
        m.label: [s.at for part in range(1, m.segments + 1) for s in by_key.get((m.label, part), ())] for m in messages
    }
    last: dict[str, Message] = {}
    for message in messages:
        if not times[message.label]:
            continue
        before = last.get(message.peer)
        if before is not None:
            found.counts["ordered"] += 1
            if max(times[before.label]) > min(times[message.label]) + READ_APART:
                found.wrong["order"].append(f"{message.label} before the last of {before.label} to {message.peer}")
        last[message.peer] = message


def _message(
    message: Message,
    shown: dict[str, Any],
    by_key: dict[tuple[str, int], list[Submitted]],
    connections: dict[int, Connected],
    conduct: Conduct,
    found: Judgement,
    response_timeout: float,
    resend: bool,
) -> None:
    state = shown["state"]
    found.counts[state] += 1
    if len(message.ends) > 1:
        found.wrong["twice"].append(f"{message.label}: {[e['state'] for e in message.ends]}")
    if state in FINAL and not message.ends:
        found.wrong["not told"].append(f"{message.label}: {state}")
    if message.ends and (message.ends[0]["state"], message.ends[0]["reason"]) != (state, shown["reason"]):
        found.wrong["state"].append(f"{message.label}: told {message.ends[0]}, shown {state} {shown['reason']}")
    if len(shown["parts"]) != message.segments:
        found.wrong["state"].append(f"{message.label}: {len(shown['parts'])} parts of {message.segments}")
    expected = [
        _segment(
            message,
            part,
            by_key.get((message.label, part["part"]), []),
            connections,
            conduct,
            found,
            response_timeout,
            resend,
        )
        for part in shown["parts"]
    ]
    bad = set().union(*expected) - {"delivered", "waits"}
    for part, one in zip(shown["parts"], expected, strict=True):
        # A part that was not sent ends as another part did.
        if part["state"] in _WORDS.values() and part["state"] not in one | bad:
            found.wrong["wrong receipt"].append(f"{message.label}/{part['part']} is {part['state']}, told {one}")
    allowed = set(bad)
    if all("delivered" in one for one in expected):
        allowed.add("delivered")
    if any("waits" in one for one in expected):
        allowed.add("in_doubt")
    if conduct.when == "never":
        allowed.add("sent")
    if state not in allowed:
        kind = "state" if state in FINAL else "lost"
        found.wrong[kind].append(f"{message.label} is {state} {shown['reason']}, and not {sorted(allowed)}")


def _segment(
    message: Message,
    part: dict[str, Any],
    copies: list[Submitted],
    connections: dict[int, Connected],
    conduct: Conduct,
    found: Judgement,
    response_timeout: float,
    resend: bool,
) -> set[str]:
    """How this segment may end, by what the carrier did; ``waits``: held in doubt."""
    name = f"{message.label}/{part['part']}"
    doubts = 0
    allowed: set[str] = set()
    for copy in copies:
        why = _doubtful(copy, connections, response_timeout)
        doubts += bool(why)
        if copy.answered is not None and copy.status == 0:
            allowed |= {_WORDS[fate(copy, conduct.undelivered).state]}
            _check_error(name, part, copy, conduct, found)
        elif copy.answered is not None and copy.status not in TEMPORARY:
            allowed.add("failed")
    for before, copy in pairwise(copies):
        why = _doubtful(before, connections, response_timeout)
        if before.answered is None or before.answered > copy.at:
            pass
        elif before.status in TEMPORARY:
            found.counts["retries"] += 1
            continue
        elif not why or (why == _LATE and copy.at - before.answered > LATE_MARGIN):
            kind = "needless" if before.status == 0 else "again"
            found.wrong[kind].append(
                f"{name} answered 0x{before.status or 0:02X} {copy.at - before.answered:.3f} s before its copy"
            )
            continue
        found.counts["copies"] += 1
        if not part["in_doubt"]:
            found.wrong["unmarked"].append(name)
    # What was written and never read is in doubt as well, and nobody here has seen it.
    held = part["in_doubt"] >= (2 if resend else 1)
    if part["in_doubt"] > (2 if resend else 1) or (copies and doubts > 2):
        found.wrong["crowd"].append(f"{name}: {doubts} times in doubt, {part['in_doubt']} by its account")
    if held:
        allowed.add("waits")
    if message.validity is not None and not allowed & {"delivered", "undelivered"}:
        allowed.add("expired")
    return allowed


def _doubtful(submit: Submitted, connections: dict[int, Connected], response_timeout: float) -> str:
    """Why the daemon may not know the outcome of a submit; "" when it has to."""
    if submit.answered is None:
        return "not answered"
    if submit.answered - submit.at >= response_timeout * 0.9:
        return _LATE
    connection = connections[submit.connection]
    if connection.closed is not None and connection.end != "fin" and submit.answered > connection.closed - LATE_MARGIN:
        return "answered as the connection ended"
    return ""


def _check_error(name: str, part: dict[str, Any], copy: Submitted, conduct: Conduct, found: Judgement) -> None:
    # The code tells the segment: a receipt that was taken for another's shows it.
    if part["state"] in ("delivered", "undelivered") and part["error_code"] is not None:
        of = fate(copy, conduct.undelivered)
        if (int(part["error_code"]), part["state"]) != (of.error, _WORDS[of.state]):
            found.wrong["wrong receipt"].append(f"{name}: {part['state']} {part['error_code']}, not {of}")
