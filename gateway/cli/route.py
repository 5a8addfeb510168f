"""`smsgw route explain`: which route a message takes, which carrier, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, load_settings
from gateway.cli.content import MessageClass
from gateway.cli.errors import Failure
from gateway.cli.output import cell, console, emit, inert, printed, sheet, table
from gateway.cli.times import local

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.settings.routes import Route

route = typer.Typer(help="Routes of messages to carriers.")


@route.callback()
def _route() -> None:
    """A group of commands."""


@route.command()
def explain(
    to: Annotated[str, typer.Option(metavar="PHONE", help="Where to.")],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="NUMBER", help='Which of our numbers, or "pool:NAME"; else one is chosen.'),
    ] = None,
    of: Annotated[str | None, typer.Option("--app", metavar="APP", help="As if this app had submitted it.")] = None,
    class_: Annotated[MessageClass, typer.Option("--class", help="Message class.")] = MessageClass.transactional,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Where the phone is, for quiet hours: Europe/Paris, say.")
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="By the configuration alone, without the daemon: all carriers up.")
    ] = False,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say which carrier a message would go to, and why. Nothing is sent.

    Exit code 1 where it would go to none.
    """
    asked = {"to": to, "class": class_.value}
    if from_ is not None:
        asked["from"] = from_
    if of is not None:
        asked["app"] = of
    if zone is not None:
        asked["zone"] = zone
    if offline:
        found = _offline(asked, config)
    else:
        with connect(socket, config, app) as client:
            found = client.call("route", **asked)
    if as_json:
        emit(found)
    else:
        _show(found)
    return 1 if found["why"] == "no_route" else 0


def _offline(asked: dict[str, Any], config: Path | None) -> dict[str, Any]:
    import msgspec

    from gateway.model import Clock, IdSource
    from gateway.outbound.choice import Choice
    from gateway.outbound.explain import Asked, Explainer
    from gateway.outbound.prepare import Preparer
    from gateway.outbound.request import App, Refusal

    settings, _ = load_settings(config)
    clock = Clock()
    choice = Choice(settings)
    explainer = Explainer(settings, choice, Preparer(settings, IdSource(clock), choice=choice), lambda _: None)
    who = App("operator" if settings.apps else "local", None, admin=True, binary=True)
    try:
        found = explainer.explain(who, msgspec.convert(asked, Asked), clock.now_ms())
    except Refusal as refusal:
        raise Failure(f"{refusal.reason}: {refusal}") from None
    if found["sender"]["why"] == "hash":
        found["sender"]["detail"] += "; the daemon alone knows whether the phone wrote to another"
    return found


def _show(found: dict[str, Any]) -> None:
    about = sheet()
    about.add_row("from", cell(f"{found['from']}: {found['sender']['detail']}"))
    about.add_row("to", cell(f"{found['to']}{' (' + found['country'] + ')' if found['country'] else ''}"))
    about.add_row("app, class", cell(f"{found['app']}, {found['class']}"))
    if (quiet := found.get("quiet")) is not None:
        about.add_row("quiet hours", cell(_quiet(quiet)))
    printed(about)
    if len(found["sender"]["numbers"]) > 1:
        console().print()
        printed(_senders(found["sender"]["numbers"]))
    if found["routes"]:
        routes = table("route", "taken", "conditions")
        for one in found["routes"]:
            routes.add_row(cell(one["name"]), _taken(one), cell(_conditions(one)))
        console().print()
        printed(routes)
    if found["carriers"]:
        console().print()
        printed(_carriers(found))
    console().print()
    name = found["carrier"] or ("by weight" if found["why"] == "weight" else "none")
    console().print(f"carrier: {inert(name)}")
    console().print(f"because {inert(found['detail'])}")
    for warning in found.get("warnings", ()):
        console().print(f"warning: {inert(warning)}")


_DOES = {"send": "not now", "hold": "now: it is held", "refuse": "now: it is refused"}


def _quiet(quiet: dict[str, Any]) -> str:
    """What quiet hours do with it, until when, and by whose clock."""
    until = f" until {local(quiet['until'])}" if quiet["until"] is not None else ", without an end in sight"
    zones = quiet["zones"]
    where = f"{zones[0]} and {len(zones) - 1} more" if len(zones) > 1 else "".join(zones)
    how = "" if not zones else f" by {where}, as is known of the phone" if quiet["known"] else f" by {where}"
    return f"{_DOES[quiet['does']]}{until}{how}"


_LACKS = {
    "country": "is for another country",
    "name": "is a name, which cannot be sent from there",
    "released": "is released",
    "held": "is held",
    "unable": "has no sms_out",
    "class": "is not verified for this class",
    "deaf": "is not heard there",
    "quota": "has no room under its quota",
}


def _senders(numbers: list[dict[str, Any]]) -> Table:
    shown = table("number", "fits")
    for one in numbers:
        shown.add_row(cell(one["number"]), cell("yes" if one["lacks"] is None else f"no: it {_LACKS[one['lacks']]}"))
    return shown


def _taken(one: dict[str, Any]) -> str:
    if one["matched"]:
        return "yes"
    return f"no: {one['failed']}, not {inert(str(one['has'] or 'unknown'))}"


def _conditions(one: dict[str, Any]) -> str:
    return "; ".join(f"{name} {', '.join(values)}" for name, values in one["conditions"].items()) or "all messages"


def _carriers(found: dict[str, Any]) -> Table:
    live = "state" in found["carriers"][0]
    routed = "preference" in found["carriers"][0]
    columns = ["carrier"]
    if routed:
        columns += ["preference", "weight", "share"]
    if live:
        columns += ["state", "queued"]
    shown = table(*columns, right=("preference", "weight", "share", "queued"))
    for one in found["carriers"]:
        row = [cell(one["name"])]
        if routed:
            row += [cell(one["preference"]), cell(one["weight"]), cell(f"{one['share']:.0%}")]
        if live:
            down = one["down_seconds"]
            since = f" for {down:.0f} s" if down is not None else ""
            passed = ", passed over" if one.get("passed_over") else ""
            row += [cell(f"{one['state']}{since}{passed}"), cell(one.get("queued", ""))]
        shown.add_row(*row)
    return shown


# --- for `smsgw check` ------------------------------------------------------------------------------------------------


def described(route: Route) -> dict[str, Any]:
    """A route of the configuration as `check --json` has it."""
    from gateway.settings.routes import CONDITIONS

    return {
        "name": route.name,
        "conditions": {name: list(getattr(route, name)) for name in CONDITIONS if getattr(route, name)},
        "carriers": [
            {"name": one.name, "weight": one.weight, "preference": one.preference}
            for one in sorted(route.carriers, key=lambda one: one.preference)
        ],
        "failover_after": route.failover_after,
        "failover_on_refusal": route.failover_on_refusal,
        "failover_on_receipt": route.failover_on_receipt,
        "sticky": route.sticky,
    }


def shown_routes(found: list[dict[str, Any]]) -> Table:
    """The same for people."""
    shown = table("route", "messages", "carriers", "failover", "sticky")
    for one in found:
        steps: dict[int, list[str]] = {}
        for carrier in one["carriers"]:
            weight = f" ×{carrier['weight']}" if carrier["weight"] != 1 else ""
            steps.setdefault(carrier["preference"], []).append(f"{carrier['name']}{weight}")
        causes = [f"down {one['failover_after']:g} s"] if len(one["carriers"]) > 1 else []
        causes += [word for word in ("refusal", "receipt") if causes and one[f"failover_on_{word}"]]
        shown.add_row(
            cell(one["name"]),
            cell(_conditions(one)),
            cell(", then ".join(" + ".join(names) for names in steps.values())),
            cell(", ".join(causes) or "none"),
            cell(one["sticky"]),
        )
    return shown
