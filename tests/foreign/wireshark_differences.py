"""Where Wireshark 4.0 shows something else than the specification has, as tables; each row is shown by a test.

The tests leave out exactly these, and fail for a row that is not needed (any more).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from gateway.smpp import pdu as p
from gateway.smpp.constants import Tag


class Misread(NamedTuple):
    """A TLV that the dissector takes for longer or shorter than its length says; what follows it is then lost."""

    tag: Tag
    sizes: tuple[int, ...]
    section: str
    does: str


class Otherwise(NamedTuple):
    """Another difference, and the test that shows it."""

    what: str
    section: str
    does: str
    shown_by: str


MISREAD: Final = (
    Misread(Tag.BROADCAST_REP_NUM, (2,), "SMPP 5.0 §4.8.4.13", "reads 1 octet of 2"),
    Misread(Tag.MS_VALIDITY, (4,), "SMPP 5.0 §4.8.4.41", "reads 1 octet, the size of 3.4, of 4"),
    Misread(Tag.BROADCAST_END_TIME, (16,), "SMPP 5.0 §4.8.4.9", "reads up to a NUL, which an octet string has not"),
)

UNREAD: Final = (
    p.UnbindResp, p.EnquireLinkResp, p.QuerySmResp, p.CancelSmResp, p.ReplaceSmResp, p.CancelBroadcastSmResp,
)  # fmt: skip
"""Responses whose TLVs are not shown. 5.0 §4.8.4.18 allows congestion_state in each of them."""

OTHERWISE: Final = (
    Otherwise(
        "data_coding 8",
        "TS 23.038 §6.2.3",
        "each 16-bit unit of an SMPP text is a character: a surrogate pair is shown as two, from 4.2 on as U+FFFD "
        "twice. In an SMS TPDU the dissector of GSM SMS joins them",
        "test_tshark_traffic.py::test_texts_by_smpp",
    ),
    Otherwise(
        "data_coding 0x10 to 0x3F",
        "TS 23.038 §4",
        "the general group with a message class is not decoded over SMPP (0x10 to 0x1F: flash); in a TPDU it is",
        "test_tshark_traffic.py::test_flash_is_not_decoded_over_smpp",
    ),
    Otherwise(
        "national language tables",
        "TS 23.038 Annex A, TS 23.040 §9.2.3.24.15 and .16",
        "the elements are named, the tables are not applied: septets are shown by the default alphabet",
        "test_tshark_air.py::test_national_tables_are_named_and_not_applied",
    ),
    Otherwise(
        "ESC and a code without an extension character",
        "TS 23.038 §6.2.1.1",
        "is shown as U+FFFD, where a receiver shows the character of the default alphabet",
        "test_tshark_air.py::test_national_tables_are_named_and_not_applied",
    ),
    Otherwise(
        "relative times",
        "SMPP 3.4 §7.1.1.2",
        "years and months are left out of the sum",
        "test_tshark_golden.py::test_times",
    ),
    Otherwise(
        "years from 38 to 99",
        "SMPP 3.4 §7.1.1.1, Appendix C",
        "are 19xx; we take the century nearest to now, as a validity of 1938 means nothing",
        "test_tshark_golden.py::test_times",
    ),
    Otherwise(
        "a PDU of which a segment brings fewer than 16 octets",
        "SMPP 3.4 §3.2",
        "is not recognised as SMPP, when the segment begins with it",
        "test_tshark_golden.py::test_a_header_in_two_segments_is_not_recognised",
    ),
    Otherwise(
        "TLVs of another length than their type's",
        "SMPP 3.4 §3.2.4.1",
        "the type's size is read, not the length, so that what follows is lost; we keep the octets",
        "test_tshark_golden.py::test_the_golden_pdus",
    ),
    Otherwise(
        "an error response with a body",
        "SMPP 5.0 §3.2.1.3",
        "its body is not shown; 5.0 allows one with TLVs, and we read it",
        "test_tshark_golden.py::test_the_golden_pdus",
    ),
)
