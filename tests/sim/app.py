"""An application at the door: submits, subscribes, acknowledges, loses its connection and comes back.

What it was told is what it holds the gateway to: `Wish` is a message that it wants sent, with all replies to it.
"""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from tests.sim.ledger import INBOUND_LABEL
from tests.sim.streams import SimStream

if TYPE_CHECKING:
    from tests.sim.world import World

UNDECIDED = frozenset({"stopping", "store_unavailable", "disk_full"})
"""Refusals that say nothing of the message: it is not known whether it was accepted before."""
_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class Wish:
    """A message that an application wants to be sent. Each reply is an id or a refusal; none may have come."""

    def __init__(self, label: int, params: dict[str, Any]) -> None:
        self.label = label
        self.params = params
        self.ids: set[str] = set()
        self.refused = 0
        self.tries = 0
        self.unknown = 0  # tries whose reply was lost with the connection
        self.cancelled = False  # and the gateway said so
        self.asked_at = 0.0  # when it was tried last

    @property
    def repeatable(self) -> bool:
        """Whether it can be tried again without harm."""
        return "ref" in self.params


class SimApp:
    """One application, with one connection at a time."""

    def __init__(self, world: World, name: str, uid: int, rng: Random) -> None:
        self.world = world
        self.name = name
        self.uid = uid
        self._rng = rng
        self.wishes: list[Wish] = []
        self.receipts: dict[str, dict[str, str]] = {}  # message id -> event id -> state
        self.inbound: dict[tuple[int, int], set[str]] = {}  # label and part -> event ids that told of it
        self.seen: dict[str, str] = {}  # event id -> its body, which is the same whenever it comes
        self.subscribed = False
        self.stream: SimStream | None = None
        self._asked: dict[int, tuple[str, Any]] = {}
        self._count = 0
        self._unacked: list[str] = []
        self._out = b""
        self._wake = trio.Event()

    # --- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connects again whenever the connection ends; until cancelled."""
        while True:
            stream = await self.world.door.connect(self._rng, self.uid)
            if stream is not None:
                self.stream = stream
                try:
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._write, stream)
                        self._subscribe()
                        await self._read(stream)
                        nursery.cancel_scope.cancel()
                finally:
                    self.stream = None
                    stream.shut()
                    self._lost()
            await trio.sleep(self._rng.uniform(0.05, 1.0))

    @property
    def busy(self) -> bool:
        """Whether it waits for a reply, or has something to acknowledge."""
        return bool(self._asked or self._unacked)

    def hang_up(self) -> None:
        """Closes its connection, replies and all."""
        if self.stream is not None:
            self.stream.shut()

    def _lost(self) -> None:
        again: list[Wish] = []
        for method, about in self._asked.values():
            if method == "submit":
                about.unknown += 1
                if about.repeatable:
                    again.append(about)
            elif method == "carrier" and about[1] == "resume":
                self.world.later(1, lambda about=about: self.world._hold(*about))  # type: ignore[misc]
        self._asked.clear()
        self._unacked.clear()
        self._out = b""
        for wish in again:
            self.world.later(self._rng.uniform(0.2, 3), lambda wish=wish: self.submit([wish]))  # type: ignore[misc]

    async def _write(self, stream: SimStream) -> None:
        while True:
            if not self._out:
                self._wake = trio.Event()
                await self._wake.wait()
                continue
            data, self._out = self._out, b""
            try:
                await stream.send_all(data)
            except _GONE:
                return

    async def _read(self, stream: SimStream) -> None:
        rest = b""
        while True:
            try:
                data = await stream.receive_some()
            except _GONE:
                return
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    # --- asking -------------------------------------------------------------------------------------------------------

    def ask(self, method: str, params: dict[str, Any], about: Any = None) -> bool:
        """Sends a request; False when there is no connection."""
        if self.stream is None:
            return False
        self._count += 1
        self._asked[self._count] = (method, about)
        request = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": params}
        self._out += json.dumps(request).encode() + b"\n"
        self._wake.set()
        return True

    def _subscribe(self) -> None:
        self.ask("subscribe", {"max_unacked": 50})

    def submit(self, wishes: list[Wish]) -> None:
        """Submits messages in one write; what cannot be asked now is asked later."""
        for wish in wishes:
            if not self.subscribed or not self.ask("submit", wish.params, wish):
                self.world.later(self._rng.uniform(0.3, 2), lambda wish=wish: self.submit([wish]))  # type: ignore[misc]
                continue
            wish.tries += 1
            wish.asked_at = trio.current_time()
            self.world.ledger.note("ask", f"<{wish.label}> by {self.name}")

    def cancel(self, wish: Wish) -> None:
        for id in sorted(wish.ids):
            self.ask("cancel", {"id": id}, wish)

    # --- being told ---------------------------------------------------------------------------------------------------

    def _take(self, said: dict[str, Any]) -> None:
        if "method" in said:
            self._event(said["method"], said["params"])
            return
        method, about = self._asked.pop(said["id"])
        error = said.get("error")
        ledger = self.world.ledger
        if method == "submit":
            if error is not None:
                self._refused(about, error)
            else:
                id = said["result"]["id"]
                ledger.note("reply", f"<{about.label}> {id}")
                if about.ids and id not in about.ids:
                    ledger.broken("idempotent", f"<{about.label}> was {min(about.ids)} and is {id}")
                about.ids.add(id)
                stored = self.world.parse(id)
                if stored not in ledger.messages:
                    ledger.broken("durable", f"<{about.label}> is acknowledged and not stored")
        elif method == "subscribe":
            self.subscribed = self.subscribed or error is None
            if error is not None:
                self.world.later(0.5, self._subscribe)
        elif method == "carrier" and error is None:
            name, action = about
            ledger.note("reply", f"{action} {name}: {said['result']['state']}")
            last = self.world.asked_last.get(name)  # it may be wanted to go on by now
            if action in ("pause", "drain") and action == last and not said["result"]["warnings"]:
                self.world.laws.held.add(name)
        elif method == "carrier" and about[1] == "resume":
            self.world.later(1, lambda: self.world._hold(*about))
        elif method == "cancel" and error is None:
            about.cancelled = True
            ledger.note("reply", f"<{about.label}> cancelled")
        elif error is None and method in ("consent_set", "optout_set"):
            ledger.permits.replied(*about)
        elif error is not None:
            ledger.note("reply", f"{method} {error['data'].get('reason')}")
            if error["code"] not in (-32000, -32001) and method != "carrier":  # a drained one has no binds to renew
                ledger.broken("clean", f"{method} was answered {error}")

    def _refused(self, wish: Wish, error: dict[str, Any]) -> None:
        reason = error["data"].get("reason")
        if wish.ids and reason not in UNDECIDED:
            self.world.ledger.broken("idempotent", f"<{wish.label}> was accepted, and is refused: {reason}")
        if reason == "quiet_hours":
            self.world.quiet.refused(wish.params)
        self.world.ledger.note("reply", f"<{wish.label}> refused: {error['data'].get('reason')}")
        wish.refused += 1
        if error["data"].get("reason") == "no_consent":
            self.world.ledger.permits.refused(wish.params, self.name, wish.asked_at)
        if error["code"] == -32001 and wish.tries < 6:
            self.world.later(self._rng.uniform(0.3, 3), lambda: self.submit([wish]))

    def _event(self, kind: str, params: dict[str, Any]) -> None:
        if kind == "replaced":
            return
        ledger = self.world.ledger
        event_id = params["event_id"]
        body = json.dumps({k: v for k, v in params.items() if k != "redelivered"})
        if self.seen.setdefault(event_id, body) != body:
            ledger.broken("events", f"{event_id} says {body} and said {self.seen[event_id]}")
        if kind == "receipt":
            self.receipts.setdefault(params["id"], {})[event_id] = params["state"]
            ledger.note("event", f"{event_id} {params['id']} {params['state']}")
        else:
            ledger.note("event", f"{event_id} {params['text']}")
            for label, part in INBOUND_LABEL.findall(params["text"] or ""):
                self.inbound.setdefault((int(label), int(part)), set()).add(event_id)
        self._unacked.append(event_id)
        if len(self._unacked) == 1:
            self.world.later(self._rng.uniform(0.0, 2), self._ack)

    def _ack(self) -> None:
        """Acknowledges what came: all up to one, or some, or twice."""
        if self.stream is None or not self._unacked:
            return
        done, self._unacked = self._unacked, []
        if self._rng.random() < 0.5:
            self.ask("ack", {"up_to": done[-1]})
        else:
            self._rng.shuffle(done)
            self.ask("ack", {"event_ids": done})
