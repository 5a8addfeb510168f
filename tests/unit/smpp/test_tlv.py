"""Optional parameters: the table of them, and what is refused."""

from __future__ import annotations

import pytest

from gateway.smpp.constants import CommandId, Tag
from gateway.smpp.fields import LAYOUTS
from gateway.smpp.pdu import Tlv
from gateway.smpp.tlv import CARRIED_34, CARRIED_50, KINDS, REQUIRED, TLVS, TlvKind, TlvType, read_tlvs, write_tlvs

CLASSES = {cls.command_id: cls for cls in LAYOUTS}


def test_every_tag_is_in_the_table_and_every_section_once() -> None:
    assert [kind.tag for kind in TLVS.values()] == sorted(Tag)
    assert all(tag == kind.tag and kind.name == kind.tag.name.lower() for tag, kind in TLVS.items())
    # The sections of the specifications number the TLVs without a gap: 44 of them in 3.4, 64 in 5.0.
    old = [kind for kind in TLVS.values() if kind.version == "3.4"]
    assert sorted(int(kind.section.split(",")[0].removeprefix("§5.3.2.")) for kind in old) == list(range(1, 45))
    assert sorted(int(kind.section.split("5.0 §4.8.4.")[1]) for kind in TLVS.values()) == list(range(1, 65))
    assert {kind.version for kind in TLVS.values()} == {"3.4", "5.0"}


@pytest.mark.parametrize("kind", TLVS.values(), ids=lambda kind: kind.name)
def test_every_tlv_has_a_pdu_that_can_carry_it(kind: TlvKind) -> None:
    assert kind.pdus
    for command in kind.pdus:
        assert "tlvs" in CLASSES[command].__struct_fields__, command.name
    if kind.version == "5.0":
        assert not any(kind.tag in tags for tags in CARRIED_34.values())


def test_the_tables_of_the_pdus() -> None:
    """A few rows of each, from the specifications."""
    assert len(CARRIED_34[CommandId.SUBMIT_SM]) == 28  # §4.4.1
    assert len(CARRIED_34[CommandId.SUBMIT_MULTI]) == 22  # §4.5.1
    assert len(CARRIED_34[CommandId.DELIVER_SM]) == 18  # §4.6.1
    assert len(CARRIED_34[CommandId.DATA_SM]) == 38  # §4.7.1
    assert CARRIED_34[CommandId.DATA_SM] >= CARRIED_34[CommandId.DELIVER_SM]
    assert Tag.CONGESTION_STATE not in CARRIED_50[CommandId.SUBMIT_SM_RESP]  # in every response, said once:
    assert TLVS[Tag.CONGESTION_STATE].pdus == tuple(c for c in CommandId if c.name.endswith("_RESP"))
    for command, tags in REQUIRED.items():
        assert tags < CARRIED_50[command]
        assert command not in CARRIED_34
    assert TLVS[Tag.MESSAGE_PAYLOAD].pdus == (
        CommandId.SUBMIT_SM,
        CommandId.DELIVER_SM,
        CommandId.REPLACE_SM,
        CommandId.SUBMIT_MULTI,
        CommandId.DATA_SM,
        CommandId.BROADCAST_SM,
    )


def test_only_integers_have_gaps_in_their_sizes() -> None:
    """The writer asks for the first and the last of the others."""
    for kind in TLVS.values():
        if kind.type is not TlvType.INTEGER:
            assert list(kind.sizes) == list(range(kind.sizes[0], kind.sizes[-1] + 1))


def test_kinds_are_those_of_the_table() -> None:
    assert {tag for tag, kind in TLVS.items() if kind.type is TlvType.OCTETS} == TLVS.keys() - KINDS.keys()
    assert {KINDS[tag] for tag, kind in TLVS.items() if kind.type is TlvType.C_STRING} == {0}
    assert {KINDS[tag] for tag, kind in TLVS.items() if kind.type is TlvType.INTEGER} == {1, 2, 4}


@pytest.mark.parametrize(
    ("tlv", "refused"),
    [
        (Tlv(Tag.NETWORK_ERROR_CODE, b"\x03\0"), "network_error_code: 2 octets, 3 fit"),
        (Tlv(Tag.CALLBACK_NUM, b"123"), "callback_num: 3 octets, 4 to 19 fit"),
        (Tlv(Tag.CALLBACK_NUM, b"x" * 20), "callback_num: 20 octets, 4 to 19 fit"),
        (Tlv(Tag.SOURCE_SUBADDRESS, b""), "source_subaddress: 0 octets, 2 to 23 fit"),
        (Tlv(Tag.BROADCAST_END_TIME, b"2611220900"), "broadcast_end_time: 10 octets, 16 to 17 fit"),
        (Tlv(Tag.BILLING_IDENTIFICATION, b"x" * 1025), "billing_identification: 1025 octets, 1 to 1024 fit"),
        (Tlv(Tag.BILLING_IDENTIFICATION, b""), "billing_identification: 0 octets, 1 to 1024 fit"),
        (Tlv(Tag.SOURCE_NETWORK_ID, "n" * 65), "source_network_id: 66 octets, 7 to 65 fit"),
        (Tlv(Tag.DEST_NETWORK_ID, "12620"), "dest_network_id: 6 octets, 7 to 65 fit"),  # 5.0 §4.8.4.25
        (Tlv(Tag.SOURCE_NETWORK_ID, b"\x001262011\0"), "source_network_id: a NUL within the text"),  # §3.1
        (Tlv(Tag.SOURCE_NETWORK_ID, 5), "source_network_id: takes str or bytes, not int"),
        (Tlv(Tag.MESSAGE_PAYLOAD, b"x" * 65536), "message_payload: 65536 octets, at most 65535 fit"),
        (Tlv(Tag.BROADCAST_ERROR_STATUS, 2**32), "broadcast_error_status: 4294967296 does not fit in 4 octets"),
        (Tlv(Tag.ITS_SESSION_INFO, 5), "its_session_info: takes bytes, not int"),
        (Tlv(0x3FFF, 5), "TLV 0x3FFF: takes bytes, not int"),
    ],
)
def test_what_a_tag_cannot_hold_is_refused_by_name(tlv: Tlv, refused: str) -> None:
    with pytest.raises(ValueError) as caught:
        write_tlvs((tlv,))
    assert str(caught.value) == refused


def test_octets_of_any_length_go_for_an_integer() -> None:
    """What an SMSC wants that differs from the specification can be sent, and comes back."""
    tlvs = (
        Tlv(Tag.SOURCE_ADDR_SUBUNIT, b"\0\x01"),
        Tlv(Tag.MS_VALIDITY, b"\x04\0\0\x0a"),  # 5.0 §4.8.4.41
        Tlv(Tag.ALERT_ON_MESSAGE_DELIVERY, b""),  # §5.3.2.41
        Tlv(Tag.SOURCE_TELEMATICS_ID, b"\0\x01"),  # as smpplib and npm smpp have it
        Tlv(Tag.QOS_TIME_TO_LIVE, b""),
    )
    assert read_tlvs(write_tlvs(tlvs), 0) == tlvs


def test_order_and_repeats_are_kept() -> None:
    tlvs = (Tlv(0x1402, b"2"), Tlv(0x1401, b"1"), Tlv(0x1402, b""), Tlv(Tag.CALLBACK_NUM, b"1234"), Tlv(0x1402, b"2"))
    assert read_tlvs(write_tlvs(tlvs), 0) == tlvs
