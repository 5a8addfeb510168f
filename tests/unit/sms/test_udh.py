from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sms.udh import (
    Concat,
    InformationElement,
    Ports,
    UdhError,
    build_udh,
    concat_of,
    has_bad_port,
    parse_udh,
    port_element,
    ports_of,
)

IE = InformationElement


@pytest.mark.parametrize(
    ("octets", "elements", "rest"),
    [
        ("050003010201", [(0x00, "010201")], ""),
        ("050003010201616263", [(0x00, "010201")], "616263"),
        ("0608041234020161", [(0x08, "12340201")], "61"),
        ("00", [], ""),
        ("0061", [], "61"),
        ("0b0504158200000003cc0201ff", [(0x05, "15820000"), (0x00, "cc0201")], "ff"),
        ("02700041", [(0x70, "")], "41"),
    ],
)
def test_headers(octets: str, elements: list[tuple[int, str]], rest: str) -> None:
    parsed, left = parse_udh(bytes.fromhex(octets))
    assert [(ie.id, ie.data.hex()) for ie in parsed] == elements
    assert left.hex() == rest
    if elements:
        assert build_udh(parsed) + left == bytes.fromhex(octets)


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        ("", "no octet"),
        ("05", "header of 6 octets in a message of 1"),
        ("0500030102", "header of 6 octets"),
        ("0100", "cut short"),
        ("050004010201", "runs past"),
        ("04000301020161", "runs past"),  # out of the header, but not out of the message
        ("0500ff010201", "runs past"),
        ("060003010201ff", "cut short"),
    ],
)
def test_broken_headers(octets: str, fault: str) -> None:
    with pytest.raises(UdhError, match=fault):
        parse_udh(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("elements", "concat"),
    [
        ([(0x00, "010201")], Concat(1, 2, 1, False)),
        ([(0x08, "12340302")], Concat(0x1234, 3, 2, True)),
        ([(0x05, "15820000"), (0x00, "ff0202")], Concat(255, 2, 2, False)),
        ([(0x00, "010101")], Concat(1, 1, 1, False)),
        # Ignored, TS 23.040 §9.2.3.24.1 and §9.2.3.24.8.
        ([(0x00, "010001")], None),
        ([(0x00, "010200")], None),
        ([(0x00, "010203")], None),
        ([(0x08, "12340000")], None),
        ([(0x08, "12340203")], None),
        ([(0x00, "0102")], None),
        ([(0x00, "01020101")], None),
        ([(0x08, "010201")], None),
        ([(0x24, "01")], None),
        ([], None),
        ([(0x00, "010201"), (0x00, "020202")], Concat(2, 2, 2, False)),
        ([(0x00, "010201"), (0x00, "020203")], Concat(1, 2, 1, False)),
    ],
)
def test_concatenation(elements: list[tuple[int, str]], concat: Concat | None) -> None:
    assert concat_of([IE(id, bytes.fromhex(data)) for id, data in elements]) == concat


def test_a_header_that_does_not_fit_is_refused() -> None:
    assert len(build_udh([IE(0x70, bytes(137))])) == 140
    for elements in (
        [IE(0x70, bytes(138))],
        [IE(0x70, bytes(100)), IE(0x71, bytes(100))],
        [IE(256, b"")],
        [IE(-1, b"")],
        [IE(0, bytes(256))],
    ):
        with pytest.raises(UdhError):
            build_udh(elements)


def test_no_elements_make_no_header() -> None:
    assert build_udh([]) == b""


@given(st.lists(st.builds(IE, st.integers(0, 255), st.binary(max_size=20)), max_size=6), st.binary(max_size=20))
@settings(derandomize=True, deadline=None, database=None)
def test_any_elements_come_back(elements: list[InformationElement], rest: bytes) -> None:
    octets = build_udh(elements)
    if octets:
        assert parse_udh(octets + rest) == (tuple(elements), rest)


@given(st.binary(max_size=160))
@settings(derandomize=True, deadline=None, database=None, max_examples=500)
def test_any_octets_are_a_header_or_an_error(octets: bytes) -> None:
    try:
        elements, rest = parse_udh(octets)
    except UdhError:
        return
    assert 1 + sum(2 + len(ie.data) for ie in elements) + len(rest) == len(octets)
    concat_of(elements)


@pytest.mark.parametrize(
    ("elements", "ports", "bad"),
    [
        ([], None, False),
        ([(0x00, "aa0201")], None, False),
        # §9.2.3.24.4: the destination first, two octets each.
        ([(0x05, "0b8423f0")], Ports(2948, 9200), False),
        ([(0x05, "00000000")], Ports(0, 0), False),
        ([(0x05, "ffffffff")], Ports(65535, 65535), False),
        # §9.2.3.24.3: one octet each.
        ([(0x04, "f5f0")], Ports(245, 240, wide=False), False),
        # The last counts, whichever it is.
        ([(0x05, "0b8423f0"), (0x04, "f5f0")], Ports(245, 240, wide=False), False),
        ([(0x04, "f5f0"), (0x00, "aa0201"), (0x05, "0b8423f0")], Ports(2948, 9200), False),
        # Of the wrong length they say nothing.
        ([(0x05, "0b84")], None, True),
        ([(0x04, "f5f0ff")], None, True),
        ([(0x05, "0b8423f0"), (0x05, "")], Ports(2948, 9200), True),
    ],
)
def test_ports(elements: list[tuple[int, str]], ports: Ports | None, bad: bool) -> None:
    ies = [IE(id, bytes.fromhex(data)) for id, data in elements]
    assert ports_of(ies) == ports
    assert has_bad_port(ies) == bad


@given(st.integers(0, 65535), st.integers(0, 65535))
@settings(derandomize=True, deadline=None, database=None)
def test_a_port_element_says_its_ports(destination: int, source: int) -> None:
    assert ports_of([port_element(destination, source)]) == Ports(destination, source)


def test_port_elements() -> None:
    assert build_udh([port_element(2948, 9200)]).hex() == "0605040b8423f0"  # WAP push, as WDP has it
    assert port_element(9204).data.hex() == "23f40000"  # vCard
    for bad in (-1, 65536):
        with pytest.raises(UdhError, match="port"):
            port_element(bad)
        with pytest.raises(UdhError, match="port"):
            port_element(1, bad)
