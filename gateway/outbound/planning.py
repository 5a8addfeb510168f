"""How a request goes to a carrier: its options, the way of the carrier, and the segments that its text is cut into."""

from __future__ import annotations

import msgspec

from gateway.outbound.options import USUAL, Options, is_usual, octets_of, settle, with_ports_in_header
from gateway.outbound.request import App, Refusal, Submit
from gateway.policy.content import Content, Worded
from gateway.settings import Carrier, Settings
from gateway.sms.compose import Way, compose
from gateway.sms.national import Language
from gateway.sms.preview import Preview, preview
from gateway.sms.segment import SegmentPlan, TooLongError, UnencodableError, plan_alone
from gateway.sms.transliterate import Change
from gateway.sms.udh import UdhError


class Planning:
    """Plans by the settings of the moment; `configure` comes first."""

    def configure(self, settings: Settings, content: Content) -> None:
        """Takes over new settings, and what was made of those for texts."""
        self._usual: dict[str, Options] = {
            carrier.name: USUAL if carrier.default_alphabet == "gsm7" else Options(alphabet=carrier.default_alphabet)
            for carrier in settings.carriers
        }
        self._ways: dict[str, Way] = {
            carrier.name: Way(
                scheme=carrier.long_messages,
                alphabet=carrier.default_alphabet,
                national=carrier.national_languages,
                max_parts=settings.limits.max_segments,
                latin1=carrier.latin1,
            )
            for carrier in settings.carriers
        }
        self._ways_of: dict[str, dict[str, Way]] = {
            app: {name: msgspec.structs.replace(way, max_parts=most) for name, way in self._ways.items()}
            for app, most in content.max_segments.items()
        }

    def plan(
        self, app: App, request: Submit, carrier: Carrier, worded: Worded | None = None
    ) -> tuple[SegmentPlan, str | bytes, Options, tuple[Change, ...]]:
        """The plan, the text or octets that it is of, what is to be stored of how, and what was transliterated.

        ``worded`` is what was made of its text. Raises Refusal.
        """
        text = request.text if worded is None else worded.text
        if text and _asks_for_nothing(request):
            # A text without a wish goes in one segment, mostly; where it goes as gsm7 nothing is to be transliterated.
            way = self._ways_of.get(app.name, self._ways)[carrier.name]
            alone = plan_alone(text, way.scheme, way.alphabet)
            if alone is not None:
                return alone, text, self._usual[carrier.name], ()
        content: str | bytes | None = text
        if request.data is not None or content is None or request.encoding == "binary":
            content = _content(app, request)
        options = self._options(app, request, carrier)
        if not content and not options.udh:
            raise Refusal("empty", field="text")
        try:
            planned, composed, changes = self._cut(app, request, carrier, options, content)
            if options.added and request.destination_port is not None and planned.has_header:
                # 5.0 §4.7.12: no port TLVs where UDHI is set. The cuts stay: this room was kept free.
                options = with_ports_in_header(options, request)
                planned, composed, changes = self._cut(app, request, carrier, options, content)
        except UnencodableError as error:
            raise Refusal("unencodable", _with_clause(error, worded), field="text") from None
        except TooLongError as error:
            raise Refusal("too_long", _with_clause(error, worded), field="text") from None
        except UdhError as error:
            raise Refusal("invalid_params", str(error), field="udh") from None
        except ValueError as error:
            raise Refusal("invalid_params", str(error), field="text") from None
        shift = planned.shift
        if shift.locking or shift.single:
            options = msgspec.structs.replace(options, shift=shift)
        return planned, composed, options, changes

    def _cut(
        self, app: App, request: Submit, carrier: Carrier, options: Options, content: str | bytes
    ) -> tuple[SegmentPlan, str | bytes, tuple[Change, ...]]:
        way = self._way(app, request, carrier, options)
        to_gsm = _transliterates(request, carrier)
        if isinstance(content, str) and (to_gsm or way.latin1 == "nearly"):
            composed = compose(content, way, to_gsm=to_gsm)
            return composed.plan, composed.text, composed.changes
        return way.plan(content), content, ()

    def _options(self, app: App, request: Submit, carrier: Carrier) -> Options:
        return self._usual[carrier.name] if is_usual(request) else settle(app, request, carrier)

    def _way(self, app: App, request: Submit, carrier: Carrier, options: Options) -> Way:
        way = self._ways_of.get(app.name, self._ways)[carrier.name]
        if options is self._usual[carrier.name] and request.encoding == "auto" and request.national is None:
            return way
        return msgspec.structs.replace(
            way,
            encoding=request.encoding,
            udh=options.udh,
            flash=options.flash_way,
            added=options.added,
            national=way.national if request.national is None else _each_once(request.national),
        )

    def preview(self, app: App, request: Submit, carrier: Carrier, worded: Worded | None) -> Preview:
        """How a request that `plan` took goes to this carrier, segment by segment."""
        options = self._options(app, request, carrier)
        way = self._way(app, request, carrier, options)
        content = _content(app, request) if worded is None else worded.text
        return preview(content, way, transliterated=_transliterates(request, carrier))


def _asks_for_nothing(request: Submit) -> bool:
    """Whether a request leaves it to us how its text goes."""
    return request.data is None and request.encoding == "auto" and request.national is None and is_usual(request)


def _transliterates(request: Submit, carrier: Carrier) -> bool:
    return carrier.transliterate if request.transliterate is None else request.transliterate


def _with_clause(error: Exception, worded: Worded | None) -> str:
    return f"{error}, with the clause that is added" if worded is not None and worded.clause else str(error)


def _content(app: App, request: Submit) -> str | bytes:
    if request.data is not None:
        if request.text is not None:
            raise Refusal("invalid_params", "text or data, not both", field="data")
        if not app.binary:
            raise Refusal("not_allowed", "binary messages need a right", field="data")
        if request.encoding not in ("auto", "binary"):
            raise Refusal("invalid_params", "data goes as binary", field="encoding")
        return octets_of(request.data, "data")
    if request.text is None:
        raise Refusal("empty", "text or data is needed", field="text")
    if request.encoding == "binary":
        raise Refusal("invalid_params", "binary needs data, not text", field="encoding")
    return request.text


def _each_once(languages: list[Language]) -> tuple[Language, ...]:
    # Every pair of tables is looked at: a long list must not make that long.
    return tuple(dict.fromkeys(languages))
