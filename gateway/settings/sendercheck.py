"""What single values cannot show of pools, apps and caps: references to nothing, numbers that an app may not use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.settings.destinations import ANYWHERE
from gateway.settings.errors import nearest, show
from gateway.settings.numbers import Number
from gateway.settings.pools import BY_NAME, Pool
from gateway.settings.raw import app_names, list_of, region_of, tables_of, value_of
from gateway.settings.references import Finding
from gateway.settings.routing import App


def check(data: Mapping[str, Any]) -> Iterator[Finding]:
    """Reads the raw tables, so that it speaks up beside other errors; what has a wrong type is passed over."""
    region = region_of(data)
    owned: set[str] = set()
    for index, number in tables_of(data, "numbers"):
        raw = number.get("number")
        if isinstance(raw, str) and raw.lower().startswith(BY_NAME):
            yield Finding(("numbers", index, "number"), f'expected another name: "{BY_NAME}" names a pool', show(raw))
        if (value := value_of(raw, region)) is not None:
            owned.add(value)
    pools: dict[str, set[str]] = {}
    given = data.get("pools")
    for name, pool in given.items() if isinstance(given, Mapping) else ():
        listed = pool.get("numbers") if isinstance(pool, Mapping) else None
        pools[name] = set()
        for position, raw in enumerate(listed if isinstance(listed, list) else ()):
            value = value_of(raw, region)
            path = ("pools", name, "numbers", position)
            if isinstance(raw, str) and value not in owned:
                yield Finding(path, "expected one of [[numbers]]", show(raw), nearest(raw, owned))
            elif value is not None and value in pools[name]:
                yield Finding(path, "expected each number once", show(raw))
            elif value is not None:
                pools[name].add(value)
    for index, app in tables_of(data, "apps"):
        wanted = app.get("pool")
        if not isinstance(wanted, str):
            continue
        if wanted not in pools:
            yield Finding(
                ("apps", index, "pool"), "expected the name of one of [pools]", show(wanted), nearest(wanted, pools)
            )
        elif isinstance(app.get("numbers"), list):
            own = {value for raw in app["numbers"] if (value := value_of(raw, region)) is not None}
            if missing := sorted(pools[wanted] - own):
                expected = f"expected a pool of numbers of its own: numbers lacks {missing[0]}"
                yield Finding(("apps", index, "pool"), expected, show(wanted))
    known = [*app_names(data), "operator"]
    for index, cap in tables_of(data, "caps"):
        for position, name in enumerate(list_of(cap, "apps")):
            if isinstance(name, str) and name not in known:
                path = ("caps", index, "apps", position)
                yield Finding(path, "expected the name of one of [[apps]]", show(name), nearest(name, known))


def sender_warnings(pools: Mapping[str, Pool], numbers: Mapping[str, Number], apps: Iterable[App]) -> Iterator[str]:
    """What is allowed and probably not meant of pools and apps in the form of load()."""
    for name, pool in pools.items():
        for value in pool.numbers:
            number = numbers[value]
            if number.state != "active":
                yield f'pools "{name}": {value} is {number.state}, and never chosen'
            elif "sms_out" not in number.able:
                yield f'pools "{name}": {value} sends no texts, and is never chosen'
    for app in apps:
        for position, country in enumerate(app.countries or ()):
            if country == ANYWHERE and len(app.countries or ()) > 1:
                yield f'apps "{app.name}": countries[{position}] is "*": the others are without effect'
