"""What `smsgw messages show` prints: the message, its segments, and its whole history in the order of time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.cli.options import in_words
from gateway.cli.output import cell, console, inert, printed, sheet, table
from gateway.cli.times import local

Entry = dict[str, Any]


def show(found: dict[str, Any]) -> None:
    """Prints the answer of `history`."""
    message = found["message"]
    fields = sheet()
    for name, value in message.items():
        if name != "parts" and value is not None:
            fields.add_row(name, cell(local(value) if name.endswith("_at") else value))
    for entry in found.get("history", ()):
        if entry["what"] == "accepted" and entry.get("options"):
            for name, words in in_words(entry["options"]):
                fields.add_row(cell(name), cell(words))
    printed(fields)
    console().print()
    printed(_parts(message["parts"]))
    history = table("time", "part", "what happened", right=("part",))
    for entry in found.get("history", ()):
        part = str(entry["part"]) if entry.get("part") else ""
        history.add_row(cell(local(entry["at"], milliseconds=True)), part, inert(told(entry)))
    if history.row_count:
        console().print()
        printed(history)


def _parts(parts: list[dict[str, Any]]) -> Any:
    shown = table(*_COLUMNS.values(), right=("part", "tries", "doubts"))
    for part in parts:
        shown.add_row(*(cell(_READ[name](part[name]) if name in _READ else part[name]) for name in _COLUMNS))
    return shown


def told(entry: Entry) -> str:
    """An entry of a history as a line of words; one of a kind that is not known, as it is."""
    words = _WORDS.get(entry["what"], _other)
    try:
        return words(entry)
    except KeyError:  # of a daemon of another version
        return _other(entry)


def _accepted(e: Entry) -> str:
    count = e["segments"]
    words = [f"accepted from {e['app']}"]
    if e["door"]:
        words.append(f"by the {e['door']}")
    words.append(f"as {count} segment{'s'[: count != 1]} of {e['encoding']}")
    if count > 1 or e["scheme"] == "payload":
        words.append(f"by {e['scheme']}")
    words.append(f"by route {e['route']}" if e["route"] else "for the number's own carrier")
    tail = [f"valid until {local(e['expires_at'])}"]
    if not e["receipt"]:
        tail.append("no receipt asked for")
    if e.get("tried"):
        tail.append(f"taken from {', '.join(e['tried'])} since")
    return f"{' '.join(words)}; {'; '.join(tail)}"


def _out(e: Entry) -> str:
    return f"submit_sm to {e['bind'] or e['carrier']}"


def _answer(e: Entry) -> str:
    words = f"submit_sm_resp from {e.get('bind') or e['carrier']}: {status(e['status'])}"
    if e.get("id"):
        words += f", id {e['id']}"
    if e.get("late"):
        words += "; after its time"
    if e.get("due"):
        words += f"; again from {_clock(e['due'])}"
    return words


_CAUSES: Final = {
    "timeout": "no answer in time",
    "lost": "the session ended without an answer",
    "restart": "the daemon ended without an answer, and its submit_sm was perhaps written",
    "restore": "the database was restored from a backup, and it was perhaps written since that was taken",
    "expired": "it waited for a copy beyond its validity",
    "quiet_hours": "a copy of it was not sent for quiet hours",
}


def _doubt(e: Entry) -> str:
    resent = e.get("resent")
    then = "by the carrier's in_doubt sent once more or held"  # of a version that did not say which
    if resent is not None:
        then = "sent once more" if resent else "held"
    return f"in doubt on {e.get('bind') or e['carrier']}: {_CAUSES.get(e['cause'], e['cause'])}; {then}"


_OUTCOMES: Final = {
    "settled": "",
    "no_change": "; not an end",
    "duplicate": "; as one before",
    "contradiction": "; contradicts one before, which counts",
    "stale": "; of an attempt that does not count any more",
    "held": "; whether it goes to another carrier is open",
}


def _receipt(e: Entry) -> str:
    error = f", error {e['error']}" if e["error"] else ""
    of = f" for {e['id']}" if e.get("id") else ""
    by = f", done at {local(e['carrier_done_at'])} by its date" if e.get("carrier_done_at") else ""
    state, outcome = receipt_state(e["receipt_state"]), _OUTCOMES.get(e["outcome"], "")
    return f"receipt from {e['carrier']}{of}: {state}{error}{by}{outcome}"


def _query(e: Entry) -> str:
    state = receipt_state(e["receipt_state"])
    error = f", error {e['error']}" if e.get("error") else ""
    return f"query_sm to {e['carrier']}: {status(e['status'])}" + (f", {state}{error}" if state is not None else "")


def _ended(e: Entry) -> str:
    return f"{e['state']}" + (f": {e['reason']}" if e["reason"] and e["reason"] != e["state"] else "")


def _rerouted(e: Entry) -> str:
    words = f"taken from {e['carrier']}" if e.get("carrier") else "taken to another carrier"
    return words + (f" to {e['to']}" if e.get("to") else "") + (f": {e['cause']}" if e.get("cause") else "")


def _event(e: Entry) -> str:
    who = f"{e['to']} {e['name']}" + (f" of {e['app']}" if e.get("app") else "") if e["to"] else "a stream that is gone"
    became = e["status"]
    if e.get("attempts"):
        became += f" after {e['attempts']} attempts ({e['error']})"
    if e.get("due"):
        became += f", again at {_clock(e['due'])}"
    return f"event {e['event']} {e['event_id']} to {who}: {became}"


def _other(e: Entry) -> str:
    rest = {k: v for k, v in e.items() if k not in ("at", "what", "part") and v is not None}
    return f"{e['what']} {cell(rest)}" if rest else str(e["what"])


_WORDS: Final[dict[str, Callable[[Entry], str]]] = {
    "accepted": _accepted,
    "claimed": lambda e: f"claimed for {e['carrier']}: its submit_sm is written from here on",
    "submit_sm": _out,
    "submit_sm_resp": _answer,
    "in_doubt": _doubt,
    "resend": lambda e: "an operator had it sent once more",
    "rerouted": _rerouted,
    "quiet": lambda e: f"put off by quiet hours until {local(e['due'])}",
    "query": _query,
    "receipt": _receipt,
    "ended": _ended,
    "event": _event,
    "not_kept": lambda e: f"{e['count']} more entries are not kept; this is the time of the last",
}


def _clock(text: str) -> str:
    """A time of day, where the date is beside it."""
    return (local(text, milliseconds=True) or "")[11:]


def status(value: Any) -> Any:
    """A command_status with its name and what it means."""
    from gateway.smpp.status import status_name, status_text

    if not isinstance(value, int):
        return value
    return f"0x{value:02X} {status_name(value)}" + (f": {status_text(value)}" if value else "")


def receipt_state(value: Any) -> Any:
    """A message_state (SMPP 3.4 §5.2.28) by its name."""
    from gateway.smpp.constants import MessageState

    try:
        return MessageState(value).name if isinstance(value, int) else value
    except ValueError:
        return value


_COLUMNS: Final = {
    "part": "part",
    "state": "state",
    "smsc_message_id": "smsc id",
    "command_status": "answer",
    "receipt_state": "receipt",
    "error_code": "error",
    "attempts": "tries",
    "in_doubt": "doubts",
}
_READ: Final = {"command_status": status, "receipt_state": receipt_state}
