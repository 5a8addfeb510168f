"""The commands put together: `smsgw COMMAND ...`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gateway.cli import (
    backup,
    balance,
    capture,
    carrier,
    check,
    consent,
    erase,
    events,
    messages,
    optout,
    peers,
    preview,
    report,
    route,
    rules,
    send,
    service,
    simulate,
    status,
    threads,
    usage,
)

__all__ = ["UsageError", "app", "program"]

# typer carries its own copy of click since 0.2x and used the real one before: the class is found through one
# that both export.
UsageError: type[Exception] = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")

app = typer.Typer(
    name="smsgw",
    help="A self-hosted SMS gateway. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"smsgw {version('smsgw')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The options of `smsgw` itself."""


app.command()(service.run)
app.command()(check.check)
app.command()(service.demo)
app.command()(simulate.simulate)
app.command()(send.send)
app.command()(preview.preview)
app.command()(status.status)
app.add_typer(messages.messages, name="messages")
app.add_typer(threads.threads, name="threads")
app.add_typer(peers.peers, name="peers")
app.add_typer(consent.consent, name="consent")
app.add_typer(optout.optout, name="optout")
app.add_typer(balance.balance, name="balance")
app.command()(usage.usage)
app.add_typer(report.report, name="report")
app.add_typer(events.events, name="events")
app.add_typer(carrier.carrier, name="carrier")
app.command()(capture.capture)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(erase.erase)
app.command()(status.reload)
app.add_typer(route.route, name="route")
app.add_typer(rules.rules, name="rules")
app.add_typer(service.config, name="config")


def program(error: Any) -> tuple[str, str]:
    """The command that a usage error is about, and what is wrong as a sentence."""
    context = getattr(error, "ctx", None)
    what = " ".join(str(error.format_message()).split()).rstrip(".")
    return (context.command_path if context else "smsgw"), f"{what}."
