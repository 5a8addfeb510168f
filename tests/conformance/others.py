"""Where other implementations differ from the specifications, from the tables that the tests against them keep."""

from __future__ import annotations

from gateway.smpp.codec import command_name
from gateway.smpp.tlv import TLVS
from tests.foreign.node_differences import DIFFERENCES as NODE
from tests.foreign.wireshark_differences import MISREAD, OTHERWISE, UNREAD
from tests.unit.smpp.smpplib_differences import DIFFERENCES as SMPPLIB

from .tables import table


def text() -> str:
    """A part for each implementation."""
    return "".join((_smpplib(), _node(), _wireshark(), _calculators()))


def _smpplib() -> str:
    rows = [(row.what, row.section, f"`unit/smpp/test_smpplib_differences.py::{row.shown_by}`") for row in SMPPLIB]
    return (
        "### smpplib\n\nsmpplib 2.2.4, a client that others wrote. Where it is right, octets are compared with it one "
        "by one (`unit/smpp/test_against_smpplib.py`); where it is not:\n\n"
        + table(("smpplib", "section", "shown by"), rows)
    )


def _node() -> str:
    rows = [(row.what, row.section, row.does) for row in NODE]
    return (
        "\n### npm smpp\n\nnode-smpp 0.5.1 is a carrier that the daemon binds to and a client of the simulated SMSC in "
        "the tests, and reads and writes every PDU as it is read and written here. Each line is shown by "
        "`foreign/test_node_codec.py::test_where_node_is_wrong`.\n\n" + table(("what", "section", "npm smpp"), rows)
    )


def _wireshark() -> str:
    rows = [
        (
            f"`{TLVS[row.tag].name}` of {' or '.join(map(str, row.sizes))} octets",
            row.section,
            row.does,
            "`foreign/test_tshark_golden.py::test_the_golden_pdus`",
        )
        for row in MISREAD
    ]
    rows.append(
        (
            "TLVs of " + ", ".join(command_name(cls.command_id) for cls in UNREAD),
            "SMPP 5.0 §4.8.4.18",
            "are not shown",
            "`foreign/test_tshark_golden.py::test_the_golden_pdus`",
        )
    )
    rows += [(row.what, row.section, row.does, f"`foreign/{row.shown_by}`") for row in OTHERWISE]
    return (
        "\n### Wireshark\n\nIts dissector reads every golden PDU, every TLV and the traffic of the tests, with no "
        "malformed packet and no expert note, and the same values and texts but for:\n\n"
        + table(("what", "section", "Wireshark", "shown by"), rows)
    )


def _calculators() -> str:
    return (
        "\n### Segment counts\n\nHow many segments a text takes is compared with two calculators that others wrote; "
        "each difference is predicted by a row with its reason in `tests/foreign/test_calculators.py`.\n"
    )
