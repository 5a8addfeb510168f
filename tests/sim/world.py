"""A run: a daemon that lives several times, its carriers and applications, until everything has come to rest."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from random import Random

import trio

from gateway.daemon import Daemon
from gateway.model import Clock, IdText, State
from gateway.settings import Settings, load
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode
from gateway.store.store import Store
from tests.sim import ends, own
from tests.sim.app import SimApp, Wish
from tests.sim.carrier import SimCarrier, label_of, text_of
from tests.sim.disk import INSTALL, Disk, DiskMood, Killed, SimReader
from tests.sim.door import Door
from tests.sim.laws import Laws
from tests.sim.ledger import Ledger
from tests.sim.line import Delivery, Line
from tests.sim.plan import APPS, Plan
from tests.sim.quiet import Quiet
from tests.sim.streams import SimStream

REST: float = 420.0
"""Seconds within which everything has to come to rest once carriers, disk and weather are good."""
STOP: float = 40.0
"""Seconds that an orderly stop may take: five for answers, and what a carrier in a bad mood adds at each bind."""


class World:
    """Everything of one run."""

    def __init__(self, plan: Plan, path: Path, ledger: Ledger) -> None:
        seed = plan.seed
        self.plan = plan
        self.path = path
        self.ledger = ledger
        ledger.start = trio.current_time()
        self._began = trio.current_time()
        self._stepped = 0
        self.clock = Clock(self._now_ms)
        path.write_text(plan.toml())
        self.settings: Settings = load(path, {})
        steady = frozenset(c.name for c in plan.carriers if c.weather.steady)
        self.quiet = Quiet(plan.quiet, ledger, self._now_ms)
        self.laws = Laws(ledger, self.settings.carriers_by_name, self._now_ms, steady, self.quiet)
        # What waits for a carrier that is left does not go to one that is held; new messages do, and so come before it.
        self.laws.sticky = plan.sticky and all(action == "rebind" for _, _, action, _ in plan.holds)
        self._rng = Random(f"{seed}/world")
        rng = Random(f"{seed}/disk")
        self.disk = Disk(rng, ledger, DiskMood(rng), plan.seconds)
        self.door = Door()
        ledger.parse = self.parse
        ledger.permits.now_ms = self.clock.now_ms
        ledger.permits.book = plan.permission.book()
        self.streams: list[SimStream] = []
        self.carriers = {
            c.name: SimCarrier(self, c.name, c.mood, c.weather, Random(f"{seed}/carrier/{c.name}"))
            for c in plan.carriers
        }
        self.apps = {name: SimApp(self, name, uid, Random(f"{seed}/app/{name}")) for name, uid in APPS.items()}
        self.sent_inbound: dict[int, tuple[str, int, set[int]]] = {}  # label -> number, parts, those acknowledged
        self.asked_last: dict[str, str] = {}  # what operators last wanted of a carrier
        self.daemon: Daemon | None = None
        self._scope: trio.CancelScope | None = None
        self._ended = trio.Event()
        self.crashes = 0
        self._id_text = IdText(INSTALL)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._ties = itertools.count()
        self._timer: trio.CancelScope | None = None
        self.good = False

    @property
    def life(self) -> int:
        return self.ledger.life

    def _now_ms(self) -> int:
        return self.plan.start + int((trio.current_time() - self._began) * 1000) + self._stepped

    def parse(self, id: str) -> int:
        return self._id_text.parse(id) or -1

    # --- time ---------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Has something done in so many seconds."""
        at = trio.current_time() + seconds
        heapq.heappush(self._heap, (at, next(self._ties), act))
        if self._timer is not None and at < self._timer.deadline:
            self._timer.deadline = at

    async def _time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._heap[0][0] if self._heap else math.inf) as self._timer:
                await trio.sleep_forever()
            while self._heap and self._heap[0][0] <= trio.current_time():
                heapq.heappop(self._heap)[2]()

    # --- the run ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """The whole of it; what is wrong is in the ledger."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._time)
            for carrier in self.carriers.values():
                nursery.start_soon(carrier.run)
            for app in self.apps.values():
                nursery.start_soon(app.run)
            self._plan_traffic()
            await self._lives(nursery)
            self._be_good()
            await self._rest()
            if ends.uncounted(self):
                # What validity ended on disk the queue does not see: it counts anew once a minute.
                await trio.sleep(61)
                await self._rest()
            ends.at_rest(self)
            await self._stop()
            ends.at_end(self)
            nursery.cancel_scope.cancel()
        left = [task.name for task in _tasks_below(trio.lowlevel.current_task())]
        if left:
            self.ledger.broken("tasks", f"left over: {left}")

    def _plan_traffic(self) -> None:
        plan, rng = self.plan, self._rng
        for at, name, burst in plan.wishes:
            app = self.apps[name]
            wishes = [Wish(label, params) for label, params in burst]
            app.wishes += wishes
            self.later(at, lambda app=app, wishes=wishes: app.submit(wishes))  # type: ignore[misc]
            for wish in wishes:
                if rng.random() < 0.1:
                    self.later(at + rng.uniform(0, 6), lambda app=app, wish=wish: app.cancel(wish))  # type: ignore[misc]
                if wish.repeatable and rng.random() < 0.1:
                    self.later(at + rng.uniform(0, 8), lambda app=app, wish=wish: app.submit([wish]))  # type: ignore[misc]
        for at, name, number, peer, label, parts in plan.inbound:
            self.later(at, lambda *_, row=(name, number, peer, label, parts): self._inbound(*row))
        permits = self.ledger.permits
        for said in plan.permission.said:
            self.later(said.at, lambda said=said: permits.give(self, said))  # type: ignore[misc]
        for one in plan.permission.entered:
            self.later(one.at, lambda one=one: permits.enter(self, one))  # type: ignore[misc]
        ops = self.apps["ops"]
        for at in plan.resolves:
            params = {"action": rng.choice(("resend", "resend", "fail")), "carrier": rng.choice(plan.carriers).name}
            self.later(at, lambda params=params: ops.ask("resolve", params))  # type: ignore[misc]
        for at, name, action, seconds in plan.holds:
            self.later(at, lambda name=name, action=action: self._hold(name, action))  # type: ignore[misc]
            self.later(at + seconds, lambda name=name: self._hold(name, "resume"))  # type: ignore[misc]
        for at in plan.reloads:
            self.later(at, self._reload)
        for at in plan.hang_ups:
            self.later(at, rng.choice(list(self.apps.values())).hang_up)
        for at, ms in plan.clock_steps:
            self.later(at, lambda ms=ms: self._step(ms))  # type: ignore[misc]

    def _step(self, ms: int) -> None:
        self.ledger.note("clock", f"{ms} ms")
        self.quiet.seen()
        self._stepped += ms

    def _hold(self, name: str, action: str) -> None:
        """An operator has a carrier held, or go on; that in the end it goes on is asked for until it is done."""
        if action in ("resume", "rebind"):
            self.laws.held.discard(name)
        self.asked_last[name] = action
        asked = self.apps["ops"].ask("carrier", {"name": name, "action": action}, (name, action))
        if action == "resume" and not asked:
            self.later(0.5, lambda: self._hold(name, action))

    def _reload(self) -> None:
        self.plan.variant += 1
        self.path.write_text(self.plan.toml())
        self.apps["ops"].ask("reload", {})

    def _inbound(self, name: str, number: str, peer: str, label: int, parts: int) -> None:
        rng = self._rng
        acknowledged: set[int] = set()
        self.sent_inbound[label] = (number, parts, acknowledged)
        order = list(range(1, parts + 1))
        rng.shuffle(order)
        for part in order:
            header = bytes((5, 0, 3, label & 0xFF, parts, part)) if parts > 1 else b""

            def made(mark: str, part: int = part, header: bytes = header) -> p.DeliverSm:
                body = f"<i{label}.{part}{mark}> hello".encode()
                ours, theirs = p.Address(1, 1, number[1:]), p.Address(1, 1, peer[1:])
                return p.DeliverSm(theirs, ours, header + body, esm_class=0x40 if header else 0)

            def done(part: int = part) -> None:
                acknowledged.add(part)
                if (label, part) not in self.ledger.inbound:
                    self.ledger.broken("durable", f"<i{label}.{part}> is acknowledged and not stored")

            for copy in range(2 if rng.random() < 0.05 else 1):
                delivery = Delivery(made(""), f"<i{label}.{part}>", done)
                if self.plan.rules is not None:
                    # What follows from a copy says of which; of a long message's parts there is one, whatever comes.
                    marks = copy * 50 if parts == 1 else None
                    delivery.stamp = lambda n, made=made, marks=marks: made(f"+{1 if marks is None else marks + n}")  # type: ignore[misc]
                self.later(rng.uniform(0, 1.5), lambda delivery=delivery: self.carriers[name].give(delivery))  # type: ignore[misc]

    # --- lives --------------------------------------------------------------------------------------------------------

    async def _lives(self, nursery: trio.Nursery) -> None:
        fates = sorted([(at, True) for at in self.plan.crashes] + [(at, False) for at in self.plan.stops])
        await self._start(nursery)
        for at, sudden in fates:
            await trio.sleep_until(self._began + at)
            if sudden:
                await self._crash()
            else:
                await self._stop()
            await trio.sleep(self._rng.choice((0.0, 0.1, 3.0)))
            await self._start(nursery)
        await trio.sleep_until(self._began + self.plan.seconds)

    async def _start(self, nursery: trio.Nursery) -> None:
        ledger = self.ledger
        ledger.life += 1
        ledger.note("life", "begins")
        self.laws.begins()
        database = self.disk.open()
        store = Store("sqlite://", clock=self.clock, begin=self.disk.begin, database=database)
        store.reader = SimReader(self.disk)
        store.read_now(ends.fill_balance)
        if self.plan.quiet is not None:
            store.read_now(self.plan.quiet.note)
        self.settings = load(self.path, {})
        self.laws.carriers = self.settings.carriers_by_name
        self.laws.numbers = {value: number.throughput for value, number in self.settings.numbers_by_value.items()}
        self.daemon = Daemon(
            self.settings,
            path=self.path,
            store=store,
            connector=self._connect,
            rng=Random(f"{self.plan.seed}/daemon/{self.life}"),
            listening=self.door.listen,
        )
        self._ended = trio.Event()
        self._scope = trio.CancelScope()
        nursery.start_soon(self._serve, self.daemon, self._scope, self._ended)
        with trio.move_on_after(30):
            await self.daemon._started.wait()

    async def _serve(self, daemon: Daemon, scope: trio.CancelScope, ended: trio.Event) -> None:
        try:
            with scope, contextlib.suppress(Killed):
                try:
                    await daemon.serve()
                except* Killed:
                    pass
        except Exception as error:
            self.ledger.broken("alive", f"the daemon ended with {_first(error)!r}")
        finally:
            ended.set()

    async def _crash(self) -> None:
        """The process is killed: nothing that it wanted to do after this moment happens."""
        if self._ended.is_set():
            return
        assert self.daemon is not None
        assert self._scope is not None
        self.crashes += 1
        self.ledger.note("life", "is killed")
        self.disk.crash()
        self.door.close()
        for stream in self.streams:
            stream.shut()
        self.streams.clear()
        self._scope.cancel()
        await self._ended.wait()
        self.daemon = None

    async def _stop(self) -> None:
        """An orderly stop, as after SIGTERM."""
        if self._ended.is_set():
            return
        assert self.daemon is not None
        self.ledger.note("life", "is asked to stop")
        self.daemon.stop()
        with trio.move_on_after(STOP):
            await self._ended.wait()
        if not self._ended.is_set():
            self.ledger.broken("stop", f"has not stopped within {STOP:g} s")
            await self._crash()
        self.streams.clear()
        self.daemon = None

    # --- rest ---------------------------------------------------------------------------------------------------------

    def _be_good(self) -> None:
        self.ledger.note("life", "all is well from here on")
        self.good = self.disk.honest = True
        for name in self.carriers if self.plan.holds else ():
            self._hold(name, "resume")
        for carrier in self.carriers.values():
            carrier.honest = True
            for line in list(carrier.lines):
                if line.stream.deaf:
                    line.hang_up()

    async def _rest(self) -> None:
        """Waits until there is nothing left to do, and nothing comes of what was done last."""
        deadline = trio.current_time() + REST
        still = 0
        while still < 4:
            await trio.sleep(1)
            why = self._unrest()
            self._waits_for_ever()
            self.quiet.look()
            still = 0 if why else still + 1
            if why and trio.current_time() >= deadline:
                self.ledger.broken("rest", f"no rest in {REST:g} s: {why}")
                return

    def _waits_for_ever(self) -> None:
        """What is past its validity and a minute, and was never sent, is at its end."""
        before = self._now_ms() - 60_000 - 4000
        for message in self.ledger.messages.values():
            if message.expires_at < before:
                for segment in message.segments.values():
                    if segment.state in (State.SCHEDULED, State.QUEUED):
                        self.ledger.broken("validity", f"{segment.place} waits a minute after its validity")

    def _unrest(self) -> str:
        """What there still is to do."""
        waiting = [
            s.place
            for m in self.ledger.messages.values()
            for s in m.segments.values()
            if s.state in (State.SCHEDULED, State.QUEUED, State.SUBMITTING)
        ]
        if waiting:
            return f"{len(waiting)} segments wait, {waiting[:5]}"
        left = {c.name: c.undelivered for c in self.carriers.values() if c.undelivered or c.busy}
        if left:
            return f"not acknowledged to carriers: {left}"
        if self._heap or any(a.busy for a in self.apps.values()):
            return "applications wait"
        assert self.daemon is not None
        if any(queue.waiting for queue in self.daemon.outbound.queues.values()):
            return "queues wait"
        if any(feed.backlog for feed in self.daemon.outbox.feeds.values()) or own.waits(self.daemon):
            return "events wait"
        return ""

    # --- what the daemon is given -------------------------------------------------------------------------------------

    async def _connect(self, host: str, port: int, local_address: str | None) -> trio.abc.Stream:
        return await self.carriers[host.removesuffix(".example")].connect()

    def gateway_writes(self, life: int, line: Line, stream: SimStream, data: bytes) -> None:
        """Octets that the gateway hands to a connection of a carrier: whole PDUs."""
        if life != self.life:
            self.ledger.broken("dead", f"life {life} writes in life {self.life}")
            return
        now = trio.current_time()
        while data:
            length = int.from_bytes(data[:4])
            if data[4:8] == b"\0\0\0\4":
                sequence, _, pdu = decode(data[:length])
                assert isinstance(pdu, p.SubmitSm)
                name = line.carrier.name
                label, part = label_of(pdu)
                if label < 0:
                    label = line.named[sequence] = self._unlabelled(stream.written[sequence], pdu)
                line.written[sequence] = now
                segment = self.ledger.find(label, part, name)
                self.laws.written(name, f"{name}/{line.number}", segment, label, part)
                if segment is not None:
                    self.ledger.permits.written(segment.message, segment.place)
            elif data[4:8] == b"\x80\0\0\5" and not any(data[8:12]):
                self.ledger.permits.answered(line.asked(int.from_bytes(data[12:16])))
            data = data[length:]

    def _unlabelled(self, id: int, pdu: p.SubmitSm) -> int:
        """The label of a message that has none in its text: the session says which it is; what it says has to fit."""
        message = self.ledger.messages.get(id)
        said = (f"+{pdu.source.addr}", f"+{pdu.destination.addr}", text_of(pdu))
        if message is None or said != (message.number, message.peer, message.text):
            self.ledger.broken("durable", f"{said} is written, and not what is stored")
        return message.label if message is not None else -1


def _tasks_below(task: trio.lowlevel.Task) -> list[trio.lowlevel.Task]:
    return [
        t for nursery in task.child_nurseries for child in nursery.child_tasks for t in (child, *_tasks_below(child))
    ]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
