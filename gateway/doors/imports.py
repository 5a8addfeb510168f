"""Imports: many entries in a request, of which what cannot be taken is named by its place, and the others are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from gateway.doors.lookup import MAX_PAGE
from gateway.outbound.request import Refusal

_Entry = TypeVar("_Entry")
_Change = TypeVar("_Change")


class Import(Generic[_Entry]):
    """The entries of one request, ``field`` of its parameters, which are called ``what``. Raises Refusal: too many."""

    def __init__(self, entries: Sequence[_Entry], field: str, what: str) -> None:
        if len(entries) > MAX_PAGE:
            raise Refusal("invalid_params", f"at most {MAX_PAGE} {what}", field=field)
        self._entries = entries
        self._refused: dict[int, dict[str, Any]] = {}
        self._places: list[int] = []  # of those that make a change

    def changes(self, made: Callable[[_Entry], _Change]) -> list[_Change]:
        """What ``made`` makes of the entries, without those that it raises Refusal for."""
        changes: list[_Change] = []
        for place, one in enumerate(self._entries):
            try:
                changes.append(made(one))
            except Refusal as refusal:
                self._refuse(place, refusal.field, refusal.detail)
            else:
                self._places.append(place)
        return changes

    def refuse(self, at: int, field: str, detail: str) -> None:
        """The change ``at`` was not made after all."""
        self._refuse(self._places[at], field, detail)

    def answer(self, **new: int) -> dict[str, Any]:
        """How many were taken, how many of these are new, and those that were not, in their order."""
        refused = [self._refused[place] for place in sorted(self._refused)]
        return {"taken": len(self._entries) - len(refused), **new, "refused": refused}

    def _refuse(self, place: int, field: str | None, detail: str | None) -> None:
        self._refused[place] = {"place": place, "field": field, "detail": detail}
