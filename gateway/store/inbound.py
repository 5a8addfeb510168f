"""Inbound messages into the store: what came in one read of a bind, and what time does to parts that wait."""

from __future__ import annotations

from typing import Any, ClassVar

from gateway.store.arrivals import Arrival, Extra, InboundEvent, Message, Ports, keep
from gateway.store.parts import add_parts, forget_marks, give_up, over_bounds
from gateway.store.tx import Op, Tx

__all__ = ["Arrival", "Extra", "GiveUpPartsOp", "InboundEvent", "InboundOp", "Message", "Ports"]


class InboundOp(Op):
    """The inbound messages and parts of one burst; the carrier gets its answers after the commit."""

    __slots__ = ("arrivals", "context")
    order: ClassVar[int] = 70
    name: ClassVar[str] = "inbound"

    def __init__(self, arrivals: list[Arrival], context: Any = None) -> None:
        super().__init__()
        self.arrivals = arrivals
        self.context = context

    @property
    def weight(self) -> tuple[int, int]:
        return 2 * len(self.arrivals), sum(600 + len(a.data or b"") for a in self.arrivals)

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        arrivals = [a for op in ops for a in op.arrivals]
        ended = add_parts(tx, arrivals)
        # In the order of arrival: a long message stands where the part came that completed it.
        whole: list[Message] = []
        for position, a in enumerate(arrivals):
            if a.part is None:
                whole.append(Message(a.carrier, a.number, a.peer, a.text, a.data, a.encoding, 1, True, a.extra))
            elif ended:
                whole += ended.get(position, ())
        keep(tx, whole)
        for evicted in over_bounds(tx):
            keep(tx, evicted)


class GiveUpPartsOp(Op):
    """Messages whose missing parts did not come by ``before`` (ms) are kept as partial and told of, once.

    ``forget_before`` (ms) is when the marks of messages that were told of are no longer needed. It does a bounded
    piece of the work: ``more`` says afterwards whether there may be more of it. A bound of all that was lowered since
    is kept as well.
    """

    __slots__ = ("before", "forget_before", "given_up", "more")
    order: ClassVar[int] = 71
    name: ClassVar[str] = "give_up_parts"
    at_once: ClassVar[int] = 200

    def __init__(self, before: int, forget_before: int) -> None:
        super().__init__()
        self.before = before
        self.forget_before = forget_before
        self.given_up = 0  # messages
        self.more = False

    @property
    def weight(self) -> tuple[int, int]:
        return self.at_once, 600 * self.at_once

    @classmethod
    def apply(cls, tx: Tx, ops: list[Any]) -> None:
        for op in ops:
            partial, op.given_up, op.more = give_up(tx, op.before, cls.at_once)
            keep(tx, partial)
            for evicted in over_bounds(tx):
                keep(tx, evicted)
                op.more = True
            if forget_marks(tx, op.forget_before):
                op.more = True
