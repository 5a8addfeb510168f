"""What a text may hold, and what is made of it before it is cut into segments: nothing, as a rule.

Pure: tables made once of the settings. Where nothing is to be changed nothing is made, and most texts cost a few
look-ups. What is refused names what was found, and where.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal, NamedTuple

from gateway.policy.clause import Clauses, appended
from gateway.policy.links import Links, public_shorteners
from gateway.policy.normalise import is_empty, normalise
from gateway.settings import Settings
from gateway.settings.own import OWN_APP
from gateway.settings.routes import MessageClass

Reason = Literal["empty", "public_shortener", "too_long"]

_PER_SEGMENT: Final = 320
"""Characters for each segment allowed, beyond which a text is not looked at: it is refused when it is cut. Twice what
fits, since normalising may take some away; a text of a megabyte must not hold up everybody else."""
_NAMED: Final = 5
"""Numbers named in one warning."""


class Worded(NamedTuple):
    """What is sent of a text, and what is said to who submits it; or why it is not sent."""

    text: str
    warnings: tuple[str, ...] = ()
    reason: Reason | None = None
    detail: str = ""
    clause: str = ""  # what was added


class Terms(NamedTuple):
    """What holds for one app. ``links``: by class, None where any link may be in the text."""

    links: dict[MessageClass, Links | None]
    max_characters: int | None
    max_segments: int
    normalises: bool


class Content:
    """Words texts by the settings. ``max_segments`` are those of each app that has a bound of its own.

    ``adds``: marketing gets clauses; ``once``: not from a number from which the peer was told before. Those that never
    add one are ``silent``.
    """

    def __init__(self, settings: Settings) -> None:
        content = settings.content
        own = {n.number: n.clause for n in settings.numbers if n.clause is not None}
        self.clauses = Clauses(content.clause_language, content.clauses, filter(None, own.values()))
        self.adds: Final = content.clause != "off"
        self.once: Final = content.clause == "first"
        self._own = own
        self._compared = frozenset(app.name for app in settings.apps if app.same_text_within)
        self._links = Links((*public_shorteners(), *content.shorteners), content.allowed_links)
        most = settings.limits.max_segments
        self._usual = self._terms(content.allow_shorteners, None, most, normalises=content.normalise)
        self.max_segments: Final[dict[str, int]] = {}
        self._terms_of = {
            # What people wrote to us is forwarded as they wrote it; our own replies have no excuse.
            OWN_APP: self._terms((*content.allow_shorteners, "direct"), None, most, normalises=content.normalise)
        }
        for app in settings.apps:
            if app.max_segments is not None and app.max_segments < most:
                self.max_segments[app.name] = app.max_segments
            self._terms_of[app.name] = self._terms(
                (*content.allow_shorteners, *app.allow_shorteners),
                app.max_characters,
                self.max_segments.get(app.name, most),
                normalises=content.normalise if app.normalise is None else app.normalise,
            )
        # Who gets what from them cannot answer.
        self.one_way: Final = frozenset(
            value for value, number in settings.numbers_by_value.items() if "sms_in" not in number.able
        )
        self.silent: Final = frozenset({*(n for n in self.one_way if n not in own), *(n for n in own if not own[n])})

    def _terms(
        self, allowed: tuple[MessageClass, ...], characters: int | None, segments: int, *, normalises: bool
    ) -> Terms:
        classes: tuple[MessageClass, ...] = ("transactional", "direct", "marketing")
        links = {klass: None if klass in allowed else self._links for klass in classes}
        return Terms(links, characters, segments, normalises)

    def word(
        self,
        app: str,
        klass: MessageClass,
        number: str,
        text: str,
        language: str | None = None,
        told: Collection[str] = (),
    ) -> Worded | None:
        """What is sent of a text of an app from one of our numbers; None: the text as it is.

        ``language`` is that of the peer where it is known, a tag as "pt-BR"; ``told`` are the numbers from which it was
        told before how to stop their marketing.
        """
        terms = self._terms_of.get(app, self._usual)
        if len(text) > _PER_SEGMENT * terms.max_segments:
            return None
        warnings: tuple[str, ...] = ()
        given = text
        if terms.normalises:
            text, changes = normalise(text)
            if changes:
                warnings = (f"normalised: {', '.join(changes)}",)
        if is_empty(text):
            return Worded(text, reason="empty", detail="the text has nothing that shows")
        links = terms.links[klass]
        if links is not None and (found := links.find(text)) is not None:
            return Worded(text, reason="public_shortener", detail=found.said)
        clause = ""
        knows = self.once and number in told
        if klass == "marketing" and self.adds and not knows and not self.clauses.found(text):
            clause, said = self._clause(number, language)
            warnings += (said,) if said else ()
            if clause:
                text = appended(text, clause)
        if terms.max_characters is not None and len(text) > terms.max_characters:
            with_it = f", {len(clause)} of them of the clause that is added" if clause else ""
            said = f"{len(text)} characters{with_it}; the app may send {terms.max_characters}"
            return Worded(text, reason="too_long", detail=said)
        return None if text is given and not warnings else Worded(text, warnings, clause=clause)

    def tells(self, klass: MessageClass, number: str) -> bool:
        """Whether texts of this class from a number say how to stop them, once to each peer."""
        return self.once and klass == "marketing" and number not in self.silent

    def alike(
        self, app: str, number: str, text: str, clause: str, language: str | None, told: Collection[str]
    ) -> str | None:
        """The other form of a text that says the same, where clauses come once and the app may not repeat itself.

        Without the ``clause`` that it was given, or with the one that it had to have while the peer was not told yet.
        """
        if not self.once or app not in self._compared:
            return None
        if clause:
            return text.removesuffix(clause).removesuffix(" ")
        if number not in told or self.clauses.found(text):
            return None
        missing, _ = self._clause(number, language)
        return appended(text, missing) if missing else None

    def _clause(self, number: str, language: str | None) -> tuple[str, str]:
        """The clause for texts from a number, which may be none, and what is said of it."""
        own = self._own.get(number)
        if own == "":
            return "", ""
        if own is None and number in self.one_way:
            return "", f"no clause: nobody can answer {number}; say in its `clause` how its messages are stopped"
        clause = own if own is not None else self.clauses.text(language)
        return clause, f'clause added: "{clause}"'


def content_warnings(settings: Settings) -> list[str]:
    """What of a configuration will not be sent as it is meant, a sentence each."""
    content = Content(settings)
    found = []
    if content.adds:
        mute = [f'"{value}"' for value in content.one_way if settings.numbers_by_value[value].clause is None]
        if mute:
            more = f" and {len(mute) - _NAMED} more" if len(mute) > _NAMED else ""
            found.append(
                f"numbers {', '.join(sorted(mute)[:_NAMED])}{more}: nobody can answer them, and without clause "
                "what they send of class marketing says nothing of how to stop it"
            )
    most = settings.limits.max_segments
    found += [
        f'apps "{app.name}": max_segments = {app.max_segments}, and {most} are allowed for all by limits.max_segments'
        for app in settings.apps
        if app.max_segments is not None and app.max_segments > most
    ]
    for where, klass, text in _own_texts(settings):
        worded = content.word(OWN_APP, klass, "", text)
        if worded is not None and worded.reason == "public_shortener":
            found.append(f"{where} has {worded.detail}: texts with public link shorteners are refused")
    return found


def _own_texts(settings: Settings) -> Iterator[tuple[str, MessageClass, str]]:
    """Where a configuration has texts that are sent, the class of these messages, and the texts."""
    for language, text in settings.content.clauses.items():
        yield f"content.clauses.{language}", "marketing", text
    for number in settings.numbers:
        if number.clause:
            yield f'numbers "{number.number}": clause', "marketing", number.clause
        if number.inbound_when_held == "reply":
            yield f'numbers "{number.number}": reply_when_held', "transactional", number.reply_when_held
    for rule in settings.rules:
        if rule.reply is not None:
            yield f'rules "{rule.name}": reply', "transactional", rule.reply
    for opt_in in settings.opt_ins:
        yield f'opt_ins "{opt_in.name}": ask', "transactional", opt_in.ask
        if opt_in.welcome:
            yield f'opt_ins "{opt_in.name}": welcome', "transactional", opt_in.welcome
    sets = [(f'number_sets "{one.name}"', one) for one in settings.number_sets]
    for where, said in (("optout", settings.optout), *sets):
        for key in ("stop_reply", "start_reply", "help_reply"):
            if text := getattr(said, key):
                yield f"{where}: {key}", "transactional", text
