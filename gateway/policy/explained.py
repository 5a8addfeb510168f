"""A decision of the rules with its reasons, as commands and the socket tell it. Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.policy.decision import Decision, Facts, Forward, Mail, Reply, fill
from gateway.policy.numbers import held_until_ms, unheard_since
from gateway.policy.routing import country
from gateway.policy.rules import RuleBook
from gateway.settings.numbers import Number
from gateway.settings.rules import Rule, given


def heard(number: Number, at_ms: int) -> bool:
    """Whether anybody is told of what comes in to a number at a moment; where nobody is, no rule is asked."""
    since = unheard_since(number)
    return since is None or at_ms < since


def explained(book: RuleBook, facts: Facts, number: Number) -> dict[str, Any]:
    """The rules that were tried, why they did not match, and what would be done with a message to a number of ours."""
    told = heard(number, facts.at_ms)
    decision = book.decide(facts) if told else Decision(handlers=())
    rules = {one.rule.name: one.rule for one in book.rules}
    last = facts.last
    return {
        "number": facts.number,
        "peer": facts.peer,
        "country": country(facts.peer),
        "heard": told,
        "known": facts.known,
        "lists": sorted(facts.lists),
        "opted_out": facts.opted_out,
        "last": None if last is None else {"app": last.app, "class": last.klass, "meta": dict(last.meta)},
        "last_age": None if last is None else round(max(facts.at_ms - last.at_ms, 0) / 1000, 3),
        "counts": {str(span): count for span, count in sorted(facts.counts.items())},
        "rules": [
            {
                "name": tried.rule,
                "matched": tried.failed is None,
                "conditions": conditions_of(rules[tried.rule]),
                "failed": tried.failed,
                "wanted": tried.wanted,
                "found": tried.found,
            }
            for tried in (book.explain(facts) if told else ())
        ],
        **_done(decision, facts, number),
    }


def conditions_of(rule: Rule) -> dict[str, Any]:
    """The conditions that a rule has, as the configuration has them."""
    return {name: getattr(rule, name) for name in given(rule)}


def _done(decision: Decision, facts: Facts, number: Number) -> dict[str, Any]:
    return {
        "matched": list(decision.matched),
        "handlers": list(number.handlers if decision.handlers is None else decision.handlers),
        "handlers_of": "number" if decision.handlers is None else "rules",
        "forward": list(_forwards(decision, facts)),
        "email": [
            {"rule": action.rule, "to": [one._asdict() for one in action.to]}
            for action in decision.actions
            if isinstance(action, Mail)
        ],
        "reply": [
            {"rule": action.rule, "text": action.text} for action in decision.actions if isinstance(action, Reply)
        ]
        if heard(number, facts.at_ms)
        else list(_unheard(number, facts.at_ms)),
        "tags": list(decision.tags),
        "urgent": decision.urgent,
        "keyword": decision.keyword,
        "argument": decision.argument,
    }


def _unheard(number: Number, at_ms: int) -> Iterator[dict[str, Any]]:
    """What is answered by a number that nobody hears, by no rule."""
    until = held_until_ms(number)
    if number.state == "held" and number.inbound_when_held == "reply" and (until is None or at_ms < until):
        yield {"rule": None, "text": number.reply_when_held}


def _forwards(decision: Decision, facts: Facts) -> Iterator[dict[str, Any]]:
    values = {
        "peer": facts.peer,
        "number": facts.number,
        "text": facts.text,
        "keyword": decision.keyword,
        "argument": decision.argument,
    }
    for action in decision.actions:
        if isinstance(action, Forward):
            yield {
                "rule": action.rule,
                "mode": action.mode,
                "to": [
                    {"phone": one.phone, "name": one.name, "text": fill(action.note, values | {"name": one.name})}
                    for one in action.targets
                ],
            }
