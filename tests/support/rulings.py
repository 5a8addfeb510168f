"""Rules as a store is given them, decided by the test: what it says for a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.policy.decision import NOTHING, Action, Decision, Facts, Forward, Needs, Reply, Target
from gateway.store.ruled import Ruling
from gateway.store.streams import HANDLER
from tests.support.stores import NUMBER, Desk

ANN, BOB, CID = (Target(f"+4915100000{i}", name) for i, name in enumerate(("Ann", "Bob", "Cid")))


class Book:
    """A rule book whose decisions are a function of the facts, which it remembers."""

    def __init__(self, decide: Callable[[Facts], Decision], needs: Needs = NOTHING) -> None:
        self._decide = decide
        self._needs = needs
        self.asked: list[Facts] = []

    def concerns(self, number: str) -> bool:
        return number == NUMBER

    def needs(self, number: str) -> Needs:
        assert number == NUMBER
        return self._needs

    def decide(self, facts: Facts) -> Decision:
        self.asked.append(facts)
        return self._decide(facts)


def always(*actions: Action, **given: Any) -> Book:
    """One rule that matches everything."""
    decision = Decision(actions=actions, matched=("rule",), **given)
    return Book(lambda facts: decision)


def forward(*targets: Target, mode: Any = "all", note: str = "{peer} to {number}: {text}") -> Forward:
    return Forward("rule", targets, mode, note)


REPLY = Reply("rule", "We are closed.")


async def rule(desk: Desk, book: Book, **given: Any) -> Book:
    """The store applies these rules from now on."""
    for stream in ("@forward", "@reply", "@email"):
        await desk.open(stream, app="", kind=HANDLER)
    figures: dict[str, Any] = {"reply_interval": 600_000, "reply_age": 3_600_000, "forwards_per_hour": 120}
    desk.writer.base.ruling = Ruling(book, {NUMBER, "+15551230002"}, **(figures | given))
    return book
