"""Which line of a TOML text each key is on; tomllib gives the values only.

The text has passed tomllib, so this scanner only has to find its way, not to judge: strings of all four
kinds, comments, tables, arrays of tables, dotted keys, inline tables and arrays (TOML 1.0).
"""

from __future__ import annotations

import re
import tomllib
from typing import NamedTuple

KeyPath = tuple[str | int, ...]

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_PLAIN = re.compile(r"[^,\]}#\n]*")


class Position(NamedTuple):
    """Where a key, or an entry of an array, begins; both count from 1."""

    line: int
    column: int


def key_positions(text: str) -> dict[KeyPath, Position]:
    """Position of every key, table and array entry of a text that tomllib accepts."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: dict[KeyPath, Position] = {}
        self.arrays: dict[KeyPath, int] = {}  # arrays of tables: the index of the last entry
        self._counted = (0, 1)  # offset and its line, so that lines are counted once

    def scan(self) -> dict[KeyPath, Position]:
        table: KeyPath = ()
        while True:
            self._skip(_BLANK)
            if self.at >= len(self.text):
                return self.found
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> KeyPath:
        start = self.at
        double = self.text.startswith("[[", start)
        self.at += 2 if double else 1
        path: KeyPath = ()
        keys = self._key()
        for key in keys[:-1]:
            path = self._enter((*path, key), start)
        path = (*path, keys[-1])
        if double:
            self.found.setdefault(path, self._position(start))
            self.arrays[path] = self.arrays.get(path, -1) + 1
            path = (*path, self.arrays[path])
        self.found[path] = self._position(start)
        self.at += 2 if double else 1
        return path

    def _enter(self, path: KeyPath, start: int) -> KeyPath:
        """Into a table on the way to a longer key; of an array of tables, into its last entry."""
        self.found.setdefault(path, self._position(start))
        return (*path, self.arrays[path]) if path in self.arrays else path

    def _pair(self, table: KeyPath) -> None:
        start = self.at
        path = table
        for key in self._key():
            path = (*path, key)
            self.found.setdefault(path, self._position(start))
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        """A key, dotted or not; stands after it and the blanks that follow."""
        keys = []
        while True:
            self._skip(_SPACE)
            if self.text[self.at] in "\"'":
                quoted = self._string()
                keys.append(str(tomllib.loads(f"key = {quoted}")["key"]))
            else:
                keys.append(self._take(_BARE_KEY))
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _value(self, path: KeyPath) -> None:
        char = self.text[self.at]
        if char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        elif char in "\"'":
            self._string()
        else:
            self._skip(_PLAIN)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == "]":
                break
            self.found[(*path, index)] = self._position(self.at)
            self._value((*path, index))
            index += 1
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while True:
            self._skip(_BLANK)
            if self.text[self.at] == "}":
                break
            self._pair(path)
            self._skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1
        self.at += 1

    def _string(self) -> str:
        for kind in _STRINGS:
            if (match := kind.match(self.text, self.at)) is not None:
                self.at = match.end()
                return match[0]
        raise AssertionError("tomllib took this text")

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise AssertionError("tomllib took this text")
        self.at = match.end()
        return match[0]

    def _position(self, offset: int) -> Position:
        counted, line = self._counted
        if offset >= counted:
            line += self.text.count("\n", counted, offset)
            self._counted = (offset, line)
        else:
            line -= self.text.count("\n", offset, counted)
        return Position(line, offset - self.text.rfind("\n", 0, offset))
