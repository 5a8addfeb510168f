"""What rules decide, in the transaction of the message: who is told, what is sent, and what is held back and why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.policy.decision import Decision, Facts, Mail, Needs, Recipient, Reply, ToHandlers
from gateway.store.addressbook import Change, MergeOp, PeersOp
from gateway.store.facts import MOST_COUNTED, facts_now
from gateway.store.inbound import Arrival, Extra, GiveUpPartsOp, InboundOp
from gateway.store.ruled import held_back_now
from gateway.store.streams import HANDLER
from tests.support.inbound import part, single
from tests.support.rulings import ANN, BOB, CID, REPLY, Book, always, forward, rule
from tests.support.stores import NUMBER, PEER, Desk

OTHER_NUMBER, OTHER_PEER = "+15551230002", "+12125550199"
MINUTE, HOUR = 60_000, 3_600_000


async def receive(desk: Desk, *arrivals: Arrival) -> None:
    await desk.do(InboundOp(list(arrivals)))


def sent(desk: Desk, kind: str = "forward") -> list[tuple[str, str]]:
    return [(e["to"], e["text"]) for e in desk.told(kind)]


def desk_facts(desk: Desk) -> Facts:
    return Facts(NUMBER, PEER, "x", desk.now)


def kept(desk: Desk) -> list[dict[str, Any]]:
    return [json.loads(row[0]) if row[0] else {} for row in desk.rows("SELECT extra FROM inbound ORDER BY id")]


# --- who is told ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def streams(desk: Desk) -> dict[str, int]:
    """Three handlers, of which the number has one, and a subscription."""
    found = {name: await desk.open(name, app="", kind=HANDLER) for name in ("crm", "sales", "night")}
    found["app"] = await desk.open()
    desk.store.streams.configure({"app": None}, {NUMBER: ("crm",), OTHER_NUMBER: ("crm",)})
    return found


@pytest.mark.parametrize(
    ("handlers", "told"),
    [(None, {"crm", "app"}), (("sales", "night"), {"sales", "night", "app"}), ((), {"app"})],
)
async def test_handlers_that_a_rule_names_are_told_instead_of_the_numbers_own(
    desk: Desk, streams: dict[str, int], handlers: tuple[str, ...] | None, told: set[str]
) -> None:
    """Subscriptions hear of it in any case; a number without rules is as it was."""
    actions = () if handlers is None else (ToHandlers(handlers),)
    await rule(desk, always(*actions, handlers=handlers))
    await receive(desk, single("Hello"), single("Hello", number=OTHER_NUMBER))
    names = {stream: name for name, stream in streams.items()}
    by_number: dict[str, set[str]] = {NUMBER: set(), OTHER_NUMBER: set()}
    for e in desk.events:
        if e.kind == "inbound":
            by_number[json.loads(e.payload)["number"]].add(names[e.stream])
    assert by_number == {NUMBER: told, OTHER_NUMBER: {"crm", "app"}}


async def test_what_rules_say_is_in_the_event_and_in_the_row(desk: Desk) -> None:
    await desk.open()
    decision = {"tags": ("order", "vip"), "urgent": True, "keyword": "BUY", "argument": "two of them"}
    await rule(desk, always(**decision))
    extra = Extra(tlvs={"0x1400": "31"})
    await receive(desk, single("BUY two of them", extra=extra))
    said = {"rules": ["rule"], "tags": ["order", "vip"], "urgent": True, "keyword": "BUY", "argument": "two of them"}
    (event,) = desk.told("inbound")
    assert {name: event[name] for name in (*said, "tlvs")} == said | {"tlvs": {"0x1400": "31"}}
    assert kept(desk) == [said | {"tlvs": {"0x1400": "31"}}]
    assert extra == Extra(tlvs={"0x1400": "31"}), "a burst may be stored anew from the same arrivals"
    assert desk.counts["rule:rule"] == 1


async def test_an_urgent_message_needs_attention_in_its_thread(desk: Desk) -> None:
    await rule(desk, Book(lambda f: Decision(matched=("rule",), urgent=f.text == "Help!")))
    await receive(desk, single("Hi"), single("Help!", peer=OTHER_PEER))
    rows = desk.rows("SELECT peer, attention IS NOT NULL FROM thread ORDER BY peer")
    assert rows == [(PEER, 0), (OTHER_PEER, 1)]


async def test_what_no_rule_matches_is_as_without_rules(desk: Desk) -> None:
    await desk.open()
    await rule(desk, Book(lambda facts: Decision()))
    await receive(desk, single("Hello"))
    (event,) = desk.told("inbound")
    assert not {"rules", "tags", "urgent", "held_back", "replied"} & event.keys()
    assert kept(desk) == [{}]


async def test_a_rule_that_breaks_keeps_no_message_from_being_stored(desk: Desk) -> None:
    def broken(facts: Facts) -> Decision:
        raise RuntimeError("a fault")

    await desk.open()
    await rule(desk, Book(broken))
    await receive(desk, single("Hello"), single("again"))
    assert [e["text"] for e in desk.told("inbound")] == ["Hello", "again"]
    assert desk.counts["inbound_rules_failed"] == 2


async def test_a_message_that_was_only_forwarded_has_found_somebody(desk: Desk) -> None:
    """It is not counted as one that nobody is told of; one that rules do nothing with is."""
    await rule(desk, Book(lambda f: Decision((forward(ANN),) if f.text == "on" else (), ("rule",))))
    await receive(desk, single("on"), single("lost"))
    assert desk.counts["inbound_unrouted"] == 1


# --- facts ------------------------------------------------------------------------------------------------------------


async def test_rules_that_need_nothing_ask_the_database_for_nothing(desk: Desk) -> None:
    await rule(desk, always(tags=("seen",)))
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await receive(desk, single("Hello"))
    with_rule = len(executed)
    desk.writer.base.ruling = None
    executed.clear()
    await receive(desk, single("Hello", peer=OTHER_PEER))
    desk.con.set_trace_callback(None)
    assert with_rule == len(executed)


async def test_facts_are_asked_once_for_a_burst(desk: Desk) -> None:
    book = await rule(desk, Book(lambda f: Decision(), Needs(known=True, last=True, spans=(60, 600))))
    await desk.submit(app="shop", klass=2, meta='{"campaign":"spring"}')
    desk.now += MINUTE
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await receive(desk, *[single(str(i), peer=f"+1212555{i:04}") for i in range(64)], single("x", number=OTHER_NUMBER))
    desk.con.set_trace_callback(None)
    reads = [sql for sql in executed if "FROM message l" in sql or "FROM inbound b" in sql or "FROM (SELECT id" in sql]
    assert len(reads) == 2  # the last messages, and the counts of both spans
    assert len(book.asked) == 64


async def test_who_is_known(desk: Desk) -> None:
    """A stranger's second message is from somebody who is known; so is whoever we wrote to."""
    book = await rule(desk, Book(lambda f: Decision(), Needs(known=True)))
    await desk.submit(peer=OTHER_PEER)
    await receive(desk, single("a"), single("b"), single("c", peer=OTHER_PEER))
    await receive(desk, single("d"))
    assert [(f.text, f.known) for f in book.asked] == [("a", False), ("b", True), ("c", True), ("d", True)]


async def test_the_last_message_of_ours(desk: Desk) -> None:
    book = await rule(desk, Book(lambda f: Decision(), Needs(last=True)))
    await receive(desk, single("before"))
    await desk.submit(app="shop", klass=2, meta='{"campaign":"spring"}')
    at = desk.now
    desk.now += HOUR
    await receive(desk, single("after"))
    before, after = book.asked
    assert before.last is None
    assert after.last == ("shop", "marketing", {"campaign": "spring"}, at)
    assert after.at_ms - after.last.at_ms == HOUR


async def test_messages_in_a_span_are_counted_over_bursts_and_within_one(desk: Desk) -> None:
    book = await rule(desk, Book(lambda f: Decision(), Needs(spans=(60, 3600))))
    await receive(desk, single("1"), single("2"), single("other", peer=OTHER_PEER))
    desk.now += 2 * MINUTE
    await receive(desk, single("3"), single("4"))
    counts = {f.text: (f.counts[60], f.counts[3600]) for f in book.asked}
    assert counts == {"1": (0, 0), "2": (1, 1), "other": (0, 0), "3": (0, 2), "4": (1, 3)}


async def test_the_count_of_a_span_reads_a_bounded_number_of_rows(desk: Desk) -> None:
    book = await rule(desk, Book(lambda f: Decision(), Needs(spans=(3600,))))
    await receive(desk, *[single("x") for _ in range(MOST_COUNTED + 5)])
    await receive(desk, single("last"))
    assert book.asked[-1].counts[3600] == MOST_COUNTED


async def test_the_lists_that_a_sender_is_on(desk: Desk) -> None:
    """By any phone of the person, one statement for the burst, and from the message after a change on."""
    book = await rule(desk, Book(lambda f: Decision(), Needs(lists=True)))
    second = "+12125550198"
    await receive(desk, single("a"), single("b", peer=OTHER_PEER), single("b", peer=second))
    await desk.do(PeersOp([Change(address=PEER, join=("vip", "press")), Change(address=OTHER_PEER, fields={"a": "b"})]))
    await desk.do(MergeOp(second, PEER))
    book.asked.clear()
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await receive(desk, single("1"), single("2", peer=OTHER_PEER), single("3", peer=second), single("4", peer="ACME"))
    desk.con.set_trace_callback(None)
    lists = {"1": {"vip", "press"}, "2": set(), "3": {"vip", "press"}, "4": set()}
    assert {f.text: f.lists for f in book.asked} == lists
    assert sum("p.lists" in sql for sql in executed) == 1
    asked = facts_now(desk.con, book, NUMBER, second, "x", desk.now, desk.writer.base.optouts)
    assert asked.lists == {"vip", "press"}
    await desk.do(PeersOp([Change(address=PEER, leave=("vip",))]))
    await receive(desk, single("x", peer=second))
    assert book.asked[-1].lists == {"press"}


async def test_of_whom_messages_were_forwarded(desk: Desk) -> None:
    """Those from this number to this phone, by their door; one statement for a burst."""
    book = await rule(desk, Book(lambda f: Decision(), Needs(forwarded=True)))
    for number, door, meta in (
        (NUMBER, "forward", f'{{"peer":"{OTHER_PEER}"}}'),
        (OTHER_NUMBER, "forward", '{"peer":"+1"}'),
        (NUMBER, "socket", '{"peer":"+2"}'),
        (NUMBER, "forward", "damaged"),
    ):
        await desk.submit(peer=ANN.phone, number=number, door=door, meta=meta)
    at = desk.now
    desk.now += MINUTE
    executed: list[str] = []
    desk.con.set_trace_callback(executed.append)
    await receive(desk, single("yes", peer=ANN.phone), single("x"))
    desk.con.set_trace_callback(None)
    assert [f.forwarded for f in book.asked] == [((OTHER_PEER, at),), ()]
    assert sum("l.door = 'forward'" in sql for sql in executed) == 1
    assert facts_now(desk.con, book, NUMBER, ANN.phone, "x", desk.now, desk.writer.base.optouts).forwarded == (
        (OTHER_PEER, at),
    )


async def test_the_facts_of_a_message_that_only_might_come(desk: Desk) -> None:
    """The same as if it came, and nothing is changed by asking."""
    book = await rule(desk, Book(lambda f: Decision(), Needs(known=True, last=True, spans=(60, 3600))))
    assert not facts_now(desk.con, book, NUMBER, PEER, "x", desk.now, desk.writer.base.optouts).known
    await desk.submit(app="shop", peer=OTHER_PEER)
    await receive(desk, single("1"))
    desk.now += 2 * MINUTE
    await receive(desk, single("2"), single("3", peer=OTHER_PEER))
    before = desk.con.total_changes
    for peer in (PEER, OTHER_PEER):
        asked = facts_now(desk.con, book, NUMBER, peer, "x", desk.now, desk.writer.base.optouts)
        assert desk.con.total_changes == before
        await receive(desk, single("x", peer=peer))
        assert book.asked[-1] == asked
        before = desk.con.total_changes


# --- mails ------------------------------------------------------------------------------------------------------------


async def test_a_mail_is_an_event_of_its_own_with_whom_it_is_for(desk: Desk) -> None:
    """One for all of them, and also where nobody else is told."""
    await rule(desk, always(Mail("rule", (Recipient("a@b.example"),)), mail_to=("a@b.example",), tags=("vip",)))
    await receive(desk, single("Hello"), single(None, data=b"\x01", encoding="binary"))
    told = desk.told("inbound")
    assert [(e["text"], e["data"], e["mail_to"], e["tags"], e["rules"]) for e in told] == [
        ("Hello", None, ["a@b.example"], ["vip"], ["rule"]),
        (None, "01", ["a@b.example"], ["vip"], ["rule"]),
    ]
    assert desk.counts["inbound_unrouted"] == 0
    stream = await desk.open("crm", app="", kind=HANDLER)
    desk.store.streams.configure({}, {NUMBER: ("crm",)})
    await receive(desk, single("both"))
    assert [("mail_to" in json.loads(e.payload), e.stream == stream) for e in desk.events][2:] == [
        (True, False),
        (False, True),
    ]


# --- forwards ---------------------------------------------------------------------------------------------------------


async def test_a_forward_to_all_is_an_event_for_each(desk: Desk) -> None:
    await rule(desk, always(forward(ANN, BOB, note="{name}: {text} ({peer}, {number})")))
    await receive(desk, single("Call me {peer}"))
    assert sent(desk) == [
        (ANN.phone, f"Ann: Call me {{peer}} ({PEER}, {NUMBER})"),
        (BOB.phone, f"Bob: Call me {{peer}} ({PEER}, {NUMBER})"),
    ]
    (mid,) = desk.rows("SELECT id FROM inbound")[0]
    assert {e["id"] for e in desk.told("forward")} == {desk.store.id_text.format(mid)}


async def test_octets_that_are_no_text_are_told_of(desk: Desk) -> None:
    await rule(desk, always(forward(ANN)))
    await receive(desk, single(None, data=b"\x01\x02", encoding="binary"))
    assert sent(desk) == [(ANN.phone, f"{PEER} to {NUMBER}: (2 octets that are no text)")]


async def test_the_first_who_may_have_it(desk: Desk) -> None:
    await rule(desk, always(forward(ANN, BOB, mode="first")))
    await receive(desk, single("a"), single("b", peer=ANN.phone))
    assert [to for to, _ in sent(desk)] == [ANN.phone, BOB.phone]


async def test_turns_go_round_and_on_after_a_restart(filed: Desk) -> None:
    """Who had it longest ago is next, also when not all are on duty all the time."""
    duty = [ANN, BOB, CID]
    book = Book(lambda f: Decision((forward(*duty, mode="turn", note="{text}"),), ("rule",)))
    await rule(filed, book)
    await receive(filed, *[single(str(i)) for i in range(4)])
    assert [to for to, _ in sent(filed)] == [t.phone for t in (ANN, BOB, CID, ANN)]
    await filed.restart()
    await rule(filed, book)
    await receive(filed, single("4"), single("5"))
    duty.remove(BOB)
    await receive(filed, single("6"), single("7"))
    duty.insert(0, BOB)
    await receive(filed, single("8"))
    assert [to for to, _ in sent(filed)] == [t.phone for t in (BOB, CID, ANN, CID, BOB)]


@pytest.mark.parametrize(
    ("peer", "targets", "cause"),
    [
        (OTHER_NUMBER, (ANN, BOB), "own_number"),
        (ANN.phone, (ANN,), "to_sender"),
        (PEER, (ANN._replace(phone=OTHER_NUMBER),), "own_number"),
    ],
)
async def test_a_forward_that_would_loop_is_held_back(
    desk: Desk, peer: str, targets: tuple[Any, ...], cause: str
) -> None:
    await desk.open()
    await rule(desk, always(forward(*targets)))
    await receive(desk, single("x", peer=peer))
    assert not sent(desk)
    assert desk.counts[f"held:forward:{cause}"] == 1
    (event,) = desk.told("inbound")
    assert len(event["held_back"]) == 1
    assert event["held_back"][0].startswith("rule: forward: ")
    assert kept(desk)[0]["held_back"] == event["held_back"]


@pytest.mark.parametrize(
    ("mode", "second"), [("all", [CID.phone]), ("first", []), ("turn", [CID.phone])], ids=["all", "first", "turn"]
)
async def test_nobody_gets_a_message_twice(desk: Desk, mode: Any, second: list[str]) -> None:
    """Two rules that match send it to somebody once; for the first of several it is enough that they have it."""
    await desk.open()
    actions = (forward(ANN, BOB, note="urgent: {text}"), forward(BOB, ANN, CID, mode=mode))
    book = await rule(desk, always(*actions))
    said = held_back_now(desk.con, book, desk_facts(desk), {NUMBER}, 600_000, desk.writer.base.optouts)
    await receive(desk, single("x"))
    assert [to for to, _ in sent(desk)] == [ANN.phone, BOB.phone, *second]
    (event,) = desk.told("inbound")
    # Who had none of them has the next turn by itself.
    words = [] if mode == "turn" else ["rule: forward: an earlier rule sends it to the same phone"]
    assert event.get("held_back", []) == words
    assert mode == "turn" or said == words
    await receive(desk, single("y"))
    assert len(sent(desk)) == 2 * (2 + len(second))


async def test_an_answer_with_nothing_in_it_is_none(desk: Desk) -> None:
    await desk.open()
    book = await rule(desk, always(Reply("rule", " \n"), Reply("other", "Hi")))
    said = held_back_now(desk.con, book, desk_facts(desk), {NUMBER}, 600_000, desk.writer.base.optouts)
    await receive(desk, single("x"))
    assert [text for _, text in sent(desk, "reply")] == ["Hi"]
    assert desk.told("inbound")[0]["held_back"] == said == ["rule: reply: there is nothing in it"]


async def test_a_number_forwards_so_many_to_a_target_in_an_hour(filed: Desk) -> None:
    """Two phones that forward to each other by other systems are stopped by it. It outlives a restart."""
    await rule(filed, always(forward(ANN)), forwards_per_hour=3)
    await receive(filed, single("1"), single("2"))
    filed.now += 30 * MINUTE
    await receive(filed, single("3"), single("4"))
    assert len(sent(filed)) == 3
    assert filed.counts["held:forward:rate"] == 1
    await filed.restart()
    await rule(filed, always(forward(ANN)), forwards_per_hour=3)
    await receive(filed, single("5"))
    assert not sent(filed)
    filed.now += 30 * MINUTE  # the first two are an hour ago
    await receive(filed, single("6"), single("7"), single("8"))
    assert [text[-1] for _, text in sent(filed)] == ["6", "7"]


async def test_a_burst_that_is_rolled_back_counts_for_nothing(desk: Desk) -> None:
    await rule(desk, always(forward(ANN)), forwards_per_hour=1)
    bad = single("x")
    bad.carrier = object()  # type: ignore[assignment]
    (error,) = await desk.burst(InboundOp([bad]))
    assert error is not None
    await receive(desk, single("good"))
    assert len(sent(desk)) == 1


# --- replies ----------------------------------------------------------------------------------------------------------


async def test_one_reply_to_a_sender_in_a_while(filed: Desk) -> None:
    """In a burst, over bursts, and over a restart; to another sender it is another one."""
    await filed.open()
    await rule(filed, always(REPLY))
    await receive(filed, single("a"), single("b"), single("c", peer=OTHER_PEER))
    filed.now += 5 * MINUTE
    await receive(filed, single("d"))
    assert sent(filed, "reply") == [(PEER, REPLY.text), (OTHER_PEER, REPLY.text)]
    assert [e.get("replied", False) for e in filed.told("inbound")] == [True, False, True, False]
    assert filed.counts["held:reply:interval"] == 2
    await filed.restart()
    await rule(filed, always(REPLY))
    await receive(filed, single("e"))
    assert not sent(filed, "reply")
    filed.now += 5 * MINUTE + 1
    await receive(filed, single("f"))
    assert sent(filed, "reply") == [(PEER, REPLY.text)]


@pytest.mark.parametrize(
    ("peer", "cause"),
    [(OTHER_NUMBER, "own_number"), ("72345", "short_code"), ("MyBank", "alphanumeric"), ("", "alphanumeric")],
)
async def test_senders_that_get_no_reply(desk: Desk, peer: str, cause: str) -> None:
    await desk.open()
    await rule(desk, always(REPLY))
    await receive(desk, single("x", peer=peer))
    assert not sent(desk, "reply")
    assert desk.counts[f"held:reply:{cause}"] == 1
    (event,) = desk.told("inbound")
    assert event["held_back"][0].startswith("rule: reply: ")


@pytest.mark.parametrize("flag", ["delivery_ack", "user_ack", "conversation_abort", "message_waiting"])
async def test_what_nobody_wrote_gets_no_reply(desk: Desk, flag: str) -> None:
    await rule(desk, always(REPLY))
    await receive(desk, single("x", extra=Extra(flags=("flash", flag))), single("y", extra=Extra(flags=("flash",))))
    assert sent(desk, "reply") == [(PEER, REPLY.text)]
    assert desk.counts["held:reply:automatic"] == 1


async def test_a_text_that_looks_like_the_mark_of_a_reply_is_none(desk: Desk) -> None:
    await rule(desk, always(REPLY))
    desk.writer.base.ruling, ruling = None, desk.writer.base.ruling
    await receive(desk, single("x", extra=Extra(tlvs={"0x1400": '","replied":true,"'})))
    desk.writer.base.ruling = ruling
    await receive(desk, single("y"))
    assert len(sent(desk, "reply")) == 1


async def test_a_sender_that_floods_gets_no_reply(desk: Desk) -> None:
    """Only so many of its messages are looked at, and none of those was answered: that says nothing."""
    await rule(desk, always(REPLY))
    await receive(desk, single("first"))
    desk.writer.base.ruling, ruling = None, desk.writer.base.ruling
    await receive(desk, *[single("x") for _ in range(1000)])
    desk.writer.base.ruling = ruling
    await receive(desk, single("y"))
    assert len(sent(desk, "reply")) == 1
    assert desk.counts["held:reply:flood"] == 1


async def test_a_forward_says_that_parts_did_not_come(desk: Desk) -> None:
    book = await rule(desk, always(forward(ANN)))
    await receive(desk, part(b"one ", ref=1, total=2, seq=1))
    desk.now += HOUR
    await desk.do(GiveUpPartsOp(desk.now, 0))
    assert [(f.text, f.complete) for f in book.asked] == [("one ", False)]
    assert sent(desk) == [(ANN.phone, f"{PEER} to {NUMBER}: one  (parts of it did not come)")]


async def test_a_long_message_is_decided_once_when_it_is_whole(desk: Desk) -> None:
    book = await rule(desk, always(REPLY))
    await receive(desk, part(b"one ", ref=1, total=2, seq=1))
    assert not book.asked
    await receive(desk, part(b"two", ref=1, total=2, seq=2), single("more"))
    assert [(f.text, f.complete) for f in book.asked] == [("one two", True), ("more", True)]
    assert len(sent(desk, "reply")) == 1


async def test_who_opted_out_is_asked_for_where_a_rule_wants_it(desk: Desk) -> None:
    """By this very message too, and by one before it in the same burst."""
    book = await rule(desk, Book(lambda facts: Decision(), Needs(opted_out=True)))
    await receive(desk, single("hi"), single("STOP"), single("hi"), single("hi", peer=OTHER_PEER))
    assert [facts.opted_out for facts in book.asked] == [True, True, True, False]
    assert facts_now(desk.con, book, NUMBER, PEER, "x", desk.now, desk.writer.base.optouts).opted_out
