"""What is out of the ordinary of a message, as `smsgw messages show` says it."""

from __future__ import annotations

import json

import pytest

from gateway.cli.options import in_words
from gateway.cli.times import local
from gateway.outbound.options import Options, stored
from gateway.smpp.constants import Tag
from gateway.sms.national import Shift
from gateway.sms.udh import build_udh, port_element

WAP = build_udh((port_element(2948, 9200),))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(flash="dest_addr_subunit"), [("flash", "by dest_addr_subunit")]),
        (Options(flash=True), [("flash", "by 0x10")]),
        (Options(udh=WAP), [("ports", "2948, from 9200"), ("header", "0605040b8423f0")]),
        (Options(udh=b"\x03\x05"), [("header", "0305")]),  # one that cannot be read hides nothing
        (
            Options(shift=Shift(locking=1, single=2)),
            [("national locking shift", "turkish"), ("national single shift", "spanish")],
        ),
        (Options(shift=Shift(single=99)), [("national single shift", "99")]),
        (
            Options(tlvs=((Tag.DESTINATION_PORT, b"\x0b\x84"), (0x1400, b"\x01\xff"))),
            [("destination_port", "2948"), ("TLV 0x1400", "01ff")],
        ),
        (
            Options(protocol_id=0x41, alphabet="latin1", validity=True),
            [("protocol_id", "0x41"), ("alphabet", "latin1"), ("validity", "as the app asked for")],
        ),
        (
            Options(zone="Asia/Omsk", quiet=1_760_000_400_000),
            [
                ("zone", "Asia/Omsk"),
                ("quiet hours", f"held when it came, until {local('2025-10-09T09:00:00Z')}"),
            ],
        ),
    ],
)
def test_in_words(options: Options, words: list[tuple[str, str]]) -> None:
    packed = stored(options)
    assert packed is not None
    assert in_words(json.loads(packed)) == words


def test_of_another_version() -> None:
    assert in_words({"flash": 7, "new": 1}) == [("options", '{"flash":7,"new":1}')]
