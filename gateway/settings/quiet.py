"""``[[quiet_hours]]`` and ``country_zones``: when messages of a class are not sent, by the clock of who gets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.carrier.forms import Zone, zone_of
from gateway.settings.routes import Country, MessageClass
from gateway.settings.schedules import Calendar, Times, TimesOfDay, spans
from gateway.settings.types import Form, fail

PEER: Final = "peer"
"""In the place of a zone: that of who gets the message."""
Action = Literal["hold", "refuse"]

_WEEK: Final = 7 * 24 * 60


def _clock(value: str) -> str:
    if value != PEER:
        try:
            zone_of(value)
        except ValueError:
            raise fail("zone", f'"{PEER}", or a zone such as "Europe/Paris"') from None
    return value


def _times(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fail("times", 'at least one span, such as "21:00-08:00"')
    if len(_minutes(value)) == _WEEK:
        raise fail("times", "times that leave some of the week: nothing would ever be sent")
    return value


def _minutes(times: Sequence[str]) -> set[int]:
    """The minutes of a week that are in one of the spans."""
    found: set[int] = set()
    for span in (span for text in times for span in spans(text)):
        length = (span.end - span.start) % (24 * 60) or 24 * 60
        for day in span.days:
            begin = day * 24 * 60 + span.start
            found.update(minute % _WEEK for minute in range(begin, begin + length))
    return found


def _classes(value: tuple[MessageClass, ...]) -> tuple[MessageClass, ...]:
    if not value or len(set(value)) != len(value):
        raise fail("classes", "at least one class, each once")
    return value


QuietTimes = Annotated[tuple[Times, ...], AfterValidator(_times)]
Classes = Annotated[tuple[MessageClass, ...], AfterValidator(_classes)]
Clock = Annotated[str, AfterValidator(_clock), Form("`peer` or zone")]


class Quiet(Section):
    """Times in which messages of a class are not sent, by the clock where they arrive. Of several tables each holds.

    What comes in at such a time waits until its end (`scheduled`), or is refused; so does what was queued before. Where
    a phone may be in several zones, it is quiet while it is in one of them.
    """

    times: QuietTimes = Field(
        description='When it is quiet, as "21:00-08:00" or "sun 00:00-24:00". A span over midnight belongs to the day '
        "on which it begins."
    )
    classes: Classes = Field(("marketing",), description="Classes that it is for.")
    countries: tuple[Country, ...] = Field((), description="Countries of the phones that it is for; empty: all.")
    zone: Clock = Field(
        PEER,
        description="Whose clock: `peer`, that of the phone (`zone` of the message, else that noted of the phone's "
        "owner, else by its number), or one zone for all of them.",
    )
    action: Action = Field(
        "hold",
        description="`hold`: messages wait until it is over. `refuse`: they are refused (`quiet_hours`), and what was "
        "queued before ends as `rejected`.",
    )
    holidays: tuple[Calendar, ...] = Field(
        (), description='Public holidays of these countries or parts of them, as "FR", on which it is quiet as well.'
    )
    holiday_times: tuple[TimesOfDay, ...] = Field(
        ("00:00-24:00",), description="When on holidays, beside `times`; without effect without `holidays`."
    )


CountryZones = Annotated[dict[Country, Annotated[tuple[Zone, ...], Form("list of zones")]], Form("country = zones")]


def quiet_warnings(quiet: Sequence[Quiet]) -> Iterator[str]:
    """What is allowed and probably not wanted, a sentence each."""
    for place, one in enumerate(quiet):
        if "transactional" in one.classes:
            yield f"quiet_hours[{place}]: holds for transactional messages: one-time codes wait as well"
        others = [other for other in quiet if set(other.classes) & set(one.classes)]
        if (
            one is others[0]
            and len(others) > 1
            and len(_minutes([t for other in others for t in other.times])) == _WEEK
        ):
            yield (
                f"quiet_hours[{place}]: with the others for {', '.join(one.classes)} it may leave none of the week: "
                "nothing would ever be sent"
            )
