"""Trace format, keys, and the generators of the traces that are checked in."""

import pytest

from bench import alphabet, keys, trace
from bench.inbound import Inbound, segments
from bench.wire import HEADER, parse_short_message


@pytest.mark.parametrize(
    "line",
    [
        trace.Line("mt", "+12125550100", None, "hi {key}"),
        trace.Line("mt", "+12125550100", "Acme", 'quotes "and" 🙂 {key}', 1.5, "marketing", False),
        trace.Line("mt", "+12125550100", "+15551230001", "x", extras={"encoding": "ucs2", "validity": 60}),
        trace.Line("mo", "+15551230001", "+447700900123", "да {key}", 0.25),
    ],
)
def test_a_line_survives_its_file(tmp_path, line):
    trace.write(tmp_path / "t.ndjson", [line, line])
    assert trace.read(tmp_path / "t.ndjson") == [line, line]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"kind": "sms"}', "kind is 'sms', expected 'mt' or 'mo'"),
        ('{"kind": "mt", "to": "+1"}', "text is missing or not a string"),
        ('{"kind": "mo", "to": "+1", "text": "x"}', "from is missing"),
        ('{"kind": "mt", "to": "+1", "text": "x", "clas": "y"}', "unknown member 'clas'"),
        ('{"kind": "mo", "to": "+1", "from": "+2", "text": "x", "flash": true}', "unknown member 'flash'"),
        ('{"kind": "mt", "to": "+1", "text": "x", "at": "soon"}', "at is not a number"),
    ],
)
def test_what_is_no_trace_line_is_named_with_its_place(tmp_path, text, problem):
    (tmp_path / "t.ndjson").write_text('{"kind":"mt","to":"+1","text":"x"}\n\n' + text + "\n")
    with pytest.raises(trace.TraceError, match=problem) as caught:
        trace.read(tmp_path / "t.ndjson")
    assert "t.ndjson:3: " in str(caught.value)


def test_an_empty_trace_is_none(tmp_path):
    (tmp_path / "t.ndjson").write_text("\n")
    with pytest.raises(trace.TraceError, match="no line in it"):
        trace.load(str(tmp_path / "t.ndjson"))


@pytest.mark.parametrize("name", sorted(trace.GENERATORS))
def test_the_traces_checked_in_are_what_the_generators_make(name):
    stored = trace.load(name)
    assert stored == [trace.parse_line(line.to_json()) for line in trace.GENERATORS[name](len(stored), 1)]
    assert all(keys.PLACEHOLDER in line.text for line in stored)
    assert list(trace.GENERATORS[name](5, 2)) == list(trace.GENERATORS[name](5, 2)) != stored[:5]
    assert trace.load(f"{name}:5:2") == list(trace.GENERATORS[name](5, 2))


def test_the_generators_make_what_they_say():
    def sizes(lines):
        return [len(alphabet.segments(line.keyed().replace("{key}", "#T000000"), 1)) for line in lines]

    assert set(sizes(trace.load("otp"))) == {1}
    assert {2, 3, 4, 5, 6} <= set(sizes(trace.load("unicode")))
    inbound = trace.load("inbound")
    assert {1, 2, 3} <= set(sizes(inbound))
    assert any("👍" in line.text for line in inbound)


def test_keys_and_peers_do_not_repeat():
    numbers = [*range(2000), 36**3 - 1, 36**3, 36**6 - 1]
    made = [keys.key(keys.MT, number) for number in numbers]
    assert len(set(made)) == len(numbers)
    assert [keys.number(key) for key in made] == numbers
    assert {len(key) for key in made} == {keys.WIDTH}
    assert keys.find(f"code 12 {made[5]}!") == made[5]
    assert keys.find("#123 no key") is None
    peers = {keys.vary("+447720000000", number) for number in range(20_000)}
    assert len(peers) == 20_000
    assert {peer[:6] for peer in peers} == {"+44772"}
    assert {len(peer) for peer in peers} == {13}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "{}[]~^\\|€",
        "é" * 160,
        "x" * 161,
        "€" * 100,
        "д" * 70,
        "🙂" * 70,
        "щ" * 66 + "🙂🙂",
        "a`b",
    ],
)
def test_texts_are_cut_and_read_again(text):
    parts = alphabet.segments(text, 300)
    assert len({coding for _, coding, _ in parts}) == 1
    coding = parts[0][1]
    body = b"".join(octets[6:] if esm_class else octets for esm_class, _, octets in parts)
    assert alphabet.decode(body, coding) == text
    for esm_class, _, octets in parts:
        assert len(octets) <= (160 if coding == alphabet.GSM else 140)
        if esm_class:
            assert octets[:5] == bytes((5, 0, 3, 300 & 0xFF, len(parts)))
            assert len(octets) - 6 <= (153 if coding == alphabet.GSM else 134)
            alphabet.decode(octets[6:], coding).encode()


def test_gsm_by_the_table_of_ts_23_038():
    assert alphabet.encode_gsm("@Δ_Ω§à€") == bytes((0x00, 0x10, 0x11, 0x15, 0x5F, 0x7F, 0x1B, 0x65))
    assert alphabet.encode_gsm("`") is None
    assert alphabet.decode(b"\x1b\x41\x1b", 0) == "A"
    assert alphabet.decode("né".encode("latin-1"), 3) == "né"
    assert alphabet.decode("№".encode("utf-16-be"), 0x18) == "№"


def deliver(body):
    return parse_short_message(HEADER.pack(16 + len(body), 5, 0, 1) + body)


def test_inbound_messages_are_the_trace_with_their_own_keys_and_peers():
    lines = trace.load("inbound")
    inbound = Inbound()
    inbound.start(lines, 400, 0.0, now=0.0)
    bodies = inbound.take(10_000, now=0.0)
    assert (inbound.messages, inbound.remaining, inbound.running) == (400, 0, False)
    assert len(bodies) == segments(lines, 400)
    taken = iter(deliver(body) for body in bodies)
    for number in range(400):
        line = lines[number % len(lines)]
        first = next(taken)
        concat, octets = first.content()
        for part in range(2, concat.total + 1):
            place, more = next(taken).content()
            assert place == (concat.ref, concat.total, part)
            octets += more
        expected = line.text.replace("{key}", keys.key(keys.MO, number))
        assert alphabet.decode(octets, first.data_coding) == expected
        assert "+" + first.source == keys.vary(line.sender, number)
        assert "+" + first.destination == line.to


def test_inbound_keeps_its_rate_and_its_window():
    inbound = Inbound()
    assert inbound.next_due() == float("inf")
    inbound.start([trace.Line("mo", "+15551230001", "+447700900123", "x")], 100, 10.0, now=50.0)
    assert len(inbound.take(100, now=50.0)) == 1
    assert inbound.next_due() == pytest.approx(50.1)
    assert len(inbound.take(100, now=51.0)) == 10
    assert inbound.take(0, now=60.0) == []
    # A full window is opened by acknowledgements, so there is nothing to wake up for.
    assert inbound.next_due() == float("inf")
    assert len(inbound.take(5, now=60.0)) == 5
    with pytest.raises(ValueError, match="no inbound line"):
        inbound.start(trace.load("otp"), 1, 0.0, now=0.0)


def test_a_key_beyond_the_first_segment_is_refused():
    line = trace.Line("mo", "+15551230001", "+447700900123", "x" * 200 + "{key}")
    with pytest.raises(ValueError, match="not in the first segment"):
        Inbound().start([line], 1, 0.0, now=0.0)


def test_the_command_writes_a_trace(tmp_path):
    assert trace.main(["inbound", str(tmp_path / "x"), "--lines", "7", "--seed", "3"]) == 0
    assert trace.read(tmp_path / "x") == [trace.parse_line(line.to_json()) for line in trace.inbound(7, 3)]
