"""Requests under a `ref` that was used before: they are told of the message that is stored under it.

Most are found as they would be stored (`gateway.store.submits`). Of those that are refused before that, it is asked
here whether they were taken in once: what changed since, such as the hour or the settings, does not undo that, and who
asks again is not to take a message for refused that is on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from gateway.log import logger
from gateway.outbound.prepare import digest
from gateway.outbound.request import Accepted, Refusal, Submit
from gateway.store import queries
from gateway.store.store import Store
from gateway.store.submits import RefsOp

if TYPE_CHECKING:
    from gateway.outbound.intake import Batch

_log = logger(component="outbound")

UNDECIDED: Final = frozenset({"stopping", "disk_full"})
"""Reasons that say nothing of a message itself."""
Refused = tuple[int, Submit, Refusal]
"""A request that is refused: its place in what it came with, and what is said of it."""


class Repeats:
    """Has batches told (``tell``) of what is stored under the refs of theirs that were used before."""

    def __init__(self, store: Store, settle: Callable[[Batch], None], tell: Callable[[Batch], None]) -> None:
        self._store = store
        self._settle = settle
        self._tell = tell
        self._batches: deque[Batch] = deque()
        self._some = trio.Event()

    def refuse(self, batch: Batch, refused: list[Refused]) -> None:
        """Answers requests of a batch that are not to be stored; those with a `ref` once it was looked for.

        Behind what was put before, so that one that is being stored just now is found as well.
        """
        app = batch.app.name
        wanted: list[Refused] = []
        for one in refused:
            batch.outcomes[one[0]] = one[2]
            if one[1].ref:
                wanted.append(one)
        if wanted:
            batch.open += 1
            op = RefsOp(app, [request.ref or "" for _, request, _ in wanted], (batch, wanted))
            self._store.writer.put(op, self._found, self._not_found)

    def _found(self, op: RefsOp) -> None:
        batch: Batch
        wanted: list[Refused]
        batch, wanted = op.context
        batch.open -= 1
        for place, request, _ in wanted:
            known = op.found.get(request.ref or "")
            try:
                if known is not None and known[1] == digest(request):
                    batch.repeated.append((place, request.ref, known[0]))
            except Refusal:
                continue  # nested so deeply that nothing was ever stored of it
        self._settle(batch)

    def _not_found(self, op: RefsOp, error: Exception) -> None:
        """Nobody knows whether they were accepted: nothing else is said of them."""
        batch: Batch
        wanted: list[Refused]
        batch, wanted = op.context
        batch.open -= 1
        for place, _, refusal in wanted:
            if refusal.reason not in UNDECIDED:
                batch.outcomes[place] = Refusal("store_unavailable", retry_after=1)
        self._settle(batch)

    def answer(self, batch: Batch) -> None:
        """Has a batch answered of which some are repeated, by `run`."""
        self._batches.append(batch)
        self._some.set()

    async def run(self) -> None:
        """A task of the daemon, for its reads."""
        text = self._store.id_text.format
        while True:
            if not self._batches:
                self._some = trio.Event()
                await self._some.wait()
            batch = self._batches.popleft()
            ids = [id for _, _, id in batch.repeated]
            try:
                originals = await self._store.reader.read(partial(queries.originals, ids=ids))
            except Exception as error:
                _log.error("duplicates_not_read", error=repr(error))
                originals = {}
            for place, ref, id in batch.repeated:
                original = originals.get(id)
                if original is None:
                    batch.outcomes[place] = Refusal("store_unavailable", retry_after=1)
                    continue
                # As it was stored, whatever settings would make of the same request now.
                batch.outcomes[place] = Accepted(
                    text(id),
                    ref,
                    original.state,
                    original.segments,
                    original.encoding,
                    original.number,
                    original.peer,
                    True,
                    [],
                )
            self._tell(batch)
