"""Lines that people read: complete, and inert whatever a message holds."""

import pytest

from gateway.simulator import OnAir
from gateway.simulator.lines import LONGEST, line_of, printable


def said(**fields: object) -> str:
    """The line without its time."""
    return line_of(OnAir(at=0.0, bind=1, **fields)).split(" ", 1)[1]  # type: ignore[arg-type]


A, B = "+15551230001", "+12125550101"


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"kind": "bind", "system_id": "acme", "detail": "transceiver"}, "#1 bind     acme transceiver"),
        (
            {"kind": "bind_refused", "system_id": "acme", "status": 14, "detail": "receiver, ESME_RINVPASWD"},
            "#1 refused  acme receiver, ESME_RINVPASWD",
        ),
        ({"kind": "closed", "system_id": "acme", "detail": "unbound"}, "#1 closed   acme unbound"),
        (
            {"kind": "rejected", "status": 3, "detail": "unknown command"},
            "#1 rejected ESME_RINVCMDID unknown command",
        ),
        (
            {"kind": "segment", "source": A, "destination": B, "part": 2, "total": 3, "encoding": "ucs2",
             "text": "Привет", "message_id": "77"},
            f'#1 segment  {A} → {B} part 2/3 ucs2 id=77 "Привет"',
        ),
        (
            {"kind": "refused", "source": A, "destination": B, "encoding": "gsm7", "text": "Hi", "status": 0x58},
            f'#1 refused  {A} → {B} gsm7 ESME_RTHROTTLED "Hi"',
        ),
        (
            {"kind": "message", "source": A, "destination": B, "part": 3, "total": 3, "encoding": "gsm7",
             "text": "Hi", "message_id": "77"},
            f'#1 message  {A} → {B} 3 parts gsm7 "Hi"',
        ),
        (
            {"kind": "receipt", "source": B, "destination": A, "message_id": "77", "state": "DELIVRD",
             "text": "id:77 sub:001", "attempt": 2},
            f"#1 receipt  {B} → {A} DELIVRD id=77 (sending 2)",
        ),
        ({"kind": "query", "source": A, "message_id": "77", "state": "ENROUTE"}, f"#1 query    {A} id=77 ENROUTE"),
        (
            {"kind": "cancel", "source": A, "destination": B, "status": 0x11},
            f"#1 cancel   {A} → {B} ESME_RCANCELFAIL",
        ),
        (
            {"kind": "replace", "source": A, "message_id": "77", "encoding": "gsm7", "text": "New"},
            f'#1 replace  {A} id=77 gsm7 "New"',
        ),
        (
            {"kind": "broadcast", "source": A, "message_id": "78", "encoding": "gsm7", "text": "High\nwater"},
            f'#1 cast     {A} id=78 gsm7 "High\\nwater"',
        ),
        (
            {"kind": "alert", "source": B, "destination": A, "detail": "available"},
            f"#1 alert    {B} → {A} available",
        ),
        (
            {"kind": "inbound", "source": B, "destination": A, "encoding": "binary", "octets": b"\x01\xff"},
            f"#1 inbound  {B} → {A} binary 01ff",
        ),
    ],
)  # fmt: skip
def test_lines(fields, line):
    assert said(**fields) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("\u202eback", "\\u202eback"),
        ("line\u2028separator", "line\\u2028separator"),
        ("half \ud800", "half \\ud800"),
        ("👩‍👩‍👧 👍🏽 ❤️ שלום", "👩‍👩‍👧 👍🏽 ❤️ שלום"),
    ],
)
def test_nothing_in_a_text_breaks_the_line_or_moves_the_terminal(text, shown):
    assert printable(text) == shown
    line = said(kind="segment", source=text, destination=B, text=text)
    assert f'"{shown}"' in line
    assert len(line.splitlines()) == 1


def test_a_long_text_is_cut():
    assert said(kind="message", source=A, destination=B, text="x" * LONGEST).endswith("x" * LONGEST + '"')
    assert said(kind="message", source=A, destination=B, text="x" * 2000).endswith("x" * LONGEST + '…"')
    assert said(kind="message", source=A, destination=B, octets=bytes(2000)).endswith("00" * (LONGEST // 2) + "…")


def test_the_wall_clock_is_shown_to_the_millisecond(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    try:
        assert line_of(OnAir(kind="closed", at=1.0625, bind=1)).startswith("00:00:01.062 #1 ")
    finally:
        monkeypatch.undo()
        time.tzset()
