"""The checks of a configuration, in their order: what is asked before a new message is stored."""

from __future__ import annotations

from gateway.settings import Settings
from gateway.store.balance import balances_of
from gateway.store.caps import Caps
from gateway.store.consented import check as agreed_to
from gateway.store.meters import Meter, Metered
from gateway.store.optedout import check as not_opted_out
from gateway.store.quotas import quotas_of
from gateway.store.sametext import same_text
from gateway.store.verdicts import Check


def checks(settings: Settings, *, dry: bool = False) -> tuple[Check, ...]:
    """Who may be sent to comes first, then how much; what is not configured is not there.

    ``dry``: nothing is counted, for a message that is not to be stored. They are for one thread, as all of these are.
    """
    caps = Caps(settings) if settings.caps else None
    found: tuple[Meter | None, ...] = (same_text(settings), caps, quotas_of(settings), balances_of(settings))
    meters = [meter for meter in found if meter is not None]
    asked = (agreed_to,) if settings.consent.asks else ()
    return (not_opted_out, *asked, Metered(*meters, dry=dry)) if meters else (not_opted_out, *asked)
