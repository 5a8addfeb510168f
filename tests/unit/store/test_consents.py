"""Consent in the store: what is refused or noted, what a STOP ends, what waits and ends, and what is on record."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import CLASSES, State, id_floor
from gateway.policy.consent import Consents
from gateway.policy.optout import OptOuts
from gateway.settings import Settings
from gateway.store import consented, consents, recorded
from gateway.store.agreed import asked_of, held_by, listed, record
from gateway.store.checks import checks
from gateway.store.consented import ASKS
from gateway.store.consents import FORGOTTEN, Source, Wording
from gateway.store.inbound import InboundOp
from gateway.store.optins import AskConsentOp
from gateway.store.optouts import OptOutChange, OptOutOp
from gateway.store.recorded import ConsentChange, ConsentOp
from gateway.store.resolve import DueOp, ResendOp
from gateway.store.sends import ClaimOp, DoubtOp, UnclaimOp
from gateway.store.submits import NewMessage, SubmitOp
from tests.support.inbound import single
from tests.support.stores import NUMBER, PEER, Desk

OTHER = "+12125550102"
SECOND = "+15551230002"
TRANSACTIONAL, DIRECT, MARKETING = range(3)
CLERK = Source("operator", "ops")


def rule(desk: Desk, *, sets: bool = False, **modes: str) -> None:
    """The desk's configuration: two numbers, in one set or in two, two apps, and modes of classes."""
    data: dict[str, Any] = {
        "numbers": [{"number": NUMBER}, {"number": SECOND}],
        "apps": [{"name": "app", "token": "t" * 20}, {"name": "shop", "token": "u" * 20}],
        "consent": modes,
    }
    if sets:
        data["number_sets"] = [{"name": "a", "numbers": [NUMBER]}, {"name": "b", "numbers": [SECOND]}]
    settings = Settings.model_validate(data)
    base = desk.writer.base
    base.consents = Consents(settings, OptOuts(settings))
    base.checks = checks(settings)


async def agree(
    desk: Desk, *peers: str, scope: str = "all", klass: int = MARKETING, source: Source = CLERK, granted: bool = True
) -> list[str]:
    op = ConsentOp([ConsentChange(peer, (klass,), scope, granted, source) for peer in peers])
    await desk.do(op)
    return list(op.outcomes)


async def submitted(desk: Desk, **given: Any) -> NewMessage:
    message = desk.new(**({"klass": MARKETING} | given))
    await desk.do(SubmitOp([message]))
    return message


def reason(message: NewMessage) -> str | None:
    return message.refused.reason if message.refused is not None else None


def states(desk: Desk, mid: int) -> list[tuple[int, str | None]]:
    query = "SELECT state, reason FROM segment WHERE message_id = ? ORDER BY part"
    return [tuple(row) for row in desk.con.execute(query, (mid,))]


def stop(peer: str = PEER, number: str = NUMBER, text: str = "STOP") -> InboundOp:
    return InboundOp([single(text, peer=peer, number=number)])


REJECTED = (State.REJECTED, "no_consent")
QUEUED = (State.QUEUED, None)


def test_classes_are_counted_as_they_are_stored() -> None:
    consents = Consents(settings := Settings.model_validate({"consent": {"marketing": "required"}}), OptOuts(settings))
    assert [CLASSES[klass] for klass in consents.required] == ["marketing"]


@pytest.mark.parametrize(
    ("mode", "refused", "noted"),
    [
        ("required", "no_consent", None),
        ("recorded", None, "no consent to messages of class marketing is on record"),
        ("off", None, None),
    ],
)
async def test_the_modes(desk: Desk, mode: str, refused: str | None, noted: str | None) -> None:
    rule(desk, marketing=mode)
    message = await submitted(desk, ref="a")
    assert (reason(message), message.noted) == (refused, noted)
    assert desk.counts["consent_missing:marketing"] == (mode == "recorded")
    assert len(desk.con.execute("SELECT 1 FROM ref").fetchall()) == (refused is None)
    # Of another class nothing is asked, nor of what rules send.
    assert (await submitted(desk, klass=TRANSACTIONAL)).refused is None
    assert (await submitted(desk, app="@rules")).refused is None
    assert await agree(desk, PEER) == ["new"]
    message = await submitted(desk)
    assert (message.refused, message.noted) == (None, None)
    assert reason(await submitted(desk, peer=OTHER)) == refused


async def test_nothing_is_asked_of_the_database_where_nothing_is_to_be(desk: Desk) -> None:
    rule(desk, transactional="required")
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await desk.do(SubmitOp([desk.new(klass=MARKETING) for _ in range(64)]))
    assert not [statement for statement in executed if "consent" in statement]
    executed.clear()
    await desk.do(SubmitOp([desk.new() for _ in range(64)]))
    assert len([statement for statement in executed if "consent" in statement]) == 1
    desk.con.set_trace_callback(None)


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ("all", {("app", NUMBER), ("app", SECOND), ("shop", NUMBER), ("shop", SECOND)}),
        ("app:shop", {("shop", NUMBER), ("shop", SECOND)}),
        (f"number:{SECOND}", {("app", SECOND), ("shop", SECOND)}),
        ("set:a", {("app", NUMBER), ("shop", NUMBER)}),
    ],
)
async def test_a_scope_covers_what_goes_out_in_it(desk: Desk, scope: str, covered: set[tuple[str, str]]) -> None:
    rule(desk, sets=True, marketing="required")
    await agree(desk, PEER, scope=scope)
    await agree(desk, PEER, klass=DIRECT)
    messages = [desk.new(klass=MARKETING, app=app, number=n) for app in ("app", "shop") for n in (NUMBER, SECOND)]
    await desk.do(SubmitOp(messages))
    assert {(m.app, m.number) for m in messages if m.refused is None} == covered


# --- withdrawn --------------------------------------------------------------------------------------------------------


async def test_what_waits_ends_with_the_consent_and_only_that(desk: Desk) -> None:
    rule(desk, sets=True, marketing="required", direct="required")
    await agree(desk, PEER, OTHER)
    await agree(desk, PEER, klass=DIRECT)
    await agree(desk, PEER, scope="set:b")
    queued = (await submitted(desk)).id
    scheduled = (await submitted(desk, state=State.SCHEDULED, due_at=desk.now + 1000)).id
    others = [
        (await submitted(desk, peer=OTHER)).id,
        (await submitted(desk, klass=DIRECT)).id,
        (await submitted(desk, klass=TRANSACTIONAL)).id,
        (await submitted(desk, number=SECOND)).id,  # which they agreed to for itself
    ]
    assert await agree(desk, PEER, granted=False, klass=MARKETING, scope="set:a") == ["same"]
    await agree(desk, PEER, scope="set:b", granted=False)
    assert states(desk, others[-1]) == [QUEUED]  # all covers it
    await agree(desk, PEER, scope="set:b")
    await agree(desk, PEER, granted=False)
    assert states(desk, queued) == [REJECTED]
    assert states(desk, scheduled) == [REJECTED]
    assert [states(desk, mid)[0] for mid in others[:3]] == [QUEUED] * 3
    assert states(desk, others[3]) == [REJECTED]  # withdrawn everywhere
    assert desk.counts["consent_ended"] == 3


@pytest.mark.parametrize("mode", ["required", "recorded"])
async def test_what_comes_back_to_the_queue_ends(desk: Desk, mode: str) -> None:
    rule(desk, marketing=mode)
    await agree(desk, PEER)
    claimed, doubtful = (await submitted(desk)).id, (await submitted(desk)).id
    await desk.do(ClaimOp([(claimed, 1), (doubtful, 1)]))
    await desk.do(DoubtOp([(doubtful, 1)], False))
    await agree(desk, PEER, granted=False)
    await desk.do(UnclaimOp([(claimed, 1)]), resend := ResendOp([doubtful]))
    gone = mode == "required"
    assert states(desk, claimed) == [REJECTED if gone else QUEUED]
    assert states(desk, doubtful)[0][0] == (State.IN_DOUBT if gone else State.QUEUED)
    assert resend.stopped == ({doubtful: "no_consent"} if gone else {})


async def test_what_is_due_ends_where_consent_is_required_by_now(desk: Desk) -> None:
    rule(desk)
    early = {"state": State.SCHEDULED, "due_at": desk.now + 1000}
    nobody, agreed, code = [
        (await submitted(desk, **given)).id for given in (early, early | {"peer": OTHER}, early | {"klass": DIRECT})
    ]
    rule(desk, marketing="required")
    await agree(desk, OTHER)
    await desk.do(DueOp([nobody, agreed, code]))
    assert [states(desk, mid) for mid in (nobody, agreed, code)] == [[REJECTED], [QUEUED], [QUEUED]]


@pytest.mark.parametrize(
    ("scope", "left"),
    [("all", False), ("set:a", False), (f"number:{NUMBER}", False), ("app:shop", False), ("set:b", True)],
)
async def test_a_stop_withdraws_what_reaches_its_number(desk: Desk, scope: str, left: bool) -> None:
    rule(desk, sets=True, marketing="required")
    await agree(desk, PEER, scope=scope)
    waiting = (await submitted(desk, app="shop", number=SECOND)).id if scope != "set:a" and scope[:3] != "num" else 0
    await desk.do(stop())
    assert bool(held_by(desk.con, PEER)) == left
    if waiting:
        assert states(desk, waiting) == [QUEUED if left else REJECTED]
    # START lifts the block, and is no consent.
    await desk.do(stop(text="START"))
    assert reason(await submitted(desk, app="shop")) == "no_consent"


async def test_a_second_stop_withdraws_what_was_agreed_to_meanwhile(desk: Desk) -> None:
    rule(desk, marketing="required")
    await desk.do(stop())
    await agree(desk, PEER)
    await desk.do(stop())
    assert held_by(desk.con, PEER) == []


async def test_an_optout_of_an_app_leaves_the_others(desk: Desk) -> None:
    rule(desk, marketing="required")
    for scope in ("app:app", "app:shop", "set:default"):
        await agree(desk, PEER, scope=scope)
    await desk.do(OptOutOp([OptOutChange(PEER, "app:app", True)], how="operator", who="app"))
    assert [one.scope for one in held_by(desk.con, PEER)] == ["app:shop", "set:default"]


async def test_consent_given_before_an_optout_does_not_count(desk: Desk) -> None:
    rule(desk, sets=True, marketing="required")
    await desk.do(stop())
    await desk.do(stop(text="START"))
    before, after = Source("import", "ops", at=desk.now - 5000), Source("import", "ops", at=desk.now + 5000)
    assert await agree(desk, PEER, OTHER, source=before) == ["opted_out", "new"]
    assert await agree(desk, PEER, scope="set:b", source=before) == ["new"]
    assert await agree(desk, PEER, scope=f"number:{NUMBER}", source=before) == ["opted_out"]
    assert await agree(desk, PEER, scope="app:shop", source=before) == ["opted_out"]
    assert await agree(desk, PEER, source=after) == ["new"]


async def test_consent_given_before_it_was_withdrawn_does_not_count(desk: Desk) -> None:
    """By hand, or by a second STOP, of which there is no opt-out to record: an old list brings nothing back."""
    rule(desk, sets=True, marketing="required")
    given = Source("import", "ops", at=desk.now - 5000)
    assert await agree(desk, PEER, OTHER, source=given) == ["new", "new"]
    await desk.do(ConsentOp([ConsentChange(PEER, (MARKETING,), None, False, CLERK)]))
    assert await agree(desk, PEER, OTHER, source=given) == ["withdrawn", "same"]
    assert await agree(desk, PEER, scope=f"number:{NUMBER}", source=given) == ["withdrawn"]
    assert await agree(desk, PEER, scope="app:shop", source=given) == ["withdrawn"]
    assert await agree(desk, PEER, klass=DIRECT, source=given) == ["new"]
    assert await agree(desk, PEER, source=Source("paper", "ops")) == ["new"]
    # A second STOP ends what was agreed to since the first.
    await desk.do(stop(peer=OTHER))
    desk.now += 1000
    meanwhile = Source("web", "ops", at=desk.now)
    assert await agree(desk, OTHER, source=meanwhile) == ["new"]
    desk.now += 1000
    await desk.do(stop(peer=OTHER))
    await desk.do(stop(peer=OTHER, text="START"))
    assert await agree(desk, OTHER, source=meanwhile) == ["withdrawn"]


# --- the record -------------------------------------------------------------------------------------------------------


async def test_the_record_keeps_every_change_and_the_words(desk: Desk) -> None:
    rule(desk, marketing="required")
    text = Wording("Offers, up to 4 a month", "v2")
    web = Source("web", "shop", text="form 7", at=desk.now - 10, wording=text)
    assert await agree(desk, PEER, OTHER, source=web) == ["new", "new"]
    assert await agree(desk, PEER, source=web) == ["same"]
    desk.now += 1000
    assert await agree(desk, PEER, source=Source("verbal", "ops")) == ["same"]  # said again, and recorded
    await desk.do(stop())
    found = record(desk.con, peer=PEER, limit=10)
    assert [(one.change, one.how, one.who, one.text) for one in found] == [
        ("withdrawn", "keyword", None, "STOP"),
        ("granted", "verbal", "ops", None),
        ("granted", "web", "shop", "form 7"),
    ]
    assert (found[-1].wording, found[-1].version) == text
    assert found[0].number == NUMBER
    assert found[0].message_id == desk.con.execute("SELECT id FROM inbound").fetchone()[0]
    assert desk.con.execute("SELECT count(*) FROM consent_wording").fetchone() == (1,)
    assert [one.peer for one in record(desk.con, low=id_floor(desk.now), limit=10)] == [PEER, PEER]


async def asked(desk: Desk, *peers: str) -> list[NewMessage]:
    """An app has them asked."""
    messages = [desk.new(peer=peer, door=ASKS, meta='{"opt_in":"offers"}') for peer in peers]
    await desk.do(SubmitOp(messages))
    return messages


async def test_who_never_answers_is_forgotten(desk: Desk) -> None:
    """A bounded number with each that is asked, so that the list of those who may answer does not grow."""
    settings = Settings.model_validate(
        {"numbers": [{"number": NUMBER}], "opt_ins": [{"name": "offers", "ask": "Reply YES", "within": 60}]}
    )
    desk.writer.base.consents = Consents(settings, OptOuts(settings))
    phones = [f"+1212556{i:04}" for i in range(2 * FORGOTTEN)]
    await asked(desk, *phones)
    desk.now += 61_000
    left = []
    for peer in (PEER, OTHER, phones[0]):
        await asked(desk, peer)
        left.append(desk.con.execute("SELECT count(*) FROM consent_asked").fetchone()[0])
    assert left == [FORGOTTEN + 1, 2, 3]
    assert asked_of(desk.con, PEER, desk.now)[0].until == desk.now + 60_000
    assert asked_of(desk.con, PEER, desk.now + 60_000) == []


async def test_whom_an_app_asks_is_on_record_with_the_question(desk: Desk) -> None:
    """In its transaction: neither a kill nor a STOP can come between the two."""
    settings = Settings.model_validate({"numbers": [{"number": NUMBER}], "opt_ins": [{"name": "offers", "ask": "?"}]})
    desk.writer.base.consents = Consents(settings, OptOuts(settings))
    (question,) = await asked(desk, PEER)
    assert [(one.change, one.how, one.message_id) for one in record(desk.con, limit=9)] == [
        ("asked", "api", question.id)
    ]
    op = AskConsentOp(PEER, NUMBER, "offers")
    await desk.do(op)
    assert (op.outcome, op.until) == ("pending", asked_of(desk.con, PEER, desk.now)[0].until)
    # A STOP of the same burst ends the question, and what was asked.
    message = desk.new(peer=OTHER, door=ASKS, meta='{"opt_in":"offers"}')
    await desk.do(SubmitOp([message]), stop(OTHER))
    assert states(desk, message.id) == [(State.REJECTED, "opted_out")]
    assert asked_of(desk.con, OTHER, desk.now) == []


async def test_a_yes_to_two_opt_ins_is_recorded_for_each(desk: Desk) -> None:
    """In one burst, or while the clock is behind: also of what was agreed to before the words are kept."""
    names = ("offers", "news")
    opt_ins = [{"name": name, "ask": f"{name}?", "keywords": [name]} for name in names]
    settings = Settings.model_validate({"numbers": [{"number": NUMBER}], "opt_ins": opt_ins})
    desk.writer.base.consents = Consents(settings, OptOuts(settings))
    await desk.do(*[stop(text=text) for text in (*names, "yes", "yes")])
    desk.now -= 1000
    await desk.do(ConsentOp([ConsentChange(PEER, (MARKETING,), "set:default", True, CLERK)]))
    found = [(one.change, one.wording) for one in record(desk.con, peer=PEER, limit=9)]
    assert set(found[:3]) == {("granted", None), ("granted", "news?"), ("granted", "offers?")}
    assert len(found) == 5


@pytest.mark.parametrize("names", [("news", "offers"), ("offers", "news")])
async def test_of_two_questions_in_the_same_ms_a_yes_answers_always_the_same(
    desk: Desk, names: tuple[str, str]
) -> None:
    """In whichever order they are found: what is read again after a restart is in another."""
    opt_ins = [{"name": name, "ask": f"{name}?", "keywords": [name]} for name in names]
    settings = Settings.model_validate({"numbers": [{"number": NUMBER}], "opt_ins": opt_ins})
    desk.writer.base.consents = Consents(settings, OptOuts(settings))
    await desk.do(*[stop(text=text) for text in names])
    await desk.do(stop(text="yes"))
    assert [one.wording for one in record(desk.con, peer=PEER, limit=9) if one.change == "granted"] == ["offers?"]


async def test_pages_of_the_list(desk: Desk) -> None:
    await agree(desk, PEER, OTHER)
    await agree(desk, PEER, klass=DIRECT, scope="app:app")
    found = listed(desk.con, ("", 0, ""), 2)
    assert [(one.peer, one.klass, one.scope) for one in found] == [(PEER, DIRECT, "app:app"), (PEER, MARKETING, "all")]
    last = found[-1]
    assert [one.peer for one in listed(desk.con, (last.peer, last.klass, last.scope), 2)] == [OTHER]


async def test_who_is_told(desk: Desk) -> None:
    desk.store.streams.configure({"app": None}, {})
    await desk.open(events=frozenset({"consent"}))
    rule(desk, marketing="required")
    await agree(desk, PEER, source=Source("web", "shop", wording=Wording("Offers", "v1")))
    await desk.do(stop())
    granted, withdrawn = desk.told("consent")
    assert {name: granted[name] for name in ("change", "classes", "scopes", "how", "who", "version", "id")} == {
        "change": "granted",
        "classes": ["marketing"],
        "scopes": ["all"],
        "how": "web",
        "who": "shop",
        "version": "v1",
        "id": None,
    }
    assert (withdrawn["change"], withdrawn["how"], withdrawn["number"], withdrawn["text"]) == (
        "withdrawn",
        "keyword",
        NUMBER,
        "STOP",
    )


STATEMENTS = {
    "SELECT_CONSENT": (consented.SELECT_CONSENT.sql(64), ["SEARCH c USING PRIMARY KEY (peer=? AND class=?)"]),
    "SELECT_AGREED": (
        consented.SELECT_AGREED.sql(64),
        ["SEARCH m USING INTEGER PRIMARY KEY (rowid=?)", "SEARCH c USING PRIMARY KEY (peer=? AND class=?) LEFT-JOIN"],
    ),
    "SELECT_HELD": (consents.SELECT_HELD.sql(64), ["SEARCH c USING PRIMARY KEY (peer=?)"]),
    "SELECT_ASKED": (consents.SELECT_ASKED.sql(64), ["SEARCH a USING PRIMARY KEY (peer=?)"]),
    "DELETE_CONSENT": (
        consents.DELETE_CONSENT.sql(64),
        ["SEARCH consent USING PRIMARY KEY (peer=?)"],
    ),
    "DELETE_ASKED": (
        consents.DELETE_ASKED.sql(64),
        ["SEARCH consent_asked USING PRIMARY KEY (peer=? AND number=? AND opt_in=?)"],
    ),
    "FORGET_ASKED": (
        consents.FORGET_ASKED,
        [
            "SEARCH consent_asked USING PRIMARY KEY (peer=? AND number=? AND opt_in=?)",
            "SEARCH consent_asked USING COVERING INDEX consent_asked_until (until<?)",
        ],
    ),
    "SELECT_OUT": (recorded.SELECT_OUT.sql(64), ["SEARCH o USING INDEX optout_change_peer (peer=? AND id>?)"]),
}


@pytest.mark.parametrize("name", STATEMENTS)
async def test_what_is_asked_is_found_by_an_index(desk: Desk, name: str) -> None:
    sql, wanted = STATEMENTS[name]
    steps = [row[3] for row in desk.con.execute("EXPLAIN QUERY PLAN " + sql, [None] * sql.count("?"))]
    tables = ("consent", "message", "optout")
    found = [
        step for step in steps if step.startswith("SEARCH") or (step.startswith("SCAN") and step.split()[1] in tables)
    ]
    assert found == wanted
