"""`smsgw simulate`: an SMSC to try things against, with an option for every setting of it."""

from __future__ import annotations

import inspect
from typing import Annotated, Any, Final, NamedTuple

import typer

from gateway.cli.errors import USAGE, Failure


class Setting(NamedTuple):
    """An option of the command for a field of SimulatorConfig; without a metavar it is a switch."""

    metavar: str
    help: str


_ID_FORMS: Final = "decimal|hex|hex_upper|padded"
_SECONDS: Final = "SECONDS[-SECONDS]"

SETTINGS: Final[dict[str, Setting]] = {
    "system_id": Setting("TEXT", "The only system_id that may bind; else any may."),
    "password": Setting("TEXT", "The only password taken; else any is. Others see it in the process list."),
    "max_binds": Setting("N", "Binds of one system_id at a time, more get ESME_RALYBND; 0: no limit."),
    "bind_status": Setting("STATUS", "command_status that every bind is refused with."),
    "smsc_id": Setting("TEXT", "system_id in bind responses."),
    "interface_version": Setting("3.4|5.0", "Version of SMPP in bind responses."),
    "latency": Setting(_SECONDS, "From a submit_sm to its response."),
    "errors": Setting("SHARE", "Share of submits that are refused, 0 to 1."),
    "error_statuses": Setting("STATUS,...", "command_status of those, such as 0x58,0x14."),
    "no_response": Setting("SHARE", "Share of submits that get no response."),
    "no_response_taken": Setting("", "Whether those are taken all the same."),
    "throttle": Setting("N", "Submits in a second; more get ESME_RTHROTTLED; 0: no limit."),
    "id_form": Setting(_ID_FORMS, "How message_id is written in a response."),
    "distribution_lists": Setting("NAME=NUMBER,...|...", "Lists that a submit_multi may name."),
    "receipts": Setting("SHARE", "Share of the asked receipts that are sent."),
    "receipt_delay": Setting(_SECONDS, "From the response to the receipt."),
    "receipt_states": Setting("STATE=WEIGHT,...", "Such as DELIVRD=9,UNDELIV=1."),
    "receipt_id_form": Setting(_ID_FORMS, "How the id is written in a receipt."),
    "receipt_form": Setting("both|tlv|text", "Where a receipt says what it says."),
    "receipt_on": Setting("same|other|any", "The bind that gets the receipt."),
    "receipts_before_response": Setting("", "The receipt leaves before the response."),
    "duplicate_receipts": Setting("SHARE", "Share of receipts that are sent twice."),
    "out_of_order": Setting("", "What is due together goes in random order."),
    "mo_rate": Setting("N", "Inbound messages a second, made up."),
    "mo_texts": Setting("TEXT|...", "Their texts."),
    "mo_peers": Setting("NUMBER,...", "Whom they are from; else whom was written to last."),
    "mo_numbers": Setting("NUMBER,...", "Whom they are to; else the number that wrote last."),
    "mo_scheme": Setting("udh8|udh16|sar|payload", "How their parts are tied together."),
    "alphabet": Setting("gsm7|gsm7_packed|latin1|ascii", "What data_coding 0 means, both ways."),
    "window": Setting("N", "Unanswered deliver_sm on a bind."),
    "response_timeout": Setting("SECONDS", "Wait for the answer to a deliver_sm."),
    "retry_delay": Setting("SECONDS", "Before a deliver_sm is sent again."),
    "enquire_link": Setting("SECONDS", "Silence before enquire_link; 0: never."),
    "session_init": Setting("SECONDS", "Wait for the bind; 0: for ever."),
    "max_waiting": Setting("N", "Receipts and inbound messages kept until acknowledged."),
    "log_size": Setting("N", "Submits that are remembered."),
}


def _simulate(host: str, port: int, seed: int | None, prompt: bool, **given: Any) -> int:
    import random
    import sys

    import trio

    from gateway.simulator import SimulatorConfig, simulate
    from gateway.simulator.reading import changed, read_setting

    wanted: dict[str, Any] = {}
    try:
        for name, value in given.items():
            if value is not None:
                wanted[name] = value if isinstance(value, bool) else read_setting(name, value)
        config = changed(SimulatorConfig(), wanted)
    except ValueError as error:
        name, _, what = str(error).partition(":")
        raise Failure(f"--{name.replace('_', '-')}:{what}", USAGE) from None
    rng = random.Random(seed)
    try:
        trio.run(lambda: simulate(config, host, port, prompt=prompt, out=sys.stdout, rng=rng))
    except OSError as error:
        raise Failure(f"cannot listen at {host}:{port}: {error}") from None
    return 0


def _option(name: str, setting: Setting) -> inspect.Parameter:
    flag = "--" + name.replace("_", "-")
    if not setting.metavar:
        kind: Any = Annotated[
            bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=setting.help, show_default=False)
        ]
    else:
        kind = Annotated[
            str | None,
            typer.Option(flag, metavar=setting.metavar, help=setting.help, show_default=False),
        ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def simulate(**options: Any) -> int:
    """Run a simulated SMSC.

    It shows what is on the air and takes commands on standard input:
    mo PEER NUMBER TEXT, alert PEER NUMBER, rate N, errors SHARE, status, quit.
    """
    return _simulate(**options)


_OWN: Final = (
    ("host", str, "127.0.0.1", typer.Option(help="Address to listen at.")),
    ("port", int, 2775, typer.Option(min=0, max=65535, help="TCP port; 0: any that is free.")),
    ("seed", int | None, None, typer.Option(help="Of everything random, to have the same again.")),
    ("prompt", bool, True, typer.Option(help="Take commands on standard input.")),
)

# typer reads its options from the signature; this one is written from the table, so that an option and its
# field cannot drift apart.
_PARAMETERS: Final = [
    *(
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])
        for name, kind, default, option in _OWN
    ),
    *(_option(name, setting) for name, setting in SETTINGS.items()),
]
simulate.__signature__ = inspect.Signature(_PARAMETERS, return_annotation=int)  # type: ignore[attr-defined]
simulate.__annotations__ = {parameter.name: parameter.annotation for parameter in _PARAMETERS}
