"""`smsgw threads`: who wrote to which of our numbers, what was not read, and whole conversations."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, PeerArgument, SocketOption, connect
from gateway.cli.output import cell, console, emit, inert, note, printed, table
from gateway.cli.paging import EMPTY_PAGES, LIMIT, Pages, of_the_list
from gateway.cli.times import local

threads = typer.Typer(help="List conversations; show one; say that it was read, or whose it is.")

NumberArgument = Annotated[str, typer.Argument(metavar="NUMBER", help="Our number.")]


@threads.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    number: Annotated[str | None, typer.Option(help="Of this number of ours.")] = None,
    peer: Annotated[str | None, typer.Option(help="With this phone.")] = None,
    unread: Annotated[bool, typer.Option("--unread", help="With messages that nobody read.")] = False,
    attention: Annotated[bool, typer.Option("--attention", help="That need attention.")] = False,
    assigned: Annotated[str | None, typer.Option(help="That are assigned to this one.")] = None,
    text: Annotated[bool, typer.Option("--text", help="With the last text that came in.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many, newest first.")] = LIMIT,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Older than this last id: page on.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """List conversations in which somebody wrote to us, the newest first."""
    if not of_the_list(context):
        return 0
    wanted = {"number": number, "peer": peer, "unread": unread, "attention": attention, "assigned": assigned}
    params = {name: value for name, value in (*wanted.items(), ("text", text)) if value}
    columns = ("last message", "number", "peer", "name", "unread", "attention", "assigned")
    shown = table(*columns, *(("text",) if text else ()), right=("unread",), whole=("number", "peer"))
    with connect(socket, config, app) as client:
        pages = Pages(client, "threads", "threads", params, limit, following=before, empty=EMPTY_PAGES)
        for thread in pages:
            emit(thread) if as_json else _row(shown, thread, text)
    pages.end(None if as_json else shown, "no conversation")
    return 0


def _row(shown: Any, thread: dict[str, Any], text: bool) -> None:
    values = [
        local(thread["last_at"]),
        *(thread[name] for name in ("number", "peer", "name")),
        thread["unread"],
        "yes" if thread["needs_attention"] else None,
        thread["assigned"],
    ]
    shown.add_row(*map(cell, values), *((cell(thread["text"]),) if text else ()))


@threads.command()
def show(
    number: NumberArgument,
    peer: PeerArgument,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The last so many messages.")] = LIMIT,
    before: Annotated[str | None, typer.Option(metavar="ID", help="Older than this message: page back.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show a conversation with its texts, in and out, the last message last.

    It does not count as read by this: `smsgw threads read` says so.
    """
    params = {"number": number, "peer": peer, "text": True}
    with connect(socket, config, app) as client:
        pages = Pages(client, "thread", "messages", params, limit, following=before)
        messages = list(pages)
    messages.reverse()
    thread: dict[str, Any] | None = pages.last["thread"]
    if as_json:
        emit({"thread": thread, "messages": messages, "next": pages.following})
        return 0
    if thread is not None:
        console().print(_headline(thread))
        console().print()
    shown = table("time", "", "state", "text")
    for message in messages:
        way = "in" if message["direction"] == "in" else "out"
        beside = [*message.get("flags", ()), *(["unheard"] if message.get("unheard") else [])]
        state = message.get("state") or " ".join(beside)
        text = message.get("text")
        if text is None:
            text = f"(octets) {message.get('data', '')}"
        shown.add_row(cell(local(message["at"])), way, cell(state), inert(text))
    printed(shown)
    if pages.following is not None:
        note(f"there are earlier ones: --before {pages.following}")
    return 0


def _headline(thread: dict[str, Any]) -> str:
    who = f"{thread['name']} ({thread['peer']})" if thread["name"] else thread["peer"]
    words = [f"{thread['number']} with {who}"]
    if thread["unread"]:
        words.append(f"{thread['unread']} unread")
    if thread["needs_attention"]:
        words.append("needs attention")
    if thread["assigned"]:
        words.append(f"assigned to {thread['assigned']}")
    return inert("; ".join(words))


@threads.command()
def read(
    number: NumberArgument,
    peer: PeerArgument,
    up_to: Annotated[
        str | None, typer.Option(metavar="ID", help="Up to this message; else up to the last one.")
    ] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say that a conversation was read."""
    with connect(socket, config, app) as client:
        if up_to is None:
            thread = client.call("thread", number=number, peer=peer, limit=1)["thread"]
            up_to = thread["last_id"] if thread is not None else None
        noted = client.call("thread_set", number=number, peer=peer, read_up_to=up_to)
    return _noted(noted, as_json)


@threads.command()
def attention(
    number: NumberArgument,
    peer: PeerArgument,
    clear: Annotated[bool, typer.Option("--clear", help="It needs none any more.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say that a conversation needs attention, until somebody answers; or that it needs none."""
    with connect(socket, config, app) as client:
        return _noted(client.call("thread_set", number=number, peer=peer, attention=not clear), as_json)


@threads.command()
def assign(
    number: NumberArgument,
    peer: PeerArgument,
    who: Annotated[str | None, typer.Argument(metavar="[NAME]", help="To whom; else to the number's owner.")] = None,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Assign a conversation to somebody, or back to the owner of the number."""
    with connect(socket, config, app) as client:
        return _noted(client.call("thread_set", number=number, peer=peer, assigned=who), as_json)


def _noted(thread: dict[str, Any], as_json: bool) -> int:
    emit(thread) if as_json else console().print(_headline(thread))
    return 0
