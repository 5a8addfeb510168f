"""`smsgw events`: what handlers and subscriptions were told; dead letters, and delivering them once more."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, moment_option
from gateway.cli.output import cell, console, emit, inert, note, printed, sheet, table
from gateway.cli.paging import LIMIT, PAGE, Pages
from gateway.cli.times import local

events = typer.Typer(
    help="List events, dead letters above all; show one; deliver them once more.", no_args_is_help=True
)

HandlerOption = Annotated[str | None, typer.Option(metavar="NAME", help="Those of this handler.")]
SubscriptionOption = Annotated[str | None, typer.Option(metavar="NAME", help="Those of this subscription.")]
OfOption = Annotated[str | None, typer.Option("--app", metavar="APP", help="Whose subscription; for operators.")]
SinceOption = Annotated[str | None, typer.Option(metavar="TIME", help="RFC 3339, local time, or 2h (ago).")]
UntilOption = Annotated[str | None, typer.Option(metavar="TIME", help="The same; before this.")]


def _wanted(
    handler: str | None, subscription: str | None, of_app: str | None, dead: bool, since: str | None, until: str | None
) -> dict[str, Any]:
    """The parameters that say which events, without those that say nothing."""
    if handler is not None and (subscription is not None or of_app is not None):
        raise typer.BadParameter("give --handler, or a --subscription and its --app")
    given: dict[str, Any] = {
        "handler": handler,
        "subscription": subscription,
        "app": of_app,
        "dead": dead or None,
        "since": moment_option(since),
        "until": moment_option(until),
    }
    return {name: value for name, value in given.items() if value is not None}


@events.command("list")
def list_events(
    handler: HandlerOption = None,
    subscription: SubscriptionOption = None,
    of_app: OfOption = None,
    dead: Annotated[bool, typer.Option("--dead", help="Dead letters alone.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many.")] = LIMIT,
    before: Annotated[str | None, typer.Option(metavar="ID", help="After this one of the list: page on.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """List events of handlers and subscriptions, the newest first."""
    params = _wanted(handler, subscription, of_app, dead, since, until)
    shown = table("event", "at", "to", "kind", "status", "tries", "number", "peer", "error", right=("tries",))
    with connect(socket, config, app) as client:
        pages = Pages(client, "events", "events", params, limit, following=before)
        for event in pages:
            emit(event) if as_json else shown.add_row(*_row(event))
    pages.end(None if as_json else shown, "no event matches")
    return 0


def _whom(event: dict[str, Any]) -> str:
    return f"handler {event['name']}" if event["to"] == "handler" else f"{event['app']}/{event['name']}"


def _row(event: dict[str, Any]) -> list[str]:
    return [
        cell(value)
        for value in (
            event["event_id"],
            local(event["at"]),
            _whom(event),
            event["kind"],
            event["status"],
            event.get("attempts"),
            event["number"],
            event["peer"],
            event.get("error"),
        )
    ]


@events.command()
def show(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the event.")],
    text: Annotated[bool, typer.Option("--text", help="With the text.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show one event: whom it was for, what became of it, and what was delivered."""
    with connect(socket, config, app) as client:
        found = client.call("event", id=event_id, text=text)
    if as_json:
        emit(found)
        return 0
    told: dict[str, Any] = {
        "event": found["event_id"],
        "at": local(found["at"], milliseconds=True),
        "to": _whom(found),
        "kind": found["kind"],
        "status": found["status"],
        "attempts": found.get("attempts"),
        "last error": found.get("error"),
        "next try": local(found.get("due")),
        "replayed": local(found.get("replayed_at")),
    }
    made = sheet()
    for name, value in told.items():
        if value is not None:
            made.add_row(name, cell(value))
    for name, value in found["payload"].items():
        made.add_row(f"  {inert(name)}", cell(value))
    printed(made)
    return 0


@events.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Events.")] = None,
    handler: HandlerOption = None,
    subscription: SubscriptionOption = None,
    of_app: OfOption = None,
    dead: Annotated[bool, typer.Option("--dead", help="Dead letters alone, not what was delivered.")] = False,
    since: SinceOption = None,
    until: UntilOption = None,
    after: Annotated[str | None, typer.Option(metavar="ID", help="Go on after this event.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Deliver events once more, under the same ids.

    By their ids; or the dead letters of a handler or subscription; or all that it was told since a time, delivered or
    not. Its dead letters come again as such if they fail until the handler's age for them, counted from now.
    """
    params = _wanted(handler, subscription, of_app, dead, since, until)
    if bool(ids) == bool(handler or subscription):
        raise typer.BadParameter("give either ids, or --handler or --subscription")
    if ids:
        if params or after is not None:
            raise typer.BadParameter("ids are the whole of it: no other option goes with them")
        return _replay_these(ids, socket, config, app, as_json=as_json)
    if not dead and since is None:
        raise typer.BadParameter("give --dead or --since")
    if after is not None:
        params["after"] = after
    with connect(socket, config, app) as client:
        done = client.call("replay", **params)
    if as_json:
        emit(done)
        return 0
    console().print(_counted(done["replayed"]))
    if done["waiting"]:
        console().print(f"{done['waiting']} more wait anyhow")
    if done["more"]:
        again = f"with --after {done['next']} " if done["next"] is not None else ""
        note(f"there are more than may wait at the same time: ask again {again}once some of them are through")
    return 0


@events.command()
def resume(
    handler: Annotated[str, typer.Argument(metavar="HANDLER", help="The handler.")],
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Try a receiver that is down or paused at once.

    One event is delivered; once it is taken, the others follow. A pause lasts until then, also over restarts.
    """
    with connect(socket, config, app) as client:
        done = client.call("resume", handler=handler)
    if as_json:
        emit(done)
    elif done["tried"]:
        console().print(inert(f"{handler} is tried at once; smsgw status shows what came of it"))
    else:
        console().print(inert(f"{handler} is neither down nor paused"))
    return 0


def _replay_these(ids: list[str], socket: Any, config: Any, app: str | None, *, as_json: bool) -> int:
    replayed = 0
    skipped: list[dict[str, Any]] = []
    with connect(socket, config, app) as client:
        for at in range(0, len(ids), PAGE):
            done = client.call("replay", ids=ids[at : at + PAGE])
            replayed += done["replayed"]
            skipped += done["skipped"]
    if as_json:
        emit({"replayed": replayed, "skipped": skipped})
    else:
        console().print(_counted(replayed))
        for one in skipped:
            console().print(inert(f"{one['event_id']} is not: {_SKIPPED.get(one['reason'], one['reason'])}"))
    return 1 if any(one["reason"] != "waiting" for one in skipped) else 0


_SKIPPED: Final = {
    "waiting": "it waits to be delivered anyhow",
    "not_found": "there is no such event",
    "no_room": "too many wait to be delivered once more; ask again once some of them are through",
}


def _counted(count: int) -> str:
    return f"{count} event{'s'[: count != 1]} to be delivered once more"
