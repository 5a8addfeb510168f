"""`smsgw balance`: what apps that pay in advance have left, what it comes of, and changes by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.output import cell, console, emit, inert, printed, table
from gateway.cli.paging import LIMIT, Pages
from gateway.cli.times import local

balance = typer.Typer(help="Balances of apps that pay in advance, in segments: show, add, remove.")

NameArgument = Annotated[str, typer.Argument(metavar="APP", help="An app of the configuration.")]
SegmentsArgument = Annotated[int, typer.Argument(metavar="N", min=1, help="Segments.")]
NoteOption = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="Why, for the record.")]


@balance.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[APP]", help="What the balance of this one comes of.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000_000, help="At most so many entries.")] = LIMIT,
    before: Annotated[str | None, typer.Option(metavar="ENTRY", help="Before this one: page on.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what each app has left, or what one has had: added, taken by messages, refunded. The newest first."""
    with connect(socket, config, app) as client:
        if name is not None:
            pages = Pages(client, "balance_entries", "entries", {"app": name}, limit, following=before)
            shown = table("at", "kind", "segments", "by", "note", right=("segments",), whole=("at",))
            for one in pages:
                if as_json:
                    emit(one)
                else:
                    values = (local(one["at"]), one["kind"], one["segments"], one["who"], one["note"])
                    shown.add_row(*map(cell, values))
            pages.end(None if as_json else shown, f"nothing was ever added for {inert(name)}")
            return 0
        found = client.call("balances")["balances"]
    if as_json:
        for one in found:
            emit(one)
        return 0
    sums = ("left", "added", "taken", "refunded")
    shown = table("app", *sums, "prepaid", right=sums)
    for one in found:
        shown.add_row(*[cell(one[column]) for column in ("app", *sums, "prepaid")])
    printed(shown) if found else console().print("no app pays in advance, nor did")
    return 0


@balance.command()
def add(
    name: NameArgument,
    segments: SegmentsArgument,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Add segments to an app's balance."""
    return _change(name, segments, why, socket, config, app, as_json)


@balance.command()
def remove(
    name: NameArgument,
    segments: SegmentsArgument,
    why: NoteOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take segments off an app's balance, which may leave it with less than nothing."""
    return _change(name, -segments, why, socket, config, app, as_json)


def _change(name: str, segments: int, why: str | None, socket: Any, config: Any, app: Any, as_json: bool) -> int:
    given = {"note": why} if why is not None else {}
    with connect(socket, config, app) as client:
        done = client.call("balance_add", app=name, segments=segments, **given)
    if as_json:
        emit(done)
    else:
        console().print(inert(f"{done['app']} has {done['left']} segments left"))
    return 0
