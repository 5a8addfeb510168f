"""What is wrong with a configuration: every problem with its place, what is expected and what was found."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.settings.secret import Secret

Path = tuple[str | int, ...]
_LONGEST_FOUND = 60
_LARGEST_FOUND = 10**30
_USER_INFO = re.compile(r"://[^/?#]*@")  # user and password of a web address or database


@dataclass(frozen=True)
class Place:
    """Where a value came from: a line of a file, or an environment variable."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        numbers = [str(number) for number in (self.line, self.column) if number is not None]
        return ":".join([self.source, *numbers])


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. ``found`` is None where nothing was found, or where it must not be shown."""

    place: Place
    key: str
    expected: str
    found: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        text = f"{self.place}: {self.key}: {self.expected}" if self.key else f"{self.place}: {self.expected}"
        if self.found is not None:
            text += f", found {self.found}"
        if self.nearest is not None:
            text += f"; did you mean {self.nearest}?"
        return text


class ConfigError(Exception):
    """The configuration cannot be used. ``str()`` is a line for each problem, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def key_path(path: Path) -> str:
    """``("carriers", 0, "window")`` as ``carriers[0].window``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, or None when none is near."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def model_of(annotation: Any) -> type[BaseModel] | None:
    """The section that an annotation holds, alone, optional or as a tuple of sections."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        for member in get_args(annotation):
            if (found := model_of(member)) is not None:
                return found
    return None


def named_section(annotation: Any) -> type[BaseModel] | None:
    """The section that a table of named sections holds, as ``[schedules.NAME]``."""
    if get_origin(annotation) is dict:
        found = get_args(annotation)[1]
        return found if isinstance(found, type) and issubclass(found, BaseModel) else None
    return None


def holds_secret(annotation: Any) -> bool:
    """Whether a value of this annotation is, or contains, a secret."""
    return annotation is Secret or any(holds_secret(member) for member in get_args(annotation))


def section_at(model: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The section that a path of keys, indexes and names leads to, or None."""
    return _walk(model, path)[0]


def leads_on(model: type[BaseModel], path: Path) -> bool:
    """Whether more keys, or the names of sections, may follow a path."""
    return _walk(model, path) != (None, None)


def _walk(model: type[BaseModel], path: Path) -> tuple[type[BaseModel] | None, type[BaseModel] | None]:
    """The section at the end of a path, and the one that each name behind it is of."""
    section: type[BaseModel] | None = model
    named: type[BaseModel] | None = None
    for part in path:
        if named is not None:
            section, named = named, None  # the part is a name
            continue
        if section is None or isinstance(part, int):
            continue
        field = section.model_fields.get(part)
        section = model_of(field.annotation) if field else None
        named = named_section(field.annotation) if field else None
    return section, named


def show(value: Any) -> str | None:
    """A value as the file would have it, cut short; tables are only named, as they may hold a secret."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = _USER_INFO.sub("://...@", value)
        text = text if len(text) <= _LONGEST_FOUND else text[:_LONGEST_FOUND] + "..."
        return '"' + text.encode("unicode_escape").decode().replace('"', '\\"') + '"'
    if isinstance(value, int) and abs(value) > _LARGEST_FOUND:
        return "a number of many digits"
    return str(value)


_EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of a sensible size",
    "int_type": "a whole number",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "path_type": "a path in quotes",
    "string_type": "text in quotes",
    "tuple_type": "a list",
    "missing": "is required",
}

_PATTERNS = {
    "^[a-z0-9_-]{1,32}$": "1 to 32 of a-z, 0-9, _ and -",
    "^0?[0-7]{3}$": 'three octal digits in quotes, such as "0660"',
}


def _range(field: Any, context: Mapping[str, Any]) -> str:
    """The whole range of a number, even when only one end of it was passed."""
    ends = dict(context)
    for item in getattr(field, "metadata", ()):
        for end in ("ge", "le"):
            if getattr(item, end, None) is not None:
                ends[end] = getattr(item, end)
    if "ge" in ends and "le" in ends:
        return f"a number from {ends['ge']} to {ends['le']}"
    return f"at least {ends['ge']}" if "ge" in ends else f"at most {ends['le']}"


def expectation(error: ErrorDetails, field: Any) -> str:
    """What was expected, in words of the file."""
    kind = error["type"]
    context = error.get("ctx", {})
    if kind in _EXPECTED:
        return _EXPECTED[kind] if kind == "missing" else f"expected {_EXPECTED[kind]}"
    if kind == "extra_forbidden":
        return "unknown key"
    if kind in ("greater_than_equal", "less_than_equal"):
        return "expected " + _range(field, context)
    if kind == "literal_error":
        return f"expected {context['expected']}".replace("'", '"')
    if kind == "string_pattern_mismatch":
        return "expected " + _PATTERNS.get(context["pattern"], f"text like {context['pattern']}")
    if kind in ("string_too_long", "too_long"):
        return f"expected at most {context['max_length']} characters"
    if kind == "string_too_short":
        return f"expected at least {context['min_length']} character{'s'[: context['min_length'] != 1]}"
    if kind == "too_short":
        return f"expected at least {context['min_length']} entry"
    return f"expected {error['msg']}"
