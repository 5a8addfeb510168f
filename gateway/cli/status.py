"""`smsgw status` and `smsgw reload`: what the daemon is doing, and that it reads its configuration anew."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.output import cell, console, emit, inert, printed, table
from gateway.cli.times import span


def status(
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again and again, until Ctrl-C.")] = False,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between with --watch.")] = 1.0,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show binds, queues, rates and handlers."""
    with connect(socket, config, app) as client:
        while True:
            found = client.call("status")
            if as_json:
                emit(found)
            else:
                if watch and console().is_terminal:
                    console().clear()
                show(found)
            if not watch:
                return 0
            if not as_json and not console().is_terminal:
                print(flush=True)
            time.sleep(interval)


def show(found: dict[str, Any]) -> None:
    """Prints a status as tables. An app that is no operator is told only of what is its own."""
    state = "stopping" if found["stopping"] else "up"
    if "store" not in found:
        console().print(f"smsgw {cell(found['version'])} {state} for {span(found['uptime'])}")
        for made in (_own_carriers, _subscriptions):
            if (rows := made(found)) is not None:
                console().print()
                printed(rows)
        return
    store = found["store"]
    console().print(
        f"smsgw {cell(found['version'])} {state} for {span(found['uptime'])}, process {found['pid']}, "
        f"node {found['node']}, epoch {found['epoch']}"
    )
    console().print(_store(store))
    counts = ", ".join(f"{value} {inert(name)}" for name, value in found["counts"].items())
    console().print(f"segments: {counts}; parked receipts: {found['parked_receipts']}")
    for made in (_carriers, _binds, _handlers, _subscriptions):
        if (rows := made(found)) is not None:
            console().print()
            printed(rows)


def _own_carriers(found: dict[str, Any]) -> Any:
    made = table("carrier", "state", "queued", right=("queued",))
    for carrier in found["carriers"]:
        made.add_row(cell(carrier["name"]), cell(carrier["state"]), cell(carrier["queued"]))
    return made if made.row_count else None


def _store(store: dict[str, Any]) -> str:
    trouble = []
    if not store["healthy"]:
        trouble.append("CANNOT BE WRITTEN")
    if store["disk_full"]:
        trouble.append("DISK FULL")
    health = ", ".join(trouble) or "healthy"
    return (
        f"store {cell(store['url'])}: {health}, {_size(store['free_bytes'])} free, "
        f"log {_size(store['wal_bytes'])}, {store['rows']} rows in {store['bursts']} transactions"
    )


def _size(octets: int | None) -> str:
    if octets is None:
        return "-"
    value = float(octets)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.0f} TiB"


def _carriers(found: dict[str, Any]) -> Any:
    if not found["carriers"]:
        return None
    numbers = ("submitted", "accepted", "failed", "receipts", "inbound", "queued", "in_flight", "in_doubt")
    made = table("carrier", "state", *numbers, "oldest", "rate/s", right=(*numbers, "oldest", "rate/s"))
    for carrier in found["carriers"]:
        made.add_row(
            cell(carrier["name"]),
            cell(carrier["state"]),
            *(cell(carrier[name]) for name in numbers),
            cell(span(carrier["oldest_seconds"])),
            cell(carrier["rate"]),
            style=None if carrier["state"] == "up" else "yellow",
        )
    return made


def _binds(found: dict[str, Any]) -> Any:
    made = table("bind", "kind", "state", "host", "window", "reconnects", "last error", right=("reconnects",))
    for carrier in found["carriers"]:
        for bind in carrier["binds"]:
            made.add_row(
                cell(bind["name"]),
                cell(bind["kind"]),
                cell(bind["state"]),
                cell(bind["host"]),
                f"{cell(bind['in_use'])}/{cell(bind['window'])}",
                cell(bind["reconnects"]),
                cell(bind["last_error"]),
            )
    return made if made.row_count else None


def _handlers(found: dict[str, Any]) -> Any:
    if not found["handlers"]:
        return None
    numbers = ("backlog", "dead", "failures")
    made = table("handler", *numbers, "last error", right=numbers)
    for handler in found["handlers"]:
        made.add_row(cell(handler["name"]), *(cell(handler[name]) for name in numbers), cell(handler["last_error"]))
    return made


def _subscriptions(found: dict[str, Any]) -> Any:
    if not found["subscriptions"]:
        return None
    made = table("app", "subscription", "connected", "backlog", right=("backlog",))
    for one in found["subscriptions"]:
        made.add_row(cell(one.get("app")), cell(one["name"]), cell(one["connected"]), cell(one["backlog"]))
    return made


def reload(
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have the daemon read its configuration.

    It checks the whole of it first; a bad one changes nothing.
    """
    with connect(socket, config, app) as client:
        done = client.call("reload")
    if as_json:
        emit(done)
        return 0
    for what in done["changed"]:
        console().print(inert(f"changed: {what}"))
    if not done["changed"]:
        console().print("nothing has changed")
    for warning in done["warnings"]:
        console().print(inert(f"warning: {warning}"))
    return 0
