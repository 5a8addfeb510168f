"""Which of our numbers a message goes out from, and what may reach one of them. Pure: tables made once of the settings.

Most numbers may send whatever they are asked to: they are in none of these tables, and cost a look-up.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from gateway.settings import Number, Settings
from gateway.settings.routes import MessageClass
from gateway.sms.address import kind_of

Reason = Literal["number_held", "number_released", "number_cannot_send", "not_verified"]


class Origin(NamedTuple):
    """Where a message goes out from. ``reason``: why it may not go out at all, None where it may."""

    number: str
    reason: Reason | None = None
    detail: str = ""
    warning: str | None = None


class Sending:
    """What our numbers may send, and to which of our own numbers.

    ``limited`` are the numbers that are looked at by `origin`, ``deaf`` those by `unreachable`.
    """

    def __init__(self, settings: Settings) -> None:
        numbers = settings.numbers_by_value
        self._numbers = numbers
        self.limited: Final = frozenset(value for value, number in numbers.items() if _is_limited(number))
        self.deaf: Final = frozenset(
            value for value, number in numbers.items() if not {"sms_in", "from_short_codes"} <= number.able
        )

    def origin(self, number: str, klass: MessageClass, now_ms: int, *, reply: bool = False) -> Origin:
        """What sends a message of this class that is to go out from one of `limited`.

        ``reply``: an automatic one to what came in, which a number that is held still gives.
        """
        ours = self._numbers[number]
        refused = _refused(ours, now_ms, reply=reply)
        if refused is not None:
            return refused
        if ours.may_send(klass):
            return Origin(number)
        said = f"{number} is {ours.verification}, and until it is verified sends no {klass} messages"
        if ours.fallback is None:
            return Origin(number, "not_verified", said)
        other = self._numbers[ours.fallback]
        refused = _refused(other, now_ms)
        if refused is not None or not other.may_send(klass):
            why = refused.detail if refused is not None else f"{other.number} is {other.verification} too"
            return Origin(number, "not_verified", f"{said}; nor does its fallback: {why}")
        return Origin(other.number, warning=f"sent from {other.number}: {said}")

    def stopped(self, number: str, now_ms: int, *, reply: bool = False) -> Reason | None:
        """Why nothing at all goes out from a number any more, None where something does, or it is not known.

        ``reply``: as for `origin`.
        """
        if number not in self.limited:
            return None
        refused = _refused(self._numbers[number], now_ms, reply=reply)
        return refused.reason if refused is not None else None

    def unreachable(self, number: str, peer: str) -> str | None:
        """Why one of `deaf` gets nothing from a number of ours, None where it does."""
        able = self._numbers[peer].able
        if "sms_in" not in able:
            return f"{peer} is one of our own numbers, which gets no texts"
        if kind_of(number) == "short_code" and "from_short_codes" not in able:
            return f"{peer} is one of our own numbers, which gets nothing from short codes"
        return None


def _is_limited(number: Number) -> bool:
    return number.state != "active" or number.verification != "verified" or "sms_out" not in number.able


def _refused(number: Number, now_ms: int, *, reply: bool = False) -> Origin | None:
    value = number.number
    if is_released(number, now_ms):
        return Origin(value, "number_released", f"{value} is not ours any more")
    if number.state == "held" and not reply:
        until = f" until {number.held_until}" if number.held_until is not None else ""
        return Origin(value, "number_held", f"{value} was given up, and is held{until}")
    if "sms_out" not in number.able:
        return Origin(value, "number_cannot_send", f"{value} sends no texts: its capabilities lack sms_out")
    return None


def is_released(number: Number, now_ms: int) -> bool:
    """Whether a number is not ours any more at a moment (ms since 1970), as set or since its time was over."""
    if number.state != "held":
        return number.state == "released"
    end = held_until_ms(number)
    return end is not None and now_ms >= end


def unheard_since(number: Number) -> int | None:
    """Since when (ms since 1970) nobody is told of what comes in to a number; None where somebody is, for good."""
    if number.state == "active":
        return None
    if number.state == "released" or number.inbound_when_held != "handlers":
        return 0
    return held_until_ms(number)


def held_until_ms(number: Number) -> int | None:
    """When the last day ends on which a number is held, in ms since 1970; None where none is set."""
    if number.held_until is None:
        return None
    day = number.held_until + timedelta(days=1)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
