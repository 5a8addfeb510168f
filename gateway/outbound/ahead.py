"""Requests that need a fact of the database before a message can be made of them: who wrote to which of our numbers ...

They are asked about with the burst that the writer gathers just now, in one operation (`gateway.store.known`), and
planned when that is done; where settings need no facts, nothing is asked and nothing comes by here. What comes later to
the phone of one that waits waits behind it, so that texts arrive in the order in which they were submitted. What may
wait is bounded as what is to be stored is: by the rows and octets of the writer's burst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from gateway.outbound.prepare import Preparer
from gateway.outbound.request import App, Submit
from gateway.sms.address import AddressError, normalise
from gateway.store.known import AskOp, Known, Need
from gateway.store.writer import Writer

_ROOM: Final = int(Need.ROOM)


class Waiting(NamedTuple):
    """A request that waits: its place in what it came with, the peer and the kinds of facts that are asked for, and the
    numbers whose room is."""

    place: int
    request: Submit
    peer: str
    need: int
    numbers: frozenset[str] = frozenset()


Answered = Callable[[list[tuple[int, Submit, Known | None]]], None]
Failed = Callable[[list[int], Exception], None]


class Ahead:
    """What waits for facts. ``peers`` are those whom something waits for, and how many."""

    def __init__(self, writer: Writer, preparer: Preparer) -> None:
        self._writer = writer
        self._preparer = preparer
        self.peers: dict[str, int] = {}

    @property
    def idle(self) -> bool:
        """Whether no request needs anything of this: all go straight on."""
        return not (self._preparer.asks or self.peers)

    def split(
        self, app: App, requests: Iterable[Submit]
    ) -> tuple[list[tuple[int, Submit, Known | None]], list[Waiting]]:
        """Requests that go straight on, and those that are to be asked about, or wait for one that is."""
        straight: list[tuple[int, Submit, Known | None]] = []
        waiting: list[Waiting] = []
        peers, preparer = self.peers, self._preparer
        for i, request in enumerate(requests):
            if peers or preparer.may_need(request):
                try:
                    peer = normalise(request.to, preparer.region).value
                except AddressError:  # said when it is planned
                    peer = ""
                need = preparer.need(app, request, peer) if peer else 0
                if need or peer in peers:
                    peers[peer] = peers.get(peer, 0) + 1
                    if need & _ROOM:
                        waiting.append(Waiting(i, request, peer, need, preparer.metered(app, request, peer)))
                    else:
                        waiting.append(Waiting(i, request, peer, need))
                    continue
            straight.append((i, request, None))
        return straight, waiting

    def ask(self, waiting: list[Waiting], answered: Answered, failed: Failed, *, shared: bool) -> None:
        """Asks for what is needed. One of the two is called, with the same requests in their order.

        ``shared``: nobody waits for their outcomes before more comes (`gateway.store.company`).
        """
        # What a text may take in memory meanwhile, as when it is to be stored.
        octets = sum([len(one.request.text or one.request.data or "") + 300 for one in waiting])
        wanted = [(one.peer, one.need) for one in waiting]
        lots = {one.numbers for one in waiting}  # mostly one, and the same object each time
        op = AskOp(wanted, octets, (waiting, answered, failed), frozenset().union(*lots))
        op.shared = shared
        self._writer.put(op, self._asked, self._not_asked)

    def _asked(self, op: AskOp) -> None:
        waiting: list[Waiting]
        answered: Answered
        waiting, answered, _ = op.context
        self._leave(waiting)
        answered([(one.place, one.request, op.known[one.peer]) for one in waiting])

    def _not_asked(self, op: AskOp, error: Exception) -> None:
        waiting: list[Waiting]
        failed: Failed
        waiting, _, failed = op.context
        self._leave(waiting)
        failed([one.place for one in waiting], error)

    def _leave(self, waiting: list[Waiting]) -> None:
        for one in waiting:
            left = self.peers[one.peer] - 1
            if left:
                self.peers[one.peer] = left
            else:
                del self.peers[one.peer]
