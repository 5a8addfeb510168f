"""`smsgw erase`: all that is stored of a person goes."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import (
    AppOption,
    ConfigOption,
    JsonOption,
    PeerArgument,
    SocketOption,
    connect,
    not_whole,
    say_not_whole,
)
from gateway.cli.errors import FAILED, USAGE, Failure
from gateway.cli.output import emit, note

LONGEST: Final = 24 * 3600.0
"""Seconds that it may take: all events are looked through."""
_WORDS: Final = {
    "cancelled": "messages that waited were cancelled",
    "messages": "messages to it erased",
    "inbound": "messages from it erased",
    "events": "events erased",
    "forwards": "forwards of what it wrote emptied",
    "receipts": "receipts without a message erased",
    "rows": "other rows erased: threads, the person's record, consents, parts of messages",
    "optouts": "opt-outs kept under a name without the phone",
}


def erase(
    peer: PeerArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Also while it is not known whether it got a message, which is erased too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Erase all that is stored of a person: messages, threads, events, their record, consents.

    What waits for them is cancelled. That they opted out stays, under a keyed hash of the phone. Backups, captures,
    logs, and what applications and webhooks have got are not in the database: see to them yourself. For operators.
    """
    if not yes and not sys.stdin.isatty():
        raise Failure(f"all that is stored of {peer} would be erased: say --yes", USAGE)
    if not yes and not typer.confirm(f"Erase all that is stored of {peer}? This cannot be undone.", err=True):
        return FAILED
    with connect(socket, config, app) as client:
        client.timeout = LONGEST
        done = client.call("erase", peer=peer, force=force)
    emit(done) if as_json else _say(done)
    if not_whole(done["peer"]) and not any(done[name] for name in _WORDS):
        say_not_whole(done["peer"])
        return USAGE
    return FAILED if done["left"] or not done["log_cut"] else 0


def _say(done: dict[str, Any]) -> None:
    said = [f"{done[name]} {words}" for name, words in _WORDS.items() if done[name]]
    note(f"{done['peer']}:" if said else f"nothing was stored of {done['peer']}")
    for line in said:
        note(line)
    if done["left"]:
        note(f"{done['left']} messages to it came in meanwhile and are being sent: erase it again")
    if not done["log_cut"]:
        note("the log of the database still has what was erased, since something reads it all the time: try again")
