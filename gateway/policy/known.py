"""Fields of a peer that mean something to the gateway: its time zone and its language. Pure.

They are checked when they are noted, so that who reads them later need not wonder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_NO_PLACES: Final = ("Factory", "localtime", "posix", "right")
"""What the names of the database begin with that say nothing of where a peer is, or say it twice."""
# RFC 5646 §2.1: a language, and as they are there a script and a region; other programs write "_" for "-".
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")


@lru_cache(1000)
def zone(text: str) -> str:
    """A time zone by its IANA name, as that is written. Raises ValueError."""
    try:
        if text.startswith(_NO_PLACES):
            raise ValueError
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a directory
        raise ValueError('an IANA time zone, such as "Europe/Paris"') from None
    return text


@lru_cache(1000)
def language(text: str) -> str:
    """A language by its tag, as RFC 5646 §2.1.1 writes it: ``de``, ``pt-BR``, ``zh-Hant-TW``. Raises ValueError."""
    found = _LANGUAGE.fullmatch(text)
    if found is None:
        raise ValueError('a tag of a language, such as "de" or "pt-BR"')
    code, script, region = found.groups()
    return "-".join(
        [code.lower(), *([script.title()] if script is not None else []), *([region.upper()] if region else [])]
    )


FIELDS: Final[Mapping[str, Callable[[str], str]]] = {"zone": zone, "language": language}
"""By name what a field is checked by."""
