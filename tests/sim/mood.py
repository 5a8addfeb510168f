"""What a carrier may do wrong, and how it writes its message ids."""

from __future__ import annotations

from random import Random
from typing import Final

SCHEMES: Final = ("plain", "hex_decimal", "decimal_hex", "padded", "upper", "mixed")


class Ids:
    """The ids of a carrier: one form in its responses, another in its receipts."""

    def __init__(self, rng: Random, scheme: str) -> None:
        self.scheme = scheme
        # Carriers of one run begin near each other: what one issues, another issues too.
        self._next = rng.choice((0x1000, 0x1000, 1_000_000, 0x7FFF_FF00))

    def next(self, rng: Random) -> tuple[str, str]:
        """The next id as the response has it, and as receipts have it."""
        self._next += rng.choice((1, 1, 1, 7))
        n = self._next
        if self.scheme == "hex_decimal":
            return f"{n:x}", str(n)
        if self.scheme == "decimal_hex":
            return str(n), f"{n:X}"
        if self.scheme == "padded":
            return f"{n:010d}", str(n)
        if self.scheme == "upper":
            return f"{n:08x}", f"{n:08X}"
        if self.scheme == "mixed":
            # Two nodes that write differently: an id can be the other's in another form.
            return (f"{n:x}", f"{n:x}") if n % 2 else (str(n), str(n))
        return f"sim-{n:x}", f"sim-{n:x}"


class Mood:
    """Chances are per event. Most carriers of most seeds have a few bad habits, not all."""

    def __init__(self, rng: Random) -> None:
        bad = rng.random()  # how many of its habits are bad

        def habit(most: float) -> float:
            return round(rng.uniform(0, most), 3) if rng.random() < bad * 0.6 else 0.0

        self.refuses_connection = habit(0.5)
        self.hangs_connection = habit(0.2)
        self.ignores_bind = habit(0.2)
        self.already_bound = habit(0.8)
        self.wrong_password = habit(0.1)
        self.bind_fails = habit(0.3)
        self.slow = habit(0.5)
        self.deaf_to_enquiries = habit(0.1)
        self.unbinds = habit(0.3)
        self.closes = habit(0.3)
        self.half_a_pdu = habit(0.2)
        self.enquires = habit(0.5)
        self.bad_spell = habit(0.2)
        self.throttles = habit(0.3)
        self.full_queues = habit(0.2)
        self.fails_for_now = habit(0.2)
        self.refuses = habit(0.15)
        self.silent = habit(0.08)
        self.late = habit(0.08)
        self.no_receipt = habit(0.2)
        self.contradicts = habit(0.2)
        self.duplicates = habit(0.3)
        self.receipt_first = habit(0.5)
        self.enroute = habit(0.3)
        self.congested = habit(0.5)
        self.queries = rng.choice(("answered", "refused", "ignored"))
        self.answer_time = rng.choice(((0.0, 0.0), (0.0, 0.05), (0.01, 0.4), (0.0, 1.5)))
        self.receipt_time = rng.choice(((0.0, 0.2), (0.1, 3.0), (1.0, 15.0)))
        self.receipt_form = rng.choice(("both", "tlv", "text"))
        self.ids = Ids(rng, rng.choice(SCHEMES))
