"""What does not fit together of numbers: errors that the form of an address shows, and what `check` warns of."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Final, get_args

from gateway.settings.errors import nearest, show
from gateway.settings.numbers import Number, three_months_after
from gateway.settings.raw import value_of
from gateway.settings.references import Finding
from gateway.settings.routes import MessageClass
from gateway.sms.address import Kind, kind_of
from gateway.sms.kinds import NumberKind, kinds_of

NAMED: Final = 5
"""Numbers that a warning names."""

_FITTING: Final[dict[Kind, tuple[NumberKind, ...]]] = {
    "international": ("local", "mobile", "toll_free"),
    "short_code": ("short_code",),
    "alphanumeric": ("alphanumeric",),
}


def contradictions(numbers: tuple[Number, ...], region: str | None, groups: Collection[str]) -> Iterator[Finding]:
    """What cannot be, as the file has it. ``region`` is what national numbers are read in, ``groups`` are by name."""
    values: dict[str, int] = {}
    for index, number in enumerate(numbers):
        if (value := value_of(number.number, region)) is not None:
            values.setdefault(value, index)
    for value, index in values.items():
        number = numbers[index]
        form = kind_of(value)
        if number.kind is not None and number.kind not in _FITTING[form]:
            yield Finding(("numbers", index, "kind"), f"expected {_words(_FITTING[form])}", show(number.kind))
        if form == "alphanumeric" and number.capabilities and set(number.capabilities) != {"sms_out"}:
            yield Finding(("numbers", index, "capabilities"), "expected sms_out alone: nobody can text or call a name")
        if number.group is not None and number.group not in groups:
            near = nearest(number.group, groups)
            yield Finding(("numbers", index, "group"), "expected the name of one of [groups]", show(number.group), near)
        if number.fallback is not None:
            other = value_of(number.fallback, region)
            path = ("numbers", index, "fallback")
            if other is None or other not in values:
                near = nearest(number.fallback, values)
                yield Finding(path, "expected one of [[numbers]]", show(number.fallback), near)
            elif other == value:
                yield Finding(path, "expected another number than itself", show(number.fallback))


def _words(kinds: tuple[NumberKind, ...]) -> str:
    quoted = [f'"{kind}"' for kind in kinds]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def number_warnings(numbers: dict[str, Number], today: date) -> Iterator[str]:
    """What is allowed and probably not meant of numbers in the form of load(), by value. ``today`` is that of UTC.

    What is the same of several is said once: there may be thousands.
    """
    found: dict[str, list[str]] = {}
    for value, number in numbers.items():
        for text in (*_kind(number), *_life(number, today), *_verification(number, numbers), *_use(number)):
            found.setdefault(text, []).append(f'"{value}"')
    for text, values in found.items():
        more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
        yield f"numbers {', '.join(values[:NAMED])}{more}: {text}"


def _kind(number: Number) -> Iterator[str]:
    known = kinds_of(number.number)
    if not known and number.kind is None:
        yield "the numbering plans do not tell its kind: set kind"
    elif known and number.kind is not None and number.kind not in known:
        yield f'kind = "{number.kind}", and by the numbering plan of its country it is {known[0]}'


def _life(number: Number, today: date) -> Iterator[str]:
    if number.state != "held":
        return
    if number.inbound_when_held == "reply" and "sms_out" not in number.able:
        yield 'inbound_when_held = "reply", and capabilities without sms_out: it cannot reply'
    if number.held_until is None:
        yield f"held for good: three months from today would be held_until = {three_months_after(today)}"
    elif number.held_until < today:
        yield f'held until {number.held_until}, which is over: it is as if state = "released"'


def _verification(number: Number, numbers: dict[str, Number]) -> Iterator[str]:
    if number.verification == "verified" or number.state != "active" or "sms_out" not in number.able:
        return
    barred = [klass for klass in get_args(MessageClass) if not number.may_send(klass)]
    if not barred:
        return
    said = " and ".join(barred)
    if number.fallback is None:
        yield f"{number.verification}: {said} messages from it are refused; fallback would name one that sends them"
    elif (other := numbers.get(number.fallback)) is not None:
        unable = [klass for klass in barred if not other.may_send(klass)]
        if other.state != "active" or "sms_out" not in other.able or unable:
            yield f'fallback "{other.number}" may not send {" and ".join(unable or barred)} messages itself'


def _use(number: Number) -> Iterator[str]:
    if _wants_campaign(number) and number.campaign_id is None:
        yield "a local number of the US without campaign_id: carriers there block or charge what it sends (10DLC)"
    if number.handlers and "sms_in" not in number.able:
        yield "it has handlers, and capabilities without sms_in: only receipts come to them"


def _wants_campaign(number: Number) -> bool:
    if number.state != "active" or "sms_out" not in number.able or number.country != "US":
        return False
    return not {"local", "mobile"}.isdisjoint(number.kinds[:1])
