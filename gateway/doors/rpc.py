"""JSON-RPC 2.0 on the wire: one object a line, errors with a reason, the nearest known name for an unknown member."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
import msgspec.structs

from gateway.model import REASONS
from gateway.outbound.request import Refusal

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
REFUSED: Final = -32000
TRY_LATER: Final = -32001

LONGEST_NAME: Final = 64
"""Characters of an unknown name that an error repeats; there is no known one that is longer."""

_T = TypeVar("_T", bound=msgspec.Struct)

Id = msgspec.Raw | int | None
"""The id of a request, as it was written or a number; None: there is none, or it cannot be read."""


class Request:
    """One line from an application. Without an id it is a notification, and gets no reply."""

    __slots__ = ("id", "method", "params")

    def __init__(self, method: str, id: msgspec.Raw | None, params: msgspec.Raw) -> None:
        self.method = method
        self.id = id  # as it was written, and goes back
        self.params = params


class _Id(msgspec.Struct):
    id: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    method: str
    jsonrpc: str = "2.0"
    id: msgspec.Raw = msgspec.Raw(b"null")
    params: msgspec.Raw = msgspec.Raw(b"{}")


_lines: Final = msgspec.json.Decoder(_Line)
_ids: Final = msgspec.json.Decoder(_Id)
_encoder: Final = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


class ErrorData(msgspec.Struct, omit_defaults=True):
    """``data`` of an error; ``reason`` is always one of the documented list."""

    reason: str
    field: str | None = None
    retry_after: float | None = None
    detail: str | None = None


class Result(msgspec.Struct, tag_field="jsonrpc", tag="2.0", gc=False):
    """A reply."""

    id: Id
    result: Any


class Error(msgspec.Struct, gc=False):
    """Why there is no result."""

    code: int
    message: str
    data: ErrorData


class ErrorReply(msgspec.Struct, tag_field="jsonrpc", tag="2.0", gc=False):
    """A reply that says so."""

    id: Id
    error: Error


class RpcFault(Exception):
    """An error of the protocol itself; ``fatal`` ones end the connection. ``id`` is the request's, where it has one."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str = "invalid_params",
        field: str | None = None,
        fatal: bool = False,
        id: msgspec.Raw | None = None,
    ) -> None:
        super().__init__(message)
        self.id = id
        self.code = code
        self.reason = reason
        self.field = field
        self.fatal = fatal


def read_request(line: bytes) -> Request:
    """The request in a line. Raises RpcFault: not JSON is fatal, an object that is no request names its fault."""
    try:
        wire = _lines.decode(line)
    except msgspec.ValidationError as error:
        if line.lstrip()[:1] == b"[":
            raise RpcFault(
                INVALID_REQUEST, "batch arrays are not taken: send the requests one to a line", reason="invalid_params"
            ) from None
        field, text = _explain(str(error), _Line)
        raise RpcFault(INVALID_REQUEST, f"not a request: {text}", field=field, id=_id_in(line)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable(line) from None
    id = bytes(wire.id)
    if id[:1] not in b'"-0123456789n':
        raise RpcFault(INVALID_REQUEST, "id is a string or a number", field="id")
    # A copy of its own: the line need not be kept until it is answered.
    own = msgspec.Raw(id)
    if wire.jsonrpc != "2.0":
        raise RpcFault(INVALID_REQUEST, 'jsonrpc is "2.0"', field="jsonrpc", id=own)
    return Request(wire.method, own if id != b"null" else None, wire.params)


def _id_in(line: bytes) -> msgspec.Raw | None:
    """The id of what is an object, and else no request: who pipelines has to know which it was."""
    try:
        id = bytes(_ids.decode(line).id)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.Raw(id) if id[:1] in b'"-0123456789' else None


def _unreadable(line: bytes) -> RpcFault:
    """What our decoder refuses: no JSON, or JSON by its grammar with half of a surrogate pair (RFC 8259 §8.2)."""
    try:
        read = json.loads(line.decode(), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return RpcFault(PARSE_ERROR, "not a line of JSON", fatal=True)
    id = read.get("id") if isinstance(read, dict) else None
    has_id = isinstance(id, (str, int, float)) and not isinstance(id, bool)
    known = msgspec.Raw(json.dumps(id).encode()) if has_id else None
    said = "a text has half of a surrogate pair, which is no character"
    params = read.get("params") if isinstance(read, dict) else None
    field = None
    if isinstance(params, dict):
        field = next(
            (n for n, v in params.items() if len(n) <= LONGEST_NAME and n.isidentifier() and _is_halved(v)), None
        )
    return RpcFault(INVALID_PARAMS, f"{field}: {said}" if field else said, field=field, id=known)


def _is_halved(value: object) -> bool:
    """Whether a text in it, at any depth, has half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def _no_constant(name: str) -> None:
    raise ValueError(name)  # NaN and the like are Python's, not JSON's


def read_params(raw: msgspec.Raw, kind: type[_T]) -> _T:
    """The parameters of a method. Raises RpcFault naming the member that is wrong, and the nearest known one."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(raw)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        field, message = _explain(str(error), kind)
        raise RpcFault(INVALID_PARAMS, message, field=field) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcFault(INVALID_PARAMS, f"params: {error}") from None


def _explain(text: str, kind: type[msgspec.Struct]) -> tuple[str | None, str]:
    unknown = re.search(r"unknown field `(.*?)`", text)
    if unknown:
        name = unknown[1]
        return name[:LONGEST_NAME], f"unknown member {short(name)}{nearest(name, kind.__struct_encode_fields__)}"
    missing = re.search(r"missing required field `(.*?)`", text)
    if missing:
        return missing[1], f"{missing[1]} is required"
    at = re.search(r" - at `(?:\$|key in \$)\.?(.*?)`", text)
    if at and at[1]:
        field = re.split(r"[.\[]", at[1])[0]
        if text.startswith("Invalid enum value"):
            return field, f"{field} is one of {', '.join(_choices(kind, field))}"
        return field, f"{at[1]}: {text[: at.start()].replace('`', '')}"
    if "got `array`" in text:
        return None, "params are given by name, as an object"
    return None, text.replace(" - at `$`", "").replace("`", "")


def _choices(kind: type[msgspec.Struct], name: str) -> list[str]:
    """The words that a member, or each item of it, may be."""
    for field in msgspec.structs.fields(kind):
        if field.encode_name == name:
            return [str(word) for word in _words(field.type)]
    return []


def _words(annotation: Any) -> Iterable[Any]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return [word for argument in get_args(annotation) for word in _words(argument)]


def short(name: str) -> str:
    """A name that somebody else chose, as a message shows it."""
    return repr(name) if len(name) <= LONGEST_NAME else repr(name[:LONGEST_NAME]) + "..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the nearest known name, or nothing."""
    if len(name) > LONGEST_NAME:
        return ""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def lines(replies: Iterable[Result | ErrorReply]) -> bytes:
    """Replies, a line each."""
    return _encoder.encode_lines(replies)


def result(id: Id, value: object) -> bytes:
    """A reply as a line."""
    return _encoder.encode_lines((Result(id, value),))


def refused(id: Id, error: Refusal) -> ErrorReply:
    """A refusal as a reply: -32001 when it is worth trying again, else -32000; bad parameters are -32602."""
    if error.retry_after is not None:
        code = TRY_LATER
    elif error.reason == "invalid_params":
        code = INVALID_PARAMS
    else:
        code = REFUSED
    data = ErrorData(error.reason, error.field, error.retry_after, error.detail)
    return ErrorReply(id, Error(code, REASONS[error.reason], data))


def refusal(id: Id, error: Refusal) -> bytes:
    """The same as a line."""
    return _encoder.encode_lines((refused(id, error),))


def fault(id: Id, error: RpcFault) -> bytes:
    """A fault of the protocol as a reply, as a line."""
    data = ErrorData(error.reason, error.field)
    return _encoder.encode_lines((ErrorReply(id, Error(error.code, str(error), data)),))


def notification(method: str, params: bytes) -> bytes:
    """A notification with ready-made parameters."""
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}\n' % (method.encode(), params)
