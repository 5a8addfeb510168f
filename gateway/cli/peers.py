"""`smsgw peers`: names, fields and lists of those at the other end, as CSV in and out. For operators."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.errors import FAILED, USAGE, Failure
from gateway.cli.output import cell, console, emit, inert, note, printed, sheet, table
from gateway.cli.paging import LIMIT, PAGE, Pages, of_the_list
from gateway.cli.times import local

if TYPE_CHECKING:
    from gateway.client import Client

_OCTETS: Final = 200_000
"""Of cells in a request: a line of the socket has its bound, and names of columns and quotes come to it."""
_COLUMNS: Final = ("peer", "name", "lists", "phones", "created_at")
"""Columns of a file that are no fields; of these, the last two are not read."""

peers = typer.Typer(help="Names, fields and lists of peers; import and export as CSV. For operators.")

PeerArgument = Annotated[str, typer.Argument(metavar="PEER", help="The phone at the other end.")]
ListOption = Annotated[str | None, typer.Option("--list", metavar="LIST", help="On this list.")]


@peers.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    on: ListOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000_000, help="At most so many.")] = LIMIT,
    after: Annotated[str | None, typer.Option(metavar="PEER", help="After this one: page on.")] = None,
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
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="File to write; -: here.")] = "-",
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
        with _writing(output) as stream:
            rows = csv.writer(stream)
            rows.writerow(map(quoted, (*_COLUMNS, *fields)))
            for peer in _pages_of(client, on):
                if not peer["fields"].keys() <= set(fields):
                    raise Failure("a field was added meanwhile; what is written is not whole: once more", FAILED)
                lists, phones = ";".join(peer["lists"]), ";".join(peer["phones"][1:])
                values = (peer["peer"], peer["name"] or "", lists, phones, peer["created_at"])
                rows.writerow(map(quoted, (*values, *(peer["fields"].get(name, "") for name in fields))))
                count += 1
    if output != "-":
        console().print(inert(f"{count} peer{'s'[: count != 1]} in {output}"))
    return 0


@contextmanager
def _writing(output: str) -> Iterator[IO[str]]:
    if output == "-":
        yield sys.stdout
        return
    try:
        # Whose phone it is, is nobody else's business.
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failure(f"{output} cannot be written: {error.strerror}", USAGE) from None
    with open(descriptor, "w", encoding="utf-8", newline="") as stream:
        yield stream


@peers.command("import")
def read_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV in UTF-8 with a header line; -: standard input.")],
    join: Annotated[str | None, typer.Option("--list", metavar="LIST", help="A list that all of them join.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Take peers from a CSV file.

    Its columns are peer, and as they are there name, lists (with ; between them), and fields by any other name. Empty
    cells change nothing. phones and created_at are not read. A line that cannot be taken is named, and the others are.
    """
    taken = made = failed = 0
    with _reading(file) as rows, connect(socket, config, app) as client:
        for page in _pages(rows, file, join):
            done = client.call("peers_import", peers=[peer for _, peer in page])
            taken, made, failed = taken + done["taken"], made + done["made"], failed + len(done["refused"])
            for one in done["refused"]:
                column = one["field"] if one["field"] != "join" else "lists"
                note(f"{file}:{page[one['place']][0]}: {column}: {one['detail']}")
    if as_json:
        emit({"taken": taken, "made": made, "refused": failed})
    else:
        left = f"; {failed} could not be taken" if failed else ""
        console().print(f"{taken} taken, {made} of them new{left}")
    return FAILED if failed else 0


@contextmanager
def _reading(file: str) -> Iterator[Any]:
    if file == "-":
        yield csv.reader(sys.stdin)
        return
    try:
        stream = Path(file).open(encoding="utf-8-sig", newline="")  # noqa: SIM115
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", USAGE) from None
    with stream:
        yield csv.reader(stream)


def _pages(rows: Any, file: str, join: str | None) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """The peers of a file with their lines, so many at a time as one request takes."""
    try:
        header = _header(next(rows, []), file)
        page: list[tuple[int, dict[str, Any]]] = []
        octets = 0
        for row in rows:
            if not any(row):
                continue
            if len(row) > len(header):
                raise Failure(f"{file}:{rows.line_num}: more cells than the header has columns", USAGE)
            page.append((rows.line_num, _peer(dict(zip(header, row, strict=False)), join)))
            octets += sum(len(text.encode()) for text in row)
            if len(page) == PAGE or octets > _OCTETS:
                yield page
                page, octets = [], 0
        if page:
            yield page
    except UnicodeDecodeError:
        raise Failure(f"{file}:{rows.line_num + 1}: not UTF-8", USAGE) from None
    except csv.Error as error:
        raise Failure(f"{file}:{rows.line_num}: not CSV: {error}", USAGE) from None


def _header(row: list[str], file: str) -> list[str]:
    from gateway.plain import uncell

    header = [uncell(name).strip() for name in row]
    if "peer" not in header:
        raise Failure(f'{file}: the first line has no column "peer"', USAGE)
    if "" in header or len(set(header)) < len(header):
        raise Failure(f"{file}: each column of the first line needs a name of its own", USAGE)
    return header


def _peer(cells: dict[str, str], join: str | None) -> dict[str, Any]:
    from gateway.plain import uncell

    values = {name: text for name, written in cells.items() if (text := uncell(written).strip())}
    lists = [name.strip() for name in values.get("lists", "").split(";") if name.strip()]
    peer: dict[str, Any] = {"peer": values.get("peer", "")}
    if "name" in values:
        peer["name"] = values["name"]
    if lists or join is not None:
        peer["join"] = [*lists, *([join] if join is not None else [])]
    fields = {name: value for name, value in values.items() if name not in _COLUMNS}
    return peer | ({"fields": fields} if fields else {})
