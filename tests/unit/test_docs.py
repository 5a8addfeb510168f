"""The documents say what the code does: reasons, commands, methods, and README's own examples."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway.inbound import ACKNOWLEDGEMENTS
from gateway.model import REASONS
from gateway.outbound.request import Submit

ROOT = Path(__file__).parents[2]
SOCKET = (ROOT / "docs/socket.md").read_text()


def test_every_reason_is_documented_with_its_words() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", SOCKET.split("<!-- reasons")[1], re.M))
    assert documented == REASONS


def test_every_member_of_submit_is_documented() -> None:
    section = SOCKET.split("### submit")[1].split("## Events")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert sorted(documented) == sorted(Submit.__struct_encode_fields__)


NO_FLAGS = {
    *("ascii", "binary", "cp949", "default", "euc_jp", "gsm7", "gsm7_packed", "iso2022_jp", "iso8859_5", "iso8859_8"),
    *("latin1", "shift_jis", "ucs2", "single", "udh8", "udh16", "sar", "big", "replace", "strict"),
    *("age", "peer_limit", "total_limit", "reference_reused"),
    *("inbound_mark_evicted", "inbound_part_duplicate", "inbound_partial"),
}
"""Words in the same sources that are something else: encodings, schemes, causes, counts."""


def _words(name: str) -> set[str]:
    """The words that a source has as constants, apart from the names of its own things."""
    tree = ast.parse((ROOT / "gateway" / name).read_text())
    listings = {"__all__", "__slots__"}
    own = [a for a in ast.walk(tree) if isinstance(a, ast.Assign) and getattr(a.targets[0], "id", "") in listings]

    def constants(node: ast.AST) -> set[str]:
        found = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        return {value for value in found if re.fullmatch(r"[a-z]\w*", value)}

    return constants(tree).difference(*map(constants, own))


def test_every_flag_of_an_inbound_message_is_documented() -> None:
    words = set().union(*map(_words, ("sms/coding.py", "sms/reassembly.py", "store/long.py", "store/parts.py")))
    words |= {word for flags in ACKNOWLEDGEMENTS.values() for word in flags}
    table = SOCKET.split("| flag | means |")[1].split("\n\n")[0]
    documented = set(re.findall(r"`(\w+)`", table)) - {"complete", "text", "data", "data_coding"}
    assert words - NO_FLAGS == documented


def test_every_method_is_documented() -> None:
    source = (ROOT / "gateway/doors/methods.py").read_text()
    table = set(re.findall(r'^            "(\w+)": \(\w+, [\w.]+\)', source, re.M))
    assert table
    section = SOCKET.split("## Methods")[1].split("### submit")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == table | {"submit", "ack", "auth"}


def test_every_command_is_documented() -> None:
    from typer.main import get_command

    from gateway.cli.app import app

    text = (ROOT / "docs/operations.md").read_text() + (ROOT / "README.md").read_text()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    missing = [name for name in commands if f"smsgw {name}" not in text]
    assert not missing


def test_the_readme_names_every_document() -> None:
    text = (ROOT / "README.md").read_text()
    assert not [p.name for p in (ROOT / "docs").glob("*.md") if f"(docs/{p.name})" not in text]


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target
