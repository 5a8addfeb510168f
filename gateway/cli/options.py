"""What of a message is out of the ordinary, as its history has it, in words: flash, ports, national tables, TLVs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any


def in_words(options: Any) -> list[tuple[str, str]]:
    """Names and values, in the order in which they are shown; of another version's, which cannot be read, as they are.

    Of the text nothing is in it.
    """
    import msgspec

    from gateway.outbound.options import Options

    try:
        return list(_told(msgspec.convert(options, Options)))
    except (ValueError, TypeError):
        return [("options", msgspec.json.encode(options).decode())]


def _told(options: Any) -> Iterator[tuple[str, str]]:
    from gateway.cli.times import local
    from gateway.outbound.options import PORTS
    from gateway.smpp.tlv import tag_name
    from gateway.sms.national import LANGUAGES
    from gateway.sms.udh import UdhError, parse_udh, ports_of

    if options.flash_way is not None:
        yield "flash", f"by {options.flash_way}"
    elements: tuple[Any, ...] = ()
    if options.udh:
        try:
            elements, _ = parse_udh(options.udh)
        except UdhError:
            pass
    ports = ports_of(elements)
    if ports is not None:
        yield "ports", f"{ports.destination}, from {ports.source}"
    for name, number in (("locking shift", options.shift.locking), ("single shift", options.shift.single)):
        if number:
            language = LANGUAGES[number - 1] if number <= len(LANGUAGES) else number
            yield f"national {name}", str(language)
    if options.protocol_id:
        yield "protocol_id", f"0x{options.protocol_id:02X}"
    if options.alphabet != "gsm7":
        yield "alphabet", options.alphabet
    if options.validity:
        yield "validity", "as the app asked for"
    if options.zone:
        yield "zone", options.zone
    if options.quiet:
        at = datetime.fromtimestamp(options.quiet / 1000, UTC)
        yield "quiet hours", f"held when it came, until {local(at.isoformat())}"
    if options.udh:
        yield "header", options.udh.hex()
    for tag, octets in options.tlvs:
        yield tag_name(tag), str(int.from_bytes(octets)) if tag in PORTS else octets.hex()
