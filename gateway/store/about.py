"""What the settings say of our numbers that their events carry, and which of them nobody hears any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from gateway.policy.numbers import held_until_ms, unheard_since
from gateway.settings import Settings


class About(msgspec.Struct, frozen=True):
    """Members of each inbound and receipt event of a number; not there where the settings say nothing."""

    number_meta: dict[str, str] | UnsetType = UNSET
    owner: str | UnsetType = UNSET
    group: str | UnsetType = UNSET


class Numbers(NamedTuple):
    """By number: what its events carry, and since when (ms since 1970) nobody is told of what comes in.

    A number of which there is nothing to say is in neither.
    """

    about: Mapping[str, About]
    unheard: Mapping[str, int]
    answers: Mapping[str, tuple[str, int | None]] = {}
    """What is replied to what nobody hears, and until when (ms; None: for good)."""

    def hears(self, number: str, now: int) -> bool:
        """Whether somebody is told of what comes in to a number at a moment (ms)."""
        since = self.unheard.get(number)
        return since is None or now < since

    def answer(self, number: str, now: int) -> str | None:
        """What is replied at a moment (ms) to what came in to a number that nobody hears."""
        text, until = self.answers.get(number, (None, None))
        return text if until is None or now < until else None


NONE = Numbers({}, {})


def numbers_of(settings: Settings) -> Numbers:
    """These facts as the settings have them."""
    about = {}
    unheard = {}
    answers = {}
    for value, number in settings.numbers_by_value.items():
        if number.meta or number.owner is not None or number.group is not None:
            about[value] = About(dict(number.meta) or UNSET, number.owner or UNSET, number.group or UNSET)
        if (since := unheard_since(number)) is not None:
            unheard[value] = since
            if number.state == "held" and number.inbound_when_held == "reply":
                answers[value] = (number.reply_when_held, held_until_ms(number))
    return Numbers(about, unheard, answers)
