"""The commands that talk to the daemon, against one that answers as the test says."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.times import local

from .conftest import Run
from .fake_daemon import FakeDaemon, Request, error, result

ID = "019ac5d0-0000-7000-8000-000000000001"

ACCEPTED = {
    "id": ID,
    "ref": None,
    "state": "queued",
    "segments": 2,
    "encoding": "ucs2",
    "from": "+12015550123",
    "to": "+12015550199",
    "duplicate": False,
    "warnings": [],
}


def message(**changes: Any) -> dict[str, Any]:
    part = {
        "part": 1,
        "state": "delivered",
        "smsc_message_id": "4f2a",
        "command_status": 0,
        "receipt_state": 2,
        "error_code": None,
        "attempts": 1,
        "in_doubt": 0,
        "sent_at": "2026-03-01T09:00:00.100Z",
        "done_at": "2026-03-01T09:00:02.000Z",
    }
    return {
        "id": ID,
        "app": "local",
        "ref": None,
        "from": "+12015550123",
        "to": "+12015550199",
        "class": "transactional",
        "encoding": "gsm7",
        "state": "delivered",
        "reason": "delivered",
        "carrier": "acme",
        "segments": 1,
        "created_at": "2026-03-01T09:00:00.000Z",
        "send_at": None,
        "sent_at": "2026-03-01T09:00:00.100Z",
        "done_at": "2026-03-01T09:00:02.000Z",
        "expires_at": "2026-03-03T09:00:00.000Z",
        "meta": None,
        "parts": [part],
    } | changes


STATUS = {
    "version": "0.1.0",
    "pid": 4242,
    "uptime": 3700.5,
    "node": 0,
    "epoch": 7,
    "stopping": False,
    "store": {
        "url": "sqlite:////var/lib/smsgw/smsgw.db",
        "healthy": True,
        "disk_full": False,
        "wal_bytes": 4_194_304,
        "free_bytes": 5_368_709_120,
        "bursts": 100,
        "rows": 4000,
        "oldest": "2026-03-01T09:00:00Z",
    },
    "carriers": [
        {
            "name": "acme",
            "state": "degraded",
            "binds": [
                {
                    "name": "acme/1",
                    "kind": "transceiver",
                    "state": "bound",
                    "host": "smpp.acme.example:2775",
                    "since": "2026-03-01T09:00:00.000Z",
                    "window": 50,
                    "in_use": 3,
                    "reconnects": 2,
                    "last_error": "refused\x1b[31m: \x07bad password",
                }
            ],
            "queued": 12,
            "ready": 9,
            "in_flight": 3,
            "in_doubt": 1,
            "oldest_seconds": 75.0,
            "submitted": 1000,
            "accepted": 990,
            "failed": 7,
            "receipts": 950,
            "inbound": 5,
            "rate": 12.5,
            "rate_allowed": 20.0,
            "rate_cap": 50.0,
            "rate_learnt": True,
            "numbers_waiting": 1,
            "held_in_doubt": {"segments": 5, "past_validity": 2},
            "passed_over": [{"route": "eu", "to": ["beta", "gamma"]}, {"route": "us", "to": []}],
            "window": 50,
            "why": "the window is full",
            "waiting": "window",
            "held_since": None,
            "profile": "kannel",
            "congestion": 97,
            "stalls": 2,
            "alarms": [{"kind": "credentials", "since": "2026-03-01T09:00:00.000Z", "detail": "acme/1: \x1brefused"}],
            "message_id": {"form": "hex_to_decimal", "source": "learnt", "seen": {"hex_to_decimal": 20}, "against": 0},
            "queues": [
                {"lane": "transactional", "app": "crm", "queued": 2, "oldest_seconds": 1.0},
                {"lane": "marketing", "app": "shop", "queued": 1_234_567, "oldest_seconds": 75.0},
            ],
        }
    ],
    "not_configured": {"old": 3},
    "handlers": [
        {
            "name": "crm",
            "paused": True,
            "paused_since": "2026-03-01T09:30:00.000Z",
            "backlog": 4,
            "dead": 1,
            "failures": 9,
            "last_error": "HTTP 500",
        }
    ],
    "subscriptions": [{"app": "local", "name": "default", "connected": True, "backlog": 0}],
    "counts": {"scheduled": 0, "queued": 12, "submitting": 3, "in_doubt": 1},
    "parked_receipts": 2,
}

Daemon = Callable[[dict[str, Any]], AbstractContextManager[FakeDaemon]]


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smsgw: Run) -> Daemon:
    """A daemon with an answer (a result, an error, or what makes one of the request) for each method."""
    monkeypatch.setenv("SMSGW_SOCKET__PATH", str(tmp_path / "s.sock"))

    def start(answers: dict[str, Any]) -> FakeDaemon:
        def answer(request: Request) -> list[Any]:
            given = answers[request["method"]]
            if callable(given):
                given = given(request)
            if isinstance(given, tuple):
                code, text, data = given
                return [error(request, code, text, **data)]
            return [result(request, given)]

        return FakeDaemon(tmp_path / "s.sock", answer)

    return start


def test_send_gives_every_option_to_the_daemon(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"submit": ACCEPTED}) as fake:
        ran = smsgw(
            *("send", "+12015550199", "Hi 👋", "--from", "+12015550123", "--class", "direct", "--flash"),
            *("--encoding", "ucs2", "--validity", "2h", "--at", "2026-03-01T09:00:00Z", "--ref", "order-17"),
            *("--meta", '{"a": [1]}', "--no-receipt", "--json"),
        )
    assert (ran.code, ran.err) == (0, "")
    assert ran.lines == [ACCEPTED]
    assert fake.requests[0]["params"] == {
        "to": "+12015550199",
        "text": "Hi 👋",
        "from": "+12015550123",
        "class": "direct",
        "encoding": "ucs2",
        "flash": True,
        "validity": 7200,
        "send_at": "2026-03-01T09:00:00.000Z",
        "ref": "order-17",
        "meta": {"a": [1]},
        "receipt": False,
    }


def test_send_of_ports_headers_and_how_a_text_may_go(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"submit": ACCEPTED}) as fake:
        ran = smsgw(
            *("send", "+12015550199", "0106", "--encoding", "binary", "--destination-port", "2948"),
            *("--source-port", "9200", "--udh", "037001aa", "--protocol-id", "127"),
            *("--tlv", "0x1400=616263", "--tlv", "display_time=01"),
        )
        assert (ran.code, ran.err) == (0, "")
        smsgw("send", "+12015550199", "Hi", "--replace", "3", "--transliterate", "--national", "turkish,urdu")
        smsgw("send", "+12015550199", "Hi", "--no-transliterate", "--national", "none")
    usual = {"to": "+12015550199", "class": "transactional"}
    assert [request["params"] for request in fake.requests] == [
        usual
        | {
            "data": "0106",
            "encoding": "binary",
            "destination_port": 2948,
            "source_port": 9200,
            "udh": "037001aa",
            "protocol_id": 127,
            "tlvs": {"0x1400": "616263", "display_time": "01"},
        },
        usual
        | {"text": "Hi", "encoding": "auto", "replace": 3, "transliterate": True, "national": ["turkish", "urdu"]},
        usual | {"text": "Hi", "encoding": "auto", "transliterate": False, "national": []},
    ]


@pytest.mark.parametrize("option", ["--udh", "--tlv", "--ref", "--from"])
def test_octets_that_are_no_text_are_wrong_usage(smsgw: Run, daemon: Daemon, option: str) -> None:
    """As the interpreter gives them: an octet of the command line that is no text is half of a surrogate pair."""
    with daemon({"submit": ACCEPTED}):
        ran = smsgw("send", "+12015550199", "x", option, "\udcff=00")
    assert (ran.code, ran.out) == (2, "")
    assert "encoding of this terminal" in ran.err
    assert ran.err.count("\n") == 1


def test_send_says_what_became_of_it(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"submit": ACCEPTED | {"warnings": ["+12015550199 is not a valid number"]}}) as fake:
        ran = smsgw("send", "+12015550199", "Hi")
    assert (ran.code, ran.err) == (0, "warning: +12015550199 is not a valid number\n")
    assert ran.out == f"{ID}  queued, 2 segments ucs2, from +12015550123 to +12015550199\n"
    assert set(fake.requests[0]["params"]) == {"to", "text", "class", "encoding"}


def test_send_reads_standard_input_without_the_end_of_its_line(
    smsgw: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("zwei\nZeilen é\n".encode())))
    with daemon({"submit": ACCEPTED}) as fake:
        assert smsgw("send", "+12015550199", "-").code == 0
    assert fake.requests[0]["params"]["text"] == "zwei\nZeilen é"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"caf\xe9")))
    ran = smsgw("send", "+12015550199", "-")
    assert ran == (1, "", "smsgw send: standard input is not UTF-8 text: octet 3 of it\n")


def test_send_of_binary(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"submit": ACCEPTED}) as fake:
        assert smsgw("send", "+12015550199", "00 FF", "--encoding", "binary").code == 0
    assert fake.requests[0]["params"]["data"] == "00ff"
    assert "text" not in fake.requests[0]["params"]


@pytest.mark.parametrize(
    ("state", "reason", "code"),
    [
        ("delivered", "delivered", 0),
        ("sent", None, 0),
        ("undelivered", "undelivered", 1),
        ("expired", "expired_unsent", 1),
        ("failed", "carrier_refused", 1),
    ],
)
def test_send_wait_polls_until_the_end(
    smsgw: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, state: str, reason: str | None, code: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("gateway.cli.send.time.sleep", pauses.append)
    states = iter([message(state="queued", done_at=None), message(state="submitting", done_at=None)])
    end = message(state=state, reason=reason)
    with daemon({"submit": ACCEPTED, "message": lambda request: next(states, end)}) as fake:
        ran = smsgw("send", "+12015550199", "Hi", "--wait", "--json")
    assert ran.code == code
    assert ran.lines == [end]
    assert [request["method"] for request in fake.requests] == ["submit"] + ["message"] * 3
    assert len(pauses) == 2


def test_send_wait_says_the_end_and_the_carriers_code(smsgw: Run, daemon: Daemon) -> None:
    end = message(state="undelivered", reason="undelivered")
    end["parts"][0]["error_code"] = "027"
    with daemon({"submit": ACCEPTED, "message": end}):
        ran = smsgw("send", "+12015550199", "Hi", "--wait")
    assert ran.out.splitlines()[1] == "undelivered (carrier's code 027)"


def test_send_wait_writes_a_command_status_as_the_tables_do(smsgw: Run, daemon: Daemon) -> None:
    end = message(state="failed", reason="invalid_destination")
    end["parts"][0] |= {"command_status": 0x0B, "error_code": None}
    with daemon({"submit": ACCEPTED, "message": end}):
        ran = smsgw("send", "+12015550199", "Hi", "--wait")
    assert (ran.code, ran.out.splitlines()[1]) == (1, "failed: invalid_destination (carrier's code 0x0B)")


@pytest.mark.parametrize(("state", "code"), [("sent", 0), ("queued", 1), ("in_doubt", 1)])
def test_send_wait_ends_in_time(smsgw: Run, daemon: Daemon, state: str, code: int) -> None:
    with daemon({"submit": ACCEPTED, "message": message(state=state, reason=None, done_at=None)}):
        ran = smsgw("send", "+12015550199", "Hi", "--wait", "--timeout", "0")
    assert ran.code == code
    assert f"{state}, not at its end within" in ran.out


def test_a_refusal_is_one_sentence(smsgw: Run, daemon: Daemon) -> None:
    refusal = (-32000, "refused", {"reason": "invalid_to", "field": "to", "detail": "+1555 is too short"})
    with daemon({"submit": refusal}):
        ran = smsgw("send", "+1555", "Hi")
    assert ran == (1, "", "smsgw send: refused: +1555 is too short (invalid_to)\n")


def test_try_later_says_when(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"submit": (-32001, "try later", {"reason": "queue_full", "retry_after": 5})}):
        ran = smsgw("send", "+12015550199", "Hi")
    assert ran == (1, "", "smsgw send: try later (queue_full); try again in 5 s\n")


def test_a_bad_parameter_is_wrong_usage(smsgw: Run, daemon: Daemon) -> None:
    data = {"reason": "invalid_params", "field": "state", "detail": "state is one of queued, sent"}
    with daemon({"messages": (-32602, "a parameter is wrong", data)}):
        ran = smsgw("messages", "--state", "asleep")
    assert ran == (2, "", "smsgw messages: state is one of queued, sent (invalid_params)\n")


def test_a_reload_of_a_bad_configuration_is_a_matter_of_the_configuration(smsgw: Run, daemon: Daemon) -> None:
    problem = "/etc/smsgw/smsgw.toml:3: limits.queued: expected a number"
    refusal = (-32000, "the configuration is bad", {"reason": "invalid_config", "detail": problem})
    with daemon({"reload": refusal}):
        ran = smsgw("reload")
    assert (ran.code, ran.out) == (2, "")
    assert problem in ran.err


def test_an_app_logs_in_with_the_token_of_the_environment(
    smsgw: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert smsgw("send", "+12015550199", "Hi", "--as", "crm").code == 1  # nobody listens yet
    monkeypatch.setenv("SMSGW_TOKEN", "a-token")
    with daemon({"auth": {}, "submit": ACCEPTED}) as fake:
        assert smsgw("send", "+12015550199", "Hi", "--as", "crm").code == 0
    assert fake.requests[0] == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "auth",
        "params": {"app": "crm", "token": "a-token"},
    }


def test_an_app_without_a_token_is_told_where_it_goes(smsgw: Run, daemon: Daemon) -> None:
    with daemon({}):
        ran = smsgw("status", "--as", "crm")
    assert (ran.code, ran.err) == (2, "smsgw status: the token of the app is expected in $SMSGW_TOKEN\n")


def test_status(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"status": STATUS}):
        assert smsgw("status", "--json").lines == [STATUS]


def test_status_for_people(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"status": STATUS}):
        ran = smsgw("status")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "smsgw 0.1.0 up for 1h1m, process 4242, node 0, epoch 7"
    assert lines[1] == (
        "store sqlite:////var/lib/smsgw/smsgw.db: healthy, 5 GiB free, log 4 MiB, 4000 rows in 100 transactions, "
        f"messages since {local('2026-03-01T09:00:00Z')}"
    )
    words = [line.split() for line in lines]
    assert ["acme", "degraded", "12", "1m15s", "3/50", "12.5/20", "990", "7", "1", "950", "5"] in words
    assert "acme: the window is full" in lines
    assert "acme: queued 2 transactional of crm (1s), 1.23M marketing of shop (1m15s)" in lines
    assert (
        "acme: profile kannel; message ids: hex_to_decimal, learnt from 20 receipts; rate 20/s learnt from its answers,"
        " below the cap of 50/s; congestion 97 of 100; 2 stalls" in lines
    )
    assert "acme: passed over on route eu; new messages go to beta, gamma" in lines
    assert "acme: no other carrier of route us takes messages: its own wait" in lines
    assert "acme: a number waits for its own throughput" in lines
    assert (
        "acme: 5 in doubt, 2 of them past validity: held for a late answer, a receipt, or"
        " smsgw messages resolve --carrier acme" in lines
    )
    assert any(line.startswith("acme: ALARM credentials since ") and r"\x1brefused" in line for line in lines)
    assert "old: not configured any more, and 3 segments are queued for it" in lines
    assert any(line.startswith("crm: paused since 2026-03-01 ") and "smsgw events resume crm" in line for line in lines)
    assert any(line[:1] == ["acme/1"] and "3/50" in line for line in words)
    assert ["crm", "paused", "4", "1", "9", "HTTP", "500"] in words
    assert ["local", "default", "yes", "0"] in words
    assert "\x1b" not in ran.out  # what a carrier said must not move the cursor
    assert "\x07" not in ran.out


@pytest.mark.parametrize(
    ("queued", "lines", "shown"),
    [
        (0, [], False),
        (2, [("transactional", "crm", 2)], False),
        (3, [("transactional", "crm", 2)], True),  # of the rest it is not known yet what it is
        (2, [("marketing", "crm", 2)], True),
        (2, [("transactional", "crm", 1), ("transactional", "shop", 1)], True),
    ],
)
def test_lanes_are_shown_where_they_say_more_than_the_table(
    smsgw: Run, daemon: Daemon, queued: int, lines: list[tuple[str, str, int]], shown: bool
) -> None:
    queues = [{"lane": lane, "app": app, "queued": n, "oldest_seconds": 1.0} for lane, app, n in lines]
    carrier = STATUS["carriers"][0] | {"queued": queued, "queues": queues}
    with daemon({"status": STATUS | {"carriers": [carrier]}}):
        assert ("acme: queued " in smsgw("status").out) is shown


def test_status_of_an_empty_daemon(smsgw: Run, daemon: Daemon) -> None:
    empty = STATUS | {"carriers": [], "handlers": [], "subscriptions": []}
    with daemon({"status": empty | {"store": STATUS["store"] | {"healthy": False, "disk_full": True}}}):
        ran = smsgw("status")
    assert ran.code == 0
    assert "CANNOT BE WRITTEN, DISK FULL" in ran.out


def test_status_of_an_app_that_is_no_operator(smsgw: Run, daemon: Daemon) -> None:
    own = {
        "version": "0.1.0",
        "uptime": 2.2,
        "stopping": False,
        "carriers": [{"name": "acme", "state": "down", "queued": 1}],
        "subscriptions": [],
    }
    with daemon({"status": own}):
        ran = smsgw("status")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["smsgw", "0.1.0", "up", "for", "2s"],
        [],
        ["carrier", "state", "queued"],
        ["acme", "down", "1"],
    ]


def test_status_watch_goes_on_until_interrupted(smsgw: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def sleep(pause: float) -> None:
        pauses.append(pause)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("gateway.cli.status.time.sleep", sleep)
    with daemon({"status": STATUS}):
        ran = smsgw("status", "--watch", "--json", "--interval", "0.5")
    assert (ran.code, ran.err) == (130, "")
    assert ran.lines == [STATUS] * 3
    assert pauses == [0.5] * 3


def test_messages_pages_on_until_the_limit(smsgw: Run, daemon: Daemon) -> None:
    def page(request: Request) -> dict[str, Any]:
        params = request["params"]
        first = int(params.get("before", "0"))
        found = [message(id=str(first + n + 1)) for n in range(min(params["limit"], 300))]
        return {"messages": found, "next": found[-1]["id"]}

    with daemon({"messages": page}) as fake:
        ran = smsgw("messages", "--json", "--limit", "700", "--state", "sent", "--app", "crm", "--since", "2h")
    assert ran.code == 0
    assert [one["id"] for one in ran.lines] == [str(n) for n in range(1, 701)]
    asked = [request["params"] for request in fake.requests]
    assert [(params["limit"], params.get("before")) for params in asked] == [
        (500, None),
        (400, "300"),
        (100, "600"),
    ]
    assert all(params["state"] == "sent" and params["app"] == "crm" for params in asked)
    assert asked[0]["since"].endswith("Z")
    assert ran.err == "there may be more: --before 700\n"


def test_messages_goes_on_over_a_page_that_found_nothing(smsgw: Run, daemon: Daemon) -> None:
    pages = iter(
        [
            {"messages": [], "next": "b"},
            {"messages": [message()], "next": "a"},
            {"messages": [], "next": None},
        ]
    )
    with daemon({"messages": lambda request: next(pages)}):
        ran = smsgw("messages", "--reason", "deleted")
    assert (ran.code, ran.err) == (0, "")
    assert ID in ran.out


def test_messages_on_a_small_terminal_have_ids_that_can_be_copied(
    smsgw: Run, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
    page = {"messages": [message(state="failed", reason="carrier_refused")], "next": None}
    with daemon({"messages": page}):
        for width, whole in ((100, False), (140, True)):
            monkeypatch.setattr("gateway.cli.output._PIPE_WIDTH", width)
            (line,) = [line for line in smsgw("messages").out.splitlines() if ID in line]
            assert "failed" in line
            assert "carrier_refused" in line
            assert ("acme" in line) is whole


def test_messages_with_hostile_texts(smsgw: Run, daemon: Daemon) -> None:
    hostile = message(text="\x1b]0;owned\x07[bold]x[/bold]\r\n\u202eolleh")
    with daemon({"messages": {"messages": [hostile], "next": None}}):
        ran = smsgw("messages", "--text")
    assert ran.code == 0
    assert r"\x1b]0;owned\x07[bold]x[/bold]\r\n\u202eolleh" in ran.out


def test_messages_without_a_match(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"messages": {"messages": [], "next": None}}):
        assert smsgw("messages") == (0, "no message matches\n", "")
        assert smsgw("messages", "--json") == (0, "", "")


HISTORY = {
    "message": message(meta={"order": 17}),
    "history": [
        {
            "at": "2026-03-01T09:00:01.000Z",
            "what": "accepted",
            "app": "local",
            "door": "socket",
            "ref": None,
            "segments": 1,
            "encoding": "gsm7",
            "scheme": "udh8",
            "receipt": True,
            "route": None,
            "expires_at": "2026-03-03T09:00:00.000Z",
            "options": {"flash": "0x10", "udh": "BgUEC4Qj8A==", "shift": {"single": 1}},
        },
        {
            "at": "2026-03-01T09:00:01.250Z",
            "what": "submit_sm",
            "part": 1,
            "carrier": "acme",
            "bind": "acme/1",
        },
        {
            "at": "2026-03-01T09:00:02.000Z",
            "what": "event",
            "event": "receipt",
            "event_id": "2-9",
            "to": "subscription",
            "name": "de\x1bfault",
            "app": "local",
            "status": "acknowledged",
        },
    ],
    "events": [
        {
            "stream": "subscription",
            "name": "default",
            "seq": 9,
            "at": "2026-03-01T09:00:02.000Z",
            "kind": "receipt",
            "payload": {"state": "delivered"},
        }
    ],
}


def test_messages_show(smsgw: Run, daemon: Daemon) -> None:
    with daemon({"history": HISTORY}) as fake:
        assert smsgw("messages", "show", ID, "--json").lines == [HISTORY]
        ran = smsgw("messages", "show", ID, "--text")
    assert ran.code == 0
    assert [request["params"] for request in fake.requests] == [
        {"id": ID, "text": False},
        {"id": ID, "text": True},
    ]
    for shown in (ID, "4f2a", "0x00 ESME_ROK", "DELIVERED", r"subscription de\x1bfault of local", '{"order":17}'):
        assert shown in ran.out
    words = [line.split() for line in ran.out.splitlines()]
    assert ["flash", "by", "0x10"] in words
    assert ["ports", "2948,", "from", "9200"] in words
    assert ["national", "single", "shift", "turkish"] in words
    assert ran.out.count(":01.250") == 1


def test_messages_show_says_what_a_refusal_means(smsgw: Run, daemon: Daemon) -> None:
    shown = message()
    shown["parts"][0]["command_status"] = 0x0B
    with daemon({"history": {"message": shown, "events": []}}):
        ran = smsgw("messages", "show", ID)
    words = ran.out.replace("\n", " ")
    for word in ("0x0B", "ESME_RINVDSTADR:", "Invalid", "destination", "address"):
        assert word in words


@pytest.mark.parametrize(
    ("arguments", "params", "said"),
    [
        (("a", "b", "--resend"), {"ids": ["a", "b"], "action": "resend"}, "2 messages to be sent again\n"),
        (("--carrier", "acme", "--fail"), {"carrier": "acme", "action": "fail"}, "2 messages given up\n"),
    ],
)
def test_messages_resolve(
    smsgw: Run, daemon: Daemon, arguments: tuple[str, ...], params: dict[str, Any], said: str
) -> None:
    with daemon({"resolve": {"resolved": 2}}) as fake:
        assert smsgw("messages", "resolve", *arguments) == (0, said, "")
        assert smsgw("messages", "resolve", *arguments, "--json").lines == [{"resolved": 2}]
    assert fake.requests[0]["params"] == params


def test_reload(smsgw: Run, daemon: Daemon) -> None:
    done = {"changed": ["carriers.acme.window"], "warnings": ["the password is empty"]}
    with daemon({"reload": done}):
        assert smsgw("reload", "--json").lines == [done]
        assert smsgw("reload").out == "changed: carriers.acme.window\nwarning: the password is empty\n"


def test_no_daemon_says_so(smsgw: Run, tmp_path: Path) -> None:
    ran = smsgw("status", "--socket", str(tmp_path / "none.sock"))
    assert (ran.code, ran.out) == (1, "")
    assert "the daemon is not running" in ran.err
    assert ran.err.count("\n") == 1


def test_the_socket_is_found_by_the_configuration_without_its_secrets(
    smsgw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "smsgw.toml"
    file.write_text('[socket]\npath = "in/here.sock"\n[[carriers]]\npassword = "file:/not/for/you"\n')
    ran = smsgw("status", "-c", str(file))
    assert str(tmp_path / "in" / "here.sock") in ran.err
    monkeypatch.setenv("SMSGW_CONFIG", str(file))
    assert smsgw("status").err == ran.err
    monkeypatch.setenv("SMSGW_SOCKET__PATH", "/from/the/environment.sock")
    assert "/from/the/environment.sock" in smsgw("status").err
    assert "/from/the/option.sock" in smsgw("status", "--socket", "/from/the/option.sock").err


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "No such file"), ("[socket", "is not TOML"), ("[socket]\npath = 5", "socket.path is not a path")],
)
def test_a_configuration_that_names_no_socket(smsgw: Run, tmp_path: Path, text: str | None, said: str) -> None:
    file = tmp_path / "smsgw.toml"
    if text is not None:
        file.write_text(text)
    ran = smsgw("status", "-c", str(file))
    assert ran.code == 2
    assert said in ran.err


def test_a_reader_that_has_enough_is_no_error(daemon: Daemon, tmp_path: Path) -> None:
    page = {"messages": [message()] * 500, "next": "b"}
    with daemon({"messages": page}):
        arguments = ["messages", "--json", "--limit", "100000", "--socket", str(tmp_path / "s.sock")]
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        process.stderr.close()
        assert (process.wait(30), said) == (1, b"")


def test_the_package_runs_as_a_module(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "gateway", "preview", "--json", "x"], capture_output=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout.startswith(b'{"encoding":"gsm7"')


def test_a_command_that_only_asks_loads_neither_the_settings_nor_the_daemon() -> None:
    # Start-up is what a script pays for each message that it sends.
    code = (
        "import sys; from gateway.cli import main; main(['status', '--socket', '/none']);"
        "slow = ('gateway.settings', 'phonenumbers', 'trio', 'sqlalchemy', 'h11');"
        "print(*(name for name in slow if name in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ran.stdout.decode() == "\n"
