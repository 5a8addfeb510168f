"""What is known of peers: set, joined and left, one record for several phones, within bounds, paged."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.store import addressbook
from gateway.store.addressbook import Change, MergeOp, PeersOp, Record, known_addresses, record_of, record_page
from gateway.store.conversation import thread_of
from gateway.store.inbound import InboundOp
from gateway.store.peers import FIELDS, Known, known_fields
from tests.support.inbound import single
from tests.support.stores import NUMBER, START, Desk

ANN, BOB, COY, DAN = (f"+1212555010{i}" for i in range(4))


async def note(desk: Desk, address: str, **given: Any) -> PeersOp:
    op = PeersOp([Change(address=address, **given)])
    await desk.do(op)
    return op


async def merge(desk: Desk, address: str, into: str | None) -> str | None:
    op = MergeOp(address, into)
    await desk.do(op)
    return op.problem


def record(desk: Desk, address: str) -> Record:
    found = desk.store.read_now(lambda con: record_of(con, address))
    assert found is not None
    return found


def page(desk: Desk, after: str = "", of_list: str | None = None, limit: int = 50) -> tuple[list[str], str | None]:
    found = desk.store.read_now(lambda con: record_page(con, after, of_list, limit))
    return [r.address for r in found.records], found.next


async def test_what_is_given_is_noted_and_the_rest_stays(desk: Desk) -> None:
    op = await note(desk, ANN, name="Ann", fields={"city": "Ulm", "plan": "a"}, lists=("vip", "north"))
    assert (op.made, op.refused) == (1, {})
    desk.now += 1000
    op = await note(desk, ANN, fields={"plan": None, "age": "40"}, join=("south", "vip"), leave=("north",))
    assert op.made == 0
    assert record(desk, ANN) == Record(ANN, START, "Ann", {"city": "Ulm", "age": "40"}, ["south", "vip"], [ANN])
    await note(desk, ANN, name=None, lists=())
    assert record(desk, ANN) == Record(ANN, START, None, {"city": "Ulm", "age": "40"}, [], [ANN])


async def test_who_wrote_first_keeps_the_time(desk: Desk) -> None:
    await desk.do(InboundOp([single("Hi", peer=ANN)]))
    desk.now += 1000
    assert (await note(desk, ANN, name="Ann")).made == 0
    assert record(desk, ANN).created_at == START


async def test_who_is_in_the_book_is_no_stranger(desk: Desk) -> None:
    await desk.open(events=frozenset({"peer.created"}))
    await note(desk, ANN, name="Ann")
    await desk.do(InboundOp([single("Hi", peer=ANN), single("Hi", peer=BOB)]))
    assert [e["peer"] for e in desk.told("peer.created")] == [BOB]


async def test_changes_of_one_burst_follow_each_other(desk: Desk) -> None:
    first = PeersOp([Change(address=ANN, name="A", join=("x",)), Change(address=ANN, join=("y",))])
    second = PeersOp([Change(address=ANN, fields={"k": "v"}), Change(address=BOB)])
    await desk.do(first, second)
    assert (first.made, second.made) == (1, 1)
    assert record(desk, ANN) == Record(ANN, START, "A", {"k": "v"}, ["x", "y"], [ANN])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"fields": {str(i): "x" for i in range(51)}}, "more than 50 fields"),
        ({"lists": tuple(str(i) for i in range(101))}, "more than 100 lists"),
        ({"fields": {str(i): "x" * 900 for i in range(10)}}, "fields and lists of more than 8192 octets"),
    ],
)
async def test_a_record_has_bounds(desk: Desk, given: dict[str, Any], problem: str) -> None:
    await note(desk, ANN, name="Ann", fields={"k": "v"})
    op = PeersOp([Change(address=ANN, **given), Change(address=BOB, name="Bob"), Change(address=COY, **given)])
    await desk.do(op)
    assert op.refused == {0: ("fields", problem), 2: ("fields", problem)}
    assert op.made == 1
    assert record(desk, ANN).fields == {"k": "v"}
    assert page(desk) == ([ANN, BOB], None)


async def test_a_merged_phone_has_the_others_record(desk: Desk) -> None:
    await note(desk, ANN, name="Ann", fields={"city": "Ulm", "plan": "a"}, lists=("x",))
    desk.now += 1000
    await note(desk, BOB, fields={"plan": "b"}, lists=("y",))
    assert await merge(desk, ANN, BOB) is None
    both = Record(BOB, START, "Ann", {"city": "Ulm", "plan": "b"}, ["x", "y"], [BOB, ANN])
    assert record(desk, ANN) == record(desk, BOB) == both
    await note(desk, ANN, fields={"plan": "c"})
    assert record(desk, BOB).fields == {"city": "Ulm", "plan": "c"}
    assert page(desk) == ([BOB], None)
    assert await merge(desk, ANN, BOB) is None, "again"
    assert await merge(desk, BOB, ANN) is None, "they are one"
    assert record(desk, BOB).phones == [BOB, ANN]


async def test_further_phones_follow_and_can_be_taken_out(desk: Desk) -> None:
    for address in (ANN, BOB, COY, DAN):
        await note(desk, address, lists=(address,))
    assert await merge(desk, ANN, BOB) is None
    assert await merge(desk, DAN, ANN) is None
    assert await merge(desk, ANN, COY) is None, "all three"
    assert record(desk, DAN) == Record(COY, START, None, {}, [ANN, BOB, COY, DAN], [COY, ANN, BOB, DAN])
    assert await merge(desk, BOB, None) is None
    assert record(desk, BOB) == Record(BOB, START, None, {}, [ANN, BOB, DAN], [BOB]), "as it was before it was merged"
    assert await merge(desk, ANN, None) is None
    assert record(desk, ANN) == Record(ANN, START, None, {}, [ANN], [ANN])
    assert record(desk, COY) == Record(COY, START, None, {}, [ANN, BOB, COY, DAN], [COY, DAN])
    assert await merge(desk, COY, None) == f"{COY} is no further phone of somebody"


async def test_phones_of_which_nothing_is_known_are_joined(desk: Desk) -> None:
    await desk.do(InboundOp([single("Hi", peer=BOB)]))
    desk.now += 1000
    op = await note(desk, ANN, name="Ann", phones=(BOB, COY, BOB, ANN))
    assert (op.made, op.refused) == (1, {})
    ann = Record(ANN, START, "Ann", {}, [], [ANN, BOB, COY])
    assert record(desk, ANN) == record(desk, BOB) == record(desk, COY) == ann
    assert (await note(desk, ANN, phones=(COY, BOB))).refused == {}, "again"
    assert (await note(desk, BOB, name="A", phones=(ANN,))).refused == {}, "by another of them"
    assert record(desk, ANN) == Record(ANN, START, "A", {}, [], [ANN, BOB, COY])
    await desk.open(events=frozenset({"peer.created"}))
    await desk.do(InboundOp([single("Hi", peer=COY)]))
    assert desk.told("peer.created") == []


async def test_a_phone_of_another_person_is_not_taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await note(desk, BOB, name="Bob", phones=(COY,))
    for phone, problem in (
        (BOB, f"something is known of {BOB} by itself; if it is the same person, merge them"),
        (COY, f"{COY} is one of {BOB}; if these are the same person, merge them"),
    ):
        op = PeersOp([Change(address=ANN, name="x", phones=(phone,)), Change(address=DAN)])
        await desk.do(op)
        assert (op.refused, op.made) == ({0: ("phones", problem)}, int(phone == BOB))
    # The same phone in each line of a file.
    op = PeersOp([Change(address=ANN, phones=("+1",)), Change(address=DAN, phones=("+1",))])
    await desk.do(op)
    assert (op.refused, record(desk, "+1").phones) == (
        {1: ("phones", f"+1 is one of {ANN}; if these are the same person, merge them")},
        [ANN, "+1"],
    )
    monkeypatch.setattr(addressbook, "MOST_PHONES", 3)
    assert (await note(desk, BOB, phones=("+2", "+3"))).refused == {0: ("phones", "more than 3 phones")}
    assert record(desk, BOB).phones == [BOB, COY]


async def test_what_cannot_be_merged_stays_as_it_is(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await note(desk, ANN, fields={str(i): "x" for i in range(30)})
    await note(desk, BOB, fields={str(i): "x" for i in range(20, 55)})
    assert await merge(desk, ANN, BOB) == "together they have more than 50 fields"
    assert await merge(desk, ANN, COY) == f"{COY} is no peer"
    assert await merge(desk, COY, ANN) == f"{COY} is no peer"
    monkeypatch.setattr(addressbook, "MOST_PHONES", 1)
    await note(desk, COY)
    assert await merge(desk, COY, ANN) == "together they have more than 1 phones"
    assert page(desk) == ([ANN, BOB, COY], None)


async def test_a_conversation_shows_the_name_of_the_person(desk: Desk) -> None:
    await desk.do(InboundOp([single("Hi", peer=ANN)]))

    def name() -> str | None:
        thread = desk.store.read_now(lambda con: thread_of(con, NUMBER, ANN))
        assert thread is not None
        return thread.name

    assert name() is None
    await note(desk, ANN, name="Ann")
    assert name() == "Ann"
    await note(desk, BOB, name="Ann B.")
    await merge(desk, ANN, BOB)
    assert name() == "Ann B."


async def test_zone_and_language_of_a_burst(desk: Desk) -> None:
    await note(desk, ANN, fields={"zone": "Europe/Paris", "language": "fr", "city": "Lyon"})
    await note(desk, BOB, fields={"language": "de"})
    await note(desk, COY, fields={"city": "Ulm"})
    await desk.do(InboundOp([single("Hi", peer=DAN)]))
    await merge(desk, DAN, ANN)
    strange = "+12125550109"
    asked = [ANN, BOB, ANN, COY, DAN, strange]
    french = Known("Europe/Paris", "fr")
    statements: list[str] = []
    desk.con.set_trace_callback(statements.append)
    assert known_fields(desk.con, asked[:4]) == {ANN: french, BOB: Known(None, "de")}
    desk.con.set_trace_callback(None)
    assert len(statements) == 2, "of three peers, two and one"
    assert known_fields(desk.con, asked) == {ANN: french, BOB: Known(None, "de"), DAN: french}
    # As another version may have noted it.
    await note(desk, BOB, fields={"zone": "Europe/Mars"})
    await note(desk, COY, fields={"zone": "nowhere", "language": "?"})
    assert known_fields(desk.con, [BOB, COY]) == {BOB: Known(None, "de")}
    steps = [row[3] for row in desk.rows("EXPLAIN QUERY PLAN " + FIELDS.sql(2), ANN, BOB)]
    assert not any(step.startswith(("SCAN o", "SCAN p")) for step in steps)


async def test_pages_have_each_record_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, address in enumerate((ANN, BOB, COY, DAN)):
        await note(desk, address, lists=("even",) if place % 2 == 0 else ())
    await merge(desk, BOB, DAN)
    assert page(desk, limit=2) == ([ANN, COY], COY)
    assert page(desk, after=COY, limit=2) == ([DAN], None)
    assert page(desk, of_list="even") == ([ANN, COY], None)
    monkeypatch.setattr(addressbook, "SCAN_ROWS", 1)
    assert page(desk, after=ANN, of_list="even") == ([], BOB)
    assert page(desk, after=BOB, of_list="even") == ([COY], COY)
    found = desk.store.read_now(lambda con: known_addresses(con, [ANN, "Bank"]))
    assert found == {ANN}
