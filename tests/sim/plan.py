"""What a seed makes of a run: its configuration, its carriers' moods, its weather, its traffic and its bad luck."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from tests.sim import quiet
from tests.sim.mood import Mood
from tests.sim.permission import Permission
from tests.sim.streams import Weather

START: Final = 1_760_000_000_000
"""The wall clock at the begin of a run without quiet hours, ms: 2025-10-09 08:53:20 UTC."""
NAMES: Final = ("alpha", "beta", "gamma")
VALIDITY: Final = 90
"""Seconds, where an application asks for none."""
RULED: Final = 0.35
"""The share of seeds that have rules."""
_WORDS: Final = ("the", "quick", "brown", "fox", "jumps", "over", "lazy", "dogs", "while", "wizards", "mix", "potions")


class CarrierPlan:
    """One carrier: its section of the configuration, its mood and weather."""

    def __init__(self, rng: Random, name: str) -> None:
        self.name = name
        self.mood = Mood(rng)
        self.settings: dict[str, Any] = {
            "name": name,
            "host": f"{name}.example",
            "system_id": name,
            "password": "secret",
            "bind": rng.choice(("transceiver", "transceiver", "pair")),
            "binds": rng.choice((1, 1, 2, 3)),
            "window": rng.choice((1, 2, 5, 10, 20)),
            "throughput": rng.choice((0, 0, 3, 10, 20, 2.5)),
            "in_doubt": rng.choice(("resend", "resend", "hold")),
            "order": rng.choice(("peer", "peer", "peer", "none")),
            "long_messages": rng.choice(("udh8", "udh8", "udh16", "sar")),
            "response_timeout": rng.choice((2, 4, 8)),
            "enquire_link": rng.choice((3, 8)),
            "connect_timeout": 4,
            "bind_timeout": 3,
            "reconnect_min": 1,
            "reconnect_max": rng.choice((1, 4)),
            "refused_delay": 5,
            "already_bound_delay": 5,
            "retry_delay": rng.choice((0.2, 1, 3)),
            "throttle_pause": rng.choice((0.1, 0.5, 2)),
            "burst": rng.choice((0, 0, 0, 3)),
            "adapt": rng.random() < 0.7,
            "receipt_segments": rng.choice(("each", "each", "each", "any", "last", "first")),
            "message_id": "auto",
            "query": rng.random() < 0.3,
            "query_after": 10,
            "query_interval": 10,
            "query_rate": rng.choice((1, 20)),
            "interface_version": rng.choice(("3.4", "3.4", "5.0")),
            "text_receipts": rng.random() < 0.3,
        }
        wild = rng.random() < 0.6
        self.weather = Weather(
            delay=rng.choice(((0.0, 0.0), (0.001, 0.02), (0.01, 0.3))),
            split=rng.choice((0.0, 0.3, 0.9)),
            breaks=rng.choice((0.1, 0.5)) if wild else 0.0,
            stalls=rng.choice((0.0, 0.3)) if wild else 0.0,
            deaf=rng.choice((0.0, 0.2)) if wild else 0.0,
            reach=rng.choice((600, 3000, 12_000)),
            capacity=rng.choice((65_536, 65_536, 1000)),
        )


class RulePlan:
    """A small book of rules: what comes in is tagged, answered and forwarded."""

    def __init__(self, rng: Random) -> None:
        self.targets = [f"+1415555010{i}" for i in range(1, rng.choice((2, 4)))]
        self.mode = rng.choice(("all", "first", "turn"))
        self.replies = rng.random() < 0.8
        self.reply_interval = rng.choice((5, 20, 600))
        self.forwards_per_hour = rng.choice((3, 10_000, 10_000))

    @property
    def limits(self) -> str:
        return f"\nreply_interval = {self.reply_interval}\nforwards_per_hour = {self.forwards_per_hour}"

    def toml(self) -> list[str]:
        """Its sections. Texts begin so that `ledger.label_in` knows what they follow from."""
        members = ", ".join(f'{{ name = "duty{i}", phone = "{one}" }}' for i, one in enumerate(self.targets, 1))
        sections = [f"[groups.duty]\nmembers = [{members}]"]
        sections.append('[[rules]]\nname = "tag"\ncontains = ["hello"]\ntags = ["greeted"]\nthen = "continue"')
        if self.replies:
            reply = 'keywords = ["i"]\nkeyword_match = "prefix"\nreply = "auto: {argument}"\nthen = "continue"'
            sections.append(f'[[rules]]\nname = "auto"\n{reply}')
        forward = f'forward = ["duty"]\nforward_mode = "{self.mode}"\nforward_text = "{{name}}: {{text}}"'
        sections.append(f'[[rules]]\nname = "duty"\n{forward}')
        return sections


class Plan:
    """All of it; nothing here depends on what happens in the run."""

    def __init__(self, seed: int) -> None:
        rng = Random(f"{seed}/plan")
        self.seed = seed
        self.seconds = rng.uniform(15, 45)
        self.carriers = [CarrierPlan(rng, name) for name in NAMES[: rng.choice((1, 2, 2, 3))]]
        self.numbers: dict[str, str] = {}
        for i, carrier in enumerate(self.carriers):
            for j in range(rng.choice((1, 2))):
                self.numbers[f"+1555123{i}00{j}"] = carrier.name
        self.peers = [f"+1212555010{i}" for i in range(rng.choice((2, 5, 10)))]
        self.crashes = sorted(rng.uniform(1, self.seconds) for _ in range(rng.choice((0, 1, 2, 3))))
        self.stops = sorted(rng.uniform(1, self.seconds) for _ in range(rng.choice((0, 0, 1, 2))))
        self.reloads = [rng.uniform(1, self.seconds) for _ in range(rng.choice((0, 0, 1)))]
        self.resolves = [rng.uniform(5, self.seconds) for _ in range(rng.choice((0, 1, 3)))]
        self.hang_ups = [rng.uniform(1, self.seconds) for _ in range(rng.choice((0, 1, 3)))]
        self.clock_steps = [
            (rng.uniform(1, self.seconds), rng.choice((-3000, -50, 4000))) for _ in range(rng.choice((0, 0, 0, 1)))
        ]
        self.holds: list[tuple[float, str, str, float]] = []
        for _ in range(rng.choice((0, 0, 1, 2))):
            what = rng.choice(("pause", "drain", "rebind"))
            self.holds.append((rng.uniform(1, self.seconds), rng.choice(self.carriers).name, what, rng.uniform(1, 8)))
        self.quiet = quiet.planned(seed, self.seconds, self.peers)
        self.start = self.quiet.start if self.quiet is not None else START
        self.sticky = True  # whether all messages of a pair stay together
        self.rates = [rng.choice((0, 0, 1, 4)) for _ in self.numbers]
        self.routes = self._routes(rng)
        self.look_ahead = rng.choice((1, 5, 50, 2000))
        self.wishes = self._wishes(rng)
        if self.quiet is not None:
            self.quiet.dress(self)
        self.inbound = self._inbound(rng)
        self.variant = 0
        self.rules = RulePlan(Random(f"{seed}/rules")) if Random(f"{seed}/ruled").random() < RULED else None
        self.permission = Permission(self)

    # --- traffic ------------------------------------------------------------------------------------------------------

    def _wishes(self, rng: Random) -> list[tuple[float, str, list[tuple[int, dict[str, Any]]]]]:
        """(second, app, [(label, submit)]): bursts, each by one application in one write."""
        out: list[tuple[float, str, list[tuple[int, dict[str, Any]]]]] = []
        label = 0
        count = rng.choice((20, 40, 80))
        while label < count:
            at = rng.uniform(0.5, self.seconds)
            app = rng.choice(("crm", "crm", "shop"))
            burst: list[tuple[int, dict[str, Any]]] = []
            for _ in range(rng.choice((1, 1, 3, 10))):
                label += 1
                burst.append((label, self._submit(rng, label, at, app)))
            out.append((at, app, burst))
        return sorted(out, key=lambda b: b[0])

    def _routes(self, rng: Random) -> list[str]:
        """Sections of routes: none, one for some messages, or one for all."""
        if len(self.carriers) < 2 or rng.random() < 0.4:
            return []
        carriers = [c.name for c in self.carriers]
        rng.shuffle(carriers)
        ways = [
            f'{{ name = "{name}", weight = {rng.choice((1, 3))}, preference = {rng.choice((1, 1, 2))} }}'
            for name in carriers
        ]
        section = ["[[routes]]", 'name = "main"', f"carriers = [{', '.join(ways)}]"]
        of_some = rng.random() < 0.5
        if of_some:
            section.append(f'classes = ["{rng.choice(("transactional", "marketing"))}"]')
        section.append(f"failover_after = {rng.choice((1, 3, 30))}")
        section.append(f"failover_on_refusal = {_toml(rng.random() < 0.7)}")
        section.append(f"failover_on_receipt = {_toml(rng.random() < 0.3)}")
        sticky = rng.random() < 0.7
        section.append(f"sticky = {_toml(sticky)}")
        self.sticky = sticky and not of_some
        return ["\n".join(section)]

    def _submit(self, rng: Random, label: int, at: float, app: str) -> dict[str, Any]:
        numbers = list(self.numbers)
        params: dict[str, Any] = {
            "to": self.peers[min(int(rng.expovariate(0.6)), len(self.peers) - 1)],
            "from": numbers[0] if app == "shop" else rng.choice(numbers),
            "text": text(rng, label),
        }
        if app != "shop" and label % 7 == 4:
            del params["from"]  # one is chosen: the number that the phone wrote to, or the same one each time
        if rng.random() < 0.8:
            params["ref"] = f"r{label}"
        if rng.random() < 0.25:
            params["class"] = rng.choice(("marketing", "direct"))
        if rng.random() < 0.1:
            params["priority"] = rng.choice((1, 5, 9))
        if rng.random() < 0.15:
            params["validity"] = rng.choice((3, 8, 20))
        if rng.random() < 0.1:
            params["receipt"] = False
        if rng.random() < 0.08:
            when = datetime.fromtimestamp((self.start + (at + rng.uniform(1, 15)) * 1000) / 1000, UTC)
            params["send_at"] = when.isoformat()
            params.pop("validity", None)
        return params

    def _inbound(self, rng: Random) -> list[tuple[float, str, str, str, int, int]]:
        """(second, carrier, number, peer, label, parts)."""
        out = []
        for label in range(1, rng.choice((1, 10, 25))):
            number, carrier = rng.choice(list(self.numbers.items()))
            out.append(
                (
                    rng.uniform(0.5, self.seconds),
                    carrier,
                    number,
                    rng.choice(self.peers),
                    label,
                    rng.choice((1, 1, 2, 3)),
                )
            )
        return sorted(out)

    # --- configuration ------------------------------------------------------------------------------------------------

    def toml(self) -> str:
        """The configuration; each reload has another `variant`, of which carriers are not told the same."""
        sections = [
            'default_region = "US"',
            "[store]\nmin_free_disk = 64",
            '[socket]\npath = "/nowhere/smsgw.sock"',
            '[metrics]\nbind = ""',
            f"[limits]\nlook_ahead = {self.look_ahead}\ndefault_validity = {VALIDITY}"
            + (self.rules.limits if self.rules is not None else ""),
        ]
        if self.quiet is not None:
            sections += self.quiet.toml()
        for i, carrier in enumerate(self.carriers):
            settings = dict(carrier.settings)
            if self.variant and i == 0:
                settings["retry_delay"] = 0.5 + self.variant
            sections.append("[[carriers]]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in settings.items()))
        for (number, name), rate in zip(self.numbers.items(), self.rates, strict=True):
            own = f"\nthroughput = {rate}" if rate else ""
            own += self.permission.of_number(number)
            sections.append(f'[[numbers]]\nnumber = "{number}"\ncarrier = "{name}"{own}')
        sections += self.routes
        sections += self.permission.toml()
        if self.rules is not None:
            sections += self.rules.toml()
        first = next(iter(self.numbers))
        sections.append(
            '[[apps]]\nname = "crm"\nuid = [2001]\nprepaid = true\nquota = { day = 1000000, year = 1000000 }'
        )
        sections.append(f'[[apps]]\nname = "shop"\nuid = [2002]\nnumbers = ["{first}"]')
        sections.append('[[apps]]\nname = "ops"\nuid = [2003]\nadmin = true')
        return "\n\n".join(sections) + "\n"


APPS: Final = {"crm": 2001, "shop": 2002, "ops": 2003}


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)


def text(rng: Random, label: int) -> str:
    """A text of one to four segments; its label is in each of them."""
    words = rng.choice((1, 3, 3, 3, 10, 25, 40))
    mark = f"<{label}>"
    out = [mark]
    for i in range(words):
        out.append(rng.choice(_WORDS))
        if i % 3 == 2:
            out.append(mark)
    if rng.random() < 0.1:
        out.append("\u0416")  # which has the whole go as UCS-2
    made = " ".join(out)
    # Wherever it is cut: each segment has a whole mark.
    cuts = (66, 67, 70) if made[-1] == "\u0416" else (152, 153, 160)
    while any(mark not in made[i : i + cut] for cut in cuts for i in range(0, len(made), cut)):
        made += f" {mark}"
    return made
