"""Was anything lost, doubled or changed? What went in against what came out, message by message."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench import keys
from bench.client import Event
from bench.load import LoadOptions
from bench.sinklog import Message, SinkLog
from bench.trace import Line

_SHOWN = 5


@dataclass
class Reconciliation:
    """Counts, and the keys or ids of everything that is not as it should be, by what is wrong with it."""

    counts: dict[str, int]
    wrong: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @property
    def clean(self) -> bool:
        return not any(self.wrong.values())

    def __str__(self) -> str:
        parts = [f"{name} {count}" for name, count in self.counts.items()]
        parts += [f"{name} {len(self.wrong.get(name, ()))}" for name in ("lost", "doubled", "garbled")]
        for name, examples in self.wrong.items():
            if name not in ("lost", "doubled", "garbled"):
                parts.append(f"{name} {len(examples)}")
        text = ", ".join(parts)
        for name, examples in ((name, found) for name, found in self.wrong.items() if found):
            text += f"\n    {name}: {', '.join(examples[:_SHOWN])}{' ...' if len(examples) > _SHOWN else ''}"
        return text


class HandedOver(Protocol):
    """What is known of messages that were handed over: `bench.load.Load`, or a feed of bench.peers."""

    options: LoadOptions
    ids: list[str]
    refused: dict[int, str]
    ended: dict[str, str]
    contradicted: list[str]

    @property
    def accepted(self) -> int: ...


def outbound(load: HandedOver, log: SinkLog) -> Reconciliation:
    """Accepted messages against the sink's log and against the ends that the daemon told.

    lost: accepted, and the sink did not accept every segment, or its end never came (`unended` as well).
    doubled: submitted again without the sink having asked for it, or ended twice.
    garbled: another text or peer than was handed over, or copies that are not the same.
    stray: at the sink, and nobody handed it over.
    unacknowledged: a receipt that the sink never got an answer to.
    """
    options = load.options
    lines = [line for line in options.lines if line.kind == "mt"]
    seen = log.messages()
    result = Reconciliation({"accepted": load.accepted, "refused": len(load.refused)})
    segments = arrived = 0
    for index, message_id in enumerate(load.ids):
        number = options.first + index
        key = keys.key(keys.MT, number)
        message = seen.pop(key, None)
        if message is not None:
            segments += message.total
            if message.copies:
                result.wrong["doubled"].append(key)
            if not faithful(message, lines[number % len(lines)], number):
                result.wrong["garbled"].append(key)
        if not message_id:
            continue
        unended = options.subscribe is not None and message_id not in load.ended
        complete = message is not None and message.complete
        arrived += complete
        if not complete or unended:
            result.wrong["lost"].append(key)
        if unended:
            result.wrong["unended"].append(message_id)
    result.wrong["doubled"] += load.contradicted
    result.wrong["stray"] += list(seen)
    result.wrong["unacknowledged"] += [
        str(delivery.smsc_message_id)
        for copies in log.receipts().values()
        if not any(copy.acked is not None and copy.status == 0 for copy in copies)
        for delivery in copies[:1]
    ]
    result.counts |= {
        "at the sink": arrived,
        "segments": segments,
        "receipts": len(log.receipts()),
        "ended": len(load.ended),
    }
    return result


def faithful(message: Message, line: Line, number: int) -> bool:
    """Whether text and peer at the sink are those of the trace line, as it was played as message `number`."""
    expected = line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MT, number), 1)
    peer = keys.vary(line.to, number) if line.vary and line.to.startswith("+") else line.to
    copies = [copy for part in message.parts.values() for copy in part]
    return (
        len(message.parts) == message.total
        and message.text == expected
        and all(copy.destination == peer.removeprefix("+") for copy in copies)
        and all(
            (copy.data, copy.concat) == (part[0].data, part[0].concat)
            for part in message.parts.values()
            for copy in part
        )
    )


def inbound(
    lines: Sequence[Line], count: int, log: SinkLog, events: Iterable[Event] | None, *, first: int = 0
) -> Reconciliation:
    """`count` of the sink's messages, from `first` on, against what was acknowledged and, unless None, told to an app.

    lost: not acknowledged with status 0, or not told.
    doubled: told twice under different event ids.
    garbled: told with another text, peer or number, or as incomplete.
    """
    lines = [line for line in lines if line.kind == "mo"]
    sent = log.inbound()
    result = Reconciliation({"sent": sum(keys.number(key) >= first for key in sent)})
    told: dict[str, dict[int | str, Event]] = defaultdict(dict)
    for event in events or ():
        told[keys.find(event.text or "") or f"event {event.event_id}"][event.event_id] = event
    acknowledged = 0
    for number in range(first, first + count):
        key = keys.key(keys.MO, number)
        parts: dict[int, bool] = {}
        for delivery in sent.get(key, ()):
            taken = delivery.acked is not None and delivery.status == 0
            parts[delivery.concat.part] = parts.get(delivery.concat.part, False) or taken
        whole = bool(parts) and all(parts.values())
        acknowledged += whole
        copies = told.pop(key, {})
        if not whole or (events is not None and not copies):
            result.wrong["lost"].append(key)
        if len(copies) > 1:
            result.wrong["doubled"].append(key)
        line = lines[number % len(lines)]
        if any(not told_rightly(event, line, number) for event in copies.values()):
            result.wrong["garbled"].append(key)
    result.wrong["stray"] += list(told)
    result.counts["acknowledged"] = acknowledged
    if events is not None:
        result.counts["told"] = count - len(result.wrong["lost"])
    return result


def together(**parts: Reconciliation) -> Reconciliation:
    """Several as one, each count under the name of its own."""
    result = Reconciliation({f"{name}: {what}": n for name, part in parts.items() for what, n in part.counts.items()})
    for part in parts.values():
        for what, found in part.wrong.items():
            result.wrong[what] += found
    return result


def told_rightly(event: Event, line: Line, number: int) -> bool:
    """Whether an inbound event has text, peer and number of the trace line, as it was played as message `number`."""
    assert line.sender is not None
    expected = line.keyed().replace(keys.PLACEHOLDER, keys.key(keys.MO, number), 1)
    peer = keys.vary(line.sender, number) if line.vary and line.sender.startswith("+") else line.sender
    return (event.text, event.peer, event.number, event.complete) == (expected, peer, line.to, True)
