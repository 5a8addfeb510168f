"""`smsgw preview`: what would become of a text, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.common import ConfigOption, JsonOption, load_settings
from gateway.cli.content import (
    DestinationPortOption,
    Encoding,
    EncodingOption,
    MessageClass,
    NationalOption,
    PortOption,
    TextArgument,
    TransliterateOption,
    UdhOption,
    header_octets,
    languages,
    octets,
    read_text,
)
from gateway.cli.errors import USAGE, Failure
from gateway.cli.output import emit, named, printed, seen, sheet

if TYPE_CHECKING:
    from rich.table import Table

    from gateway.settings import Settings
    from gateway.sms.compose import Way

_POSITIONS: Final = 12
_ROWS: Final = 20
_UNITS: Final = {"gsm7": "septets", "ucs2": "UCS-2 units"}


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


def preview(
    text: TextArgument,
    encoding: EncodingOption = Encoding.auto,
    carrier: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="As to this carrier of the configuration, but for what the options say."),
    ] = None,
    alphabet: Annotated[
        Alphabet | None, typer.Option(help="The carrier's default_alphabet (gsm7): what data_coding 0 means to it.")
    ] = None,
    scheme: Annotated[Scheme | None, typer.Option(help="The carrier's long_messages (udh8).")] = None,
    national: NationalOption = None,
    transliterate: TransliterateOption = None,
    flash: Annotated[bool, typer.Option("--flash", help="Shown at once and not stored by the phone.")] = False,
    source_port: PortOption = None,
    destination_port: DestinationPortOption = None,
    udh: UdhOption = None,
    klass: Annotated[
        MessageClass | None, typer.Option("--class", help="As a message of this class, by the configuration.")
    ] = None,
    app: Annotated[str | None, typer.Option(metavar="NAME", help="As from this app of the configuration.")] = None,
    number: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="As from this number of the configuration.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Show encoding and segments of a text, what forced them, and what transliteration would save.

    By the same code that sends it, also as to what a text may hold and what is added to it; no daemon is needed. The
    configuration is read when an option asks for something of it.
    """
    from gateway.sms.preview import described
    from gateway.sms.preview import preview as previewed
    from gateway.sms.segment import TooLongError, UnencodableError
    from gateway.sms.udh import UdhError

    settings = None
    if any(option is not None for option in (carrier, klass, app, number, config)):
        settings, _ = load_settings(config)
    way, transliterated, by_tlv = _way(carrier, settings)
    given: dict[str, Any] = {"encoding": encoding.value}
    if alphabet is not None:
        given["alphabet"] = alphabet.value
    if scheme is not None:
        given["scheme"] = scheme.value
    if (names := languages(national)) is not None:
        given["national"] = tuple(names)
    if not flash:
        given["flash"] = None
    content = read_text(text)
    warnings: tuple[str, ...] = ()
    if encoding is not Encoding.binary and content:
        content, warnings, most = _worded(content, settings, klass, app, number)
        if carrier is not None:
            given["max_parts"] = most
    try:
        given |= _headed(udh, destination_port, source_port, by_tlv=by_tlv)
        shown = previewed(
            octets(content) if encoding is Encoding.binary else content,
            _changed(way, given),
            transliterated=transliterated if transliterate is None else transliterate,
        )
    except UnencodableError as error:
        raise Failure(
            f"{named(error.char)}, character {error.position + 1}, cannot be sent as {error.alphabet}"
        ) from None
    except UdhError as error:
        raise Failure(f"--udh: {error}", USAGE) from None
    except TooLongError as error:
        raise Failure(f"the text needs {error.parts} segments; at most {error.max} are possible") from None
    planned = shown.composed.plan
    found = described(planned, planned.render(0)[0].data_coding, shown)
    if as_json:
        emit({**found, "alphabet": planned.alphabet, "scheme": planned.scheme, "warnings": warnings})
    else:
        shown_to_people = _table(found)
        for warning in warnings:
            shown_to_people.add_row("note", seen(warning))
        printed(shown_to_people)
    return 0


def _worded(
    text: str, settings: Settings | None, klass: MessageClass | None, app: str | None, number: str | None
) -> tuple[str, tuple[str, ...], int]:
    """What is sent of a text, what is said of that, and the segments that it may have; as `submit` does it."""
    from gateway.policy.content import Content
    from gateway.settings import Settings
    from gateway.sms.address import AddressError, normalise_sender

    settings = settings or Settings()
    if app is not None and app not in {one.name for one in settings.apps}:
        names = ", ".join(one.name for one in settings.apps) or "none"
        raise Failure(f"no app {app!r} in the configuration; there is {names}", USAGE)
    ours = ""
    if number is not None:
        try:
            ours = normalise_sender(number, settings.default_region).value
        except AddressError as error:
            raise Failure(f"--from: {error}", USAGE) from None
        if ours not in settings.numbers_by_value:
            raise Failure(f"no number {number!r} in the configuration", USAGE)
    elif len(settings.numbers) == 1:
        ours = settings.numbers[0].number
    content = Content(settings)
    worded = content.word(app or "", klass.value if klass is not None else "transactional", ours, text)
    most = content.max_segments.get(app or "", settings.limits.max_segments)
    if worded is None:
        return text, (), most
    if worded.reason is not None:
        raise Failure(f"{worded.reason}: {worded.detail}")
    return worded.text, worded.warnings, most


def _way(carrier: str | None, settings: Settings | None) -> tuple[Way, bool, bool]:
    """How a carrier is sent to, whether texts to it are transliterated, and whether ports go as TLVs.

    Without a carrier, as one without settings.
    """
    from gateway.sms.compose import Way

    if carrier is None or settings is None:
        return Way(flash="0x10"), False, False
    found = settings.carriers_by_name.get(carrier)
    if found is None:
        names = ", ".join(settings.carriers_by_name) or "none"
        raise Failure(f"no carrier {carrier!r} in the configuration; there is {names}", USAGE)
    way = Way(
        scheme=found.long_messages,
        alphabet=found.default_alphabet,
        flash=found.flash,
        national=found.national_languages,
        max_parts=settings.limits.max_segments,
        latin1=found.latin1,
    )
    return way, found.transliterate, found.ports == "tlv"


def _headed(udh: str | None, destination: int | None, source: int | None, *, by_tlv: bool) -> dict[str, Any]:
    """What of a way a header and ports make, as `submit` makes it. Raises UdhError."""
    from gateway.sms.udh import PORT_8, PORT_16, UdhError, build_udh, parse_udh, port_element

    own = header_octets(udh) if udh is not None else b""
    if destination is None:
        if source is not None:
            raise typer.BadParameter("--source-port needs a --destination-port")
        return {"udh": own}
    if by_tlv:
        # The carrier makes the element of the TLVs.
        return {"udh": own, "added": len(build_udh((port_element(destination, 0),))) - 1}
    elements, rest = parse_udh(own) if own else ((), b"")
    if rest:
        raise UdhError(f"{len(rest)} octets follow the header's end")
    if any(element.id in (PORT_8, PORT_16) for element in elements):
        raise UdhError("it has ports of its own")
    return {"udh": build_udh((port_element(destination, source or 0), *elements))}


def _changed(way: Way, given: dict[str, Any]) -> Way:
    import msgspec

    return msgspec.structs.replace(way, **given)


def _table(found: dict[str, Any]) -> Table:
    shown = sheet()
    unit = _UNITS.get(found["encoding"], "octets")
    shown.add_row("encoding", f"{found['encoding']}, data_coding 0x{found['data_coding']:02X}")
    if (national := found["national"]) is not None:
        ways = [f"{national[kind]} ({kind} shift)" for kind in ("locking", "single") if national[kind]]
        shown.add_row("national table", ", ".join(ways))
    shown.add_row("segments", str(found["segments"]))
    shown.add_row("used", f"{found['units']} {unit}, up to {found['per_segment']} in a segment")
    shown.add_row("left", f"{found['left']} in the last segment")
    forced = found["forced_by"]
    for number, one in enumerate(forced[:_ROWS]):
        shown.add_row("" if number else "ucs2 because of", f"{named(one['char'])}, {_places(one)}")
    if len(forced) > _ROWS:
        shown.add_row("", f"{len(forced) - _ROWS} more characters; --json has them all")
    if (offer := found["transliteration"]) is not None:
        saves = f", {_segments(offer['saves'])} less" if offer["saves"] > 0 else ", none less"
        shown.add_row(
            "transliterated" if offer["applied"] else "--transliterate gives",
            f"{offer['encoding']}, {_segments(offer['segments'])}{saves}",
        )
        changes = [_change(change) for change in offer["changes"]]
        if len(changes) > _ROWS:
            changes[_ROWS:] = [f"{len(changes) - _ROWS} more characters; --json has them all"]
        for change in changes:
            shown.add_row("", change)
    return shown


def _change(change: dict[str, Any]) -> str:
    char: str = change["char"]
    points = " ".join(f"U+{ord(one):04X}" for one in char)
    return f"{_quoted(char)} {points} to {_quoted(change['replacement'])}, {_places(change)}"


def _quoted(text: str) -> str:
    return f"'{seen(text)}'" if text else "nothing"


def _segments(count: int) -> str:
    return f"{count} segment{'s'[: count != 1]}"


def _places(one: dict[str, Any]) -> str:
    """Where a character is, for people, who count from one."""
    shown = [str(at + 1) for at in one["positions"][:_POSITIONS]]
    more = one["count"] - len(shown)
    return f"character{'s'[: one['count'] != 1]} {', '.join(shown)}" + (f" and {more} more" if more else "")
