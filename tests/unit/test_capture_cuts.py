"""A capture cuts octets into PDUs whatever their pieces, shows what is none, and never a password."""

from __future__ import annotations

import random

import pytest

from gateway.carrier.capture import _Cut, blanked
from gateway.smpp.codec import encode
from gateway.smpp.pdu import (
    Address,
    BindReceiver,
    BindTransceiver,
    BindTransmitter,
    EnquireLink,
    Outbind,
    Pdu,
    SubmitSm,
)

SUBMIT = encode(
    SubmitSm(source=Address(1, 1, "1"), destination=Address(1, 1, "2"), short_message=b"password secret"), 7
)


@pytest.mark.parametrize("kind", [BindReceiver, BindTransmitter, BindTransceiver])
@pytest.mark.parametrize("password", ["", "x", "secret12"])
def test_the_password_of_a_bind_is_asterisks(kind: type[BindReceiver], password: str) -> None:
    def octets(password: str) -> bytes:
        return encode(kind(system_id="user", password=password, system_type="VMA", interface_version=0x34), 1)

    assert blanked(octets(password)) == octets("*" * len(password))


def test_the_password_of_an_outbind_is_asterisks() -> None:
    assert blanked(encode(Outbind("smsc", "secret12"), 1)) == encode(Outbind("smsc", "********"), 1)


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"user\0secret", b"user\0******"),  # no end
        (b"usersecret", b"**********"),  # no end to the system_id either
        (b"user\0", b"user\0"),
        (b"", b""),
        (b"\0secret\0rest", b"\0******\0rest"),
    ],
)
def test_where_fields_have_no_end_too_much_is_blanked_rather_than_too_little(body: bytes, shown: bytes) -> None:
    header = (16 + len(body)).to_bytes(4) + bytes.fromhex("0000000B0000000000000001")
    assert blanked(header + body) == header + shown


@pytest.mark.parametrize("pdu", [SUBMIT, encode(EnquireLink(), 3), b"", b"\0\0\0", SUBMIT[:7]])
def test_everything_else_is_as_it_was(pdu: bytes) -> None:
    assert blanked(pdu) == pdu


def test_pieces_of_any_size() -> None:
    rng = random.Random(4)
    kinds: list[Pdu] = [EnquireLink(), Outbind("smsc", "p")]
    whole = [SUBMIT, *(encode(pdu, n) for n, pdu in enumerate(kinds, 1))] * 5
    octets = b"".join(whole)
    for _ in range(50):
        cut, found, at = _Cut(), [], 0
        while at < len(octets):
            size = rng.choice((1, 3, 4, 15, 16, 17, 400))
            found += cut.feed(octets[at : at + size])
            at += size
        assert found == [(pdu, None) for pdu in whole]
        assert list(cut.rest()) == []


def test_what_was_read_before_is_the_beginning() -> None:
    assert list(_Cut(SUBMIT[:5]).feed(SUBMIT[5:])) == [(SUBMIT, None)]


def test_a_pdu_that_never_came_whole() -> None:
    cut = _Cut()
    assert list(cut.feed(SUBMIT + SUBMIT[:30])) == [(SUBMIT, None)]
    assert list(cut.rest()) == [(SUBMIT[:30], "cut")]


@pytest.mark.parametrize("length", [0, 15, 131_073, 0xFFFFFFFF])
def test_from_a_length_that_cannot_be_octets_are_shown_as_they_come(length: int) -> None:
    cut = _Cut()
    bad = length.to_bytes(4) + b"rest"
    assert list(cut.feed(SUBMIT + bad)) == [(SUBMIT, None), (bad, "no_pdu")]
    assert list(cut.feed(SUBMIT)) == [(SUBMIT, "no_pdu")]
    assert list(cut.rest()) == []
