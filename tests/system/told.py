"""What applications were told over all lives of a daemon: ids, ends and inbound messages, by who noticed what."""

from __future__ import annotations

from collections import defaultdict

from bench.client import Event
from bench.load import Load

STOPPING = frozenset({"stopping"})
"""Refusals that a daemon may give while it is told to stop; the application submits again."""


class Told:
    """Gathers the `Load` of each life. ``wrong`` holds by name what contradicts an earlier life."""

    def __init__(self) -> None:
        self.ids: dict[int, str] = {}
        """message_id by number, of everything that was acknowledged to the application."""
        self.ends: dict[str, str] = {}
        """Last state that was told, by message_id."""
        self.inbound: dict[int | str, Event] = {}
        """Inbound messages by event_id."""
        self.again = 0
        """Events that came once more, as they had not been acknowledged."""
        self.wrong: dict[str, list[str]] = defaultdict(list)
        self._end_events: dict[str, int | str] = {}
        self._next = 0

    @property
    def first_open(self) -> int:
        """The lowest number that has no reply: where an application goes on."""
        while self._next in self.ids:
            self._next += 1
        return self._next

    def take(self, load: Load, *, refusals: frozenset[str] = frozenset()) -> None:
        """Adds what one life told; ``refusals`` are reasons that are in order, the others are wrong."""
        first = load.options.first
        for index, message_id in enumerate(load.ids[: load.next]):
            if not message_id:
                continue
            before = self.ids.setdefault(first + index, message_id)
            if before != message_id:
                self.wrong["stored twice"].append(f"{first + index}: {before} and {message_id}")
        self.wrong["refused"] += [f"{number}: {why}" for number, why in load.refused.items() if why not in refusals]
        for message_id, state in load.ended.items():
            event = load.end_events[message_id]
            if self._end_events.setdefault(message_id, event) != event:
                self.wrong["ended twice"].append(message_id)
            before = self.ends.setdefault(message_id, state)
            if before != state:
                self.wrong["ended differently"].append(f"{message_id}: {before}, then {state}")
        self.wrong["ended twice"] += load.contradicted
        for _, event in load.inbound:
            if event.event_id in self.inbound:
                self.again += 1
                if not event.redelivered:
                    self.wrong["not marked as told before"].append(str(event.event_id))
            self.inbound[event.event_id] = event
