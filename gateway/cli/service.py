"""`smsgw run`, `smsgw demo` and `smsgw config reference`."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from gateway.cli.common import ConfigOption, load_settings

config = typer.Typer(help="About the configuration.")


def run(config: ConfigOption = None) -> int:
    """Run the daemon in the foreground.

    SIGTERM stops it and waits for what is under way, SIGHUP reloads the configuration.
    """
    # What is imported stays: the collector would look through it again and again, 50 of the 720 ms of a start.
    gc.disable()
    try:
        settings, path = load_settings(config)
        from gateway.process import run as run_daemon
    finally:
        gc.enable()
    return run_daemon(settings, path)


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep serving after it, until Ctrl-C.")] = False,
) -> int:
    """Show a round trip to a simulated carrier.

    A daemon, a carrier and an application in one process: segments on the air, receipts, and a reply that
    reaches a webhook and a subscription. Fails when a step does not happen in its time.
    """
    from gateway.demo import run as run_demo

    return run_demo(stay=stay)


@config.callback()
def _config() -> None:
    """A group of commands, even while it has only one."""


@config.command()
def reference() -> int:
    """Print the reference of all settings, as Markdown."""
    from gateway.settings import reference

    print(reference.reference(), end="")
    return 0
