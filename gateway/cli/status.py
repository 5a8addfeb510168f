"""`smsgw status` and `smsgw reload`: what the daemon is doing, and that it reads its configuration anew."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.output import cell, console, emit, inert, printed, table
from gateway.cli.times import local, span


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
    for made in (_carriers, _binds):
        if (rows := made(found)) is not None:
            console().print()
            printed(rows)
    _say(_remarks(found))
    for made in (_handlers, _subscriptions):
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
        + (f", messages since {cell(local(store['oldest']))}" if store.get("oldest") else "")
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


_WIDE: Final = 100
"""Columns of a terminal from which everything is shown; less leaves out what is of less use."""


def _narrow() -> bool:
    return console().is_terminal and console().width < _WIDE


def _carriers(found: dict[str, Any]) -> Any:
    if not found["carriers"]:
        return None
    counts = ("accepted", "refused", "doubt") if _narrow() else ("accepted", "refused", "doubt", "receipts", "inbound")
    made = table("carrier", "state", "queued", "oldest", "window", "rate/s", *counts,
                 right=("queued", "oldest", "window", "rate/s", *counts))  # fmt: skip
    for carrier in found["carriers"]:
        allowed = carrier.get("rate_allowed")
        # Answers with an error, also those after which a segment is sent again: not messages that failed.
        counted = carrier | {"doubt": carrier["in_doubt"], "refused": carrier["failed"]}
        made.add_row(
            cell(carrier["name"]),
            cell(carrier["state"]),
            _count(carrier["queued"]),
            cell(span(carrier["oldest_seconds"])),
            f"{carrier['in_flight']}/{carrier.get('window', 0)}",
            f"{carrier['rate']:g}" + (f"/{allowed:.4g}" if allowed is not None else ""),
            *(_count(counted[name]) for name in counts),
            style=None if carrier["state"] == "up" else "yellow",
        )
    return made


def _count(number: int) -> str:
    """A number in at most six characters: from 100,000 on rounded down."""
    if number < 100_000:
        return str(number)
    size, unit = (1000, "k") if number < 1_000_000 else (1_000_000, "M")
    whole, rest = divmod(number, size)
    return f"{whole}{unit}" if whole >= 100 else f"{whole}.{rest * 100 // size:02d}{unit}"


_KINDS: Final = {"transceiver": "TRX", "transmitter": "TX", "receiver": "RX"}


def _binds(found: dict[str, Any]) -> Any:
    more = () if _narrow() else ("version", "reconnects")
    made = table("bind", "kind", "state", "for", "host", "window", *more,
                 right=("for", "window", "version", "reconnects"))  # fmt: skip
    for carrier in found["carriers"]:
        for bind in carrier["binds"]:
            made.add_row(
                cell(bind["name"]),
                cell(_KINDS.get(bind["kind"], bind["kind"])),
                cell(bind["state"]),
                cell(span(bind.get("seconds"))),
                cell(bind["host"]),
                f"{cell(bind['in_use'])}/{cell(bind['window'])}",
                *(cell(bind.get(name)) for name in more),
                style=None if bind["state"] == "bound" else "yellow",
            )
    return made if made.row_count else None


def _remarks(found: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """What is to be known of carriers and binds beside their numbers, as lines, and how they are shown."""
    for carrier in found["carriers"]:
        name = carrier["name"]
        for alarm in carrier.get("alarms", ()):
            yield f"{name}: ALARM {alarm['kind']} since {local(alarm['since'])}: {alarm['detail']}", "red"
        alarms = {alarm["kind"] for alarm in carrier.get("alarms", ())}
        if carrier.get("waiting") == "down" and alarms & {"down", "no_transmitter"}:
            pass  # it was said
        elif why := carrier.get("why"):
            since = f" (since {local(carrier['held_since'])})" if carrier.get("held_since") else ""
            yield f"{name}: {why}{since}", "yellow"
        lines = carrier.get("queues", ())
        # Not where it says no more than the table does: all that waits is of one app, in the first lane.
        if [(q["lane"], q["queued"]) for q in lines] not in ([], [("transactional", carrier["queued"])]):
            waiting = ", ".join(
                f"{_count(q['queued'])} {q['lane']} of {q['app']} ({span(q['oldest_seconds'])})" for q in lines
            )
            yield f"{name}: queued {waiting}", None
        for over in carrier.get("passed_over", ()):
            if over["to"]:
                words = f"passed over on route {over['route']}; new messages go to {', '.join(over['to'])}"
            else:
                words = f"no other carrier of route {over['route']} takes messages: its own wait"
            yield f"{name}: {words}", "yellow"
        if numbers := carrier.get("numbers_waiting"):
            which = "a number waits for its" if numbers == 1 else f"{_count(numbers)} numbers wait for their"
            yield f"{name}: {which} own throughput", None
        if (held := carrier.get("held_in_doubt", {})) and held["segments"]:
            past = f", {_count(held['past_validity'])} of them past validity" if held["past_validity"] else ""
            yield (
                f"{name}: {_count(held['segments'])} in doubt{past}: held for a late answer, a receipt, or"
                f" smsgw messages resolve --carrier {name}",
                "yellow",
            )
        if (ways := _ways(carrier)) is not None:
            yield f"{name}: {ways}", None
        said = [alarm["detail"] for alarm in carrier.get("alarms", ())] + [carrier.get("why") or ""]
        for bind in carrier["binds"]:
            # Not what was just said: of a carrier that refuses an account every bind says the same.
            if bind["last_error"] and not any(bind["last_error"] in words for words in said):
                yield f"{bind['name']}: {bind['last_error']}", None if bind["state"] == "bound" else "yellow"
    for handler in found.get("handlers", ()):
        if handler.get("paused_since"):
            paused = f"{handler['name']}: paused since {local(handler['paused_since'])}"
            yield f"{paused}; smsgw events resume {handler['name']} tries it at once", "red"
    for name, queued in found.get("not_configured", {}).items():
        yield f"{name}: not configured any more, and {_count(queued)} segments are queued for it", "yellow"


def _ways(carrier: dict[str, Any]) -> str | None:
    words = []
    if carrier.get("profile"):
        words.append(f"profile {carrier['profile']}")
    ids = carrier.get("message_id")
    if ids and (ids["form"] or ids["seen"]):
        seen = sum(ids["seen"].values())
        of = {"set": "as set", "learnt": f"learnt from {seen} receipts", "learning": f"{seen} receipts so far"}
        words.append(f"message ids: {ids['form'] or 'not known yet'}, {of.get(ids['source'], ids['source'])}")
    if carrier.get("rate_learnt"):
        cap = f"below the cap of {carrier['rate_cap']:g}/s" if carrier["rate_cap"] else "with no cap set"
        words.append(f"rate {carrier['rate_allowed']:.4g}/s learnt from its answers, {cap}")
    if carrier.get("congestion") is not None:
        words.append(f"congestion {carrier['congestion']} of 100")
    if carrier.get("stalls"):
        words.append(f"{carrier['stalls']} stalls")
    return "; ".join(words) or None


def _say(lines: Iterable[tuple[str, str | None]]) -> None:
    """Lines under the tables; on a terminal broken between words, with what follows set in."""
    target = console()
    begun = False
    for text, style in lines:
        if not begun:
            target.print()
            begun = True
        shown = inert(text)
        if target.is_terminal:
            shown = "\n".join(textwrap.wrap(shown, max(target.width, 20), subsequent_indent="  "))
        target.print(shown, style=style)


def _handlers(found: dict[str, Any]) -> Any:
    if not found["handlers"]:
        return None
    numbers = ("backlog", "dead", "failures")
    made = table("handler", "state", *numbers, "last error", right=numbers)
    for handler in found["handlers"]:
        state = next((word for word in ("paused", "down") if handler.get(word)), "up")
        counts = (cell(handler[name]) for name in numbers)
        made.add_row(cell(handler["name"]), state, *counts, cell(handler["last_error"]))
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
