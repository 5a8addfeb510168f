"""``[optout]`` and ``[[number_sets]]``: how STOP, START and HELP are understood, and how far a STOP reaches."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StringConstraints

from gateway.settings.base import Section
from gateway.settings.types import Name, Seconds, Written, fail

Language = Literal["en", "es", "fr", "de", "pt", "it"]
Reach = Literal["number", "set", "app", "all"]
Near = Literal["attention", "block"]
Confirmation = Literal["gateway", "carrier"]

DEFAULT_SET: Final = "default"
"""The set of the numbers that are in none of the configuration; no set there can have this name."""

Word = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Text = Annotated[str, StringConstraints(max_length=1000)]


def _languages(value: tuple[Language, ...]) -> tuple[Language, ...]:
    if not value or len(set(value)) != len(value):
        raise fail("languages", "one language or more, each once")
    return value


def _words(value: tuple[str, ...]) -> tuple[str, ...]:
    for word in value:
        if not any(char.isalnum() for char in word):
            raise fail("word", "words with letters or digits: nothing else of a message is compared")
    return value


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fail("some", "one number or more")
    return value


def _said(value: str) -> str:
    if not value.strip():
        raise fail("said", "a text")
    return value


Languages = Annotated[tuple[Language, ...], AfterValidator(_languages)]
Words = Annotated[tuple[Word, ...], AfterValidator(_words)]
Said = Annotated[Text, AfterValidator(_said)]


class NumberSet(Section):
    """Numbers that belong together: a STOP to one of them is for all. Numbers in no set are one by themselves."""

    name: Name = Field(description="Name of the set in commands, events and the record; unique, and not `default`.")
    numbers: Annotated[tuple[Written, ...], AfterValidator(_some)] = Field(
        description="Numbers of `[[numbers]]`, each in one set at most."
    )
    languages: Languages | None = Field(None, description="As in `[optout]`, for these numbers.")
    stop_words: Words | None = Field(None, description="As in `[optout]`, for these numbers.")
    start_words: Words | None = Field(None, description="As in `[optout]`, for these numbers.")
    help_words: Words | None = Field(None, description="As in `[optout]`, for these numbers.")
    stop_reply: Said | None = Field(None, description="As in `[optout]`, for these numbers.")
    start_reply: Text | None = Field(None, description="As in `[optout]`, for these numbers.")
    help_reply: Text | None = Field(None, description="As in `[optout]`, for these numbers.")


class OptOut(Section):
    """Who writes STOP gets no more messages until they write START; nothing turns that off."""

    scope: Reach = Field(
        "set",
        description="How far a STOP reaches: the `number` that it was sent to, the `set` of numbers that this is in, "
        "every `app` that may send from it, or `all` that is sent.",
    )
    near: Near = Field(
        "attention",
        description='What comes near a STOP ("STOP NOW", "please stop texting me"): it needs `attention` and is told '
        "as `optout_suspected`, or it blocks as a STOP does (`block`).",
    )
    confirmation: Confirmation = Field(
        "gateway",
        description="Who answers STOP, START and HELP: the `gateway`, or the `carrier` that does so by itself. "
        "The gateway blocks in either case.",
    )
    languages: Languages = Field(
        ("en", "es", "fr", "de", "pt", "it"),
        description="Languages whose keywords count. An answer is in the language of the keyword; where several have "
        "the same one, such as STOP, in the first of these.",
    )
    stop_words: Words = Field((), description="More keywords that stop messages, when a message is nothing else.")
    start_words: Words = Field((), description="More keywords that start them again.")
    help_words: Words = Field((), description="More keywords that ask for help.")
    stop_reply: Said | None = Field(
        None, description="The one answer to a STOP, which passes the block. Without it a text of the package."
    )
    start_reply: Text | None = Field(
        None, description='The answer to a START that lifted a block; `""`: none. Without it a text of the package.'
    )
    help_reply: Text | None = Field(
        None,
        description='The answer to HELP, also to who opted out, unless a rule replies; `""`: none. Without it a text '
        "of the package: name your company, and how to reach you.",
    )
    help_interval: Seconds = Field(
        3600, ge=1, le=604_800, description="Time within which HELP of the same phone is answered once."
    )
