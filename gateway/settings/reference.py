"""docs/config.md, written from the settings themselves: `python -m gateway.settings.reference`."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway.settings.carrier import Carrier
from gateway.settings.errors import model_of, named_section
from gateway.settings.models import Settings
from gateway.settings.profiles import OF_THE_ACCOUNT, packaged
from gateway.settings.secret import Secret
from gateway.settings.types import Form, Unit

_INTRODUCTION = """\
# Configuration

<!-- Written by `make docs` from gateway/settings/; a test keeps it current. Change it there. -->

One TOML file, by default `/etc/smsgw/smsgw.toml`. `smsgw check` says what is wrong with it, every problem at
once with its line, and what it would do. `smsgw reload` or SIGHUP checks the whole new file first and leaves
the old one running when it is bad. An unknown key is an error.

**Environment.** `SMSGW_` variables lie over the file, with two underscores between levels:
`SMSGW_STORE__URL`, `SMSGW_CARRIERS__0__PASSWORD` (the first of `[[carriers]]`). A list or a whole section is
written as JSON. A misspelt one is an error too.

**Secrets** are never printed. Their value is one of

| written | is |
| --- | --- |
| `env:NAME` | the environment variable NAME |
| `file:/path` | the content of a file, without the newline at its end |
| `cred:NAME` | a systemd credential (`LoadCredential=NAME:/path` in the unit) |
| anything else | the secret itself |

**Paths** that are relative start from the directory of the configuration file.
"""

_HEAD = "| key | type | default | unit | meaning |\n| --- | --- | --- | --- | --- |\n"

_PLAIN = {bool: "true or false", str: "text", Path: "path", Secret: "secret"}


def reference() -> str:
    """The configuration reference, as Markdown."""
    top = {name: field for name, field in Settings.model_fields.items() if model_of(field.annotation) is None}
    parts = [_INTRODUCTION, "## Top of the file\n\n" + _HEAD + _rows(top)]
    for name, field in Settings.model_fields.items():
        named = named_section(field.annotation)
        section = named or model_of(field.annotation)
        if section is None:
            continue
        title = f"[[{name}]]" if get_origin(field.annotation) is tuple else f"[{name}{'.NAME' if named else ''}]"
        what = " ".join((section.__doc__ or "").split())
        parts.append(f"## `{title}`\n\n{what}\n\n{_HEAD}{_rows(section.model_fields)}")
        for key, member in section.model_fields.items():
            if (table := model_of(member.annotation)) is not None:
                what = " ".join((table.__doc__ or "").split())
                parts.append(
                    f"### `{name}{'.NAME' if named else ''}.{key}`\n\n{what}\n\n{_HEAD}{_rows(table.model_fields)}"
                )
        if name == "carriers":
            parts.append(_profiles())
    return "\n".join(parts)


_PROFILES = """\
## `[profiles.NAME]`

Settings of a kind of carrier: any key of `[[carriers]]` but those of the account ({account}), and `about` for a few
words. A carrier with `profile = "NAME"` has them, but for the keys that it sets itself; tables such as `tlvs` and
`reasons` are joined entry by entry. A profile of the file goes before one of the package with its name.
docs/carriers.md says how to find out what a carrier needs. These come with the package; the comments in
`gateway/carrier/profiles/` say why each key is there:

| profile | for | sets |
| --- | --- | --- |
"""


def _profiles() -> str:
    account = ", ".join(f"`{key}`" for key in Carrier.model_fields if key in OF_THE_ACCOUNT)
    rows = []
    for one in packaged().values():
        sets = ", ".join(f"`{key} = {_toml(value)}`" for key, value in one.values.items())
        rows.append(f"| `{one.name}` | {one.about} | {sets} |\n")
    return _PROFILES.format(account=account) + "".join(rows)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def _rows(fields: dict[str, FieldInfo]) -> str:
    return "".join(_row(name, field) for name, field in fields.items())


def _row(name: str, field: FieldInfo) -> str:
    unit = next((item.name for item in field.metadata if isinstance(item, Unit)), "")
    cells = (f"`{name}`", _type(field.annotation, field.metadata), _default(field), unit, field.description)
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{one}"' for one in value) + "]`"
    if isinstance(value, dict):
        return "`{}`"
    if isinstance(value, float):
        return f"`{value:.10g}`"
    if isinstance(value, int):
        return "`0x34`" if value == 0x34 and _form(field.metadata) else f"`{value}`"
    return f'`"{value}"`'


def _form(metadata: list[Any] | tuple[Any, ...]) -> str | None:
    return next((item.text for item in metadata if isinstance(item, Form)), None)


def _type(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """A type in words: its form where it states one, choices, ranges, or its plain name."""
    if (form := _form(metadata)) is not None:
        return form
    arguments = get_args(annotation)
    origin = get_origin(annotation)
    if hasattr(annotation, "__metadata__"):
        return _type(arguments[0], (*annotation.__metadata__, *metadata))
    if origin is Literal:
        return ", ".join(f'`"{choice}"`' for choice in arguments)
    if origin is tuple:
        return "list of tables" if model_of(annotation) is not None else f"list: {_type(arguments[0])}"
    if origin in (Union, types.UnionType):
        return " or ".join(_type(member, metadata) for member in arguments if member is not type(None))
    if annotation in (int, float):
        return ("whole number" if annotation is int else "number") + _range(metadata)
    return _PLAIN[annotation] + _length(metadata)


def _bound(metadata: list[Any] | tuple[Any, ...], *names: str) -> Any:
    for item in metadata:
        for name in names:
            if getattr(item, name, None) is not None:
                return getattr(item, name)
        if isinstance(item, FieldInfo) and (found := _bound(item.metadata, *names)) is not None:
            return found
    return None


def _range(metadata: list[Any] | tuple[Any, ...]) -> str:
    low, high = _bound(metadata, "ge"), _bound(metadata, "le")
    return "" if low is None and high is None else f", {low} to {high}"


def _length(metadata: list[Any] | tuple[Any, ...]) -> str:
    pattern, longest = _bound(metadata, "pattern"), _bound(metadata, "max_length")
    if pattern is not None:
        return f" `{pattern}`"
    return f", at most {longest} characters" if longest is not None else ""


if __name__ == "__main__":
    print(reference(), end="")
