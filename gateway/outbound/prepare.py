"""From a request to a message that can be stored: addresses, sender, route, times. Pure, with caches.

What it is on the air is planned in `gateway.outbound.planning`.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import zlib
from datetime import datetime
from typing import Final

import msgspec

from gateway.carrier.outgoing import ONLY_PART, Outgoing
from gateway.model import CLASSES, LANES, IdSource, Receipts, State
from gateway.outbound.choice import Choice, Chosen
from gateway.outbound.options import USUAL, Options, stored
from gateway.outbound.origin import Origins
from gateway.outbound.planning import Planning
from gateway.outbound.request import App, Refusal, Submit
from gateway.policy.content import Content, Worded
from gateway.policy.known import zone as checked_zone
from gateway.policy.quiet import QuietHours, Rest, Standing, said
from gateway.policy.routing import Facts
from gateway.policy.sender import Why
from gateway.settings import Carrier, Settings
from gateway.settings.routes import MessageClass
from gateway.smpp.pdu import Tlv
from gateway.sms.address import AddressError, normalise
from gateway.sms.compose import warnings_of
from gateway.sms.numbering import possible_as_is
from gateway.sms.preview import Preview
from gateway.sms.segment import SegmentPlan
from gateway.store.checks import checks
from gateway.store.known import Known, Need
from gateway.store.submits import NewMessage

MAX_REF: Final = 128
MAX_META: Final = 16_384
LONGEST_VALIDITY: Final = 14 * 86_400.0
LATEST_SEND: Final = 366 * 86_400.0


_QUEUED: Final = int(State.QUEUED)
_SCHEDULED: Final = int(State.SCHEDULED)
_json: Final = msgspec.json.Encoder(order="sorted")


class Prepared(msgspec.Struct, eq=False, gc=False):
    """A request that may be stored: the row to be, and what the message is made of that a queue takes."""

    row: NewMessage
    plan: SegmentPlan  # its parts are on the air, also where the carrier does the cutting
    options: Options
    until: int = 0  # when the quiet hours begin that `rest` knows of, ms since 1970; 0: none
    rest: Rest | None = None
    why: Why = "named"  # it goes out from its number
    moved: bool = False  # its pair is to be remembered on this carrier
    worded: Worded | None = None  # what was made of its text
    held: bool = False  # quiet hours put it off
    warnings: list[str] = []
    place: int = 0  # in what it came with
    made: Outgoing | None = None

    @property
    def outgoing(self) -> Outgoing:
        """The message as the queue takes it; made when it is asked for, as what is left on disk needs none."""
        if self.made is None:
            row, options = self.row, self.options
            self.made = Outgoing(
                row.id,
                row.app,
                row.number,
                row.peer,
                row.carrier,
                row.lane,
                row.rank,
                row.parts,
                row.receipt,
                row.expires_at,
                min(self.until, row.expires_at) if self.until else row.expires_at,
                options.validity,
                tuple(Tlv(tag, value) for tag, value in options.tlvs) if options.tlvs else (),
                self.plan.render(row.concat_ref),
                ONLY_PART if row.parts == 1 else range(1, row.parts + 1),
                0,
                0,
                options.protocol_id,
                self.rest,
            )
        return self.made

    def __repr__(self) -> str:  # logs and tracebacks must not show text
        return f"Prepared({self.row!r})"


class Preparer:
    """Makes messages of requests by the settings of the moment. ``choice`` is configured before this is."""

    def __init__(
        self, settings: Settings, ids: IdSource, rng: random.Random | None = None, choice: Choice | None = None
    ) -> None:
        self._ids = ids
        self.choice = choice or Choice(settings)
        self._refs = itertools.count((rng or random.Random()).randrange(1 << 16))
        self.planning = Planning()
        self.quiet = QuietHours(settings)
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Takes over new settings."""
        self._settings = settings
        self.region = settings.default_region
        self._validity = settings.limits.default_validity
        self._validity_ms = int(self._validity * 1000)
        sole = settings.carriers[0].name if len(settings.carriers) == 1 else None
        self._carrier_of: dict[str, Carrier | None] = {
            value: settings.carriers_by_name.get(number.carrier or sole or "")
            for value, number in settings.numbers_by_value.items()
        }
        # What the shard of a pair is reckoned from, "number peer", as far as the number makes it.
        self._begun = {value: zlib.crc32(f"{value} ".encode()) for value in settings.numbers_by_value}
        self.origins = Origins(settings)
        self.sending = self.origins.sending
        self.content = Content(settings)
        if not self.quiet.are_of(settings):
            self.quiet = QuietHours(settings)
        # Where this one may be refused as it is stored, and the next one of its burst not, each of them tells.
        self._weighed = len(checks(settings, dry=True)) > 1
        self.asks = self.content.adds or self.origins.asks or bool(self.quiet.by_peer)
        self.planning.configure(settings, self.content)

    def may_need(self, request: Submit) -> bool:
        """Whether a request may need facts of the database, as far as it tells without its peer; where `asks` is set.

        ``asks``: whether any request may, by the settings.
        """
        return (
            self.origins.chooses(request.from_)
            or (request.class_ == "marketing" and self.content.adds)
            or (request.class_ in self.quiet.by_peer and request.zone is None)
        )

    def need(self, app: App, request: Submit, peer: str) -> int:
        """The kinds of facts that are to be known of the peer before this is prepared (`gateway.store.known.Need`)."""
        need = self.origins.need(app, request.from_, request.class_, peer)
        if request.class_ == "marketing" and self.content.adds:
            need |= Need.FIELDS | Need.TOLD if self.content.once else Need.FIELDS
        if request.class_ in self.quiet.by_peer and request.zone is None:
            need |= Need.FIELDS
        return need

    def metered(self, app: App, request: Submit, peer: str) -> frozenset[str]:
        """The numbers whose room is needed, where `need` says so."""
        return self.origins.metered(app, request.from_, request.class_, peer)

    def prepare(
        self,
        app: App,
        request: Submit,
        now_ms: int,
        known: Known | None = None,
        segments: int = 1,
        message_id: int | None = None,
    ) -> Prepared:
        """The message of a request. ``known`` is what `need` asked for. Raises Refusal.

        ``segments``: for so many its number is to have room, if another was found to have too little. ``message_id`` is
        drawn where none is given.
        """
        peer = request.to
        if not possible_as_is(peer):
            try:
                peer = normalise(peer, self.region).value
            except AddressError as error:
                raise Refusal("invalid_to", error.detail, field="to") from None
        number, why, warnings = self.origins.of(app, request.from_, request.class_, peer, now_ms, known, segments)
        carrier = self._carrier_of[number]
        if message_id is None:
            message_id = self._ids.next()
        chosen: Chosen | None = None
        if self.choice.routing is not None:
            facts = Facts(number, app.name, request.class_, peer)
            chosen = self.choice.choose(facts, message_id, now_ms)
            if chosen is not None:
                carrier = self._settings.carriers_by_name[chosen.carrier]
        if carrier is None:
            raise Refusal("no_route", field="from")
        klass = CLASSES.index(request.class_)
        if not 0 <= request.priority <= 9:
            raise Refusal("invalid_params", "priority is 0 to 9", field="priority")
        if request.ref is not None and not 0 < len(request.ref) <= MAX_REF:
            raise Refusal("invalid_params", f"ref has 1 to {MAX_REF} characters", field="ref")
        meta = None
        if request.meta is not None:
            meta = encoded(request.meta).decode()
            if len(meta) > MAX_META:
                raise Refusal("invalid_params", f"meta has at most {MAX_META} octets of JSON", field="meta")
        worded = self._worded(app, request, number, known) if request.text else None
        planned, content, options, changes = self.planning.plan(app, request, carrier, worded)
        if planned.parts > segments and why in ("hash", "room"):
            room = self.origins.room(known, now_ms)
            if room is not None and not room.has(number, planned.parts):
                # It ends: each time it is for more segments.
                return self.prepare(app, request, now_ms, known, planned.parts, message_id)
        ref = self.next_ref() if planned.parts > 1 else 0
        due_at, validity = None, self._validity_ms
        if request.send_at is not None or request.validity is not None:
            due_at, validity = self._times(request, now_ms)
        zone, rest, held, until = request.zone, None, None, 0
        if zone is not None or request.class_ in self.quiet.classes:
            zone, rest = self.rest(request.class_, peer, zone, known, app.name)
            if rest is not None:
                standing = rest.at(due_at or now_ms)
                if standing.action is not None:
                    held, due_at = standing, _put_off(standing, request, now_ms)
                elif standing.until is not None:
                    until = standing.until
            if zone is not None or held is not None:
                options = msgspec.structs.replace(options, zone=zone or "", quiet=due_at or 0 if held else 0)
        expires_at = (due_at or now_ms) + validity
        rank = 9 - request.priority
        lane = LANES[klass]
        parts = planned.bodies
        receipt = receipts_of(carrier, parts) if request.receipt else 0
        # By position: names would take three times as long, and this is made for each message.
        row = NewMessage(
            message_id,
            app.name,
            number,
            peer,
            klass,
            content if isinstance(content, bytes) else content.encode(),
            meta,
            request.ref,
            digest(request) if request.ref is not None else b"",
            planned.encoding,
            None if options is USUAL else stored(options),
            planned.scheme,
            ref,
            parts,
            receipt,
            expires_at,
            carrier.name,
            lane,
            rank,
            zlib.crc32(peer.encode(), self._begun[number]) & 63,  # its shard, the same on every node and in every run
            _QUEUED if due_at is None else _SCHEDULED,
            due_at,
            None,
            None if chosen is None else chosen.route,
        )
        if planned.parts != parts:
            row.cut = planned.parts
        prepared = Prepared(row, planned, options, until, rest, why, chosen is not None and chosen.moved)
        if worded is not None:
            prepared.worded = worded
            prepared.warnings += worded.warnings
        if changes:
            prepared.warnings += warnings_of(changes)
        if warnings:
            prepared.warnings += warnings
        if held is not None:
            prepared.held = True
            prepared.warnings.append(f"{said(held)}: it goes then")
        if known is not None and self.content.tells(request.class_, number) and request.text:
            row.tells = number not in known.told
            if isinstance(content, str):
                clause = worded.clause if worded is not None else ""
                row.alike = self.content.alike(app.name, number, content, clause, known.language, known.told)
            if not self._weighed:
                known.told.add(number)  # of the next in the same burst it is true already
        if request.replace is not None and planned.parts > 1:
            prepared.warnings.append("replace: a phone may take each segment for a replacement of the one before")
        return prepared

    def next_ref(self) -> int:
        """A concatenation reference that was not used for a while."""
        return next(self._refs) & 0xFFFF

    def preview(self, app: App, request: Submit, now_ms: int, known: Known | None = None) -> tuple[Prepared, Preview]:
        """What would be sent of a request, and why so. Raises Refusal as `prepare` does."""
        prepared = self.prepare(app, request, now_ms, known)
        carrier = self._settings.carriers_by_name[prepared.row.carrier]
        return prepared, self.planning.preview(app, request, carrier, prepared.worded)

    def _worded(self, app: App, request: Submit, number: str, known: Known | None) -> Worded | None:
        """What is sent of a text that is not empty; None: the text as it is. Raises Refusal."""
        if request.data is not None or request.text is None:
            return None
        language, told = (known.language, known.told) if known is not None else (None, ())
        worded = self.content.word(app.name, request.class_, number, request.text, language, told)
        if worded is not None and worded.reason is not None:
            raise Refusal(worded.reason, worded.detail, field="text")
        return worded

    def rest(
        self, klass: MessageClass, peer: str, zone: str | None, known: Known | None, app: str = ""
    ) -> tuple[str | None, Rest | None]:
        """The zone of a phone as far as somebody knows, and the quiet hours that hold there. Raises Refusal.

        ``zone`` is what the request says of it.
        """
        if zone is not None:
            try:
                checked_zone(zone)
            except ValueError as error:
                raise Refusal("invalid_params", f"zone is {error}", field="zone") from None
        elif known is not None and klass in self.quiet.by_peer:
            zone = known.zone
        return zone, self.quiet.of(klass, peer, zone, app)

    def _times(self, request: Submit, now_ms: int) -> tuple[int | None, int]:
        """When it is due (None: now) and its validity in ms, which counts from when it is due."""
        due_at: int | None = None
        if request.send_at is not None:
            try:
                moment = datetime.fromisoformat(request.send_at)
            except ValueError:
                raise Refusal("invalid_params", "send_at is a time as in RFC 3339", field="send_at") from None
            if moment.tzinfo is None:
                raise Refusal("invalid_params", "send_at needs a zone, such as Z or +02:00", field="send_at")
            due_at = int(moment.timestamp() * 1000)
            if due_at > now_ms + LATEST_SEND * 1000:
                raise Refusal("invalid_params", "send_at is at most a year ahead", field="send_at")
            if due_at <= now_ms:
                due_at = None
        validity = self._validity
        if request.validity is not None:
            if not 1 <= request.validity <= LONGEST_VALIDITY:
                raise Refusal("invalid_params", f"validity is 1 to {int(LONGEST_VALIDITY)} seconds", field="validity")
            validity = request.validity
        return due_at, int(validity * 1000)


def _put_off(standing: Standing, request: Submit, now_ms: int) -> int:
    """When a message is due that quiet hours hold. Raises Refusal where they refuse it."""
    if standing.action == "hold" and standing.until is not None:
        return standing.until
    if request.send_at is not None:
        raise Refusal("quiet_hours", said(standing), field="send_at")
    wait = None if standing.until is None else (standing.until - now_ms) / 1000
    raise Refusal("quiet_hours", said(standing), retry_after=wait)


_RECEIPTS: Final = {
    "each": Receipts.EACH,
    "first": Receipts.FIRST,
    "last": Receipts.LAST,
    "any": Receipts.ANY,
}


def receipts_of(carrier: Carrier, parts: int) -> int:
    """Which segments of a message a carrier is asked for receipts of (`gateway.model.Receipts`)."""
    if not carrier.receipts:
        return 0
    return 1 if parts == 1 else int(_RECEIPTS[carrier.receipt_segments])


def encoded(value: object) -> bytes:
    """A request, or its meta, as JSON. Raises Refusal where it is nested deeper than can be written just here."""
    try:
        return _json.encode(value)
    except RecursionError:
        raise Refusal("invalid_params", "meta is nested too deeply", field="meta") from None


def digest(request: Submit) -> bytes:
    """What two requests with the same ``ref`` must agree in. Raises Refusal as `encoded` does."""
    return hashlib.blake2b(encoded(request), digest_size=16).digest()
