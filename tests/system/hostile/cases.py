"""What the carrier does in each case, and what must have come of it beside what holds in all of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from bench.figures import Percentiles
from tests.fuzz.line import LIES, mutants
from tests.system.hostile.conduct import ACCOUNT_FORMS, Conduct
from tests.unit.smpp.golden import OCTETS
from tests.unit.smpp.test_codec import BROKEN, LENIENT

if TYPE_CHECKING:
    from tests.system.hostile.stage import Outcome

Check = Callable[["Outcome"], None]
_RESPONSE: Final = 0x80
_UNBIND: Final = b"\0\0\0\6"
ENDED: Final = frozenset({"delivered", "undelivered"})
FLOOR: Final = 0.5
"""Seconds that are always allowed for a p99: this machine has other things to do."""
SEEN_LATE: Final = 0.05
"""Share of a rate that a carrier may see above it: what was written in time is read late."""
_ON_ITS_WAY: Final = 0.1
_WOKEN_LATE: Final = 0.4
_UNREACHED: Final = 0x7000_0000
"""Sequence numbers from here on are of no request, so that what is malformed answers nothing."""


@dataclass(frozen=True)
class Case:
    """``seconds``: how long the conduct lasts; then the carrier is honest. ``rate``: messages a second to it.

    ``then``: further conducts, each with its seconds, before it is honest. ``check`` raises AssertionError.
    ``restart``: the daemon is stopped and started when the conduct has lasted so long. ``carrier``: settings of the
    carrier that differ. ``validity``: seconds, of its messages. ``timed``: the other carrier's times are judged.
    """

    name: str
    conduct: Conduct
    seconds: float = 0.8
    rate: float = 100.0
    then: Sequence[tuple[Conduct, float]] = ()
    check: Check | None = None
    restart: bool = False
    carrier: Mapping[str, Any] = field(default_factory=dict)
    validity: float | None = None
    timed: bool = True
    peers: int = 60
    long_every: int = 10
    open: str = ""
    """Why it does not hold yet; the test is then expected to fail."""
    waiting: Callable[[Mapping[str, Mapping[str, Any]]], None] | None = None
    """Raises AssertionError for what is shown of the messages just before the carrier is honest."""
    accounts: int = 0
    """So many hostile carriers in place of one, each an account of its own at the same."""
    minute: bool = False
    """In the long form it lasts a minute."""


def some(kind: str, at_least: int = 1) -> Check:
    """So many of what is counted: else nothing was shown."""

    def check(outcome: Outcome) -> None:
        assert outcome.judgement.counts[kind] >= at_least, f"{kind}: {outcome.judgement.counts[kind]}"

    return check


def none(*kinds: str) -> Check:
    """Nothing of what is counted."""

    def check(outcome: Outcome) -> None:
        for kind in kinds:
            assert not outcome.judgement.counts[kind], f"{kind}: {outcome.judgement.counts[kind]}"

    return check


def all_of(*checks: Check) -> Check:
    """One after the other."""

    def check(outcome: Outcome) -> None:
        for one in checks:
            one(outcome)

    return check


def malformed(seed: str, mutated: int) -> list[str]:
    """What the tests of the codec know as broken and as odd, golden PDUs cut short, and mutants; in hex."""
    rng = random.Random(seed)
    source = mutants(rng, (0x05, 0x05, 0x103, 0x80000004, 0x80000000, 0x102))
    frames = [case[1] for case in (*BROKEN, *LENIENT)] + list(OCTETS.values())
    frames += [_cut(octets, rng) for octets in OCTETS.values()]
    frames += [next(source) for _ in range(mutated)]
    return [_aimless(octets).hex() for octets in frames if octets[4:8] not in (_UNBIND, b"\0\0\0\x0b")]


def _cut(octets: bytes, rng: random.Random) -> bytes:
    short = octets[: rng.randrange(16, max(17, len(octets)))]
    return len(short).to_bytes(4, "big") + short[4:]


def _aimless(octets: bytes) -> bytes:
    # A response that names a request of ours would be its answer, however odd.
    number = _UNREACHED | (octets[15] if octets[4] & _RESPONSE else int.from_bytes(octets[13:16], "big"))
    return octets[:12] + number.to_bytes(4, "big") + octets[16:]


# --- what must have come of it ----------------------------------------------------------------------------------------


def refused_once(outcome: Outcome) -> None:
    """Nothing was sent again, and each end has a reason and a status."""
    none("copies", "retries")(outcome)
    some("failed", 5)(outcome)
    for shown in outcome.shown.values():
        if shown["state"] == "failed":
            assert shown["reason"], shown
            assert any(part["command_status"] for part in shown["parts"]), shown


def pauses(outcome: Outcome) -> None:
    """After a refusal nothing comes until the pause is over, but for what was on its way."""
    pause = outcome.case.carrier["throttle_pause"]
    refused = [s.answered for s in outcome.report.submits if s.status == 0x58 and s.answered is not None]
    early = [s.at - at for at in refused for s in outcome.report.submits if at + _ON_ITS_WAY < s.at < at + pause * 0.9]
    assert refused, "nothing was refused"
    assert not early, f"{len(early)} came within the pause, {early[:3]}"


def full_carrier(outcome: Outcome) -> None:
    """When every phone's queue is full it is the carrier's: it gets rests."""
    some("retries")(outcome)
    ats = [s.at for s in outcome.report.submits if s.at < outcome.honest_again]
    longest = max(b - a for a, b in pairwise(ats))
    assert longest > outcome.case.carrier["throttle_pause"] * 0.8, f"no rest longer than {longest:.2f} s"


def harms_only_itself(outcome: Outcome) -> None:
    """What is refused to one phone keeps nobody else waiting, and is not sent without end."""
    (peer,) = outcome.case.conduct.peers
    mine = [m for m in outcome.messages if m.peer == peer]
    assert mine, "nothing went to that phone"
    times = Percentiles.of(outcome.arrivals(but=peer)).p99 / 1000
    assert times < max(2 * outcome.p99_alone, FLOOR), f"others waited {times:.3f} s"
    late = [m.label for m in outcome.messages if m.peer != peer and outcome.shown[m.id]["state"] not in ENDED]
    assert not late, f"others did not end: {late}"


def set_aside(outcome: Outcome) -> None:
    """A message at which the carrier closes is tried twice, and then it waits for an operator."""
    harms_only_itself(outcome)
    (peer,) = outcome.case.conduct.peers
    held = 0
    for m in outcome.messages:
        if m.peer == peer:
            tries = [s.at for s in outcome.report.submits if s.label == m.label]
            assert len(tries) == 2, f"tried {len(tries)} times"
            # The second try of one that came late in the case may meet an honest carrier.
            taken = tries[-1] > outcome.honest_again
            assert outcome.shown[m.id]["state"] == ("delivered" if taken else "in_doubt"), outcome.shown[m.id]
            held += not taken
    assert held, "each was taken at last: nothing was shown"


def only_it_is_held(outcome: Outcome) -> None:
    """With one bind others wait for it to be back; but they are not held, though they shared the window each time."""
    (peer,) = outcome.case.conduct.peers
    held = {m.peer for m in outcome.messages if outcome.shown[m.id]["state"] == "in_doubt"}
    assert held == {peer}, held


def within_rate(outcome: Outcome) -> None:
    """In no sliding second more than the rate, and on no bind more unanswered than the window."""
    rate, window = outcome.case.carrier["throughput"], outcome.case.carrier["window"]
    most, over = most_in_a_second([s.at for s in outcome.report.submits]), rate * SEEN_LATE
    assert most <= rate + over, f"{most} in one second"
    assert most >= rate * 0.8, f"only {most} in one second: the rate was not tried"
    used = max(c.most for c in outcome.report.connections)
    assert used <= window, f"{used} unanswered on one bind"
    assert used >= window - 1, f"only {used} unanswered on one bind: the window was not tried"


def most_in_a_second(times: Sequence[float]) -> int:
    """In any sliding second."""
    found, first = 0, 0
    ordered = sorted(times)
    for last, at in enumerate(ordered):
        while ordered[first] <= at - 1.0:
            first += 1
        found = max(found, last - first + 1)
    return found


def noticed(outcome: Outcome) -> None:
    """A link that says nothing is given up within two enquire_link intervals, and no copy goes into it."""
    none("in_doubt")(outcome)
    allowed = 2 * outcome.case.carrier["enquire_link"] + _WOKEN_LATE
    dead = [c for c in outcome.report.connections if c.opened < outcome.began]
    for connection in dead:
        assert connection.closed is not None, "it was not given up"
        assert connection.end == "peer", connection
        taken = connection.closed - outcome.began
        assert taken < allowed, f"noticed after {taken:.2f} s"
    assert dead


def tried_again(outcome: Outcome) -> None:
    """Binds were tried while they were refused; how often is judged in every case."""
    tried = [c for c in outcome.report.connections if outcome.began < c.opened < outcome.honest_again]
    assert len(tried) >= 2, f"only {len(tried)}"


def orphans_counted(outcome: Outcome) -> None:
    """What matches nothing is kept and counted."""
    assert outcome.status["parked_receipts"] >= outcome.case.conduct.orphans


def flagged(shown: Mapping[str, Mapping[str, Any]]) -> None:
    """What was sent and has no receipt after the time for it waits, and says so."""
    reasons = {message["reason"] for message in shown.values()}
    assert {message["state"] for message in shown.values()} == {"sent"}
    assert "no_receipt" in reasons, reasons


def all_waited(outcome: Outcome) -> None:
    """With `hold` nothing is copied, and what has no answer is shown as in doubt."""
    none("copies")(outcome)
    some("in_doubt", 3)(outcome)


def at_once(outcome: Outcome) -> None:
    """So many PDUs were in one write."""
    none("copies", "failed")(outcome)
    assert outcome.report.at_once >= 500, outcome.report.at_once


def each_acknowledged(outcome: Outcome) -> None:
    """Repeats and contradictions were taken from the carrier too, and changed nothing."""
    assert outcome.judgement.counts["receipts"] >= 3 * len(outcome.messages)


# --- the cases --------------------------------------------------------------------------------------------------------

_TEMPORARY: Final = ("0x58", "0x14", "0x08", "0x64", "0x04")
_PERMANENT: Final = ("0x01", "0x0A", "0x0B", "0x0C", "0x33", "0x45", "0x61", "0xFF", "0x413")
_STEADY: Final = none("copies", "failed", "in_doubt")
_EVERY: Final = Conduct(form="account")
_FORMS: Final = len(ACCOUNT_FORMS)
_ONE_PEER: Final = "+12125550017"

SUBMITS: Final = (
    Case("throttles 30% of submits", Conduct(refuse={"0x58": 0.3}), check=all_of(some("retries"), _STEADY)),
    Case("queue full for 30% of submits", Conduct(refuse={"0x14": 0.3}), check=all_of(some("retries"), _STEADY)),
    Case(
        "refuses for the time being",
        Conduct(refuse=dict.fromkeys(_TEMPORARY, 0.08)),
        check=all_of(some("retries"), _STEADY),
    ),
    Case("refuses for good", Conduct(refuse=dict.fromkeys(_PERMANENT, 0.05)), check=refused_once),
    Case(
        "throttles until validity ends",
        Conduct(refuse={"0x58": 1.0}),
        seconds=1.5,
        rate=20,
        validity=1.0,
        check=some("expired", 5),
    ),
    Case("one phone's queue is full", Conduct(peers={_ONE_PEER: "0x14"}), peers=40, check=harms_only_itself),
    Case("one phone's messages fail there", Conduct(peers={_ONE_PEER: "0x08"}), peers=40, check=harms_only_itself),
    Case("answers out of order", Conduct(shuffle=20), rate=200, check=_STEADY),
    Case("never answers some", Conduct(silent=0.05), rate=200, check=some("copies")),
    Case("answers after the window expired", Conduct(late=0.1, late_by=0.8), rate=200, check=some("accepted")),
    Case("one octet at a time", Conduct(octets=True), check=_STEADY),
    Case("500 PDUs at once", Conduct(gather=520, enquires=25), rate=300, check=at_once),
    Case("malformed PDUs", Conduct(malformed=malformed("suite", 200)), seconds=1.5, rate=300, check=_STEADY),
)
RECEIPTS: Final = (
    Case("receipts before responses", Conduct(when="before"), check=_STEADY),
    Case("receipts on another bind", Conduct(other_bind=True), check=_STEADY),
    Case("receipts before responses, on another bind", Conduct(when="before", other_bind=True), check=_STEADY),
    Case("receipts by TLV, by text, and unmarked", Conduct(way="each"), rate=200, check=_STEADY),
    Case("receipts twice and contradicted", Conduct(again=1, contradict=True), check=each_acknowledged),
    Case("receipts for nobody", Conduct(orphans=200), check=orphans_counted),
    Case("ids in every form", _EVERY, accounts=_FORMS, rate=200, long_every=0, check=_STEADY),
    Case("ids in every form, of long messages", _EVERY, accounts=_FORMS, rate=200, long_every=3, check=_STEADY),
    Case(
        "ids in every form, after a restart",
        replace(_EVERY, when="held"),
        accounts=_FORMS,
        rate=200,
        restart=True,
        timed=False,
        check=_STEADY,
    ),
)
CONNECTIONS: Final = (
    Case("closes mid-PDU", Conduct(drop=40, dropped="half"), check=some("copies")),
    Case("takes a message and closes", Conduct(drop=40, dropped="take"), check=some("copies")),
    Case("resets", Conduct(drop=40, dropped="reset"), check=some("copies")),
    Case("begins with no length", Conduct(lies=[lie.hex() for lie in LIES], lie_every=30), seconds=2.0),
    Case("unbinds", Conduct(unbind=0.4), seconds=1.5, check=_STEADY),
    Case("flaps every second", Conduct(flap=1.0), seconds=4.0, minute=True),
    Case("stops reading", Conduct(stuck=True), seconds=2.5, check=none("in_doubt")),
    Case("hangs up", Conduct(hang_up=True), seconds=2.5, check=tried_again),
    Case("says it is bound already", Conduct(bind_status=0x05), seconds=2.5, check=tried_again),
    Case(
        "closes at one message",
        Conduct(peers={"+12125550055": "drop"}, delay=0.05),
        seconds=4.0,
        peers=1000,
        check=set_aside,
    ),
)
_PAUSE: Final = {"throttle_pause": 0.6, "retry_delay": 0.1}
_PACED: Final = {"throughput": 100, "window": 5}
_ADAPTING: Final = {"adapt": True}
_PAIR: Final = {"bind": "pair", "binds": 1}
_ONE_BIND: Final = {"binds": 1}
_PATIENT: Final = {"enquire_link": 0.5, "response_timeout": 10}
SETTINGS: Final = (
    Case("pauses when throttled", Conduct(refuse={"0x58": 0.1}), rate=50, seconds=2.0, carrier=_PAUSE, check=pauses),
    Case(
        "throttles, and the rate adapts",
        Conduct(rate=30),
        rate=60,
        seconds=2.0,
        carrier=_ADAPTING,
        check=all_of(some("retries"), _STEADY),
    ),
    Case("every phone's queue is full", Conduct(refuse={"0x14": 1.0}), seconds=2.0, carrier=_PAUSE, check=full_carrier),
    Case("window and rate", Conduct(delay=0.04), rate=200, seconds=2.0, carrier=_PACED, check=within_rate),
    Case("says nothing", Conduct(deaf=True), seconds=1.5, rate=20, carrier=_PATIENT, check=noticed),
    Case("receipts on the receiver", Conduct(when="before"), carrier=_PAIR, check=_STEADY),
    Case("a pair flaps", Conduct(flap=1.0), seconds=3.0, carrier=_PAIR),
    Case(
        "closes at one message, with one bind",
        Conduct(peers={"+12125550055": "drop"}, delay=0.05),
        seconds=4.0,
        peers=1000,
        carrier=_ONE_BIND,
        check=only_it_is_held,
    ),
    Case("never answers some, held", Conduct(silent=0.05), carrier={"in_doubt": "hold"}, check=all_waited),
)
"""Each with settings of its own, and so with a daemon of its own; those with the same in one."""
LONG: Final = (
    Case("sends no receipts for a minute", Conduct(when="held"), seconds=62.0, rate=10, waiting=flagged, check=_STEADY),
)
"""For the long form only."""
ALL: Final = (*SUBMITS, *RECEIPTS, *CONNECTIONS, *SETTINGS)
