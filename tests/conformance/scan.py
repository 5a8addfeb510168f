"""What the source says of itself: tests by their names, and which part of the gateway names what."""

from __future__ import annotations

import ast
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
_TESTS: Final = ROOT / "tests"
_GATEWAY: Final = ROOT / "gateway"
CODEC: Final = frozenset(
    {"constants.py", "fields.py", "readers.py", "states.py", "status.py", "tlv.py", "tlvtable.py", "writers.py"}
)
"""Files of gateway/smpp, beside those of pdu/, that name every PDU: to be in them is to be known, not to be used."""
TABLES: Final = frozenset({"constants.py", "status.py", "tlvtable.py"})
"""The same for members of enumerations."""
_MAY_BE_SKIPPED: Final = ("skip", "xfail", "needs_")


@cache
def known_tests() -> dict[str, bool]:
    """Every test function as `unit/smpp/test_codec.py::test_command_names`; True: it may be skipped."""
    found = {}
    for path in sorted(_TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text())
        of_file = any(
            _skips(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        )
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                skipped = of_file or any(_skips(decorator) for decorator in node.decorator_list)
                found[f"{path.relative_to(_TESTS)}::{node.name}"] = skipped
    return found


def _skips(node: ast.expr) -> bool:
    return any(word in ast.unparse(node) for word in _MAY_BE_SKIPPED)


@cache
def named_by() -> dict[str, frozenset[str]]:
    """The parts of the gateway that name each class, and each member of an enumeration as `Tag.SET_DPF`.

    A part is a directory or file right under gateway/; of gateway/smpp the tables are left out.
    """
    found = defaultdict(set)
    for path in sorted(_GATEWAY.rglob("*.py")):
        relative = path.relative_to(_GATEWAY)
        in_smpp = relative.parts[0] == "smpp"
        if in_smpp and path.name in TABLES:
            continue
        codec = in_smpp and (path.name in CODEC or relative.parts[1] == "pdu")
        part = relative.parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                found[f"{node.value.id}.{node.attr}"].add(part)
            if not codec and isinstance(node, ast.Attribute | ast.Name):
                found[node.attr if isinstance(node, ast.Attribute) else node.id].add(part)
    return {name: frozenset(parts) for name, parts in found.items()}


def parts_naming(name: str) -> list[str]:
    """Those parts in the order of the alphabet; none: nothing but the tables knows it."""
    return sorted(named_by().get(name, ()))
