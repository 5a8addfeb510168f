"""Scopes, notes and parts of the record as the methods for opt-outs and for consent are given them."""

from __future__ import annotations

from typing import Final

from gateway.doors.lookup import Lookup, moment
from gateway.model import id_floor
from gateway.outbound.request import App, Refusal
from gateway.policy.optout import OptOuts

LONGEST_NOTE: Final = 1000


def scope_of(optouts: OptOuts, lookup: Lookup, app: App, scope: str) -> str:
    """A scope that an app may change, in the form that is stored. Raises Refusal."""
    kind, colon, name = scope.partition(":")
    if kind == "number" and colon:
        scope = f"number:{lookup.number(app, name)}"
    if (problem := optouts.problem(scope)) is not None:
        raise Refusal("invalid_params", problem, field="scope")
    if not app.admin and kind != "number" and scope != f"app:{app.name}":
        detail = f"an app's scopes are app:{app.name} and number: of its numbers"
        raise Refusal("not_allowed", detail, field="scope")
    return scope


def record_window(lookup: Lookup, since: str | None, until: str | None, before: str | None) -> tuple[int, int]:
    """The ids of the record, from the first to below the second, that these times and the last page leave.

    Raises Refusal.
    """
    from_, to = moment(since, "since"), moment(until, "until")
    high = 1 << 62 if to is None else id_floor(to)
    if before is not None:
        high = min(high, lookup.stored(before, "before"))
    return 0 if from_ is None else id_floor(from_), high


def note(text: str | None) -> str | None:
    """A note for the record; None for none. Raises Refusal."""
    if text is not None and len(text) > LONGEST_NOTE:
        raise Refusal("invalid_params", f"a note has at most {LONGEST_NOTE} characters", field="note")
    return text or None
