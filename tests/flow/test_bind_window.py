"""What a bind lets through: window, pace, pauses, inbound bounds; and what an error of ours costs."""

from __future__ import annotations

import itertools

import pytest
import trio

from gateway import link as link_module
from gateway.carrier import traffic as traffic_module
from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from tests.support.wire import Wire, carrier, hold, segments

Clock = trio.testing.MockClock


def withhold(seen: list[int]) -> object:
    """A carrier that answers each submit a second after it came, and writes down how many were unanswered."""

    async def behave(wire: Wire) -> None:
        await wire.accept()
        open_: set[int] = set()

        async def answer(sequence: int) -> None:
            await trio.sleep(1)
            open_.discard(sequence)
            await wire.send(p.SubmitSmResp(str(sequence)), sequence)

        async with trio.open_nursery() as nursery:
            while (found := await wire.read()) is not None:
                if isinstance(found[1], p.SubmitSm):
                    open_.add(found[0])
                    seen.append(len(open_))
                    nursery.start_soon(answer, found[0])
            nursery.cancel_scope.cancel()

    return behave


@pytest.mark.parametrize("window", [1, 2, 10])
async def test_the_window_is_never_passed_and_is_used(autojump_clock: Clock, window: int) -> None:
    seen: list[int] = []
    async with carrier(behave=withhold(seen), window=window) as held:  # type: ignore[arg-type]
        await held.bound()
        start = trio.current_time()
        held.carrier.push(segments(30))
        await held.notes.until(lambda: len(held.notes.answers) == 30)
        assert max(seen) == window
        assert trio.current_time() - start == pytest.approx(30 / window)


async def test_room_is_twice_the_window_of_the_binds_that_are_up(autojump_clock: Clock) -> None:
    seen: list[int] = []
    async with carrier(behave=withhold(seen), window=5, binds=2) as held:  # type: ignore[arg-type]
        assert held.carrier.room() == 0
        await held.bound(1)
        assert held.carrier.room() == 10
        await held.bound(2)
        assert held.carrier.room() == 20
        held.carrier.push(segments(12))
        assert held.carrier.room() == 8
        assert held.carrier.in_use == 10
        assert held.carrier.claims_waiting == 2


async def test_no_second_holds_more_than_the_throughput_over_all_binds(autojump_clock: Clock) -> None:
    async with carrier(binds=3, throughput=20, window=100) as held:
        await held.bound(3)
        await trio.sleep(5)
        start = trio.current_time()
        held.carrier.push(segments(400))
        await held.notes.until(lambda: len(held.notes.answers) == 400)
        times = sorted(at for wire in held.line.wires for at in wire.times(p.SubmitSm))
        for i in range(len(times) - 20):
            assert times[i + 20] - times[i] >= 1
        assert 400 / (times[-1] - start) >= 0.97 * 20
        assert all(w.submits > 100 for w in held.line.wires)


async def test_a_throughput_below_one(autojump_clock: Clock) -> None:
    async with carrier(throughput=0.25) as held:
        await held.bound()
        held.carrier.push(segments(4))
        await held.notes.until(lambda: len(held.notes.answers) == 4)
        times = held.line.wires[0].times(p.SubmitSm)
        assert [round(b - a, 3) for a, b in itertools.pairwise(times)] == [4, 4, 4]


async def test_a_pause_holds_back_everything_and_keeps_the_order(autojump_clock: Clock) -> None:
    async with carrier(binds=2) as held:
        await held.bound(2)
        assert held.carrier.pause(3) == 3
        assert held.carrier.pause(3) == 0, "the seconds of one pause are counted once"
        await trio.sleep(1)
        assert held.carrier.pause(3) == pytest.approx(1)
        # What is kept free is for lane 0 alone, so that a one-time code is the first after the pause.
        assert 0 < held.carrier.room() < held.carrier.kept_free
        start = trio.current_time()
        held.carrier.push(segments(6))
        await held.notes.until(lambda: len(held.notes.answers) == 6)
        assert trio.current_time() - start == pytest.approx(3)
        sent = [pdu.destination.addr for w in held.line.wires for _, _, _, pdu in w.received[1:]]  # type: ignore[attr-defined]
        assert sent == sorted(sent[:3]) + sorted(sent[3:])
        assert held.carrier.room() > 0


async def test_a_submit_without_an_answer_is_in_doubt_and_frees_its_slot(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.serve(answer=False)

    async with carrier(behave=behave, window=3, response_timeout=7, enquire_link=0) as held:
        await held.bound()
        sent = segments(5)
        start = trio.current_time()
        held.carrier.push(sent)
        await held.notes.until(lambda: len(held.notes.in_doubt) == 3)
        assert trio.current_time() - start == 7
        assert held.notes.in_doubt == sent[:3]
        assert held.bind.state == "bound", "one slow answer is no reason to drop the session"
        assert held.bind.last_error == "3 submits without an answer"
        held.carrier.pump()
        await held.notes.until(lambda: len(held.notes.in_doubt) == 5)
        assert held.bind.in_use == 0


async def test_a_late_answer_is_told_as_late_and_settles_nothing_twice(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        sequence, _ = await wire.expect(p.SubmitSm)
        await trio.sleep(9)
        await wire.send(p.SubmitSmResp("late"), sequence)
        await wire.serve()

    async with carrier(behave=behave, response_timeout=5) as held:
        await held.bound()
        held.carrier.push(segments(1))
        await held.notes.until(lambda: held.notes.answers)
        (answer,) = held.notes.answers
        assert (answer.late, answer.message_id, answer.status) == (True, "late", 0)
        assert held.bind.in_use == 0


async def test_what_was_not_written_is_told_apart_from_what_is_in_doubt(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.SubmitSm)
        await trio.sleep(1)
        await wire.close()

    async with carrier(behave=behave, window=10) as held:
        await held.bound()
        sent = segments(3)
        held.carrier.push(sent[:1])
        await trio.sleep(0.5)
        # From here on writes block: what is pushed now is not put into the session, and certainly not written.
        gate = trio.Event()
        stream = held.bind.link.stream  # type: ignore[union-attr]
        stream.send_stream.send_all_hook = gate.wait  # type: ignore[attr-defined]
        held.carrier.push(sent[1:2])
        await trio.testing.wait_all_tasks_blocked()
        held.carrier.push(sent[2:])
        await held.over()
        assert held.notes.in_doubt == sent[:2]
        assert held.notes.given_back == sent[2:]
        assert held.bind.in_use == 0


async def test_answers_that_came_before_a_broken_write_are_still_read(autojump_clock: Clock) -> None:
    """The carrier answers, and goes: our next write fails before the answers were read."""

    async def behave(wire: Wire) -> None:
        await wire.accept()
        for _ in range(2):
            await wire.expect(p.SubmitSm)
        await wire.stream.send_all(b"".join(encode(p.SubmitSmResp(f"{n}"), n) for n in (2, 3)))
        await trio.sleep_forever()

    async with carrier(behave=behave) as held:
        await held.bound()
        sent = segments(3)
        link = held.bind.link
        assert link is not None
        link.hold()  # the answers are on their way, and not read yet
        held.carrier.push(sent[:2])
        await trio.sleep(0.1)

        async def broken() -> None:
            raise trio.BrokenResourceError("reset by peer")

        link.stream.send_stream.send_all_hook = broken  # type: ignore[attr-defined]
        held.carrier.push(sent[2:])
        await trio.testing.wait_all_tasks_blocked()
        link.release()
        await held.over()
        assert [a.message_id for a in held.notes.answers] == ["2", "3"]
        assert held.notes.in_doubt == sent[2:]


async def test_reading_stops_at_a_bound_of_unanswered_inbound_pdus(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traffic_module, "MAX_UNANSWERED", 100)
    monkeypatch.setattr(link_module, "RECEIVE_SIZE", 1500)
    written = 0

    async def behave(wire: Wire) -> None:
        nonlocal written
        await wire.accept()
        pdu = p.DeliverSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x" * 100)
        for sequence in range(1, 1001):
            await wire.send(pdu, sequence)
            written += 1
        await wire.end()

    async with carrier(behave=behave, enquire_link=0) as held:
        await held.bound()
        await held.notes.until(lambda: len(held.notes.came) >= 100)
        await trio.testing.wait_all_tasks_blocked()
        # What a read under way brought in comes on top. TCP holds the carrier back from then on.
        assert len(held.notes.came) <= 100 + 2 * 10
        answered = 0
        while answered < 1000:
            bind, session, sequence, _ = held.notes.came[answered]
            bind.respond(session, [(sequence, p.DeliverSmResp())])
            answered += 1
            assert bind.unanswered <= 100 + 2 * 10
            if answered >= len(held.notes.came):
                await trio.testing.wait_all_tasks_blocked()
        assert len(held.notes.came) == 1000
        await trio.testing.wait_all_tasks_blocked()
        assert len(held.line.wires[0].times(p.DeliverSmResp)) == 1000


async def test_an_answer_for_a_session_that_is_gone_is_dropped(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.send(p.DeliverSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x"), 1)
        await trio.sleep(1)
        await wire.close()

    async with carrier(behave=behave) as held:
        await held.notes.until(lambda: held.notes.came)
        await held.over()
        held.line.behave = hold
        await held.bound()
        bind, session, sequence, _ = held.notes.came[0]
        bind.respond(session, [(sequence, p.DeliverSmResp())])
        await trio.testing.wait_all_tasks_blocked()
        assert bind.unanswered == 0
        assert held.line.wires[1].kinds() == ["BindTransceiver"]


@pytest.mark.parametrize("hook", ["answered", "arrived", "rejected", "unanswered"])
async def test_an_error_of_ours_costs_that_session_alone_and_loses_no_outcome(autojump_clock: Clock, hook: str) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        sequence, _ = await wire.expect(p.SubmitSm)
        await wire.expect(p.SubmitSm)
        if hook == "arrived":
            await wire.send(p.DeliverSm(p.Address(1, 1, "1"), p.Address(1, 1, "2"), b"x"), 1)
        elif hook == "rejected":
            await wire.stream.send_all(bytes.fromhex("00000010 0000abcd 00000000 0000000a"))
        elif hook == "answered":
            await wire.send(p.SubmitSmResp("a"), sequence)
        await wire.end()

    async with carrier(behave=behave, binds=2, response_timeout=5, enquire_link=0) as held:
        held.line.behave = hold
        await held.bound(1)
        held.line.behave = behave
        await held.bound(2)
        other, spoilt = held.carrier.binds
        sent = segments(4)
        held.notes.fails = hook
        held.carrier.push(sent)
        await held.notes.until(lambda: spoilt.state == "down" or other.state == "down")
        if other.state == "down":
            other, spoilt = spoilt, other
        assert spoilt.last_error == "internal error: RuntimeError"
        assert other.state == "bound"
        # every segment has an outcome in its time: nothing keeps a slot for ever
        await trio.sleep(6)
        outcomes = {s.message.id for s in held.notes.in_doubt} | {a.segment.message.id for a in held.notes.answers}
        assert outcomes == {1, 2, 3, 4}
        assert held.carrier.in_use == 0
        held.line.behave = hold
        await held.bound(2)


async def test_a_segment_that_fits_no_pdu_stops_nobody(autojump_clock: Clock) -> None:
    async with carrier() as held:
        await held.bound()
        bad = segments(1, tlvs=(p.Tlv(0x1400, b"x" * 70_000),))
        good = segments(3)
        held.carrier.push([good[0], *bad, *good[1:]])
        await held.notes.until(lambda: len(held.notes.answers) == 3)
        assert held.notes.ended == [("unsendable", bad[0])]
        assert held.bind.state == "bound"
        assert held.bind.in_use == 0


async def test_what_expired_while_it_was_claimed_is_not_written(autojump_clock: Clock) -> None:
    seen: list[int] = []
    async with carrier(behave=withhold(seen), window=1) as held:  # type: ignore[arg-type]
        await held.bound()
        soon = 1_760_000_000_000 + int(trio.current_time() * 1000) + 500
        first, late = segments(1), segments(2, expires_at=soon)
        held.carrier.push([*first, *late])
        await held.notes.until(lambda: len(held.notes.ended) == 2)
        assert held.notes.ended == [("late", s) for s in late]
        assert len(seen) == 1


async def test_claims_go_back_when_no_bind_is_left(autojump_clock: Clock) -> None:
    async def behave(wire: Wire) -> None:
        await wire.accept()
        await wire.expect(p.SubmitSm)
        await wire.close()

    async with carrier(behave=behave, window=1) as held:
        await held.bound()
        sent = segments(3)
        held.carrier.push(sent)
        await held.over()
        assert held.notes.in_doubt == sent[:1]
        assert held.notes.given_back == sent[1:]
        assert held.carrier.claims_waiting == 0
