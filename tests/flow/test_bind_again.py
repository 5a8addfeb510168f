"""Coming back: back-off and its bounds, refused credentials, other hosts, and never more than a bind a second."""

from __future__ import annotations

import pytest
import trio

from gateway.carrier.backoff import STABLE_AFTER
from gateway.carrier.connection import connect_tcp, plain
from gateway.smpp import pdu as p
from gateway.smpp.constants import CommandStatus
from tests.support.wire import Wire, carrier, hold

Clock = trio.testing.MockClock
REFUSED = ConnectionRefusedError(111, "Connection refused")


async def test_waits_double_from_a_second_to_a_minute_with_jitter(autojump_clock: Clock) -> None:
    every: list[list[float]] = []
    for seed in range(6):
        async with carrier(behave=REFUSED, seed=seed) as held:
            await held.attempts(14)
            every.append(held.line.waits)
            assert held.bind.last_error == "Connection refused"
            assert held.bind.reconnects == 13
    for waits in every:
        for i, wait in enumerate(waits):
            ideal = min(2.0**i, 60)
            assert ideal / 1.5 <= wait <= ideal * 1.5, waits
            assert 1 <= wait <= 60.01, waits
        assert waits[-1] > 35
    for at_once in zip(*every, strict=True):
        assert len({round(wait, 3) for wait in at_once}) > 1, "no jitter"


async def test_the_bounds_of_the_wait_are_settings(autojump_clock: Clock) -> None:
    async with carrier(behave=REFUSED, reconnect_min=5, reconnect_max=8) as held:
        await held.attempts(8)
        assert min(held.line.waits) >= 5
        assert max(held.line.waits) <= 8.01


async def _short(wire: Wire) -> None:
    await wire.accept()
    await trio.sleep(STABLE_AFTER / 2)
    await wire.close()


async def _stable(wire: Wire) -> None:
    await wire.accept()
    await trio.sleep(STABLE_AFTER + 1)
    await wire.close()


async def test_a_flapping_carrier_is_not_hammered(autojump_clock: Clock) -> None:
    async with carrier(behave=_short) as held:
        await held.attempts(9)
        down = [wait - STABLE_AFTER / 2 for wait in held.line.waits]
        assert down[-1] > 35, "a session that did not last brought the wait back to its shortest"


async def test_a_stable_session_brings_the_shortest_wait_back(autojump_clock: Clock) -> None:
    async with carrier(behave=REFUSED) as held:
        await held.attempts(6)
        held.line.behave = _stable
        await held.attempts(7)
        held.line.behave = REFUSED
        await held.attempts(9)
        after_session, following = held.line.waits[-2:]
        assert after_session - (STABLE_AFTER + 1) <= 1.51
        assert following <= 3.01


@pytest.mark.parametrize(
    "status",
    [
        CommandStatus.ESME_RBINDFAIL,
        CommandStatus.ESME_RINVPASWD,
        CommandStatus.ESME_RINVSYSID,
        CommandStatus.ESME_RINVSYSTYP,
    ],
)
async def test_refused_credentials_wait_long_and_are_an_error(autojump_clock: Clock, status: CommandStatus) -> None:
    async def refuse(wire: Wire) -> None:
        await wire.refuse(status)
        await wire.end()

    async with carrier(behave=refuse, refused_delay=300) as held:
        await held.attempts(3)
        assert min(held.line.waits) >= 300
        assert max(held.line.waits) <= 331
        await held.state("refused")
        assert held.bind.refused
        assert held.bind.last_error is not None
        assert status.name in held.bind.last_error
        assert held.carrier.state == "down"
        held.line.behave = hold
        await held.bound()
        assert not held.bind.refused
        assert held.bind.last_error is None


async def test_refused_credentials_are_logged_as_an_error_without_them(
    autojump_clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[str, str, str]] = []
    log = __import__("gateway.carrier.bind", fromlist=["_log"])._log
    monkeypatch.setattr(type(log), "_log", lambda self, level, event, values: lines.append((level, event, str(values))))

    async def refuse(wire: Wire) -> None:
        await wire.refuse(CommandStatus.ESME_RINVPASWD)
        await wire.end()

    async with carrier(behave=refuse, password="mark-8", system_id="user") as held:
        await held.state("refused")
    failed = [line for line in lines if line[1] == "bind_failed"]
    assert [level for level, _, _ in failed] == ["error"]
    assert "ESME_RINVPASWD" in failed[0][2]
    assert not [line for line in lines if "mark-8" in line[2]]


async def test_another_refusal_backs_off_as_usual(autojump_clock: Clock) -> None:
    async def busy(wire: Wire) -> None:
        await wire.refuse(CommandStatus.ESME_RSYSERR)
        await wire.end()

    async with carrier(behave=busy) as held:
        await held.attempts(4)
        assert max(held.line.waits) < 7
        assert not held.bind.refused


async def test_the_alarm_stays_while_it_is_tried_again(autojump_clock: Clock) -> None:
    async def refuse(wire: Wire) -> None:
        await wire.refuse(CommandStatus.ESME_RINVPASWD)
        await wire.end()

    async with carrier(behave=refuse) as held:
        await held.state("refused")
        held.line.behave = REFUSED
        for _ in range(3):
            await held.state("connecting")
            assert held.bind.refused, "a gap in the alarm at each attempt"
            await held.over(len(held.line.attempts))


async def test_the_second_host_is_tried_when_the_first_fails(autojump_clock: Clock) -> None:
    async def silent(wire: Wire) -> None:
        await wire.end()

    for trouble in (REFUSED, silent, TimeoutError(110, "Connection timed out")):
        async with carrier(hosts=["a.example:2775", "b.example:2900"]) as held:
            held.line.by_host["a.example"] = trouble
            await held.bound()
            assert [(host, port) for _, host, port in held.line.attempts] == [("a.example", 2775), ("b.example", 2900)]
            assert held.bind.host == "b.example:2900"


async def test_hosts_are_tried_in_turn_until_one_takes_the_bind(autojump_clock: Clock) -> None:
    async with carrier(hosts=["a.example", "b.example", "c.example"], behave=REFUSED) as held:
        await held.attempts(5)
        assert [host[0] for _, host, _ in held.line.attempts] == ["a", "b", "c", "a", "b"]


async def test_a_session_that_ends_is_sought_where_it_was(autojump_clock: Clock) -> None:
    async with carrier(hosts=["a.example", "b.example"]) as held:
        held.line.by_host["a.example"] = REFUSED
        held.line.by_host["b.example"] = _stable
        await held.attempts(3)
        assert [host[0] for _, host, _ in held.line.attempts] == ["a", "b", "b"]


async def test_never_more_than_one_bind_attempt_a_second_over_all_binds(autojump_clock: Clock) -> None:
    for behave in (REFUSED, hold, _short):
        async with carrier(binds=7, behave=behave) as held:
            await held.attempts(7 if behave is hold else 60)
            assert min(held.line.waits) >= 1 - 1e-9


async def test_the_pair_and_its_copies_share_that_second_too(autojump_clock: Clock) -> None:
    async with carrier(bind="pair", binds=4, behave=REFUSED) as held:
        await held.attempts(40)
        assert min(held.line.waits) >= 1 - 1e-9


async def test_a_wait_can_be_cut_short(autojump_clock: Clock) -> None:
    async def refuse(wire: Wire) -> None:
        await wire.refuse(CommandStatus.ESME_RINVPASWD)
        await wire.end()

    async with carrier(behave=refuse) as held:
        await held.state("refused")
        held.line.behave = hold
        before = trio.current_time()
        held.bind.wake()
        await held.bound()
        assert trio.current_time() - before <= 1


async def test_one_bind_down_leaves_the_others_sending(autojump_clock: Clock) -> None:
    count = 0

    async def behave(wire: Wire) -> None:
        nonlocal count
        count += 1
        if count == 2:
            await wire.refuse(CommandStatus.ESME_RALYBND)
            await wire.end()
        else:
            await hold(wire)

    async with carrier(binds=2, behave=behave) as held:
        await held.notes.until(lambda: {b.state for b in held.carrier.binds} == {"bound", "refused"})
        assert held.carrier.state == "degraded"
        assert held.carrier.can_send
        assert held.carrier.room() == 2 * held.carrier.settings.window


async def test_the_password_is_sent_once_an_attempt_and_only_in_the_bind(autojump_clock: Clock) -> None:
    async with carrier(behave=_short, password="mark-8") as held:
        await held.attempts(3)
        for wire in held.line.wires[:2]:
            assert wire.kinds()[0] == "BindTransceiver"
            assert all(not isinstance(pdu, p.BindTransceiver) for _, _, _, pdu in wire.received[1:])


async def test_a_port_where_nobody_listens_is_said_in_words() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with pytest.raises(OSError, match="all attempts") as refused:
        await connect_tcp("127.0.0.1", port, None)
    assert plain(refused.value) == "Connection refused"
