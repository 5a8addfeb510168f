"""The PDU classes themselves."""

from __future__ import annotations

import pytest

from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandId
from gateway.smpp.fields import LAYOUTS
from gateway.smpp.pdu import Address, DeliverSm, SubmitSm, Tlv
from gateway.smpp.receipt import read_receipt


def test_every_command_has_one_class() -> None:
    assert {cls.command_id for cls in LAYOUTS} == {int(command) for command in CommandId}
    assert len(LAYOUTS) == len(CommandId)


@pytest.mark.parametrize("cls", LAYOUTS)
def test_pdus_do_not_change_and_have_no_dict(cls: type[p.Pdu]) -> None:
    pdu = cls(*["x"] * min(2, len(cls.__struct_fields__)))
    assert not hasattr(pdu, "__dict__")
    with pytest.raises(AttributeError):
        pdu.command_id = 5
    for name in cls.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(pdu, name, None)


def test_no_text_and_no_password_in_a_repr() -> None:
    a = Address(1, 1, "4477")
    shown = [
        repr(SubmitSm(a, a, b"marked text", tlvs=(Tlv(0x0424, b"marked payload"),))),
        repr(DeliverSm(a, a, b"marked text")),
        repr(p.DataSm(a, a, tlvs=(Tlv(0x0424, b"marked payload"),))),
        repr(p.SubmitMulti(a, (a,), b"marked text", tlvs=(Tlv(0x0424, b"marked payload"),))),
        repr(p.ReplaceSm("id", a, b"marked text", tlvs=(Tlv(0x0424, b"marked payload"),))),
        repr(p.BroadcastSm(a, tlvs=(Tlv(0x0424, b"marked payload"),))),
        repr(p.BindTransceiver("user", "marked")),
        repr(p.Outbind("user", "marked")),
        repr(
            read_receipt(
                DeliverSm(
                    a,
                    a,
                    b"id:1 sub:001 dlvrd:001 submit date:1 done date:1 stat:DELIVRD err:0 text:marked",
                    4,
                )
            )
        ),
    ]
    assert [line for line in shown if "marked" in line] == []
    assert "11 octets" in shown[0]
    assert "14 octets" in shown[0]


def test_a_repr_has_the_fields_that_say_something() -> None:
    a = Address(1, 1, "4477")
    shown = repr(SubmitSm(a, a, b"x", data_coding=8, tlvs=(Tlv(0x020C, 7),)))
    assert "data_coding=8" in shown
    assert "tlvs=(Tlv(tag=0x020C, value=7),)" in shown
    assert "protocol_id" not in shown


def test_a_tlv_by_its_tag() -> None:
    pdu = p.DataSm(Address(), Address(), tlvs=(Tlv(1, b"a"), Tlv(2, 5), Tlv(1, b"b")))
    assert pdu.tlv(1) == b"a"
    assert pdu.tlv(2) == 5
    assert pdu.tlv(3) is None
