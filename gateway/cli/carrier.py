"""`smsgw carrier`: what an operator has a carrier do."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.errors import Failure
from gateway.cli.output import cell, console, emit, inert, note, printed, table

carrier = typer.Typer(help="Hold a carrier, let it go on, or bind it anew. For operators.")

_LONG: Final = 600.0
"""Seconds that binding anew may take: each bind waits for the answers to what was written."""
_LOOK: Final = 0.2

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The carrier.")]
ReasonOption = Annotated[str | None, typer.Option(help="Why, for those who look at status.")]


@carrier.callback()
def _carrier() -> None:
    """A group of commands."""


@carrier.command()
def pause(
    name: NameArgument,
    reason: ReasonOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write nothing more to a carrier.

    Its binds stay up: answers, receipts and inbound messages go on. What is queued waits. It lasts, over restarts too,
    until resume.
    """
    with connect(socket, config, app) as client:
        return _told(client.call("carrier", name=name, action="pause", **_given(reason)), as_json)


@carrier.command()
def drain(
    name: NameArgument,
    reason: ReasonOption = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait until it is drained.")] = 0,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Write nothing more, wait for the answers, and unbind.

    What is queued waits, or goes to the next carrier of its route. It lasts, over restarts too, until resume.
    """
    with connect(socket, config, app) as client:
        done = client.call("carrier", name=name, action="drain", **_given(reason))
        until = time.monotonic() + wait
        while done["state"] != "drained" and time.monotonic() < until:
            time.sleep(min(_LOOK, max(0.0, until - time.monotonic())))
            found = next((c for c in client.call("status")["carriers"] if c["name"] == name), None)
            if found is None:
                raise Failure(f"{name} is no longer configured")
            done |= {key: found[key] for key in ("state", "queued", "in_flight")}
    _told(done, as_json)
    return 1 if wait and done["state"] != "drained" else 0


@carrier.command()
def resume(
    name: NameArgument,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Go on after pause or drain."""
    with connect(socket, config, app) as client:
        return _told(client.call("carrier", name=name, action="resume"), as_json, resumed=True)


@carrier.command()
def rebind(
    name: NameArgument,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Unbind and bind again, one bind after the other.

    What was written is answered first, so nothing is lost or sent twice. Binds that are down are tried at once.
    """
    with connect(socket, config, app) as client:
        client.timeout = _LONG
        done = client.call("carrier", name=name, action="rebind")
    _told(done, as_json)
    return 0 if all(bind["state"] == "bound" for bind in done["binds"]) else 1


def _given(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}


def _told(done: dict[str, Any], as_json: bool, *, resumed: bool = False) -> int:
    if as_json:
        emit(done)
        return 0
    waiting = f"{done['queued']} queued, {done['in_flight']} unanswered"
    if resumed and done["state"] == "down" and done.get("why"):
        console().print(inert(f"{done['name']} goes on: {done['why']}; {waiting}"))
    else:
        console().print(inert(f"{done['name']} is {done['state']}: {waiting}"))
    for warning in done["warnings"]:
        note(f"warning: {warning}")
    if "binds" in done:
        shown = table("bind", "state", "last error")
        for bind in done["binds"]:
            shown.add_row(cell(bind["bind"]), cell(bind["state"]), cell(bind["last_error"]))
        printed(shown)
    return 0
