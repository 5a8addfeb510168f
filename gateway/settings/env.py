"""Settings from the environment, laid over those of the file.

SMSGW_STORE__URL is [store] url, SMSGW_CARRIERS__0__PASSWORD the password of the first of [[carriers]]. A list
or a whole section is given as JSON. A name with two underscores must lead to a setting, so that a misspelt
one is not quietly without effect; a name with one word is a setting only where there is such a key at the top
(SMSGW_CONFIG and the like belong to the commands).

pydantic-settings is not used for this: it has no indexes into lists, takes unknown names silently, and does
not say which variable a wrong value came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from gateway.settings.errors import Path, Place, Problem, model_of, nearest

PREFIX = "SMSGW_"


def overlay(
    data: dict[str, Any], env: Mapping[str, str], model: type[BaseModel]
) -> tuple[dict[Path, Place], list[Problem]]:
    """Write the settings of ``env`` into ``data``; returns where each came from, and what was wrong."""
    places: dict[Path, Place] = {}
    problems: list[Problem] = []
    names = sorted((name for name in env if name.startswith(PREFIX)), key=_order)
    for name in names:
        words = name[len(PREFIX) :].lower().split("__")
        place = Place(name)
        if len(words) == 1 and words[0] not in model.model_fields:
            continue
        found = _walk(model, words)
        if isinstance(found, str):
            problems.append(Problem(place, "", "no such setting", nearest=_suggest(model, words)))
            continue
        path, annotation = found
        try:
            value = _value(env[name], annotation)
        except (ValueError, RecursionError):
            problems.append(Problem(place, "", "expected JSON, as this setting is a list or a table"))
            continue
        if (trouble := _put(data, path, value)) is not None:
            problems.append(Problem(place, "", trouble))
            continue
        places[path] = place
    return places, problems


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Whole sections before what is in them, and list entries by number."""
    words = name.split("__")
    return len(words), [(int(word), "") if word.isdigit() else (-1, word) for word in words]


def _walk(model: type[BaseModel], words: list[str]) -> tuple[Path, Any] | str:
    """The path of a setting and its annotation, or the word that leads nowhere."""
    path: list[str | int] = []
    section: type[BaseModel] | None = model
    annotation: Any = model
    for word in words:
        is_list = get_origin(annotation) is tuple and (not path or not isinstance(path[-1], int))
        if is_list and model_of(annotation) is not None:
            if not (word.isascii() and word.isdigit() and len(word) <= 5):
                return word
            path.append(int(word))
            annotation = section = model_of(annotation)
            continue
        if section is None or word not in section.model_fields:
            return word
        path.append(word)
        annotation = section.model_fields[word].annotation
        section = model_of(annotation)
    return tuple(path), annotation


def _suggest(model: type[BaseModel], words: list[str]) -> str | None:
    """The name as it may have been meant: each unknown word replaced by its nearest known one."""
    fixed: list[str] = []
    for word in words:
        candidates = [word]
        section = _section(model, fixed)
        if section is not None and (near := nearest(word, section.model_fields)) is not None:
            candidates.append(near)
        for candidate in candidates:
            if not isinstance(_walk(model, [*fixed, candidate]), str):
                fixed.append(candidate)
                break
        else:
            return None
    return PREFIX + "__".join(fixed).upper()


def _section(model: type[BaseModel], words: list[str]) -> type[BaseModel] | None:
    if not words:
        return model
    found = _walk(model, words)
    return None if isinstance(found, str) else model_of(found[1])


def _value(text: str, annotation: Any) -> Any:
    """Text as it is for a plain setting; JSON for a list or a table. Raises ValueError for bad JSON."""
    plain = model_of(annotation) is None and not _has_list(annotation)
    return text if plain else json.loads(text)


def _has_list(annotation: Any) -> bool:
    return get_origin(annotation) in (tuple, dict) or any(_has_list(member) for member in get_args(annotation))


def _put(data: dict[str, Any], path: Path, value: Any) -> str | None:
    """Set a value, making tables and the next list entry on the way; else says what is in the way."""
    target: Any = data
    for part, following in zip(path, (*path[1:], None), strict=True):
        if isinstance(part, int):
            if part > len(target):
                return f"entry {part} of a list of {len(target)}: the one before it is missing"
            if part == len(target):
                target.append({})
        elif not isinstance(target, dict):
            return "the file has something else there than a table"
        if following is None:
            target[part] = value
        else:
            if isinstance(part, str):
                target.setdefault(part, [] if isinstance(following, int) else {})
            target = target[part]
            if isinstance(following, int) and not isinstance(target, list):
                return "the file has something else there than a list"
    return None
