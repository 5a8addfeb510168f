"""`smsgw peers`: names, fields and lists of those at the other end, as CSV in and out. For operators."""

from __future__ import annotations

import csv
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, PeerArgument, SocketOption, connect
from gateway.cli.csvfile import Rows, opened, writing
from gateway.cli.errors import FAILED, Failure
from gateway.cli.exchange import FileArgument, OutputOption, imported, say_exported
from gateway.cli.output import cell, emit, inert, printed, sheet, table
from gateway.cli.paging import LIMIT, AfterOption, LimitOption, Pages, of_the_list
from gateway.cli.times import local

if TYPE_CHECKING:
    from gateway.client import Client

_COLUMNS: Final = ("peer", "name", "lists", "phones", "created_at")
"""Columns of a file that are no fields; of these, the last one is not read."""

peers = typer.Typer(help="Names, fields and lists of peers; import and export as CSV. For operators.")

ListOption = Annotated[str | None, typer.Option("--list", metavar="LIST", help="On this list.")]


@peers.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    on: ListOption = None,
    limit: LimitOption = LIMIT,
    after: AfterOption = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """List peers, in the order of their phones."""
    if not of_the_list(context):
        return 0
    shown = table("peer", "name", "lists", "fields", "phones", "since", whole=("peer",))
    with connect(socket, config, app) as client:
        pages = _pages_of(client, on, limit, after)
        for peer in pages:
            emit(peer) if as_json else _row(shown, peer)
    pages.end(None if as_json else shown, "no peer")
    return 0


def _pages_of(client: Client, on: str | None, limit: int = sys.maxsize, after: str | None = None) -> Pages:
    wanted = {} if on is None else {"list": on}
    return Pages(client, "peers", "peers", wanted, limit, key="after", following=after)


def _row(shown: Any, peer: dict[str, Any]) -> None:
    fields = "; ".join(f"{name}: {value}" for name, value in peer["fields"].items())
    phones = ", ".join(peer["phones"][1:])
    values = (peer["peer"], peer["name"], ", ".join(peer["lists"]), fields, phones, local(peer["created_at"]))
    shown.add_row(*map(cell, values))


@peers.command()
def show(
    peer: PeerArgument,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show what is known of a peer, by any of its phones."""
    with connect(socket, config, app) as client:
        return _told(client.call("peer", peer=peer), as_json)


@peers.command("set")
def note_down(
    peer: PeerArgument,
    name: Annotated[str | None, typer.Option(help="Its name; empty: none.")] = None,
    field: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A field; without a value it goes.")
    ] = None,
    join: Annotated[list[str] | None, typer.Option(metavar="LIST", help="A list that it joins.")] = None,
    leave: Annotated[list[str] | None, typer.Option(metavar="LIST", help="A list that it leaves.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Note what is known of a peer. What is not named stays."""
    given: dict[str, Any] = {}
    if name is not None:
        given["name"] = name or None
    fields: dict[str, str | None] = {}
    for one in field or ():
        key, equals, value = one.partition("=")
        if not equals:
            raise typer.BadParameter(f"{inert(one)} is not NAME=VALUE")
        fields[key] = value or None
    given |= {key: value for key, value in (("fields", fields), ("join", join), ("leave", leave)) if value}
    if not given:
        raise typer.BadParameter("give --name, --field, --join or --leave")
    with connect(socket, config, app) as client:
        return _told(client.call("peer_set", peer=peer, **given), as_json)


@peers.command()
def merge(
    peer: PeerArgument,
    into: Annotated[str, typer.Argument(metavar="INTO", help="A phone of the same person, which has the record.")],
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say that a phone is of the same person as another.

    What is known of both is one record then; where they differ, INTO counts. Conversations stay those of each phone.
    """
    with connect(socket, config, app) as client:
        return _told(client.call("peer_merge", peer=peer, into=into), as_json)


@peers.command()
def split(
    peer: PeerArgument,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say that a further phone of somebody is another person's after all; the record stays where it is."""
    with connect(socket, config, app) as client:
        return _told(client.call("peer_merge", peer=peer, into=None), as_json)


def _told(peer: dict[str, Any], as_json: bool) -> int:
    if as_json:
        emit(peer)
        return 0
    shown = sheet()
    shown.add_row("name", cell(peer["name"]))
    shown.add_row("phones", cell(", ".join(peer["phones"])))
    shown.add_row("lists", cell(", ".join(peer["lists"])))
    for name, value in peer["fields"].items():
        shown.add_row(cell(name), cell(value))
    shown.add_row("since", cell(local(peer["created_at"])))
    printed(shown)
    return 0


# --- files ------------------------------------------------------------------------------------------------------------


@peers.command("export")
def write_file(
    on: ListOption = None,
    output: OutputOption = "-",
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
) -> int:
    """Write peers as CSV: peer, name, lists, phones, created_at, and a column for each field.

    A cell that a spreadsheet would calculate has a ' in front, which import takes off again.
    """
    from gateway.plain import cell as quoted

    with connect(socket, config, app) as client:
        # Twice through all of them, as the columns have to be known before the first row, and they may be many.
        fields = sorted({name for peer in _pages_of(client, on) for name in peer["fields"]})
        count = 0
        with writing(output) as stream:
            rows = csv.writer(stream)
            rows.writerow(map(quoted, (*_COLUMNS, *fields)))
            for peer in _pages_of(client, on):
                if not peer["fields"].keys() <= set(fields):
                    raise Failure("a field was added meanwhile; what is written is not whole: once more", FAILED)
                lists, phones = ";".join(peer["lists"]), ";".join(peer["phones"][1:])
                values = (peer["peer"], peer["name"] or "", lists, phones, peer["created_at"])
                rows.writerow(map(quoted, (*values, *(peer["fields"].get(name, "") for name in fields))))
                count += 1
    say_exported(count, "peer", output)
    return 0


@peers.command("import")
def read_file(
    file: FileArgument,
    join: Annotated[str | None, typer.Option("--list", metavar="LIST", help="A list that all of them join.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take peers from a CSV file.

    Its columns are peer, and as they are there name, lists and further phones (with ; between them), and fields by any
    other name. Empty cells change nothing. created_at is not read. A line that cannot be taken is named, and the others
    are.
    """
    with opened(file) as stream, connect(socket, config, app) as client:
        rows = Rows(stream, file, "peer", _COLUMNS)
        entry = partial(_peer, join=join)
        return imported(client, rows, "peers", entry, as_json, new="made", columns={"join": "lists"})


def _peer(cells: dict[str, str], join: str | None) -> dict[str, Any]:
    peer: dict[str, Any] = {"peer": cells.get("peer", "")}
    if "name" in cells:
        peer["name"] = cells["name"]
    lists = [*_several(cells, "lists"), *([join] if join is not None else [])]
    given: dict[str, Any] = {"join": lists, "phones": _several(cells, "phones")}
    given["fields"] = {name: text for name, text in cells.items() if name not in _COLUMNS}
    return peer | {name: value for name, value in given.items() if value}


def _several(cells: dict[str, str], column: str) -> list[str]:
    return [one.strip() for one in cells.get(column, "").split(";") if one.strip()]
