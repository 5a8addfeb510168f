"""`smsgw send` and `smsgw preview`: one text on its way, and what would become of it."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect
from gateway.cli.errors import FAILED, Failure
from gateway.cli.output import cell, console, emit, inert, named, note, printed, table
from gateway.cli.times import moment, seconds, span
from gateway.client import Client

_FIRST_POLL: Final = 0.1
_SLOWEST_POLL: Final = 2.0
_LARGEST_TEXT: Final = 1_048_576


class MessageClass(StrEnum):
    transactional = "transactional"
    marketing = "marketing"
    direct = "direct"


class Encoding(StrEnum):
    auto = "auto"
    gsm7 = "gsm7"
    ucs2 = "ucs2"
    latin1 = "latin1"
    binary = "binary"


class Alphabet(StrEnum):
    gsm7 = "gsm7"
    gsm7_packed = "gsm7_packed"
    latin1 = "latin1"
    ascii = "ascii"


class Scheme(StrEnum):
    udh8 = "udh8"
    udh16 = "udh16"
    sar = "sar"
    payload = "payload"


def _duration(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _at(text: str) -> str:
    try:
        return moment(text, ahead=True)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


TextArgument = Annotated[
    str,
    typer.Argument(metavar="TEXT", help="The text; - reads standard input; hex octets with --encoding binary."),
]
EncodingOption = Annotated[
    Encoding,
    typer.Option(help="How it goes on the air; auto: gsm7 when that has every character, else ucs2."),
]


def send(
    to: Annotated[str, typer.Argument(metavar="TO", help="Phone number or short code.")],
    text: TextArgument,
    sender: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="Number or name it comes from.")
    ] = None,
    klass: Annotated[MessageClass, typer.Option("--class", help="Class of the message.")] = (
        MessageClass.transactional
    ),
    encoding: EncodingOption = Encoding.auto,
    flash: Annotated[bool, typer.Option("--flash", help="Shown at once and not stored by the phone.")] = False,
    validity: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Worthless after that: 90s, 15m, 2h, 1d.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help='When to send: RFC 3339, local "2026-03-01 09:00", or 2h.'),
    ] = None,
    ref: Annotated[
        str | None, typer.Option(metavar="KEY", help="Sent once however often it is given with this key.")
    ] = None,
    meta: Annotated[
        str | None, typer.Option(metavar="JSON", help="Kept with the message and given back in its events.")
    ] = None,
    receipt: Annotated[bool, typer.Option(help="Ask for a delivery receipt.")] = True,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end; fails unless delivered, or sent in --timeout.")
    ] = False,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="Longest wait with --wait.")] = "2m",
    socket: SocketOption = None,
    config: ConfigOption = None,
    app: AppOption = None,
    as_json: JsonOption = False,
) -> int:
    """Submit one message to the daemon."""
    params: dict[str, Any] = {"to": to, "class": klass.value}
    content = _content(text)
    if encoding is Encoding.binary:
        params["data"] = _hex(content).hex()
    else:
        params["text"] = content
    params["encoding"] = encoding.value
    optional: dict[str, Any] = {
        "from": sender,
        "flash": flash or None,
        "validity": None if validity is None else _duration(validity),
        "send_at": None if at is None else _at(at),
        "ref": ref,
        "meta": None if meta is None else _meta(meta),
        "receipt": None if receipt else False,
    }
    params.update({name: value for name, value in optional.items() if value is not None})
    longest = _duration(timeout)
    with connect(socket, config, app) as client:
        accepted = client.call("submit", **params)
        if not as_json or wait:
            _tell_warnings(accepted)
        if not wait:
            emit(accepted) if as_json else _tell(accepted)
            return 0
        if not as_json:
            _tell(accepted)
        message = _wait(client, accepted["id"], longest)
    emit(message) if as_json else _tell_end(message, longest)
    return 0 if message["state"] in ("delivered", "sent") else FAILED


def _content(text: str) -> str:
    if text == "-":
        octets = sys.stdin.buffer.read(_LARGEST_TEXT + 1)
        if len(octets) > _LARGEST_TEXT:
            raise Failure(f"standard input has more than {_LARGEST_TEXT} octets")
        try:
            # `echo text | smsgw send` means the text, not the end of its line.
            return octets.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise Failure(f"standard input is not UTF-8 text: octet {error.start} of it") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("the text is not valid in the encoding of this terminal") from None
    return text


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("with --encoding binary the text is octets as hex digits") from None


def _meta(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise typer.BadParameter(f"--meta is not JSON: {error}") from None


def _tell_warnings(accepted: dict[str, Any]) -> None:
    for warning in accepted.get("warnings") or ():
        note(f"warning: {warning}")


def _tell(accepted: dict[str, Any]) -> None:
    count = accepted["segments"]
    ends = f"from {cell(accepted.get('from'))} to {cell(accepted.get('to'))}"
    again = ", already known by its ref" if accepted.get("duplicate") else ""
    console().print(
        f"{cell(accepted['id'])}  {cell(accepted['state'])}, {count} segment{'s'[: count != 1]} "
        f"{cell(accepted['encoding'])}, {ends}{again}"
    )


def _wait(client: Client, message_id: str, longest: float) -> dict[str, Any]:
    end = time.monotonic() + longest
    pause = _FIRST_POLL
    while True:
        message: dict[str, Any] = client.call("message", id=message_id)
        left = end - time.monotonic()
        if message["done_at"] is not None or left <= 0:
            return message
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, _SLOWEST_POLL)


def _tell_end(message: dict[str, Any], longest: float) -> None:
    state, reason = message["state"], message.get("reason")
    codes = {part.get("error_code") or part.get("command_status") for part in message["parts"]} - {None, 0}
    text = state if reason in (None, state) else f"{state}: {reason}"
    if codes and state != "delivered":
        text += f" (carrier's code {', '.join(sorted(map(str, codes)))})"
    if message["done_at"] is None:
        text += f", not at its end within {span(longest)}"
    console().print(inert(text))


def preview(
    text: TextArgument,
    encoding: EncodingOption = Encoding.auto,
    alphabet: Annotated[
        Alphabet, typer.Option(help="The carrier's default_alphabet: what data_coding 0 means to it.")
    ] = Alphabet.gsm7,
    scheme: Annotated[Scheme, typer.Option(help="The carrier's long_messages.")] = Scheme.udh8,
    as_json: JsonOption = False,
) -> int:
    """Show encoding and segments of a text.

    By the same code that sends it; no daemon is needed.
    """
    from gateway.sms.segment import TooLongError, UnencodableError, plan

    content = _content(text)
    try:
        planned = plan(
            _hex(content) if encoding is Encoding.binary else content,
            encoding=encoding.value,
            alphabet=alphabet.value,
            scheme=scheme.value,
        )
    except UnencodableError as error:
        raise Failure(
            f"{named(error.char)}, character {error.position + 1}, cannot be sent as {error.alphabet}"
        ) from None
    except TooLongError as error:
        raise Failure(f"the text needs {error.parts} segments; at most {error.max} are possible") from None
    if as_json:
        emit(
            {
                "encoding": planned.encoding,
                "segments": planned.parts,
                "units_used": planned.units_used,
                "units_left": planned.units_left,
                "units_per_segment": planned.units_per_part,
                "alphabet": planned.alphabet,
                "scheme": planned.scheme,
                "forced_by": [{"char": char, "position": at} for char, at in planned.forced_by],
            }
        )
        return 0
    unit = {"gsm7": "septets", "ucs2": "UCS-2 units"}.get(planned.encoding, "octets")
    shown = table("", "")
    shown.show_header = False
    shown.add_row("encoding", planned.encoding)
    shown.add_row("segments", str(planned.parts))
    shown.add_row("used", f"{planned.units_used} {unit}, up to {planned.units_per_part} in a segment")
    shown.add_row("left", f"{planned.units_left} in the last segment")
    for number, (char, at) in enumerate(planned.forced_by):
        shown.add_row("" if number else "ucs2 because of", f"{named(char)}, character {at + 1}")
    printed(shown)
    return 0
