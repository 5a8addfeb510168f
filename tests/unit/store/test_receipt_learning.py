"""The form of a carrier's ids is learnt from its receipts, and until it is, nothing is guessed (promises 15, 16)."""

from __future__ import annotations

import random

import pytest

from gateway.model import State
from gateway.store.forms import FORGIVEN_AFTER, LEARN_AFTER, PLAIN, Form, Forms, Known
from gateway.store.matching import UNDECIDED_MS, ReceiptIn
from gateway.store.receipts import KeepFormsOp, ReceiptOp, RetryParkedOp
from gateway.store.sends import ResponseOp, Sent
from gateway.store.submits import SubmitOp
from tests.support.stores import PEER, Desk

S = State
WAYS: dict[str, tuple[str, str, Form]] = {
    "decimal": ("{}", "{}", "same"),
    "hexadecimal": ("{:x}", "{:X}", "same"),
    "padded": ("{:08X}", "{:x}", "same"),
    "hex, decimal": ("{:x}", "{}", "hex_to_decimal"),
    "padded hex, decimal": ("{:08X}", "{}", "hex_to_decimal"),
    "hex, padded decimal": ("{:X}", "{:010}", "hex_to_decimal"),
    "decimal, hex": ("{}", "{:x}", "decimal_to_hex"),
    "decimal, padded hex": ("{}", "{:08X}", "decimal_to_hex"),
}


def lead(desk: Desk) -> str | None:
    return desk.writer.base.forms.lead("acme")


async def sweep(desk: Desk) -> None:
    """What the sweeper does each second."""
    forms = desk.writer.base.forms
    carriers = frozenset(forms.retry | forms.soon)
    forms.retry.clear()
    forms.soon.clear()
    if carriers:
        last: int | None = 0
        while last is not None:
            op = RetryParkedOp(last, carriers=carriers)
            await desk.do(op)
            last = op.last


async def live(desk: Desk, numbers: list[int], response: str, peer: str = PEER) -> dict[int, int]:
    """Messages that were answered with ids of these numbers; their ids by number."""
    messages = [desk.new(state=S.SUBMITTING, peer=peer) for _ in numbers]
    await desk.do(SubmitOp(messages))
    sent = [Sent(m.id, 1, response.format(n), desk.now, True) for m, n in zip(messages, numbers, strict=True)]
    await desk.do(ResponseOp("acme", sent, [], [], None))
    return {n: m.id for m, n in zip(messages, numbers, strict=True)}


def fate(number: int) -> State:
    """The end of each tells it from those whose id it may be taken for."""
    return S.DELIVERED if number % 3 else S.UNDELIVERED


def receipt(desk: Desk, number: int, form: str, peer: str = PEER) -> ReceiptIn:
    return desk.receipt(form.format(number), fate(number), peer=peer, error=f"{number}")


def wrong(desk: Desk, mids: dict[int, int]) -> list[int]:
    """Numbers whose segment has another's end."""
    told = {n: desk.segments(mid)[0]["error"] for n, mid in mids.items()}
    return [n for n, error in told.items() if error not in (None, f"{n}")]


def unsettled(desk: Desk, mids: dict[int, int]) -> list[int]:
    return [n for n, mid in mids.items() if desk.states(mid) != [fate(n)]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("burst", [1, 40])
@pytest.mark.parametrize("order", ["in order", "shuffled"])
async def test_small_ids_to_one_phone(desk: Desk, way: str, burst: int, order: str) -> None:
    """Each id is another's in another form, and all go to one phone: the worst there is."""
    response, told, form = WAYS[way]
    numbers = list(range(1, 121))
    mids = await live(desk, numbers, response)
    if order == "shuffled":
        random.Random(1).shuffle(numbers)
    for at in range(0, len(numbers), burst):
        await desk.receive(*[receipt(desk, n, told) for n in numbers[at : at + burst]])
        assert not wrong(desk, mids)
        await sweep(desk)
    assert lead(desk) == form
    assert not wrong(desk, mids)
    assert not unsettled(desk, mids)
    assert desk.rows("SELECT count(*) FROM parked_receipt") == [(0,)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(2))
async def test_small_ids_to_one_phone_with_receipts_before_their_responses(desk: Desk, way: str, seed: int) -> None:
    response, told, form = WAYS[way]
    rng = random.Random(seed)
    numbers = list(range(1, 101))
    messages = {n: desk.new(state=S.SUBMITTING) for n in numbers}
    await desk.do(SubmitOp(list(messages.values())))
    mids = {n: m.id for n, m in messages.items()}
    steps = [(n, what) for n in numbers for what in ("response", "receipt")]
    rng.shuffle(steps)
    for n, what in steps:
        if what == "response":
            await desk.respond(mids[n], response.format(n))
        else:
            await desk.receive(receipt(desk, n, told))
        desk.now += 10
        if not rng.randrange(20):
            await sweep(desk)
            assert not wrong(desk, mids)
    await sweep(desk)
    desk.now += UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    await sweep(desk)
    assert not wrong(desk, mids)
    assert lead(desk) == form
    assert not unsettled(desk, mids)


async def test_two_phones_teach_by_evidence(desk: Desk) -> None:
    """Ids that are each other's hexadecimal form, each to its own phone: matched at once, and learnt after so many."""
    number = 1000
    for i in range(LEARN_AFTER):
        assert lead(desk) is None
        crossed = [number + i, int(str(number + i), 16)]
        mids = {}
        for n, peer in zip(crossed, (PEER, "+12125550199"), strict=True):
            mids |= await live(desk, [n], "{}", peer)
        await desk.receive(receipt(desk, crossed[0], "{:x}", PEER))
        if i < LEARN_AFTER // 2:
            await desk.receive(receipt(desk, crossed[1], "{:x}", "+12125550199"))
        assert desk.states(mids[crossed[0]]) == [fate(crossed[0])]
        if lead(desk) is not None:
            break
    assert lead(desk) == "decimal_to_hex"
    assert desk.counts["receipt_parked"] == 0


async def test_learnt_it_stays_over_a_start(filed: Desk) -> None:
    mids = await live(filed, list(range(0x1000, 0x1040)), "{:x}")
    await filed.receive(*[receipt(filed, n, "{}") for n in mids])
    assert lead(filed) == "hex_to_decimal"
    before = filed.writer.base.forms.view("acme")
    await filed.do(KeepFormsOp())
    await filed.restart()
    assert lead(filed) == "hex_to_decimal"
    assert filed.writer.base.forms.view("acme") == before
    assert (before.source, before.seen) == ("learnt", {"hex_to_decimal": 64})


async def test_what_cannot_be_read_is_learnt_anew(filed: Desk) -> None:
    filed.con.execute("INSERT INTO carrier_state VALUES ('acme', 'message_id_form', '{\"learnt\":\"other\"}')")
    await filed.restart()
    assert lead(filed) is None


async def test_a_set_form_is_the_only_one(desk: Desk) -> None:
    """And what speaks against it is shown."""
    desk.writer.base.forms.configure({"acme": "hex_to_decimal"})
    mids = await live(desk, list(range(100, 140)), "{}")
    await desk.receive(*[receipt(desk, n, "{}") for n in mids])
    desk.now += 2 * UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    view = desk.writer.base.forms.view("acme")
    assert (view.form, view.source) == ("hex_to_decimal", "set")
    assert view.against > 0
    assert not wrong(desk, mids)
    # put right, all of them are found
    desk.writer.base.forms.configure({"acme": "same"})
    assert desk.writer.base.forms.retry == {"acme"}
    await sweep(desk)
    assert not unsettled(desk, mids)


async def test_a_carrier_that_changes_its_ways(desk: Desk) -> None:
    first = await live(desk, list(range(70_000, 70_200)), "{}")
    await desk.receive(*[receipt(desk, n, "{}") for n in first])
    assert lead(desk) == "same"
    second = await live(desk, list(range(80_000, 80_200)), "{:x}")
    for n in second:
        await desk.receive(receipt(desk, n, "{}"))
    await sweep(desk)
    assert lead(desk) == "hex_to_decimal"
    assert not unsettled(desk, first | second)


async def test_a_carrier_that_mixes_its_forms_has_none(desk: Desk) -> None:
    """Each is found by the phone's address and by being the only one."""
    mids: dict[int, int] = {}
    for n in range(50_000, 50_600):
        mids |= await live(desk, [n], "{:x}", f"+1212{n:07}")
    for n in mids:
        await desk.receive(receipt(desk, n, "{}" if n % 2 else "{:x}", f"+1212{n:07}"))
        await sweep(desk)
    desk.now += UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    await sweep(desk)
    assert not unsettled(desk, mids)


async def test_one_stray_id_changes_nothing(desk: Desk) -> None:
    first = await live(desk, list(range(70_000, 70_400)), "{}")
    numbers = list(first)
    span = FORGIVEN_AFTER + 30
    strays = [numbers[at + span - 1] for at in (0, span, 2 * span)]
    for at in (0, span, 2 * span):
        await desk.receive(*[receipt(desk, n, "{}") for n in numbers[at : at + span - 1]])
        await desk.receive(receipt(desk, numbers[at + span - 1], "{:x}"))
        assert lead(desk) == "same"
    # the stray ones count once a minute has told that no other is meant
    assert unsettled(desk, first) == strays + numbers[3 * span :]
    desk.now += UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    assert unsettled(desk, first) == numbers[3 * span :]


async def test_two_carriers_learn_apart(desk: Desk) -> None:
    mids = await live(desk, list(range(0x1000, 0x1040)), "{:x}")
    await desk.receive(*[receipt(desk, n, "{}") for n in mids])
    forms = desk.writer.base.forms
    assert (forms.lead("acme"), forms.lead("other")) == ("hex_to_decimal", None)
    assert forms.view("other").source == "learning"


async def test_of_a_transaction_that_fails_nothing_is_learnt(desk: Desk) -> None:
    mids = await live(desk, list(range(70_000, 70_100)), "{}")
    desk.con.execute("CREATE TRIGGER no BEFORE UPDATE ON segment BEGIN SELECT raise(ABORT, 'no'); END")
    (error,) = await desk.burst(ReceiptOp([receipt(desk, n, "{}") for n in mids]))
    assert error is not None
    assert lead(desk) is None
    assert desk.rows("SELECT count(*) FROM carrier_state") == [(0,)]
    desk.con.execute("DROP TRIGGER no")
    await desk.receive(*[receipt(desk, n, "{}") for n in mids])
    assert lead(desk) == "same"


# --- stale, and used again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [S.QUEUED, S.SUBMITTING, S.SENT, S.IN_DOUBT])
async def test_a_receipt_of_the_carrier_before_settles_nothing(desk: Desk, state: State) -> None:
    """The message went to another carrier: only its receipts count now, also under the same id."""
    mid = await desk.sent("a7")
    desk.con.execute("UPDATE segment SET carrier = 'other', state = ?", (int(state),))
    await desk.receive(desk.receipt("a7", S.UNDELIVERED))
    assert desk.states(mid) == [state]
    assert desk.counts["receipt_stale"] == 1
    assert desk.rows("SELECT count(*) FROM parked_receipt") == [(0,)]
    await desk.respond(mid, "a7", carrier="other")
    await desk.receive(desk.receipt("a7", S.DELIVERED, carrier="other"))
    assert desk.states(mid) == [S.DELIVERED]


async def test_an_id_used_again_for_the_same_phone_before_its_response(desk: Desk) -> None:
    """The one before is at its end: the receipt waits for the response to the one that is on its way."""
    old = await desk.sent("a7")
    await desk.receive(desk.receipt("a7"))
    new = await desk.submit(state=S.SUBMITTING)
    await desk.receive(desk.receipt("a7", S.UNDELIVERED))
    assert desk.counts["receipt_contradiction"] == 0
    await desk.respond(new, "a7")
    assert (desk.states(old), desk.states(new)) == ([S.DELIVERED], [S.UNDELIVERED])


async def test_a_duplicate_beside_one_that_is_on_its_way_is_a_duplicate_in_the_end(desk: Desk) -> None:
    old = await desk.sent("a7")
    await desk.receive(desk.receipt("a7"))
    new = await desk.submit(state=S.SUBMITTING)
    await desk.receive(desk.receipt("a7"))
    await desk.respond(new, "a8")
    desk.now += UNDECIDED_MS
    await desk.do(RetryParkedOp(0, before=desk.now))
    assert (desk.states(old), desk.states(new)) == ([S.DELIVERED], [S.SENT])
    assert desk.counts["receipt_duplicate"] == 1
    assert desk.rows("SELECT count(*) FROM parked_receipt") == [(0,)]


async def test_an_exact_id_with_another_address_is_not_taken_from_one_that_is_in_doubt(desk: Desk) -> None:
    """The receipt names a phone that has a segment in doubt: the id was used again, for that one."""
    old = await desk.sent("a7")
    other = await desk.submit(state=S.SUBMITTING, peer="+12125550199")
    desk.put_in(other, S.IN_DOUBT)
    await desk.receive(desk.receipt("a7", peer="+12125550199"))
    assert desk.states(old) == [S.SENT]
    await desk.respond(other, "a7")
    assert (desk.states(old), desk.states(other)) == ([S.SENT], [S.DELIVERED])


# --- the table of evidence --------------------------------------------------------------------------------------------


def test_evidence_in_a_row() -> None:
    known = Known()
    for _ in range(LEARN_AFTER - 1):
        assert not known.matched("same")
    assert not known.matched("hex_to_decimal"), "the row is broken"
    for _ in range(LEARN_AFTER - 1):
        assert not known.matched("same")
    assert known.matched("same")
    assert known.learnt == "same"


def test_given_up_and_learnt_again_after_twice_as_much() -> None:
    known = Known()
    known.matched("same", LEARN_AFTER)
    assert [known.contradicted() for _ in range(3)] == [False, False, True]
    assert known.learnt is None
    assert not known.matched("same", 2 * LEARN_AFTER - 1)
    assert known.matched("same")


def test_strays_far_apart_are_forgiven() -> None:
    known = Known()
    known.matched("same", LEARN_AFTER)
    for _ in range(10):
        assert not known.contradicted()
        known.matched("same", FORGIVEN_AFTER)
    assert known.learnt == "same"


@pytest.mark.parametrize(
    ("responses", "receipts", "form"),
    [
        ([f"{i:x}" for i in range(40)], [f"{i:x}" for i in range(40)], "same"),
        ([str(i) for i in range(40)], [str(i) for i in range(40)], "same"),
        ([f"{i:x}" for i in range(40)], [str(i) for i in range(40)], "hex_to_decimal"),
        ([str(i) for i in range(40)], [f"{i:x}" for i in range(40)], "decimal_to_hex"),
        ([str(i) for i in range(PLAIN - 1)], [str(i) for i in range(PLAIN)], None),
        ([f"uuid-{i}" for i in range(99)], [f"uuid-{i}" for i in range(99)], None),
    ],
)
def test_the_look_of_ids(responses: list[str], receipts: list[str], form: str | None) -> None:
    known = Known()
    assert known.looked(receipts, responses) == (form is not None)
    assert known.learnt == form


def test_the_look_of_ids_says_nothing_against_evidence() -> None:
    known = Known()
    known.matched("decimal_to_hex")
    assert not known.looked([str(i) for i in range(99)], [str(i) for i in range(99)])


def test_a_view_of_a_carrier_that_nothing_is_known_of() -> None:
    view = Forms().view("acme")
    assert (view.form, view.source, view.seen, view.against) == (None, "learning", {}, 0)
