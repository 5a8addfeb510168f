"""The golden PDUs ascribed to npm smpp are what it generates."""

from __future__ import annotations

import json

from tests.foreign.node_golden import ASKED
from tests.support.foreign import NODE, needs_node, node
from tests.unit.smpp.golden import OCTETS, ORIGINS

pytestmark = needs_node


def test_npm_smpp_generates_what_is_ascribed_to_it() -> None:
    version = json.loads((NODE / "package.json").read_text())["dependencies"]["smpp"]
    assert set(ASKED) == {name for name, origin in ORIGINS.items() if origin == f"npm smpp {version}"}
    assert node("golden.mjs", ASKED) == {name: OCTETS[name].hex() for name in ASKED}
