"""`smsgw rules`: what the rules make of inbound messages, one that is thought of or cases of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, load_settings
from gateway.cli.content import MessageClass
from gateway.cli.errors import USAGE, Failure
from gateway.cli.output import cell, console, emit, inert, printed, sheet, table
from gateway.cli.times import moment, span

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.policy.cases import Result
    from gateway.settings.rules import Rule

rules = typer.Typer(help="Rules for inbound messages.")


@rules.callback()
def _rules() -> None:
    """A group of commands."""


@rules.command()
def explain(
    from_: Annotated[str, typer.Option("--from", metavar="PEER", help="Who writes.")],
    number: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="To which of our numbers; else the only one.")
    ] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="The text; without it a message has none.")] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help='When: 2026-03-01T22:00:00Z, "2026-03-01 22:00" here, or 2h ago; else now.'),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="By the configuration alone, without the daemon and its database.")
    ] = False,
    new: Annotated[bool, typer.Option("--new", help="Offline: the peer is not known.")] = False,
    last_age: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Offline: the age of our last message to the peer.")
    ] = None,
    last_app: Annotated[str, typer.Option(metavar="APP", help="Offline: the app that submitted it.")] = "",
    last_class: Annotated[MessageClass, typer.Option(help="Offline: its class.")] = MessageClass.transactional,
    last_meta: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Offline: a member of its meta; several times.")
    ] = None,
    on_list: Annotated[
        list[str] | None, typer.Option("--list", metavar="LIST", help="Offline: a list the peer is on; several times.")
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Offline: messages of the peer before this one.")] = 0,
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say what would become of an inbound message, and why. Nothing is stored or sent."""
    try:
        when = moment(at) if at is not None else None
    except ValueError as error:
        raise Failure(str(error), USAGE) from None
    thought = new or last_age is not None or last_app or last_meta or on_list or count
    if thought and not offline:
        raise Failure("--new, --last-..., --list and --count go with --offline; the daemon asks its database", USAGE)
    if (last_app or last_meta) and last_age is None:
        raise Failure("--last-app and --last-meta go with --last-age", USAGE)
    if offline:
        last = {"age": last_age, "app": last_app, "class": last_class.value, "meta": _members(last_meta or [])}
        peer: dict[str, Any] = {"from": from_, "known": not new, "lists": on_list or [], "count": count}
        if last_age is not None:
            peer["last"] = last
        found = _offline(config, peer, number, text, when)
    else:
        asked = {"from": from_, "number": number, "text": text, "at": when}
        with connect(socket, config, app) as client:
            found = client.call("rules", **{key: value for key, value in asked.items() if value is not None})
    if as_json:
        emit(found)
    else:
        _show(found)
    return 0


@rules.command("test")
def try_cases(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Cases, as docs/rules.md describes them.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Try cases of a TOML file against the rules of a configuration, without the daemon.

    Exit code 1 where one does not go as expected.
    """
    from gateway.policy.cases import CaseError, read, run
    from gateway.policy.rules import RuleBook

    settings, _ = load_settings(config)
    try:
        results = run(settings, RuleBook(settings), read(_tables(file)))
    except CaseError as error:
        raise Failure(f"{file}: {error}", USAGE) from None
    failed = sum(bool(result.differences) for result in results)
    if as_json:
        for result in results:
            differences = {
                key: {"expected": wanted, "found": there} for key, (wanted, there) in result.differences.items()
            }
            emit({"name": result.name, "passed": not differences, "differences": differences, **result.found})
    else:
        for result in results:
            if result.differences:
                _show_difference(result)
        console().print(f"{len(results) - failed} of {len(results)} cases as expected")
    return 1 if failed else 0


# --- without the daemon -----------------------------------------------------------------------------------------------


def _offline(
    config: Path | None, peer: dict[str, Any], number: str | None, text: str | None, when: str | None
) -> dict[str, Any]:
    from datetime import UTC, datetime

    from gateway.policy.cases import CaseError, read, run
    from gateway.policy.rules import RuleBook

    settings, _ = load_settings(config)
    case = {"name": "thought of", "expect": {"matched": []}, "at": when or datetime.now(UTC).isoformat(), **peer}
    case |= {key: value for key, value in (("number", number), ("text", text)) if value is not None}
    try:
        (result,) = run(settings, RuleBook(settings), read({"cases": [case]}))
    except CaseError as error:
        raise Failure(str(error).removeprefix("cases[0]."), USAGE) from None
    return {"at": case["at"], **result.found}


def _members(given: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise Failure(f'--last-meta: expected KEY=VALUE, found "{one}"', USAGE)
        found[key] = value
    return found


def _tables(file: Path) -> dict[str, Any]:
    import tomllib

    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}", USAGE) from None
    except (ValueError, RecursionError) as error:
        raise Failure(f"{file} is not TOML: {error}", USAGE) from None


# --- for people -------------------------------------------------------------------------------------------------------


def _show(found: dict[str, Any]) -> None:
    about = sheet()
    about.add_row("number", cell(found["number"]))
    country = f"{found['country']}, " if found["country"] else ""
    about.add_row("from", cell(f"{found['peer']} ({country}{'known' if found['known'] else 'new'})"))
    about.add_row("at", cell(found["at"]))
    if found["lists"]:
        about.add_row("on lists", cell(", ".join(found["lists"])))
    if found["opted_out"]:
        about.add_row("opted out", "yes")
    if found["last"] is not None:
        last = found["last"]
        by = f" by {last['app']}" if last["app"] else ""
        about.add_row("our last", cell(f"{span(found['last_age'])} before{by}, {last['class']}"))
    for seconds, count in found["counts"].items():
        about.add_row("before it", cell(f"{count} in {span(float(seconds))}"))
    printed(about)
    if found["rules"]:
        tried = table("rule", "matched", "because")
        for one in found["rules"]:
            tried.add_row(cell(one["name"]), cell(one["matched"]), _because(one))
        console().print()
        printed(tried)
    console().print()
    for line in _outcome(found):
        console().print(inert(line))


def _because(one: dict[str, Any]) -> str:
    if not one["matched"]:
        return inert(f"{one['failed']}: wanted {one['wanted']}, found {one['found']}")
    return cell(", ".join(one["conditions"]) or "it has no conditions")


def _outcome(found: dict[str, Any]) -> list[str]:
    said = []
    if not found["heard"]:
        answers = [f"reply: {one['text']}" for one in found["reply"]]
        return ["nobody is told: the number is held or released", *answers]
    of = "of the number" if found["handlers_of"] == "number" else "by rule"
    said.append(f"handlers: {', '.join(found['handlers']) or 'none'} ({of})")
    for one in found["forward"]:
        names = [f"{to['name']} {to['phone']}" if to["name"] else to["phone"] for to in one["to"]]
        how = {"all": ", ", "first": ", else ", "turn": ", in turn "}[one["mode"]]
        said.append(f"forward ({one['rule']}): {how.join(names)}")
        said.append(f"  {one['to'][0]['text']}")
    for one in found["email"]:
        people = [f"{to['name']} {to['email']}" if to["name"] else to["email"] for to in one["to"]]
        said.append(f"email ({one['rule']}): {', '.join(people)}")
    said += [f"reply ({one['rule']}): {one['text']}" for one in found["reply"]]
    said += [f"held back: {one}" for one in found.get("held_back", [])]
    if found["keyword"] is not None:
        said.append(f"keyword: {found['keyword']}, argument: {found['argument'] or 'none'}")
    if found["tags"]:
        said.append(f"tags: {', '.join(found['tags'])}")
    if found["urgent"]:
        said.append("urgent")
    return said


def _show_difference(result: Result) -> None:
    out = console()
    out.print(inert(f"--- {result.name}"))
    for key, (wanted, there) in result.differences.items():
        out.print(inert(f"- {key} = {_toml(wanted)}"))
        out.print(inert(f"+ {key} = {_toml(there)}"))
    for one in result.found["rules"]:
        said = "matched" if one["matched"] else f"{one['failed']}: wanted {one['wanted']}, found {one['found']}"
        out.print(inert(f"  rule {one['name']}: {said}"))


def _toml(value: Any) -> str:
    import msgspec

    return "none" if value is None else msgspec.json.encode(value).decode()


# --- for `smsgw check` ------------------------------------------------------------------------------------------------


def described(rule: Rule) -> dict[str, Any]:
    """A rule of the configuration as `check --json` has it."""
    from gateway.policy.explained import conditions_of

    actions: dict[str, Any] = {}
    for key in ("handlers", "forward", "email", "reply", "tags", "urgent"):
        if (value := getattr(rule, key)) not in (None, (), False) or (key == "handlers" and value == ()):
            actions[key] = list(value) if isinstance(value, tuple) else value
    if rule.forward:
        actions["forward_mode"] = rule.forward_mode
    conditions = {key: list(v) if isinstance(v, tuple) else v for key, v in conditions_of(rule).items()}
    return {"name": rule.name, "conditions": conditions, "actions": actions, "then": rule.then}


def shown_rules(found: list[dict[str, Any]]) -> Table:
    """The same for people."""
    shown = table("rule", "messages", "actions", "then")
    for one in found:
        shown.add_row(
            cell(one["name"]),
            cell("; ".join(f"{key} {_words(value)}" for key, value in one["conditions"].items()) or "all"),
            cell("; ".join(f"{key} {_words(value)}" for key, value in one["actions"].items())),
            cell(one["then"]),
        )
    return shown


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
