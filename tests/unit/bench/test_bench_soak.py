"""What a soak is judged by: growth, loss and copies are noticed, and what is in order is not taken for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench import keys, wire
from bench.client import Event
from bench.growth import BOUNDS, judge, sixth
from bench.ledger import Ledger, Marks, Wrong
from bench.sinklog import BLOCK, CLOSE, IN, MAGIC, META, OPEN, OUT, blocks, long_blocks
from bench.soakrun import Plan, _over_lives, reconcile
from bench.tally import DROPPED, Tally
from bench.trace import Line
from bench.vitals import Sample

OUTBOUND = [Line("mt", "+447700900123", "+15551230001", "Hello {key}")]
INBOUND = [Line("mo", "+15551230001", "+447700900999", "Hi {key}", vary=False)]


# --- growth -----------------------------------------------------------------------------------------------------------


def flat(value: float = 100.0) -> dict[str, list[tuple[float, float]]]:
    return {bound.what: [(float(at), value) for at in range(601)] for bound in BOUNDS}


def test_what_stays_as_it_was_has_not_grown() -> None:
    assert all(finding.passed for finding in judge(flat(), 0, 600))
    # In the first sixth it warms up, and a peak is not growth.
    values = [40.0] * 100 + [100.0] * 450 + [500.0] + [100.0] * 50
    series = flat() | {"resident": [(float(at), value) for at, value in enumerate(values)]}
    assert all(finding.passed for finding in judge(series, 0, 600))


@pytest.mark.parametrize("what", [bound.what for bound in BOUNDS])
def test_what_grows_is_named(what: str) -> None:
    series = flat() | {what: [(float(at), 100.0 + 10 * at) for at in range(601)]}
    assert [finding.bound.what for finding in judge(series, 0, 600) if not finding.passed] == [what]


def test_a_bound_is_kept_to_the_octet() -> None:
    bound = next(bound for bound in BOUNDS if bound.what == "resident")
    most = 100 * (1 + bound.share) + bound.slack
    for late, passed in ((most, True), (most + 0.01, False)):
        series = flat() | {"resident": [(float(at), 100.0 if at < 500 else late) for at in range(601)]}
        assert {finding.passed for finding in judge(series, 0, 600) if finding.bound is bound} == {passed}


def test_what_was_not_sampled_is_not_judged_to_be_well() -> None:
    with pytest.raises(ValueError, match="tasks was not sampled"):
        judge(flat() | {"tasks": []}, 0, 600)


def test_sixths_are_those_of_the_stretch_that_is_judged() -> None:
    points = [(float(at), float(at)) for at in range(1000)]
    assert sixth(points, 100, 160, 1) == [float(at) for at in range(110, 120)]
    assert sixth(points, 100, 160, 5) == [float(at) for at in range(150, 161)]


def test_the_lives_fill_the_time() -> None:
    plan = Plan(60, 1000, 1000, 0)
    assert sum(plan.lives) == pytest.approx(3600)
    assert (plan.spell, plan.cut_every, plan.sample_every) == (30, 60, 10)
    short = Plan(2, 1000, 1000, 0)
    assert sum(short.lives) == pytest.approx(120)
    assert short.lives[-1] / short.cut_every >= 6


def test_counters_are_summed_over_lives_and_not_over_samples() -> None:
    names = ("old messages removed", "purge turns", "purge turns over 50 ms", "transactions", "transactions over 50 ms")

    def sample(phase: str, value: float | None) -> Sample:
        return Sample(0.0, phase, 1.0, 1.0, 0.0, 3, {} if value is None else dict.fromkeys(names, value))

    found = _over_lives([sample("a", 2), sample("a", 5), sample("a", None), sample("b", 1), sample("b", 4)])
    assert found == dict.fromkeys(names, 9)


# --- what the application was told ------------------------------------------------------------------------------------


def load(first: int = 0, ids: list[str] | None = None, **given: Any) -> Any:
    ids = ids or []
    known: dict[str, Any] = {"refused": {}, "ended": {}, "end_events": {}, "contradicted": [], "inbound": []}
    return SimpleNamespace(options=SimpleNamespace(first=first), ids=ids, next=len(ids), **(known | given))


def arrived(number: int, event_id: str, text: str | None = None) -> tuple[float, Event]:
    text = text if text is not None else f"Hi {keys.key(keys.MO, number)}"
    return 0.0, Event(event_id=event_id, text=text, number="+15551230001", peer="+447700900999")


def test_messages_are_open_until_their_end_is_told() -> None:
    ledger = Ledger(INBOUND)
    ledger.take(load(ids=["a", "", "c"], ended={"a": "delivered"}, end_events={"a": "2-1"}))
    assert (ledger.first_open, ledger.handed, list(ledger.accepted.numbers()), ledger.open) == (1, 3, [0, 2], {"c": 2})
    # It is submitted again under its ref, and the others answered as before.
    ledger.take(load(first=1, ids=["b", "c"], ended={"b": "delivered", "c": "expired"}, end_events={"b": 1, "c": 2}))
    assert ledger.first_open == 3
    assert list(ledger.ended.numbers()) == [0, 1, 2]
    assert ledger.states == {"delivered": 2, "expired": 1}
    assert not ledger.wrong.counts


def test_an_end_before_its_reply_waits_for_it() -> None:
    ledger = Ledger(INBOUND)
    ledger.take(load(ids=[""], ended={"a": "delivered"}, end_events={"a": "2-1"}))
    assert ledger.early
    ledger.take(load(ids=["a"]))
    assert not ledger.early
    assert ledger.ended[0]


def test_an_end_that_is_told_again_is_the_same_event() -> None:
    ledger = Ledger(INBOUND)
    ledger.take(load(ids=["a"], ended={"a": "delivered"}, end_events={"a": "2-1"}))
    ledger.turn()
    ledger.take(load(ended={"a": "delivered"}, end_events={"a": "2-1"}))
    assert (ledger.again, dict(ledger.wrong.counts)) == (1, {})
    ledger.take(load(ended={"a": "delivered"}, end_events={"a": "2-9"}))
    assert ledger.wrong.counts == {"ended twice": 1}


def test_refusals_are_wrong_but_for_those_that_were_to_be_expected() -> None:
    ledger = Ledger(INBOUND)
    ledger.take(load(ids=["", ""], refused={0: "stopping", 1: "queue_full"}), refusals=frozenset({"stopping"}))
    assert str(ledger.wrong) == "refused: 1: 1: queue_full"


def test_inbound_that_is_told_again_is_the_same_event_and_its_text_is_as_it_was() -> None:
    ledger = Ledger(INBOUND)
    ledger.take(load(inbound=[arrived(0, "2-1"), arrived(0, "2-1"), arrived(1, "2-2"), arrived(1, "2-3")]))
    assert (ledger.again, ledger.twice, ledger.told.count()) == (2, [1], 2)
    ledger.take(load(inbound=[arrived(2, "2-4", f"Ho {keys.key(keys.MO, 2)}"), arrived(3, "2-5", "nobody's")]))
    assert ledger.wrong.counts == {"inbound garbled": 1, "inbound that nobody sent": 1}


def test_marks_grow_and_examples_are_few() -> None:
    marks = Marks()
    marks.set(200_000)
    assert (marks[200_000], marks[199_999], marks[10**9], marks.count()) == (True, False, False, 1)
    wrong = Wrong()
    for number in range(9):
        wrong.note("lost", number)
    assert str(wrong) == "lost: 9: 0, 1, 2, 3, 4 ..."


# --- the carrier's log ------------------------------------------------------------------------------------------------


class Log:
    """A sink's log that is written by hand; its time goes on by a tenth of a second a block."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 100.0
        self._data = bytearray(MAGIC)
        self._block(META, 0, b"{}")

    def _block(self, kind: int, connection: int, data: bytes) -> None:
        self.now += 0.1
        self._data += BLOCK.pack(kind, self.now, connection, len(data)) + data
        self.path.write_bytes(self._data)

    def opened(self, connection: int) -> None:
        self._block(OPEN, connection, b"{}")

    def cut(self, connection: int, reason: str = DROPPED) -> None:
        self._block(CLOSE, connection, reason.encode())

    def submit(self, connection: int, number: int, text: str | None = None, peer: str | None = None) -> None:
        text = text if text is not None else f"Hello {keys.key(keys.MT, number)}"
        to = peer or keys.vary("+447700900123", number)
        body = wire.short_message_body(wire.address("+15551230001"), wire.address(to), text.encode())
        self._block(IN, connection, wire.pdu(wire.SUBMIT_SM, number + 1, body))

    def answer(self, connection: int, number: int, status: int = 0) -> None:
        self._block(OUT, connection, wire.pdu(wire.SUBMIT_SM_RESP, number + 1, b"1\0" if not status else b"", status))

    def deliver(self, connection: int, sequence: int, text: str, esm_class: int = 0) -> None:
        ends = wire.address("+447700900999"), wire.address("+15551230001")
        body = wire.short_message_body(*ends, text.encode(), esm_class=esm_class)
        self._block(OUT, connection, wire.pdu(wire.DELIVER_SM, sequence, body))

    def acknowledged(self, connection: int, sequence: int, status: int = 0) -> None:
        self._block(IN, connection, wire.pdu(wire.DELIVER_SM_RESP, sequence, b"\0", status))

    def tally(self) -> Tally:
        return Tally.read(self.path, OUTBOUND, INBOUND)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    log = Log(tmp_path / "log")
    for connection in (1, 2):
        log.opened(connection)
    return log


@pytest.mark.parametrize("batch", [1, 150, 1 << 20])
def test_a_log_is_folded_alike_in_pieces_of_any_size(log: Log, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr("bench.tally._BATCH", batch)
    for number in range(5):
        log.submit(1, number)
        log.answer(1, number)
        log.now += 40.0
    log.deliver(1, 1, "id:1 stat:DELIVRD", esm_class=4)
    log.acknowledged(1, 1)
    log.deliver(1, 2, f"Hi {keys.key(keys.MO, 0)}")
    log.acknowledged(1, 2)
    tally = log.tally()
    assert (tally.arrived.count(), tally.acknowledged.count(), tally.receipts, tally.segments) == (5, 1, 1, 5)
    assert not tally.wrong.counts


@pytest.mark.parametrize("piece", [17, 64, 1 << 20])
def test_a_long_log_is_read_a_piece_at_a_time(log: Log, piece: int) -> None:
    log.submit(1, 0)
    log.answer(1, 0)
    assert list(long_blocks(log.path, piece)) == list(blocks(log.path.read_bytes()))
    log.path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a sink log"):
        list(long_blocks(log.path))


def test_a_copy_is_in_order_only_where_its_connection_was_cut_off(log: Log) -> None:
    for number, answered in ((0, True), (1, False)):
        log.submit(1, number)
        if answered:
            log.answer(1, number)
    log.cut(1)
    for number in (0, 1):
        log.submit(2, number)
        log.answer(2, number)
    tally = log.tally()
    assert (tally.copies, dict(tally.wrong.counts)) == (2, {})


@pytest.mark.parametrize("reason", [DROPPED, "closed by the peer"])
def test_a_copy_without_a_cause_is_one_too_many(log: Log, reason: str) -> None:
    log.submit(1, 0)
    log.answer(1, 0)
    if reason == DROPPED:
        log.now += 10  # its answer was read long before
    log.cut(1, reason)
    log.submit(2, 0)
    log.answer(2, 0)
    tally = log.tally()
    assert (tally.copies, dict(tally.wrong.counts)) == (0, {"doubled": 1})


def test_a_copy_that_comes_when_all_was_over_is_noticed_too(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.tally._BATCH", 1)
    log.submit(1, 0)
    log.answer(1, 0)
    log.now += 100
    log.submit(1, 1)
    log.answer(1, 1)
    log.submit(2, 0)
    log.answer(2, 0)
    assert log.tally().wrong.counts == {"doubled": 1}


def test_what_was_throttled_comes_again_and_is_no_copy(log: Log) -> None:
    log.submit(1, 0)
    log.answer(1, 0, status=wire.RTHROTTLED)
    log.submit(1, 0)
    log.answer(1, 0)
    tally = log.tally()
    assert (tally.copies, tally.arrived.count(), dict(tally.wrong.counts)) == (0, 1, {})


def test_what_is_not_ours_or_not_as_it_was_is_noticed(log: Log) -> None:
    log.submit(1, 0, text=f"Hullo {keys.key(keys.MT, 0)}")
    log.answer(1, 0)
    log.submit(1, 1, peer="+447700900000")
    log.answer(1, 1)
    log.submit(1, 2, text="who is this")
    log.answer(1, 2)
    log.submit(1, 3)  # and never answered
    tally = log.tally()
    assert tally.wrong.counts == {"garbled": 2, "stray": 1}
    assert list(tally.arrived.numbers()) == [0, 1]


def test_receipts_and_inbound_are_to_be_acknowledged_on_some_connection(log: Log) -> None:
    key = keys.key(keys.MO, 7)
    for sequence, text, esm_class in ((1, "id:1 stat:DELIVRD", 4), (2, f"Hi {key}", 0), (3, "id:2 stat:DELIVRD", 4)):
        log.deliver(1, sequence, text, esm_class)
    log.cut(1)
    log.deliver(2, 1, "id:1 stat:DELIVRD", esm_class=4)
    log.acknowledged(2, 1)
    log.deliver(2, 2, f"Hi {key}")
    log.acknowledged(2, 2, status=wire.RX_T_APPN)
    tally = log.tally()
    assert str(tally.wrong) == f"inbound not acknowledged: 1: {key}\nreceipts not acknowledged: 1: 2"
    log.deliver(2, 3, f"Hi {key}")
    log.acknowledged(2, 3)
    tally = log.tally()
    assert tally.wrong.counts == {"receipts not acknowledged": 1}
    assert tally.acknowledged[7]
    assert tally.resent[7]


# --- one against the other --------------------------------------------------------------------------------------------


def test_what_one_side_knows_and_the_other_does_not_is_named(log: Log) -> None:
    ledger = Ledger(INBOUND)
    ledger.take(
        load(
            ids=["a", "b", "c", ""],
            ended={"a": "delivered", "c": "delivered", "x": "delivered"},
            end_events={"a": 1, "c": 2, "x": 3},
            inbound=[arrived(0, "2-1"), arrived(0, "2-2"), arrived(1, "2-3"), arrived(1, "2-4")],
        )
    )
    for number in (0, 1, 3):
        log.submit(1, number)
        log.answer(1, number)
    for sequence, number in enumerate((0, 2), start=1):
        log.deliver(1, sequence, f"Hi {keys.key(keys.MO, number)}")
        log.acknowledged(1, sequence)
    tally = log.tally()
    tally.resent.set(0)
    reconcile(ledger, tally)
    assert {what: ledger.wrong.examples[what] for what in ledger.wrong.counts} == {
        "lost: not with the carrier": [keys.key(keys.MT, 2)],
        "lost: no end was told": [keys.key(keys.MT, 1)],
        "sent without a reply": [keys.key(keys.MT, 3)],
        "inbound lost": [keys.key(keys.MO, 2)],
        "inbound told twice": [keys.key(keys.MO, 1)],
        "ends of what nobody handed over": ["x"],
    }
