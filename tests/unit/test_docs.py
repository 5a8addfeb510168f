"""The documents say what the code does: reasons, commands, methods, and README's own examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

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


def test_every_method_is_documented() -> None:
    source = (ROOT / "gateway/doors/methods.py").read_text()
    table = set(re.findall(r'^            "(\w+)": \(\w+, self\.\w+\)', source, re.M))
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


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{p.name}" for p in sorted((ROOT / "docs").glob("*.md")))])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert ((ROOT / name).parent / target).exists(), target
