"""`smsgw check`: is the configuration good, does it fit this machine, what would the daemon do with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from gateway.cli import rules
from gateway.cli.common import ConfigOption, JsonOption, load_settings
from gateway.cli.errors import USAGE
from gateway.cli.output import cell, console, emit, inert, printed, sheet, table
from gateway.cli.route import described, shown_routes

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings import Carrier, Number, Settings, Smtp


def check(config: ConfigOption = None, as_json: JsonOption = False) -> int:
    """Check the configuration and this machine.

    Says what the daemon would do with it; exit code 2, with all problems, when it could not work.
    """
    from gateway.cli.world import examine
    from gateway.policy.consent import consent_warnings
    from gateway.policy.content import content_warnings
    from gateway.policy.optout import optout_warnings
    from gateway.settings import ConfigError

    try:
        settings, path = load_settings(config)
    except ConfigError as error:
        if as_json:
            emit({"ok": False, "problems": [_problem(one) for one in error.problems], "warnings": []})
        else:
            console(stderr=True).print(inert(str(error), keep="\n"))
        return USAGE
    problems, warnings = examine(settings)
    warnings = [
        *settings.warnings(),
        *content_warnings(settings),
        *optout_warnings(settings),
        *consent_warnings(settings),
        *warnings,
    ]
    if as_json:
        found = [{"key": key, "expected": text} for key, text in problems]
        emit({"ok": not problems, "problems": found, "warnings": warnings, **_summary(settings, path)})
    else:
        _show(settings, path)
        for warning in warnings:
            console().print(inert(f"warning: {warning}"))
        for key, text in problems:
            console(stderr=True).print(inert(f"{path or 'environment'}: {key}: {text}"))
        if not problems:
            console().print("the configuration is good")
    return USAGE if problems else 0


def _problem(problem: Any) -> dict[str, Any]:
    """Without the value that was found where it may not be shown, which Problem sees to."""
    return {
        "source": problem.place.source,
        "line": problem.place.line,
        "column": problem.place.column,
        "key": problem.key,
        "expected": problem.expected,
        "found": problem.found,
        "nearest": problem.nearest,
    }


def _summary(settings: Settings, path: Path | None) -> dict[str, Any]:
    """What the daemon would do, as JSON; passwords, secrets and tokens are not in it at all."""
    from gateway.policy.destination import Destinations

    reach = Destinations(settings)
    return {
        "file": None if path is None else str(path),
        "default_region": settings.default_region,
        "store": {"url": settings.store.url, "synchronous": settings.store.synchronous},
        "socket": {
            "path": str(settings.socket.path),
            "mode": settings.socket.mode,
            "group": settings.socket.group,
        },
        "metrics": settings.metrics.bind or None,
        "carriers": [_carrier(carrier, settings) for carrier in settings.carriers],
        "numbers": [_number(number) for number in settings.numbers],
        "routes": [described(route) for route in settings.routes],
        "rules": [rules.described(rule) for rule in settings.rules],
        "handlers": [
            {"name": handler.name, "webhook": _address(handler.webhook), "email": handler.email}
            for handler in settings.handlers
        ],
        "smtp": None if settings.smtp is None else _smtp(settings.smtp),
        "apps": [
            {
                "name": app.name,
                "uid": app.uid,
                "token": app.token is not None,
                "numbers": app.numbers,
                "pool": app.pool,
                "countries": None if (to := reach.reach(app.name).countries) is None else sorted(to),
                "admin": app.admin,
                "binary": app.binary,
            }
            for app in settings.apps
        ],
    }


def _numbers(app: dict[str, Any]) -> str:
    """The numbers of an app, and the pool of which one is chosen."""
    numbers = "all" if app["numbers"] is None else ", ".join(app["numbers"])
    return f"{numbers}; one of pool {app['pool']}" if app["pool"] is not None else numbers


def _at(host: str, port: int) -> str:
    """As the configuration writes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _smtp(smtp: Smtp) -> dict[str, Any]:
    return {
        "server": _at(*smtp.at),
        "tls": smtp.tls,
        "user": smtp.user,
        "sender": smtp.sender,
    }


def _profile(carrier: Carrier, settings: Settings) -> dict[str, Any] | None:
    """Which profile a carrier has, what it sets, and which of that the carrier itself says otherwise."""
    from gateway.settings import profiles

    if carrier.profile is None or (found := profiles.of(carrier.profile, settings.profiles)) is None:
        return None
    return {
        "name": found.name,
        "from": "file" if found.name in settings.profiles else "package",
        "about": found.about,
        "sets": dict(found.values),
        "overridden": profiles.overridden(carrier, found),
    }


def _carrier(carrier: Carrier, settings: Settings) -> dict[str, Any]:
    return {
        "name": carrier.name,
        "profile": _profile(carrier, settings),
        "hosts": [_at(host, port) for host, port in carrier.endpoints],
        "outbind": carrier.outbind,
        "tls": carrier.tls,
        "system_id": carrier.system_id,
        "bind": carrier.bind,
        "binds": carrier.binds,
        "window": carrier.window,
        "throughput": carrier.throughput,
        "default_alphabet": carrier.default_alphabet,
        "long_messages": carrier.long_messages,
        "national_languages": carrier.national_languages,
        "transliterate": carrier.transliterate,
        "flash": carrier.flash,
        "ports": carrier.ports,
        "in_doubt": carrier.in_doubt,
        "order": carrier.order,
        "receipts": carrier.receipts,
        "receipt_segments": carrier.receipt_segments,
        "latin1": carrier.latin1,
        "peer_numbers": carrier.peer_numbers,
        "region": carrier.region,
        "validity_format": carrier.validity_format,
        "tlvs": sorted(carrier.tlvs),
    }


def _number(number: Number) -> dict[str, Any]:
    from gateway.policy.numbers import is_released

    return {
        "number": number.number,
        "kind": number.kinds[0] if number.kinds else None,
        "country": number.country,
        "carrier": number.carrier,
        "throughput": number.throughput,
        "handlers": number.handlers,
        "capabilities": sorted(number.able),
        "owner": number.owner,
        "group": number.group,
        "meta": number.meta,
        "campaign_id": number.campaign_id,
        "verification": number.verification,
        "classes_until_verified": number.classes_until_verified,
        "fallback": number.fallback,
        "state": "released" if is_released(number, int(time.time() * 1000)) else number.state,
        "held_until": None if number.held_until is None else number.held_until.isoformat(),
        "inbound_when_held": number.inbound_when_held,
        "reply_when_held": number.reply_when_held,
    }


def _cap(one: dict[str, Any]) -> str:
    """What a carrier or a number is given in segments a second."""
    return f"{one['throughput']:g}" if one["throughput"] else "no cap"


def _state(one: dict[str, Any]) -> str:
    """Where a number is in its life, and what of it is not as usual."""
    said = [one["state"]]
    if one["held_until"]:
        said[0] += f" until {one['held_until']}" if one["state"] == "held" else f" (held until {one['held_until']})"
    if one["verification"] != "verified":
        said.append(one["verification"])
    if "sms_out" not in one["capabilities"]:
        said.append("sends no texts")
    if "sms_in" not in one["capabilities"]:
        said.append("gets no texts")
    return ", ".join(said)


def _address(webhook: str | None) -> str | None:
    """A web address without what is in its query, which often is a key."""
    address, query, _ = (webhook or "").partition("?")
    return f"{address}?..." if query else address or None


def _goals(one: dict[str, Any], webhooks: dict[str, str]) -> str:
    if one["state"] == "released" or (one["state"] == "held" and one["inbound_when_held"] == "none"):
        return "nobody"
    if one["state"] == "held" and one["inbound_when_held"] == "reply":
        return "nobody, and is answered"
    return ", ".join(f"{name} ({webhooks[name]})" for name in one["handlers"]) or "subscriptions only"


def _show_profiles(carriers: list[dict[str, Any]]) -> None:
    shown = table("carrier", "profile", "sets")
    for one in carriers:
        if (profile := one["profile"]) is None:
            continue
        others = set(profile["overridden"])
        sets = [f"{key} = {value!r}" for key, value in profile["sets"].items() if key not in others]
        said = ", ".join(sets) + (f"; the carrier itself says {', '.join(profile['overridden'])}" if others else "")
        shown.add_row(cell(one["name"]), cell(f"{profile['name']} ({profile['from']})"), cell(said))
    if shown.row_count:
        console().print()
        printed(shown)


def _show(settings: Settings, path: Path | None) -> None:
    found = _summary(settings, path)
    about = sheet()
    about.add_row("configuration", cell(found["file"] or "environment"))
    about.add_row("store", cell(found["store"]["url"]))
    group = f", group {found['socket']['group']}" if found["socket"]["group"] else ""
    about.add_row("socket", cell(f"{found['socket']['path']}, mode {found['socket']['mode']}{group}"))
    about.add_row("metrics", cell(f"http://{found['metrics']}/metrics" if found["metrics"] else "off"))
    about.add_row("national numbers", cell(found["default_region"] or "refused"))
    if (smtp := found["smtp"]) is not None:
        login = f", as {smtp['user']}" if smtp["user"] is not None else ""
        about.add_row("mail", cell(f"from {smtp['sender']} by {smtp['server']}, tls {smtp['tls']}{login}"))
    printed(about)
    if found["carriers"]:
        columns = ("carrier", "hosts", "tls", "binds", "window", "segments/s", "in doubt", "order")
        carriers = table(*columns, right=("window", "segments/s"))
        texts = table("carrier", "alphabet", "national tables", "transliterate", "long messages", "flash", "ports")
        for one in found["carriers"]:
            carriers.add_row(
                cell(one["name"]),
                cell(", ".join([*one["hosts"], *([f"outbind at {one['outbind']}"] if one["outbind"] else [])])),
                cell(one["tls"]),
                cell(f"{one['binds']} × {one['bind']}"),
                cell(one["window"]),
                _cap(one),
                cell(one["in_doubt"]),
                cell(one["order"]),
            )
            texts.add_row(
                cell(one["name"]),
                cell(one["default_alphabet"]),
                cell(", ".join(one["national_languages"])),
                cell(one["transliterate"]),
                cell(one["long_messages"]),
                cell(one["flash"]),
                cell(one["ports"]),
            )
        for made in (carriers, texts):
            console().print()
            printed(made)
        _show_profiles(found["carriers"])
    if found["numbers"]:
        goals_of = {one["name"]: one["webhook"] or ", ".join(one["email"]) for one in found["handlers"]}
        columns = ("number", "kind", "country", "carrier", "owner", "state", "segments/s", "what comes in goes to")
        numbers = table(*columns, right=("segments/s",))
        for one in found["numbers"]:
            numbers.add_row(
                cell(one["number"]),
                cell(one["kind"] or "not known"),
                cell(one["country"]),
                cell(one["carrier"]),
                cell(f"group {one['group']}" if one["group"] else one["owner"]),
                cell(_state(one)),
                _cap(one),
                cell(_goals(one, goals_of)),
            )
        console().print()
        printed(numbers)
    if found["routes"]:
        console().print()
        printed(shown_routes(found["routes"]))
    if found["rules"]:
        console().print()
        printed(rules.shown_rules(found["rules"]))
    apps = table("app", "known by", "numbers", "sends to", "rights")
    for one in found["apps"]:
        known = [f"user {uid}" for uid in one["uid"]] + ["token"] * one["token"]
        apps.add_row(
            cell(one["name"]),
            cell(", ".join(known)),
            cell(_numbers(one)),
            cell("anywhere" if one["countries"] is None else ", ".join(one["countries"])),
            cell(", ".join(right for right in ("admin", "binary") if one[right])),
        )
    if not found["apps"]:
        apps.add_row("local", "being able to open the socket", "all", "anywhere", "admin, binary")
    console().print()
    printed(apps)
    console().print()
