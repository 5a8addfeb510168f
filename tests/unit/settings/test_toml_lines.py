"""Lines of keys: every key that tomllib reads has one, and it is the line where the key stands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.toml_lines import KeyPath, key_positions


def _paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*path, index))


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        ("a = 1\nb = 2\n", ("b",), 2),
        ("a.b.c = 1\n", ("a", "b", "c"), 1),
        ("\n[a]\n\n[a.b]\nc = 1\n", ("a", "b"), 4),
        ("[[t]]\nx = 1\n[[t]]\nx = 2\n", ("t", 1, "x"), 4),
        ("[[t]]\n[t.u]\nx = 1\n[[t]]\n[t.u]\nx = 2\n", ("t", 1, "u", "x"), 6),
        ("[[t]]\n[[t.u]]\n[[t.u]]\ny = 1\n[[t]]\n[[t.u]]\ny = 2\n", ("t", 0, "u", 1, "y"), 4),
        ("[[t]]\n[[t.u]]\n[[t.u]]\ny = 1\n[[t]]\n[[t.u]]\ny = 2\n", ("t", 1, "u", 0, "y"), 7),
        ('a = """\nb = 1\n"""\nb = 2\n', ("b",), 4),
        ("a = '''\nb = 1\n'''\nb = 2\n", ("b",), 4),
        ('a = """x\\"""" # "\nb = 2\n', ("b",), 2),
        ('a = """"quoted""""\nb = 2\n', ("b",), 2),
        ('a = "# no comment" # [x]\nb = 2\n', ("b",), 2),
        ("a = '\\'\nb = 2\n", ("b",), 2),
        ("a = [\n  1, # ]\n  2,\n]\nb = 2\n", ("a", 1), 3),
        ("a = [\n  1, # ]\n  2,\n]\nb = 2\n", ("b",), 5),
        ("a = [[1, 2], [3,\n4]]\n", ("a", 1, 1), 2),
        ("a = {b = 1, c = {d = 2}}\n", ("a", "c", "d"), 1),
        ("a = [{b = 1},\n{b = 2}]\n", ("a", 1, "b"), 2),
        ("\"a.b\".'c d' = 1\n", ("a.b", "c d"), 1),
        ('[ "a" . b ]\nc = 1\n', ("a", "b", "c"), 2),
        ('"\\u0061" = 1\n', ("a",), 1),
        ("a = 1979-05-27T07:32:00Z\nb = 07:32:00\n", ("b",), 2),
        ("a = 1\r\nb = 2\r\n", ("b",), 2),
        ("a = []\nb = {}\n\nc = 1", ("c",), 4),
    ],
)
def test_line(text: str, path: KeyPath, line: int) -> None:
    tomllib.loads(text)
    assert key_positions(text)[path].line == line


def test_column() -> None:
    assert key_positions("  a = 1\n")[("a",)] == (1, 3)


_KEYS = st.sampled_from(["a", "b-c", '"d.e"', "'f g'", "1", '"\\u0068"'])
_SCALARS = st.sampled_from(
    ["1", "0x1F", "-inf", "true", '"x"', "'y'", '"""m\n"""', "'''\nn'''", '"\\""', "1979-05-27", "1.5e3"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",\n ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from("xyz"), inner), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: "{" + ", ".join(f"{key} = {value}" for key, value in pairs) + "}"
        ),
    ),
    max_leaves=6,
)
_PAIRS = st.tuples(_KEYS, _VALUES).map(lambda pair: f"{pair[0]} = {pair[1]}\n")
_HEADERS = st.tuples(st.sampled_from(["[{}]\n", "[[{}]]\n", "[{}.s]\n", "[[{}.t]]\n"]), _KEYS).map(
    lambda pair: pair[0].format(pair[1])
)
_TEXTS = st.lists(st.one_of(_PAIRS, _HEADERS, st.sampled_from(["\n", "# [c] = {\n", "\t\n"])), max_size=12).map("".join)


@given(_TEXTS)
def test_every_key_of_every_text_has_a_position(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    positions = key_positions(text)
    assert set(positions) == set(_paths(data))
    lines = text.split("\n")
    for path, position in positions.items():
        key = path[-1]
        if isinstance(key, str) and key.isalnum() and key not in ("h",):
            assert key in lines[position.line - 1]
