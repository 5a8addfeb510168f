"""Traces: what people sent and when, one JSON object a line; and generators that make them from a seed.

bench/README.md describes the format. A trace is played round and round until as many messages as asked for
have gone; each pass has other peers and other keys (see bench.keys), so that a short trace gives a million
messages.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import keys

TRACES = Path(__file__).parent / "traces"
_EXTRAS = ("encoding", "flash", "validity", "priority", "receipt", "meta")
"""Members of `submit` that a trace line may have beside the ones of its own."""


class TraceError(ValueError):
    """A trace that cannot be read; the text names file and line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One message. Addresses are E.164 with +, short codes, or alphanumeric senders; at is in seconds."""

    kind: str
    """`mt` or `mo`."""
    to: str
    sender: str | None
    """`from` in the file; None (mt only): the daemon chooses."""
    text: str
    """`{key}` in it is replaced when it is played; a text without one gets the key in front."""
    at: float = 0.0
    message_class: str = "transactional"
    vary: bool = True
    """Whether the peer's last seven digits change from message to message."""
    extras: dict[str, Any] = field(default_factory=dict)

    def keyed(self) -> str:
        """The text with its placeholder, wherever it came from."""
        return self.text if keys.PLACEHOLDER in self.text else f"{keys.PLACEHOLDER} {self.text}"

    def to_json(self) -> str:
        """The line as it stands in a file; members at their default are left out."""
        out: dict[str, Any] = {"at": round(self.at, 4), "kind": self.kind, "to": self.to}
        if self.sender is not None:
            out["from"] = self.sender
        out["text"] = self.text
        if self.kind == "mt" and self.message_class != "transactional":
            out["class"] = self.message_class
        if not self.vary:
            out["vary"] = False
        return json.dumps(out | self.extras, ensure_ascii=False)


def parse_line(text: str, where: str = "trace") -> Line:
    """Read one line. Raises TraceError, with `where` in front, when it is not a trace line."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise TraceError(f"{where}: not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise TraceError(f"{where}: not a JSON object")
    kind = raw.pop("kind", None)
    if kind not in ("mt", "mo"):
        raise TraceError(f"{where}: kind is {kind!r}, expected 'mt' or 'mo'")
    required = ("to", "text") if kind == "mt" else ("to", "from", "text")
    for member in required:
        if not isinstance(raw.get(member), str):
            raise TraceError(f"{where}: {member} is missing or not a string")
    known = {"at", "to", "from", "text", "class", "vary", *(_EXTRAS if kind == "mt" else ())}
    unknown = sorted(raw.keys() - known)
    if unknown:
        raise TraceError(f"{where}: unknown member {unknown[0]!r}")
    try:
        at = float(raw.get("at", 0.0))
    except (TypeError, ValueError) as error:
        raise TraceError(f"{where}: at is not a number") from error
    return Line(
        kind=kind,
        to=raw["to"],
        sender=raw.get("from"),
        text=raw["text"],
        at=at,
        message_class=raw.get("class", "transactional"),
        vary=bool(raw.get("vary", True)),
        extras={member: raw[member] for member in _EXTRAS if member in raw},
    )


def read(path: str | Path) -> list[Line]:
    """All lines of a trace file, blank ones skipped. Raises TraceError, also when there is none at all."""
    lines = []
    with open(path, encoding="utf-8") as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                lines.append(parse_line(text, f"{path}:{number}"))
    if not lines:
        raise TraceError(f"{path}: no line in it")
    return lines


def write(path: str | Path, lines: Iterable[Line]) -> None:
    """Write a trace file."""
    Path(path).write_text("".join(line.to_json() + "\n" for line in lines), encoding="utf-8")


def load(name: str) -> list[Line]:
    """A trace by the path of a file, by the name of one in bench/traces, or as `generator:lines:seed`.

    Raises TraceError when there is no such trace.
    """
    if Path(name).is_file():
        return read(name)
    if (TRACES / f"{name}.ndjson").is_file():
        return read(TRACES / f"{name}.ndjson")
    generator, *numbers = name.split(":")
    if generator in GENERATORS and len(numbers) <= 2 and all(part.isdigit() for part in numbers):
        count, seed = [int(part) for part in numbers] + [1000, 1][len(numbers) :]
        return list(GENERATORS[generator](count, seed))
    raise TraceError(f"no trace {name!r}: neither a file nor one of {', '.join(sorted(GENERATORS))}")


# Peers of many countries. What makes a number possible is its length; the last seven digits vary.
_PEERS = (
    ("+1212", 0.30), ("+1415", 0.12), ("+1604", 0.06), ("+44772", 0.12), ("+49151", 0.08), ("+3361", 0.06),
    ("+91987", 0.08), ("+5511987", 0.06), ("+81903", 0.04), ("+61412", 0.04), ("+4670", 0.04),
)  # fmt: skip
_DIGITS_AFTER = {"+1": 7, "+44": 7, "+49": 8, "+33": 7, "+91": 7, "+55": 6, "+81": 7, "+61": 6, "+46": 7}
NUMBERS = ("+15551230001", "+15551230002", "+15551230003")
"""Our own numbers in the generated traces."""


def _peer(rng: random.Random) -> str:
    prefix = rng.choices([p for p, _ in _PEERS], [w for _, w in _PEERS])[0]
    length = next(digits for country, digits in _DIGITS_AFTER.items() if prefix.startswith(country))
    return prefix + "".join(rng.choices("0123456789", k=length))


def otp(count: int, seed: int = 1) -> Iterator[Line]:
    """One-time codes as sign-in services send them: short, GSM 03.38, one segment, each to another phone."""
    rng = random.Random(f"otp/{seed}")
    brands = ("Acme Bank", "Northwind", "Contoso Pay", "Globex", "Initech Cloud", "Umbrella Care")
    forms = (
        "{code} is your {brand} verification code. {key}",
        "Your {brand} code is {code}. It expires in 10 minutes. Don't share it. {key}",
        "<#> {brand}: {code} is your code. {key}",
        "{brand} security alert: use {code} to sign in from your new device. Not you? Call us. {key}",
        "Code: {code}. {key} @{domain} #{code}",
        "{brand}: payment of $48.20 at Café Noir. Confirm with {code}. {key}",
    )
    at = 0.0
    for _ in range(count):
        at += rng.expovariate(1000)
        brand = rng.choice(brands)
        text = rng.choices(forms, (5, 5, 2, 1, 2, 1))[0].format(
            code=f"{rng.randrange(1_000_000):06d}", brand=brand, key=keys.PLACEHOLDER,
            domain=brand.split()[0].lower() + ".example",
        )  # fmt: skip
        yield Line("mt", _peer(rng), rng.choice(NUMBERS), text, at)


_PHRASES = tuple((Path(__file__).parent / "phrases.txt").read_text(encoding="utf-8").splitlines())


def unicode(count: int, seed: int = 1) -> Iterator[Line]:
    """Long messages that need UCS-2, two to six segments, many scripts, emoji that are surrogate pairs."""
    rng = random.Random(f"unicode/{seed}")
    at = 0.0
    for _ in range(count):
        at += rng.expovariate(200)
        wanted = rng.randint(80, 380)
        text = keys.PLACEHOLDER
        while len(text.encode("utf-16-be")) // 2 < wanted:
            text += " " + rng.choice(_PHRASES)
        yield Line("mt", _peer(rng), rng.choice(NUMBERS), text, at)


_REPLIES = (
    "Yes {key}", "ok thx {key}", "Where are you? {key}", "{key} C U l8r :-)", "I'll be there @ 5 {key}",
    "👍 {key}", "{key} Danke 🙂", "да, буду {key}", "{key} 了解です", "Running 10 min late, sorry! {key}",
)  # fmt: skip


def inbound(count: int, seed: int = 1) -> Iterator[Line]:
    """Replies of people: mostly short, a third with emoji or other scripts, a tenth of several segments."""
    rng = random.Random(f"inbound/{seed}")
    at = 0.0
    for _ in range(count):
        at += rng.expovariate(1000)
        if rng.random() < 0.9:
            text = rng.choice(_REPLIES)
        else:
            text = keys.PLACEHOLDER
            foreign = rng.random() < 0.5
            while len(text) < rng.randint(90, 200) + (0 if foreign else 90):
                text += " " + (rng.choice(_PHRASES) if foreign else "I have a question about my last order.")
        yield Line("mo", rng.choice(NUMBERS), _peer(rng), text, at)


GENERATORS: dict[str, Callable[[int, int], Iterator[Line]]] = {
    "otp": otp,
    "unicode": unicode,
    "inbound": inbound,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bench.trace otp --lines 300 --seed 1 FILE`: write a generated trace to a file."""
    parser = argparse.ArgumentParser(prog="bench.trace", description="Generate a trace.")
    parser.add_argument("generator", choices=sorted(GENERATORS))
    parser.add_argument("file", type=Path)
    parser.add_argument("--lines", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    write(chosen.file, GENERATORS[chosen.generator](chosen.lines, chosen.seed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
