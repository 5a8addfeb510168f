"""`smsgw send`: one message on its way, and its end."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway.cli.common import AppOption, ConfigOption, JsonOption, SocketOption, connect, read_option
from gateway.cli.content import (
    Encoding,
    EncodingOption,
    MessageClass,
    NationalOption,
    TextArgument,
    TransliterateOption,
    languages,
    octets,
    read_text,
)
from gateway.cli.errors import FAILED
from gateway.cli.output import cell, console, emit, inert, note
from gateway.cli.times import moment, seconds, span
from gateway.client import Client

_FIRST_POLL: Final = 0.1
_SLOWEST_POLL: Final = 2.0


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
    transliterate: TransliterateOption = None,
    national: NationalOption = None,
    source_port: Annotated[
        int | None, typer.Option(metavar="PORT", help="Port that a --destination-port may answer to.")
    ] = None,
    destination_port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="Port of an application on the phone: 2948 WAP push, 9204 vCard."),
    ] = None,
    udh: Annotated[str | None, typer.Option(metavar="HEX", help="User data header, with its length octet.")] = None,
    replace: Annotated[
        int | None, typer.Option(metavar="1-7", help="Takes the place of the last message of that number.")
    ] = None,
    protocol_id: Annotated[int | None, typer.Option(metavar="0-255", help="protocol_id of the submit_sm.")] = None,
    tlv: Annotated[
        list[str] | None,
        typer.Option(metavar="TAG=VALUE", help="TLV on every segment: tag or name, and hex octets. Repeatable."),
    ] = None,
    validity: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Worthless after that: 90s, 15m, 2h, 1d.")
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help='When to send: RFC 3339, local "2026-03-01 09:00", or 2h.'),
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Where the phone is, for quiet hours: Europe/Paris, say.")
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
    content = read_text(text)
    if encoding is Encoding.binary:
        params["data"] = octets(content).hex()
    else:
        params["text"] = content
    params["encoding"] = encoding.value
    optional: dict[str, Any] = {
        "from": sender,
        "flash": flash or None,
        "transliterate": transliterate,
        "national": languages(national),
        "source_port": source_port,
        "destination_port": destination_port,
        "udh": udh,
        "replace": replace,
        "protocol_id": protocol_id,
        "tlvs": _tlvs(tlv) if tlv else None,
        "validity": None if validity is None else read_option(seconds, validity),
        "send_at": None if at is None else read_option(partial(moment, ahead=True), at),
        "zone": zone,
        "ref": ref,
        "meta": None if meta is None else _meta(meta),
        "receipt": None if receipt else False,
    }
    params.update({name: value for name, value in optional.items() if value is not None})
    longest = read_option(seconds, timeout)
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


def _tlvs(given: list[str]) -> dict[str, str]:
    """``TAG=VALUE`` as `submit` takes it."""
    found: dict[str, str] = {}
    for one in given:
        tag, equals, value = one.partition("=")
        if not equals or not tag or tag in found:
            raise typer.BadParameter(f"--tlv takes TAG=VALUE, each tag once, not {inert(one)!r}")
        found[tag] = value
    return found


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


def _status(status: int | None) -> str | None:
    """A command_status as `messages show` and SMPP's tables write it; None where nothing was refused."""
    return f"0x{status:02X}" if status else None


def _tell_end(message: dict[str, Any], longest: float) -> None:
    state, reason = message["state"], message.get("reason")
    codes = {part.get("error_code") or _status(part.get("command_status")) for part in message["parts"]} - {None}
    text = state if reason in (None, state) else f"{state}: {reason}"
    if codes and state != "delivered":
        text += f" (carrier's code {', '.join(sorted(map(str, codes)))})"
    if message["done_at"] is None:
        text += f", not at its end within {span(longest)}"
    console().print(inert(text))
