"""How long a bind waits before it tries again: by what ended the last attempt, and how often that was."""

from __future__ import annotations

import random
from typing import Final

from gateway.carrier.status import refuses_account
from gateway.settings import Carrier as CarrierSettings
from gateway.smpp.constants import CommandStatus

STABLE_AFTER: Final = 10.0
"""Seconds that a session has to last before the next reconnect starts again with the shortest wait."""


def already_bound(status: int | None) -> bool:
    """Whether a bind was refused since the account is bound: by an old session of ours, or by all that are allowed."""
    return status == CommandStatus.ESME_RALYBND


def credentials_refused(status: int | None) -> bool:
    """Whether a bind was refused for a person to mend: the same again is only refused again."""
    return status is not None and not already_bound(status) and refuses_account(status)


class Backoff:
    """The waits of one bind, in seconds, each with jitter so that many binds do not come back at once."""

    def __init__(self, settings: CarrierSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._delay = settings.reconnect_min
        self._already = settings.already_bound_delay

    def after(self, refused: int | None, lasted: float) -> float:
        """The wait after an attempt: ``refused`` with a status, or a session of ``lasted`` seconds (0: none)."""
        settings, rng = self._settings, self._rng
        if already_bound(refused):
            # The SMSC counts a session that it has not missed yet: each try may keep it from doing so.
            wait = self._already * rng.uniform(1.0, 1.1)
            self._already = min(self._already * 2, max(settings.refused_delay, settings.already_bound_delay))
            return wait
        if credentials_refused(refused):
            return settings.refused_delay * rng.uniform(1.0, 1.1)
        if lasted:
            self._already = settings.already_bound_delay
        if lasted >= STABLE_AFTER:
            self._delay = settings.reconnect_min
        longest = settings.reconnect_max
        wait = rng.uniform(min(self._delay, longest / 1.5), min(self._delay * 1.5, longest))
        self._delay = min(self._delay * 2, longest)
        return wait
