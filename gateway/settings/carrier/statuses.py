"""A command_status as the configuration writes it, and what a carrier's answers with it can be made to mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from gateway.settings.errors import nearest, show
from gateway.settings.types import fail
from gateway.smpp.status import CommandStatus, status_name

ACTIONS: Final = ("sent", "throttle", "queue_full", "retry", "reroute", "refuse")
_NAMES: Final = CommandStatus.__members__


def status_of(text: str) -> int:
    """A command_status by its name or number: ``ESME_RSYSERR``, ``0x58``, ``88``. Raises ValueError."""
    known = _NAMES.get(text)
    status = int(known) if known is not None else int(text, 0)
    if not 0 <= status <= 0xFFFF_FFFF:
        raise ValueError(text)
    return status


def by_status(table: Mapping[str, str]) -> dict[int, str]:
    """A table that was checked, by the number of the command_status."""
    return {status_of(key): value for key, value in table.items()}


def check_statuses(value: Any, what: str) -> dict[str, Any]:
    """A table whose keys are statuses of refusals, each once; ``what`` shows one. Its values are not looked at."""
    if not isinstance(value, Mapping):
        raise fail("table", f"a table such as {what}")
    seen: dict[int, str] = {}
    for key in value:
        try:
            status = status_of(key)
        except ValueError:
            near = nearest(str(key), [name.lower() for name in _NAMES])
            hint = f"; did you mean {near.upper()}?" if near else ""
            raise fail("status", f"statuses as ESME_RSYSERR, 0x58 or 88, not {show(str(key))}{hint}") from None
        if not status:
            raise fail("status", "no ESME_ROK, which is sent always")
        if status in seen:
            raise fail("status", f"each status once; {show(seen[status])} and {show(key)} are {status_name(status)}")
        seen[status] = key
    return dict(value)


def _actions(value: Any) -> dict[str, str]:
    table = check_statuses(value, '{ "0x58" = "throttle" }')
    for key, action in table.items():
        if action not in ACTIONS:
            near = nearest(action, list(ACTIONS)) if isinstance(action, str) else None
            hint = f"; did you mean {near}?" if near else ""
            raise fail("action", f"for {show(key)} one of {', '.join(ACTIONS)}, not {show(action)}{hint}")
    return table


StatusActions = Annotated[dict[str, str], BeforeValidator(_actions)]
"""A table from command_status to one of `ACTIONS`."""
