"""Settings of a simulator as people write them, and changed ones checked."""

from __future__ import annotations

import typing
from typing import Any, Final

import msgspec

from .config import Seconds, SimulatorConfig

_TYPES: Final[dict[str, Any]] = typing.get_type_hints(SimulatorConfig)
_SWITCH: Final = {"on": True, "yes": True, "true": True, "1": True} | dict.fromkeys(("off", "no", "false", "0"), False)


def read_setting(name: str, text: str) -> Any:
    """The value of a setting out of its text.

    Times are "0.2" or, drawn from a range, "0.1-0.5"; numbers "20" or "0x14"; switches "on" or "off"; lists
    have commas between, texts "|"; weights are "DELIVRD=9,UNDELIV=1"; distribution lists
    "team=+15550001,+15550002|others=+15550003" or "none"; "none" is for settings that can be
    absent. Raises ValueError for a name that is no setting and for what cannot be read. Whether the value
    makes sense is for `changed` to say.
    """
    if name not in _TYPES:
        raise ValueError(f"{name}: no such setting")
    kind = _TYPES[name]
    try:
        return _read(kind, text.strip())
    except (ValueError, KeyError):
        raise ValueError(f"{name}: {text.strip()!r} cannot be read") from None


def _read(kind: Any, text: str) -> Any:
    if kind == Seconds:
        low, dash, high = text.partition("-")
        return (float(low), float(high)) if dash else float(low)
    if kind is bool:
        return _SWITCH[text.lower()]
    if kind is int:
        return int(text, 0)
    if kind is float:
        return float(text)
    if kind == tuple[int, ...]:
        return tuple(int(word, 0) for word in text.split(","))
    if kind == tuple[str, ...]:
        words = text.split("|" if "|" in text or " " in text else ",")
        return tuple(word.strip() for word in words if word.strip())
    if kind == dict[str, float]:
        weights = {}
        for word in text.split(","):
            state, equals, weight = word.partition("=")
            weights[state.strip().upper()] = float(weight) if equals else 1.0
        return weights
    if kind == dict[str, tuple[str, ...]]:
        lists = {}
        for word in text.split("|") if text.lower() != "none" else ():
            name, equals, members = word.partition("=")
            if not equals:
                raise ValueError(word)
            lists[name.strip()] = tuple(member.strip() for member in members.split(",") if member.strip())
        return lists
    if type(None) in typing.get_args(kind) and text.lower() == "none":
        return None
    return text


def changed(config: SimulatorConfig, changes: dict[str, Any]) -> SimulatorConfig:
    """The settings with changes. Raises ValueError, naming the setting, where they make no sense."""
    for name, value in changes.items():
        if name not in _TYPES:
            raise ValueError(f"{name}: no such setting")
        try:
            msgspec.convert(value, _TYPES[name])
        except msgspec.ValidationError as error:
            raise ValueError(f"{name}: {error}") from None
    return msgspec.structs.replace(config, **changes)
