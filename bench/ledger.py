"""What an application was told over a long run, in a few octets a message: accepted, ended, and what came in.

The `Load` of each short while is taken in and can go. Messages are told by their numbers, as everywhere in the lab; ids
are only kept while a message is open, and for a while after, since what was not acknowledged is told again.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

from bench import keys
from bench.client import Event
from bench.load import Load
from bench.reconcile import told_rightly
from bench.trace import Line

_EXAMPLES = 5
EventId = int | str


class Wrong:
    """What is not as it should be: how often, and the first few, by what is wrong with it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def note(self, what: str, which: object) -> None:
        """One more."""
        self.counts[what] += 1
        shown = self.examples.setdefault(what, [])
        if len(shown) < _EXAMPLES:
            shown.append(str(which))

    def __str__(self) -> str:
        return "\n".join(
            f"{what}: {count}: {', '.join(self.examples[what])}{' ...' if count > _EXAMPLES else ''}"
            for what, count in self.counts.items()
        )


class Marks:
    """A yes or no for each number, no where none was set."""

    def __init__(self) -> None:
        self._marks = bytearray()

    def __getitem__(self, number: int) -> bool:
        return number < len(self._marks) and bool(self._marks[number])

    def set(self, number: int) -> None:
        if number >= len(self._marks):
            self._marks.extend(bytes(number + 1 - len(self._marks) + (1 << 16)))
        self._marks[number] = 1

    def count(self) -> int:
        """How many are set."""
        return self._marks.count(1)

    def numbers(self) -> Iterator[int]:
        """Those that are set, rising."""
        at = self._marks.find(1)
        while at >= 0:
            yield at
            at = self._marks.find(1, at + 1)


class Ledger:
    """inbound: the lines of the trace that comes in, as they are played round and round."""

    def __init__(self, inbound: Sequence[Line]) -> None:
        self._lines = inbound
        self.accepted = Marks()
        self.ended = Marks()
        self.told = Marks()
        """Inbound messages, by number."""
        self.handed = 0
        """Numbers below this one were handed over."""
        self.twice: list[int] = []
        """Inbound messages that came once more as another event: in order only where they were sent twice."""
        self.states: Counter[str] = Counter()
        self.again = 0
        """Events that came once more."""
        self.wrong = Wrong()
        self.open: dict[str, int] = {}
        """Number by message_id, of what was accepted and has not ended."""
        self.early: dict[str, tuple[EventId, str]] = {}
        """Ends of messages whose reply was not read, by message_id."""
        self._closed: dict[str, EventId] = {}
        self._closed_before: dict[str, EventId] = {}
        self._events = array("q")
        """Hash of the event that told of each inbound message."""
        self._next = 0

    @property
    def first_open(self) -> int:
        """The lowest number that has no reply: where the application goes on."""
        while self.accepted[self._next]:
            self._next += 1
        return self._next

    def take(self, load: Load, *, refusals: frozenset[str] = frozenset()) -> None:
        """Takes in what was told; ``refusals`` are reasons that are in order, any other is wrong."""
        first = load.options.first
        self.handed = max(self.handed, first + load.next)
        for index in range(load.next):
            message_id = load.ids[index]
            if message_id and not self.accepted[first + index]:
                self.accepted.set(first + index)
                self.open[message_id] = first + index
                if message_id in self.early:
                    self._end(message_id, *self.early.pop(message_id))
        for number, reason in load.refused.items():
            if reason not in refusals:
                self.wrong.note("refused", f"{number}: {reason}")
        for message_id, state in load.ended.items():
            self._end(message_id, load.end_events[message_id], state)
        for message_id in load.contradicted:
            self.wrong.note("ended twice", message_id)
        for _, event in load.inbound:
            self._arrived(event)

    def turn(self) -> None:
        """Forgets the ids of what ended before the last turn: nothing is told again after so long."""
        self._closed_before, self._closed = self._closed, {}

    def _end(self, message_id: str, event: EventId, state: str) -> None:
        number = self.open.pop(message_id, None)
        if number is not None:
            self.ended.set(number)
            self.states[state] += 1
            self._closed[message_id] = event
            return
        known = self._closed.get(message_id, self._closed_before.get(message_id))
        if known is None:
            known = self.early.setdefault(message_id, (event, state))[0]
        else:
            self.again += 1
        if known != event:
            self.wrong.note("ended twice", message_id)

    def _arrived(self, event: Event) -> None:
        key = keys.find(event.text or "")
        if key is None or key[1] != keys.MO:
            self.wrong.note("inbound that nobody sent", event.event_id)
            return
        number = keys.number(key)
        mark = hash(event.event_id)
        if self.told[number]:
            self.again += 1
            if self._events[number] != mark:
                self.twice.append(number)
            return
        if number >= len(self._events):
            self._events.frombytes(bytes(8 * (number + 1 - len(self._events) + (1 << 16))))
        self._events[number] = mark
        self.told.set(number)
        if not told_rightly(event, self._lines[number % len(self._lines)], number):
            self.wrong.note("inbound garbled", key if event.complete else f"{key}, a part of it")
