"""The golden PDUs: read, written, and cut off at every octet."""

from __future__ import annotations

import re
import struct

import pytest

from gateway.smpp.codec import RecoverablePduError, decode, encode
from gateway.smpp.constants import RESPONSE_BIT, CommandStatus
from gateway.smpp.fields import LAYOUTS, write_fields
from gateway.smpp.tlv import TLVS

from .golden import MEANINGS, OCTETS, ORIGINS


def test_every_golden_pdu_has_a_meaning_and_every_class_a_golden_pdu() -> None:
    assert OCTETS.keys() == MEANINGS.keys()
    assert {type(pdu) for _, _, pdu in MEANINGS.values()} == set(LAYOUTS)


@pytest.mark.parametrize("name", ORIGINS)
def test_every_golden_pdu_says_where_it_is_from(name: str) -> None:
    """By hand with the section, or the foreign implementation that generates it."""
    assert re.match(r"by hand, (5\.0 )?§\d|by hand: header alone|smpplib$|npm smpp 0\.5\.1$", ORIGINS[name])


def test_every_tlv_is_in_a_golden_pdu() -> None:
    seen = {tlv.tag for _, _, pdu in MEANINGS.values() for tlv in getattr(pdu, "tlvs", ())}
    assert TLVS.keys() - seen == set()


@pytest.mark.parametrize("name", OCTETS)
def test_golden_octets_are_read(name: str) -> None:
    assert decode(OCTETS[name]) == MEANINGS[name]


@pytest.mark.parametrize("name", OCTETS)
def test_golden_octets_are_written(name: str) -> None:
    sequence, status, pdu = MEANINGS[name]
    assert encode(pdu, sequence, status).hex() == OCTETS[name].hex()


def cut(octets: bytes, length: int) -> bytes:
    """The first octets, with a command_length that says so."""
    return struct.pack(">I", length) + octets[4:length]


RESPONSES = [name for name, octets in OCTETS.items() if octets[4] & RESPONSE_BIT >> 24]
REQUESTS = [name for name in OCTETS if name not in RESPONSES]


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_read_wherever_it_ends(name: str) -> None:
    octets = OCTETS[name]
    sequence, status, whole = MEANINGS[name]
    for length in range(16, len(octets)):
        assert decode(cut(octets, length))[:2] == (sequence, status)
        read = decode(cut(octets, length))[2]
        assert type(read) is type(whole)
        for tlv in getattr(read, "tlvs", ()):  # only those that are whole
            assert tlv in whole.tlvs


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_that_ends_early_says_where(name: str) -> None:
    octets = OCTETS[name]
    sequence, _, whole = MEANINGS[name]
    mandatory = 16 + len(write_fields(whole))
    text = mandatory - len(getattr(whole, "short_message", b""))
    tlvs = getattr(whole, "tlvs", ())
    ends = {mandatory}  # where the frame may end
    at = mandatory
    while at < len(octets):
        at += 4 + int.from_bytes(octets[at + 2 : at + 4], "big")
        ends.add(at)
    assert len(octets) in ends
    for length in range(16, len(octets)):
        if length in ends:
            read = decode(cut(octets, length))[2]
            assert getattr(read, "tlvs", ()) == tlvs[: sorted(ends).index(length)]
            continue
        with pytest.raises(RecoverablePduError) as caught:
            decode(cut(octets, length))
        expected = (
            CommandStatus.ESME_RINVOPTPARSTREAM
            if length > mandatory
            else CommandStatus.ESME_RINVMSGLEN
            if length >= text and hasattr(whole, "short_message")
            else CommandStatus.ESME_RINVCMDLEN
        )
        assert (caught.value.status, caught.value.sequence) == (expected, sequence), length
        assert caught.value.command_id == whole.command_id
