"""A message's history in words: an entry of each kind, and those that are not known."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.cli.history import told
from gateway.cli.times import local

AT = "2026-03-01T09:00:02.000Z"
ACCEPTED = {
    "at": AT, "what": "accepted", "app": "crm", "door": "socket", "ref": None, "segments": 1, "encoding": "gsm7",
    "scheme": "udh8", "receipt": True, "route": None, "expires_at": AT,
}  # fmt: skip
RESP = {"at": AT, "what": "submit_sm_resp", "part": 1, "carrier": "acme", "bind": "acme/1"}
RECEIPT = {
    "at": AT, "what": "receipt", "part": 1, "carrier": "acme", "receipt_state": 5, "error": "069", "id": "A1",
    "outcome": "settled",
}  # fmt: skip
EVENT = {
    "at": AT, "what": "event", "event": "receipt", "event_id": "2-9", "to": "subscription", "name": "default",
    "app": "crm", "status": "acknowledged",
}  # fmt: skip


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (ACCEPTED, "accepted from crm by the socket as 1 segment of gsm7 for the number's own carrier; valid until "),
        (
            ACCEPTED
            | {"segments": 3, "route": "eu", "receipt": False, "tried": ["acme"], "options": {"flash": "0x10"}},
            "as 3 segments of gsm7 by udh8 by route eu; valid until ",
        ),
        (ACCEPTED | {"receipt": False, "tried": ["acme", "b"]}, "; no receipt asked for; taken from acme, b since"),
        ({"what": "submit_sm", "part": 1, "carrier": "acme", "bind": "acme/1"}, "submit_sm to acme/1"),
        (RESP | {"status": 0, "id": "A1"}, "submit_sm_resp from acme/1: 0x00 ESME_ROK, id A1"),
        (RESP | {"status": 0x58, "due": AT}, "0x58 ESME_RTHROTTLED: "),
        (RESP | {"status": 0x58, "due": AT}, "; again from "),
        (RESP | {"status": 0, "id": "A1", "late": True}, "id A1; after its time"),
        (
            {"what": "in_doubt", "part": 1, "carrier": "acme", "bind": "acme/1", "cause": "timeout", "resent": True},
            "in doubt on acme/1: no answer in time; sent once more",
        ),
        (
            {"what": "in_doubt", "part": 1, "carrier": "acme", "bind": "acme/1", "cause": "lost", "resent": False},
            "in doubt on acme/1: the session ended without an answer; held",
        ),
        (
            {"what": "in_doubt", "part": 1, "carrier": "acme", "cause": "restart", "resent": False},
            "in doubt on acme: the daemon ended without an answer, and its submit_sm was perhaps written; held",
        ),
        (
            {"what": "in_doubt", "part": 1, "carrier": "acme", "cause": "restart"},
            "perhaps written; by the carrier's in_doubt sent once more or held",
        ),
        ({"at": AT, "what": "claimed", "part": 1, "carrier": "acme"}, "claimed for acme: "),
        ({"what": "resend", "part": None, "carrier": None}, "an operator had it sent once more"),
        (
            {"what": "rerouted", "part": None, "carrier": "acme", "to": "backup", "cause": "down"},
            "taken from acme to backup: down",
        ),
        (
            {"what": "query", "part": 1, "carrier": "acme", "status": 0, "receipt_state": 5, "error": "069"},
            "query_sm to acme: 0x00 ESME_ROK, UNDELIVERABLE, error 069",
        ),
        (
            {"what": "query", "part": 1, "carrier": "acme", "status": 0x67, "receipt_state": None, "error": None},
            "query_sm to acme: 0x67 ESME_RQUERYFAIL",
        ),
        (RECEIPT | {"outcome": "held"}, "whether it goes to another carrier is open"),
        (RECEIPT, "receipt from acme for A1: UNDELIVERABLE, error 069"),
        (RECEIPT | {"carrier_done_at": AT}, f"error 069, done at {local(AT)} by its date"),
        (RECEIPT | {"outcome": "duplicate"}, "; as one before"),
        (RECEIPT | {"outcome": "contradiction", "receipt_state": None}, "None, error 069; contradicts one before"),
        (RECEIPT | {"receipt_state": 99, "error": None}, "receipt from acme for A1: 99"),
        ({"what": "ended", "part": 1, "state": "delivered", "reason": "delivered"}, "delivered"),
        ({"what": "ended", "part": 1, "state": "failed", "reason": "sender_refused"}, "failed: sender_refused"),
        (EVENT, "event receipt 2-9 to subscription default of crm: acknowledged"),
        (
            EVENT
            | {"to": "handler", "name": "hook", "app": "", "status": "retrying", "attempts": 3, "error": "HTTP 500"},
            "to handler hook: retrying after 3 attempts (HTTP 500)",
        ),
        (EVENT | {"to": None, "name": None, "app": None}, "to a stream that is gone: acknowledged"),
        ({"what": "not_kept", "part": None, "count": 7}, "7 more entries are not kept"),
        ({"at": AT, "what": "novel", "part": 2, "x": 1}, 'novel {"x":1}'),
        ({"at": AT, "what": "submit_sm_resp"}, "submit_sm_resp"),
    ],
)
def test_an_entry_in_words(entry: dict[str, Any], words: str) -> None:
    assert words in told(entry)
