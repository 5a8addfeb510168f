"""What commands take of a text: where it comes from, and how it is to go."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated, Final

import typer

from gateway.cli.errors import Failure

_LARGEST_TEXT: Final = 1_048_576


class Encoding(StrEnum):
    auto = "auto"
    gsm7 = "gsm7"
    ucs2 = "ucs2"
    latin1 = "latin1"
    binary = "binary"


class MessageClass(StrEnum):
    transactional = "transactional"
    direct = "direct"
    marketing = "marketing"


TextArgument = Annotated[
    str,
    typer.Argument(metavar="TEXT", help="The text; - reads standard input; hex octets with --encoding binary."),
]
EncodingOption = Annotated[
    Encoding,
    typer.Option(help="How it goes on the air; auto: gsm7 when that has every character, else ucs2."),
]
TransliterateOption = Annotated[
    bool | None,
    typer.Option(
        "--transliterate/--no-transliterate",
        help="Replace what GSM 7 bit lacks where the text then goes by it; without either, as the carrier's setting.",
        show_default=False,
    ),
]
NationalOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LANGUAGE",
        help="National language tables that may be used, such as turkish; none: not even the carrier's. Repeatable.",
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--source-port", metavar="PORT", min=0, max=0xFFFF, help="Port that it may answer to."),
]
DestinationPortOption = Annotated[
    int | None,
    typer.Option(
        "--destination-port",
        metavar="PORT",
        min=0,
        max=0xFFFF,
        help="Port of an application on the phone: 2948 WAP push, 9204 vCard.",
    ),
]
UdhOption = Annotated[str | None, typer.Option("--udh", metavar="HEX", help="User data header, with its length octet.")]


def languages(given: list[str] | None) -> list[str] | None:
    """The languages of `NationalOption`, None where none was given."""
    from gateway.sms.national import LANGUAGES

    if not given:
        return None
    names = [name.strip().lower() for one in given for name in one.split(",")]
    if names == ["none"]:
        return []
    for name in names:
        if name not in LANGUAGES:
            raise typer.BadParameter(f"--national is one of {', '.join(LANGUAGES)}, or none")
    return list(dict.fromkeys(names))


def read_text(text: str) -> str:
    """The text of an argument, or of standard input. Raises Failure, typer.BadParameter."""
    if text == "-":
        data = sys.stdin.buffer.read(_LARGEST_TEXT + 1)
        if len(data) > _LARGEST_TEXT:
            raise Failure(f"standard input has more than {_LARGEST_TEXT} octets")
        try:
            # `echo text | smsgw send` means the text, not the end of its line.
            return data.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise Failure(f"standard input is not UTF-8 text: octet {error.start} of it") from None
    try:
        text.encode()
    except UnicodeEncodeError:
        raise typer.BadParameter("the text is not valid in the encoding of this terminal") from None
    return text


def header_octets(text: str) -> bytes:
    """The octets of a user data header. Raises typer.BadParameter."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("--udh is octets as hex digits") from None


def octets(text: str) -> bytes:
    """The octets of a binary message. Raises typer.BadParameter."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("with --encoding binary the text is octets as hex digits") from None
