"""What the octets of a submit_sm have around the peer's number and the text: most submits differ in those two alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.smpp.codec import HEADER_LENGTH, encode
from gateway.smpp.pdu import SubmitSm

_LENGTHS: Final = tuple(bytes((length,)) for length in range(256))


class Template(NamedTuple):
    """Octets of a body (SMPP 3.4 §4.4.1): up to the digits of destination_addr, and from its NUL up to sm_length."""

    before: bytes
    between: bytes


def cut(pdu: SubmitSm, digits: str) -> Template:
    """The template of a submit_sm that has no TLVs, and whose destination_addr ends with these digits.

    Raises ValueError where the PDU cannot be written.
    """
    body = encode(pdu, 1)[HEADER_LENGTH:]
    # service_type and source_addr with their terminators, and TON and NPI twice.
    end = len(pdu.service_type) + len(pdu.source.addr) + len(pdu.destination.addr) + 6
    return Template(body[: end - len(digits)], body[end : len(body) - len(pdu.short_message) - 1])


def fill(template: Template, digits: str, text: bytes) -> bytes:
    """The body for another number and text, of at most 254 octets."""
    return b"".join((template[0], digits.encode(), template[1], _LENGTHS[len(text)], text))
