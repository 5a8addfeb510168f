"""Two sessions that talk in any order of things: each request ends once, and no slot of a window is lost."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.smpp import pdu as p
from gateway.smpp.codec import encode
from gateway.smpp.events import Event, RequestExpired, RequestReceived, ResponseReceived
from gateway.smpp.session import Role, Session, SessionState, WindowFull
from gateway.smpp.states import RESPONSE_TO, WINDOWED

from .talk import A, B, bound

TIMEOUT = 5.0
WINDOW = 4
REQUESTS: dict[Role, list[p.Pdu]] = {
    Role.ESME: [
        p.SubmitSm(A, B, b"x"),
        p.SubmitMulti(A, (B,), b"x"),
        p.DataSm(A, B),
        p.QuerySm("id", A),
        p.CancelSm("id", A),
        p.ReplaceSm("id", A, b"y"),
        p.BroadcastSm(A),
        p.QueryBroadcastSm("id", A),
        p.CancelBroadcastSm("id", A),
        p.EnquireLink(),
    ],
    Role.SMSC: [p.DeliverSm(B, A, b"x"), p.DataSm(B, A), p.EnquireLink(), p.AlertNotification(A, B)],
}


class End:
    """One end: its session, what it was asked and has not answered, and what became of its own requests."""

    def __init__(self, role: Role) -> None:
        self.role = role
        self.session: Session = bound(
            role, window=WINDOW, response_timeout=TIMEOUT, enquire_link=0.0, late_responses=50
        )
        self.asked: list[tuple[int, p.Pdu]] = []
        self.sent: list[int] = []
        self.told: Counter[tuple[str, int]] = Counter()

    def take(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived) and type(event.pdu) in WINDOWED:
                self.asked.append((event.sequence, event.pdu))
            elif isinstance(event, ResponseReceived):
                self.told["late" if event.late else "answered", event.token] += 1
            elif isinstance(event, RequestExpired):
                self.told["expired", event.token] += 1

    def check(self) -> None:
        session = self.session
        assert session.unanswered == len(self.asked)
        assert session.outstanding + session.window_free == WINDOW
        assert session.outstanding <= WINDOW
        waiting = set(session.outstanding_tokens())
        for token in self.sent:
            ends = [how for how in ("answered", "expired") if self.told[how, token]]
            # In the window, or answered, or expired: one of them, once. A late answer only after it expired.
            assert (token in waiting) + sum(self.told[how, token] for how in ends) == 1
            assert self.told["late", token] <= self.told["expired", token]


steps = st.lists(
    st.tuples(
        st.sampled_from(["send", "carry", "answer", "refuse", "nack", "wrong", "wait"]),
        st.sampled_from(Role),
        st.integers(0, 20),
    ),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(steps)
def test_any_order_of_things(script: list[tuple[str, Role, int]]) -> None:
    ends = {role: End(role) for role in Role}
    now = 0.0
    tokens = iter(range(10_000))
    for what, role, number in script:
        me, you = ends[role], ends[role.peer]
        if what == "send":
            request = REQUESTS[role][number % len(REQUESTS[role])]
            token = next(tokens)
            try:
                me.session.send_request(request, now, token)
            except WindowFull:
                assert me.session.window_free == 0
            else:
                if type(request) in WINDOWED:
                    me.sent.append(token)
        elif what == "carry":
            # In two pieces, wherever they are cut.
            octets = me.session.data_to_send()
            cut = number * len(octets) // 20
            you.take(you.session.receive_data(octets[:cut], now))
            you.take(you.session.receive_data(octets[cut:], now))
        elif what in ("answer", "refuse") and me.asked:
            sequence, asked = me.asked.pop(number % len(me.asked))
            me.session.send_response(sequence, RESPONSE_TO[type(asked)](), 0 if what == "answer" else 0x58)
        elif what == "nack":
            # For a request that waits, or has expired, or was never sent.
            me.take(me.session.receive_data(encode(p.GenericNack(), number + 2, 3), now))
        elif what == "wrong":
            response = sorted(RESPONSE_TO.values(), key=lambda cls: cls.__name__)[number % len(RESPONSE_TO)]
            if response is not p.UnbindResp:
                me.take(me.session.receive_data(encode(response(), number + 2), now))
        elif what == "wait":
            now += number / 4
            for end in ends.values():
                end.take(end.session.on_deadline(now))
        if SessionState.CLOSED in (me.session.state, you.session.state):
            break  # an enquire_link without an answer
        for end in ends.values():
            end.check()
    for end in ends.values():
        if end.session.state is SessionState.CLOSED:
            # What had no answer is in doubt, and nothing can be answered any more.
            expired = {token for (how, token), times in end.told.items() if how == "expired" and times}
            assert not expired & set(end.session.outstanding_tokens())
            continue
        now += TIMEOUT
        end.take(end.session.on_deadline(now))
        if end.session.state is not SessionState.CLOSED:
            assert (end.session.outstanding, end.session.window_free) == (0, WINDOW)
            while end.asked:
                sequence, asked = end.asked.pop()
                end.session.send_response(sequence, RESPONSE_TO[type(asked)]())
            end.check()


def test_the_script_reaches_all_there_is_to_reach() -> None:
    """The same machinery by hand: one request answered, one expired and late, one nacked, one too many."""
    esme, smsc = End(Role.ESME), End(Role.SMSC)
    for token, request in enumerate(REQUESTS[Role.ESME][:WINDOW]):
        esme.session.send_request(request, 0.0, token)
        esme.sent.append(token)
    try:
        esme.session.send_request(REQUESTS[Role.ESME][0], 0.0, 99)
    except WindowFull:
        pass
    else:
        raise AssertionError("a window of 4 took 5")
    smsc.take(smsc.session.receive_data(esme.session.data_to_send(), 0.0))
    assert len(smsc.asked) == WINDOW
    sequence, asked = smsc.asked.pop(0)
    smsc.session.send_response(sequence, RESPONSE_TO[type(asked)]())
    esme.take(esme.session.receive_data(smsc.session.data_to_send(), 0.0))
    esme.take(esme.session.receive_data(encode(p.GenericNack(), smsc.asked[0][0], 3), 0.0))
    esme.take(esme.session.on_deadline(TIMEOUT))
    esme.check()
    sequence, asked = smsc.asked.pop()
    smsc.session.send_response(sequence, RESPONSE_TO[type(asked)]())
    esme.take(esme.session.receive_data(smsc.session.data_to_send(), TIMEOUT))
    esme.check()
    smsc.check()
    assert esme.told == {("answered", 0): 1, ("answered", 1): 1, ("expired", 2): 1, ("expired", 3): 1, ("late", 3): 1}
