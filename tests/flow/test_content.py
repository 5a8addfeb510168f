"""What a text may hold and what is added to it, from the request to the carrier's octets."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from trio.testing import MockClock

from tests.support.daemons import EPOCH_MS, Commits, gateway
from tests.support.smsc import peers

TO = peers(1)[0]
CLAUSE = "Reply STOP to opt out."
CONTENT = """
[content]
clause = "every"
"""
APPS = f"""
[[apps]]
name = "brief"
uid = [{os.getuid()}]
max_segments = 2
max_characters = 200
allow_shorteners = ["direct"]
normalise = true
"""


def add(config: Path, text: str) -> None:
    config.write_text(config.read_text() + text)


async def test_a_clause_is_sent_stored_counted_and_told(autojump_clock: MockClock) -> None:
    async with gateway(extra=CONTENT) as g:
        app = await g.connect()
        sale = "x" * 140
        asked = {"to": TO, "text": sale, "class": "marketing", "ref": "a"}
        shown = await app.call("preview", **asked)
        sent = await app.call("submit", **asked)
        await g.settled()
        assert (shown["segments"], shown["units"]) == (2, 163)
        assert sent["segments"] == 2
        assert sent["warnings"] == shown["warnings"] == [f'clause added: "{CLAUSE}"']
        assert "".join(g.smsc.texts) == (await app.call("message", id=sent["id"], text=True))["text"]
        assert "".join(g.smsc.texts) == f"{sale} {CLAUSE}"
        # The digest of a ref is over the request as it came: the same again is the same message.
        again = await app.call("submit", **asked)
        assert (again["id"], again["duplicate"], again["segments"]) == (sent["id"], True, 2)


async def test_a_text_that_has_a_clause_and_other_classes_go_as_they_come(autojump_clock: MockClock) -> None:
    async with gateway(extra=CONTENT) as g:
        app = await g.connect()
        texts = ["Sale. Txt STOP 2 end", "Your code is 1", "See you"]
        classes = ["marketing", "transactional", "direct"]
        for number, (text, klass) in enumerate(zip(texts, classes, strict=True)):
            sent = await app.call("submit", to=peers(3)[number], text=text, **{"class": klass})
            assert sent["warnings"] == []
        await g.settled()
        assert sorted(g.smsc.texts) == sorted(texts)


async def test_refusals_name_what_was_found_and_store_nothing(autojump_clock: MockClock) -> None:
    async with gateway(extra=CONTENT) as g:
        app = await g.connect()
        for method in ("submit", "preview"):
            for klass in ("transactional", "direct", "marketing"):
                refused = await app.refused(method, to=TO, text="Your parcel: bit.ly/x", **{"class": klass})
                assert (refused.data["reason"], refused.data["field"]) == ("public_shortener", "text")
                assert refused.data["detail"] == "bit.ly at character 14"
                assert refused.code == -32000
                refused = await app.refused(method, to=TO, text=" \u200b\n", **{"class": klass})
                assert (refused.data["reason"], refused.data["field"]) == ("empty", "text")
        refused = await app.refused("submit", to=TO, text="x" * 6110, **{"class": "marketing"})
        assert refused.data["detail"] == "41 segments, at most 40 are allowed, with the clause that is added"
        refused = await app.refused("submit", to=TO, text="ж", encoding="gsm7", **{"class": "marketing"})
        assert refused.data["reason"] == "unencodable"
        await g.settled()
        assert g.smsc.texts == []
        assert (await app.call("messages"))["messages"] == []


IN_AN_HOUR = datetime.fromtimestamp(EPOCH_MS / 1000 + 3600, UTC).isoformat()
FIRST = """
[content]
clause = "first"
"""
SECOND = "+15551230002"


def told(texts: list[str]) -> list[bool]:
    """Which texts end with a clause."""
    return [text.endswith(CLAUSE) for text in texts]


async def test_the_first_from_a_number_to_a_phone_has_the_clause(autojump_clock: MockClock) -> None:
    async with gateway(extra=FIRST, numbers=2) as g:
        app = await g.connect()
        sale: dict[str, str] = {"to": TO, "from": "+15551230001", "text": "sale", "class": "marketing"}
        # All three in one burst: what is planned is known to what comes next in it.
        await app.submits([sale | {"class": "transactional"}, sale, sale])
        await g.settled()
        await app.submits([sale])
        await app.submits([sale | {"from": SECOND}, sale | {"from": SECOND}])
        await g.settled()
        await app.submits([sale | {"to": peers(2)[1]}])
        await g.settled()
        assert told(g.smsc.texts) == [False, True, False, False, True, False, True]
        assert (await app.call("preview", **sale))["warnings"] == []
        fresh = sale | {"to": peers(3)[2]}
        assert (await app.call("preview", **fresh))["warnings"] == [f'clause added: "{CLAUSE}"']
        assert (await app.call("preview", **fresh))["warnings"] == [f'clause added: "{CLAUSE}"']


async def test_a_text_with_a_clause_of_its_own_is_the_first_as_well(autojump_clock: MockClock) -> None:
    async with gateway(extra=FIRST) as g:
        app = await g.connect()
        for text in ("Sale. Txt STOP 2 end", "sale", "sale"):
            await app.submits([{"to": TO, "text": text, "class": "marketing"}])
        await g.settled()
        assert g.smsc.texts == ["Sale. Txt STOP 2 end", "sale", "sale"]


async def test_a_number_that_says_nothing_told_nobody(autojump_clock: MockClock) -> None:
    async with gateway(extra=FIRST) as g:
        app = await g.connect()
        sale = {"to": TO, "text": "sale", "class": "marketing"}
        config = g.config.read_text()
        g.config.write_text(config.replace('number = "+15551230001"', 'number = "+15551230001"\nclause = ""'))
        await app.call("reload")
        await app.submits([sale])
        g.config.write_text(config)
        await app.call("reload")
        await app.submits([sale, sale])
        await g.settled()
        assert told(g.smsc.texts) == [False, True, False]


async def test_who_was_not_reached_was_not_told(autojump_clock: MockClock) -> None:
    """The carrier refuses the first for good; a cancelled one was never there."""
    statuses = iter([0x0B, 0])
    async with gateway(extra=FIRST, answer=lambda _: next(statuses, 0)) as g:
        app = await g.connect()
        sale = {"to": TO, "text": "sale", "class": "marketing"}
        later = await app.call("submit", send_at=IN_AN_HOUR, **sale)
        await app.call("cancel", id=later["id"])
        for _ in range(3):
            await app.submits([sale])
            await g.settled()
        assert told(g.smsc.texts) == [True, True, False]


@pytest.mark.parametrize("clause", ["every", "first"])
async def test_the_clause_is_in_the_language_of_the_peer(autojump_clock: MockClock, clause: str) -> None:
    async with gateway(extra=f'[content]\nclause = "{clause}"\nclause_language = "pt"') as g:
        app = await g.connect()
        german, unknown, other = peers(3)
        await app.call("peer_set", peer=german, fields={"language": "de-AT"})
        await app.call("peer_set", peer=other, fields={"language": "tlh"})
        for peer in (german, unknown, other):
            await app.submits([{"to": peer, "text": "sale", "class": "marketing"}])
        await g.settled()
        usual = "sale Responda STOP para cancelar."
        assert g.smsc.texts == ["sale Antworten Sie STOP zum Abmelden.", usual, usual]


async def test_a_store_that_cannot_be_asked_refuses(autojump_clock: MockClock) -> None:
    commits = Commits()
    async with gateway(extra=FIRST, run_sync=commits) as g:
        app = await g.connect()
        commits.fill_disk()
        refused = await app.refused("submit", to=TO, text="sale", **{"class": "marketing"})
        assert (refused.code, refused.data["retry_after"]) == (-32001, 1)
        commits.heal()


async def test_an_app_has_bounds_and_rights_of_its_own(autojump_clock: MockClock) -> None:
    async with gateway(extra=CONTENT, apps=APPS) as g:
        app = await g.connect()
        refused = await app.refused("submit", to=TO, text="ж" * 135)
        assert refused.data["reason"] == "too_long"
        assert refused.data["detail"] == "3 segments, at most 2 are allowed"
        refused = await app.refused("submit", to=TO, text="x" * 201)
        assert refused.data["detail"] == "201 characters; the app may send 200"
        refused = await app.refused("preview", to=TO, text="x" * 190, **{"class": "marketing"})
        assert refused.data["detail"] == "213 characters, 22 of them of the clause that is added; the app may send 200"
        sent = await app.call("submit", to=TO, text="“Hi”, bit.ly/x", **{"class": "direct"})
        assert (sent["encoding"], sent["warnings"]) == ("gsm7", ["normalised: quotes"])
        await g.settled()
        assert g.smsc.texts == ['"Hi", bit.ly/x']
        assert (await app.refused("submit", to=TO, text="bit.ly/x")).data["reason"] == "public_shortener"


async def test_a_reload_takes_over_what_texts_may_hold(autojump_clock: MockClock) -> None:
    async with gateway() as g:
        app = await g.connect()
        assert (await app.call("preview", to=TO, text="x", **{"class": "marketing"}))["warnings"] == []
        add(g.config, CONTENT + 'shorteners = ["short.example"]\n')
        assert (await app.call("reload"))["changed"] == ["content"]
        shown = await app.call("preview", to=TO, text="x", **{"class": "marketing"})
        assert shown["warnings"] == [f'clause added: "{CLAUSE}"']
        refused = await app.refused("submit", to=TO, text="short.example/x")
        assert refused.data["reason"] == "public_shortener"


async def test_octets_are_not_read_as_texts(autojump_clock: MockClock) -> None:
    """Binary messages need a right of their own."""
    async with gateway(extra=CONTENT) as g:
        app = await g.connect()
        octets = b"bit.ly/x"
        sent = await app.call("submit", to=TO, data=octets.hex(), **{"class": "marketing"})
        assert (sent["encoding"], sent["warnings"]) == ("binary", [])
        await g.settled()
        assert [s.pdu.short_message for s in g.smsc.submits] == [octets]
