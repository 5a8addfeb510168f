"""Every PDU with any values that its fields can hold comes back from its octets as it went."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smpp import fields as f
from gateway.smpp import pdu as p
from gateway.smpp.codec import decode, encode
from gateway.smpp.constants import Tag
from gateway.smpp.pdu import Tlv
from gateway.smpp.tlv import TLVS, TlvKind, TlvType, write_tlvs

CHARACTERS = st.characters(min_codepoint=1, max_codepoint=255)


def text(most: int, least: int = 0) -> st.SearchStrategy[str]:
    return st.text(CHARACTERS, min_size=least, max_size=most)


OCTET = st.integers(0, 255)
TIME = st.one_of(st.just(""), st.text(CHARACTERS, min_size=16, max_size=16))


def addresses(most: int) -> st.SearchStrategy[p.Address]:
    return st.builds(p.Address, OCTET, OCTET, text(most))


def values(field: f.Field) -> st.SearchStrategy[Any]:
    """What a field of the table can hold."""
    match field:
        case f.Octet():
            return OCTET
        case f.CString(most):
            return text(most - 1)
        case f.Time():
            return TIME
        case f.AddressField(most):
            return addresses(most - 1)
        case f.ShortMessage():
            return st.binary(max_size=254)
        case f.Destinations():
            lists = st.builds(p.DistributionList, text(20))
            return st.lists(addresses(20) | lists, min_size=1, max_size=254).map(tuple)
        case f.Failures():
            failure = st.builds(p.Unsuccessful, addresses(20), st.integers(0, 2**32 - 1))
            return st.lists(failure, max_size=255).map(tuple)


def tlv(kind: TlvKind) -> st.SearchStrategy[Tlv]:
    """What a tag of the table can hold: its type, or octets of another length."""
    tag = st.just(int(kind.tag))
    sizes = st.sampled_from([size for size in kind.sizes if size <= 300])
    match kind.type:
        case TlvType.INTEGER:
            usual = kind.sizes[0]
            other = st.binary(max_size=6).filter(lambda octets: len(octets) != usual)
            return st.builds(Tlv, tag, st.integers(0, 256**usual - 1) | other)
        case TlvType.C_STRING:
            return st.builds(Tlv, tag, text(min(kind.sizes[-1], 300) - 1, kind.sizes[0] - 1))
        case TlvType.OCTETS:
            return st.builds(Tlv, tag, sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size)))


UNKNOWN = st.builds(Tlv, st.integers(0, 0xFFFF).filter(lambda tag: tag not in TLVS), st.binary(max_size=40))
TLVS_OF_ANY_KIND = st.lists(st.one_of(UNKNOWN, st.sampled_from(list(TLVS.values())).flatmap(tlv)), max_size=6).map(
    tuple
)


@pytest.mark.parametrize("cls", f.LAYOUTS, ids=lambda cls: cls.__name__)
def test_any_pdu_comes_back_as_it_went(cls: type[p.Pdu]) -> None:
    layout = f.LAYOUTS[cls]

    @settings(max_examples=60, deadline=None)
    @given(
        st.fixed_dictionaries({name: values(field) for name, field in layout.items()}),
        TLVS_OF_ANY_KIND,
        st.integers(0, 2**32 - 1),
    )
    def any_values(given: dict[str, Any], tlvs: tuple[Tlv, ...], sequence: int) -> None:
        if "tlvs" in cls.__struct_fields__:
            if given.get("short_message"):
                tlvs = tuple(tlv for tlv in tlvs if tlv.tag != Tag.MESSAGE_PAYLOAD)
            given["tlvs"] = tlvs
        else:
            tlvs = ()
        pdu = cls(**given)
        written = encode(pdu, sequence)
        assert decode(written) == (sequence, 0, pdu)
        # Whatever writes it, the octets are those of the table.
        assert written[16:] == f.write_fields(pdu) + write_tlvs(tlvs)

    any_values()


@pytest.mark.parametrize("kind", TLVS.values(), ids=lambda kind: kind.name)
def test_the_limits_of_every_tlv(kind: TlvKind) -> None:
    for size in (kind.sizes[0], kind.sizes[-1]):
        match kind.type:
            case TlvType.INTEGER:
                values = [0, 256 ** kind.sizes[0] - 1] if size == kind.sizes[0] else [b"\x01" * size]
            case TlvType.C_STRING:
                values = ["x" * (size - 1)]
            case TlvType.OCTETS:
                values = [b"\x01" * size]
        for value in values:
            pdu = p.DataSm(p.Address(), p.Address(), tlvs=(Tlv(kind.tag, value), Tlv(0x1400, b"after it")))
            assert decode(encode(pdu, 1))[2] == pdu
