"""docs/smpp-conformance.md is what its tables make, and the tables leave nothing out."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from gateway.smpp.codec import command_name
from gateway.smpp.constants import RESPONSE_BIT, CommandId, Tag
from gateway.smpp.fields import LAYOUTS
from gateway.smpp.states import MAY_REQUEST, RESPONSE_TO, Role, SessionState
from gateway.smpp.status import CommandStatus
from gateway.smpp.tlv import TLVS
from tests.foreign.node_differences import DIFFERENCES as NODE
from tests.foreign.wireshark_differences import MISREAD, OTHERWISE
from tests.unit.smpp.golden import MEANINGS
from tests.unit.smpp.smpplib_differences import DIFFERENCES as SMPPLIB

from . import tables
from .document import all_named_tests, covered, document, missing_sections
from .rulebook import (
    ROLES,
    all_sections,
    departures,
    operations,
    rules,
    sections_without_rules,
    transitions,
)
from .scan import ROOT, known_tests, named_by, parts_naming
from .tables import FIELD_SECTIONS, command_sections

PAGE = (ROOT / "docs/smpp-conformance.md").read_text()
CODEC_ONLY = "codec only"


def rows(title: str) -> list[list[str]]:
    """The cells of the tables under a heading, heads and rules left out."""
    section = re.split(r"^## ", PAGE.split(f"\n## {title}\n")[1], flags=re.M)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def first_cells(title: str) -> list[str]:
    return [row[0].strip("`") for row in rows(title)]


def test_the_page_is_what_the_tables_make() -> None:
    assert document() == PAGE, "run `make docs`"


# --- everything is there ---


def test_every_pdu_is_there_with_its_sections() -> None:
    there = {row[1]: row for row in rows("PDUs") if row[1].startswith("0x")}
    assert set(there) == {f"0x{command:08X}" for command in CommandId}
    for command in CommandId:
        sections = command_sections(command)
        broadcast = "broadcast" in command_name(command)
        assert {section[:3] for section in sections} == ({"5.0"} if broadcast else {"3.4", "5.0"}), command


def test_every_golden_pdu_is_there() -> None:
    named = Counter(name for row in rows("PDUs") if len(row) == 5 for name in row[4].split(", "))
    assert {name: named[name] for name in MEANINGS} == dict.fromkeys(MEANINGS, 1)


def test_every_field_of_every_pdu_is_there() -> None:
    assert set(FIELD_SECTIONS) == {name for layout in LAYOUTS.values() for name in layout}
    assert set(FIELD_SECTIONS) <= set(first_cells("Mandatory fields"))
    for sections in FIELD_SECTIONS.values():
        assert set(sections) <= set(all_sections())


def test_every_tag_is_there_with_a_golden_pdu() -> None:
    there = {row[0]: row for row in rows("TLVs")}
    assert {f"0x{tag:04X}" for tag in Tag} == set(there) - {"tag"}
    assert all(row[7] in MEANINGS for tag, row in there.items() if tag != "tag")


def test_every_status_is_there() -> None:
    there = {(row[0], row[1].strip("`"), row[2]) for row in rows("command_status")}
    assert {(f"0x{int(status):08X}", status.name, status.kind.value) for status in CommandStatus} <= there


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("state", SessionState)
def test_every_request_of_every_state_is_there(state: SessionState, role: Role) -> None:
    (row,) = [row for row in rows("Session states") if row[0] == f"`{state.name}`"]
    said = set(row[1 if role is Role.ESME else 2].split(", ")) - {"nothing"}
    assert said == {command_name(cls.command_id) for cls in MAY_REQUEST[state][role]}


def test_every_request_has_its_response_and_every_state_its_edges() -> None:
    there = {(row[0].strip("`"), row[1].strip("`")) for row in rows("Session states") if len(row) == 2}
    assert {
        (command_name(request.command_id), command_name(response.command_id))
        for request, response in RESPONSE_TO.items()
    } <= there
    named = " ".join(f"{one.origin} {one.to}" for one in transitions())
    assert {state.name for state in SessionState if not re.search(rf"\b{state.name}\b", named)} == set()
    reached = {name for one in transitions() for name in one.to.split(", ")}
    assert reached == {state.name for state in SessionState}


def test_every_data_coding_is_there_once() -> None:
    values: list[int] = []
    for spans in first_cells("data_coding")[1:]:
        for span in spans.split(", "):
            low, _, high = span.partition(" to ")
            values += range(int(low, 16), int(high or low, 16) + 1)
    assert sorted(values) == list(range(256))


def test_every_operation_is_there() -> None:
    requests = {command_name(command) for command in CommandId if not command & RESPONSE_BIT} | {"generic_nack"}
    assert {one.request for one in operations()} == requests


def test_every_section_of_both_specifications_is_there() -> None:
    assert missing_sections() == []
    assert set(first_cells("Sections")) >= set(all_sections())
    overview = [section for section in sections_without_rules() if covered()[section]]
    assert overview == [], "these have a row, and are said to ask for nothing"


def test_sections_of_tlvs_are_those_of_the_table() -> None:
    numbered = {section for section, title in all_sections().items() if title.endswith(" (TLV)")}
    assert len(numbered) == sum(len(kind.section.split(", ")) for kind in TLVS.values())
    assert {section for section in numbered if section.startswith("3.4")} == {f"3.4 §5.3.2.{n}" for n in range(1, 45)}
    assert {section for section in numbered if section.startswith("5.0")} == {f"5.0 §4.8.4.{n}" for n in range(1, 65)}


# --- what is there is so ---


def test_every_section_named_is_one() -> None:
    known = set(all_sections())
    for one in (*rules(), *departures(), *transitions()):
        assert one.sections, one
        assert set(one.sections) <= known, one


def test_every_rule_has_an_id_of_its_own_and_says_who_honours_it() -> None:
    ids = Counter(rule.id for rule in rules())
    assert [id for id, count in ids.items() if count > 1] == []
    for rule in rules():
        assert rule.roles, rule.id
        assert set(rule.roles) <= set(ROLES), rule.id
        assert rule.rule.endswith("."), rule.id
        assert rule.how.endswith("."), rule.id


def test_every_test_named_exists_and_is_never_skipped() -> None:
    known = known_tests()
    named = all_named_tests()
    assert sorted(named - set(known)) == []
    assert sorted(test for test in named if known[test]) == []
    for one in (*rules(), *departures(), *transitions(), *operations()):
        assert one.tests, one


def test_every_test_on_the_page_exists() -> None:
    on_page = set(re.findall(r"[\w/]+\.py::test_\w+", PAGE))
    assert on_page >= all_named_tests()
    assert sorted(on_page - set(known_tests())) == []


def test_what_is_said_to_be_codec_only_is_used_by_nothing() -> None:
    for one in operations():
        cls = tables.CLASSES[CommandId[one.request.upper()]]
        used = set(parts_naming(cls.__name__))
        if one.request == "generic_nack":
            continue  # the session's own, in both roles
        by_esme = used - {"smpp", "simulator"} or (used & {"smpp"} and one.request in ("unbind", "enquire_link"))
        by_smsc = used & {"simulator"} or (used & {"smpp"} and one.request in ("unbind", "enquire_link"))
        assert one.esme.startswith(CODEC_ONLY) == (not by_esme), (one.request, used)
        assert one.smsc.startswith(CODEC_ONLY) == (not by_smsc), (one.request, used)


def test_differences_of_others_have_their_tests_and_sections() -> None:
    known = set(known_tests())
    for section in (row.section for row in (*OTHERWISE, *MISREAD, *SMPPLIB, *NODE)):
        if section.startswith("TS "):
            continue
        version = "3.4"
        for part in section.removeprefix("SMPP ").replace("Appendix ", "§").split(", "):
            version, _, number = part.rpartition("§") if part[0] != "§" else (version, "", part[1:])
            version = version.strip()
            assert f"{version} §{number}" in all_sections(), section
    for row in OTHERWISE:
        assert f"foreign/{row.shown_by}" in known, row.what
    for difference in SMPPLIB:
        assert f"unit/smpp/test_smpplib_differences.py::{difference.shown_by}" in known, difference.what


# --- these tests can fail ---


def test_a_tag_without_a_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # In another table: one that an entry is taken from and put back into has it at its end.
    monkeypatch.setattr(tables, "TLVS", {tag: kind for tag, kind in tables.TLVS.items() if tag != Tag.SET_DPF})
    assert f"| 0x{Tag.SET_DPF:04X} |" in PAGE
    assert f"| 0x{Tag.SET_DPF:04X} |" not in document()


def test_a_section_without_a_row_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(all_sections()) | {"5.0 §9.9": "Something new"}
    monkeypatch.setattr("tests.conformance.document.all_sections", lambda: known)
    assert missing_sections() == ["5.0 §9.9"]


def test_the_scan_sees_names_and_skips() -> None:
    assert "simulator" in named_by()["SubmitMulti"]
    assert parts_naming("NoSuchClass") == []
    found = known_tests()
    assert found["unit/smpp/test_codec.py::test_command_names"] is False
    assert any(skipped for test, skipped in found.items() if test.startswith("foreign/"))
