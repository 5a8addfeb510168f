"""The whole configuration: every section, and what `check` warns of."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any

import phonenumbers
from pydantic import AfterValidator, Field

from gateway.settings.base import Section
from gateway.settings.carrier import SPECIFIED_PASSWORD, Carrier
from gateway.settings.carrier.versions import SMPP_3_3
from gateway.settings.consent import Consent, OptIn
from gateway.settings.content import Content
from gateway.settings.destinations import Cap, Destinations, cap_warnings
from gateway.settings.groups import Group
from gateway.settings.mail import Smtp
from gateway.settings.numbercheck import number_warnings
from gateway.settings.numbers import Number
from gateway.settings.optout import NumberSet, OptOut
from gateway.settings.own import OwnHandler, own_handlers
from gateway.settings.pools import Pool
from gateway.settings.quiet import CountryZones, Quiet, quiet_warnings
from gateway.settings.quotas import Quotas, quota_warnings
from gateway.settings.retention import Retention
from gateway.settings.routes import Route, route_warnings
from gateway.settings.routing import SHORTEST_KEY, App, Handler
from gateway.settings.rulecheck import rule_warnings
from gateway.settings.rules import Rule, UrgencyWord
from gateway.settings.schedules import Schedule
from gateway.settings.secret import Secret
from gateway.settings.sendercheck import sender_warnings
from gateway.settings.service import Limits, Log, Metrics, Socket, Store
from gateway.settings.types import Form, Name, fail, is_local


def _region(value: str) -> str:
    if value not in phonenumbers.SUPPORTED_REGIONS:
        raise fail("region", 'a region of ISO 3166 in two capital letters, such as "US"')
    return value


class Settings(Section):
    """A configuration that was checked as a whole: references exist, numbers are normalised."""

    default_region: Annotated[str, AfterValidator(_region)] | None = Field(
        None,
        description="Region that national numbers are read in, as ISO 3166 letters; without it only numbers "
        "with + and a country code are taken.",
    )
    urgency_words: tuple[UrgencyWord, ...] = Field(
        (), description="Words and phrases that are urgent beside those of the package, for rules with `urgency`."
    )
    store: Store = Field(Store(), description=Store.__doc__)
    socket: Socket = Field(Socket(), description=Socket.__doc__)
    metrics: Metrics = Field(Metrics(), description=Metrics.__doc__)
    log: Log = Field(Log(), description=Log.__doc__)
    limits: Limits = Field(Limits(), description=Limits.__doc__)
    retention: Retention = Field(Retention(), description=Retention.__doc__)
    profiles: Annotated[dict[str, Any], Form("tables `[profiles.NAME]`")] = Field(
        {},
        description="Settings that carriers share, by name; a carrier takes them with `profile`. Any key of "
        "`[[carriers]]` but those of the account, and `about`.",
    )
    carriers: tuple[Carrier, ...] = Field((), description=Carrier.__doc__)
    numbers: tuple[Number, ...] = Field((), description=Number.__doc__)
    number_sets: tuple[NumberSet, ...] = Field((), description=NumberSet.__doc__)
    optout: OptOut = Field(OptOut(), description=OptOut.__doc__)
    consent: Consent = Field(Consent(), description=Consent.__doc__)
    opt_ins: tuple[OptIn, ...] = Field((), description=OptIn.__doc__)
    content: Content = Field(Content(), description=Content.__doc__)
    pools: Annotated[dict[Name, Pool], Form("tables `[pools.NAME]`")] = Field(
        {}, description="Numbers of which one is chosen as a sender, by name."
    )
    destinations: Destinations = Field(Destinations(), description=Destinations.__doc__)
    caps: tuple[Cap, ...] = Field((), description=Cap.__doc__)
    quotas: Quotas = Field(Quotas(), description=Quotas.__doc__)
    quiet_hours: tuple[Quiet, ...] = Field((), description=Quiet.__doc__)
    country_zones: CountryZones = Field(
        {},
        description="Zones in which the phones of a country may be, in the place of all that it has, where neither a "
        "message nor its peer says which and the number does not tell.",
    )
    routes: tuple[Route, ...] = Field((), description=Route.__doc__)
    rules: tuple[Rule, ...] = Field((), description=Rule.__doc__)
    schedules: Annotated[dict[Name, Schedule], Form("tables `[schedules.NAME]`")] = Field(
        {}, description="Times that rules and members of groups refer to, by name."
    )
    groups: Annotated[dict[Name, Group], Form("tables `[groups.NAME]`")] = Field(
        {}, description="People whom messages are forwarded to, by name."
    )
    handlers: tuple[Handler, ...] = Field((), description=Handler.__doc__)
    smtp: Smtp | None = Field(None, description=Smtp.__doc__)
    apps: tuple[App, ...] = Field((), description=App.__doc__)

    @cached_property
    def carriers_by_name(self) -> dict[str, Carrier]:
        return {carrier.name: carrier for carrier in self.carriers}

    @cached_property
    def handlers_by_name(self) -> dict[str, Handler]:
        return {handler.name: handler for handler in self.handlers}

    @cached_property
    def sends_own(self) -> bool:
        """Whether what comes in may have us send something of our own: by rules, or for a number that is held."""
        return bool(self.rules) or any(n.state == "held" and n.inbound_when_held == "reply" for n in self.numbers)

    @cached_property
    def own_handlers(self) -> dict[str, OwnHandler]:
        """What sends the messages of ours that follow from inbound ones, by stream."""
        return own_handlers(self.limits, mails=any(rule.email for rule in self.rules))

    @cached_property
    def numbers_by_value(self) -> dict[str, Number]:
        """By the normalised number, which is what `Number.number` holds after load()."""
        return {number.number: number for number in self.numbers}

    def warnings(self) -> list[str]:
        """What is allowed and probably not wanted, a sentence each, for `check` and the start."""
        return [
            *self._service_warnings(),
            *(warning for carrier in self.carriers for warning in _carrier_warnings(carrier)),
            *self._route_warnings(),
            *rule_warnings(self.rules, self.groups, self.schedules, self.urgency_words, self.numbers),
            *number_warnings(self.numbers_by_value, datetime.now(UTC).date()),
            *quiet_warnings(self.quiet_hours),
            *cap_warnings(self.caps),
            *quota_warnings(self.apps, self.numbers, self.retention),
            *(warning for handler in self.handlers for warning in _handler_warnings(handler)),
            *self._mail_warnings(),
            *sender_warnings(self.pools, self.numbers_by_value, self.apps),
            *(warning for app in self.apps for warning in _app_warnings(app)),
        ]

    def _service_warnings(self) -> list[str]:
        found = []
        if self.store.synchronous == "normal":
            found.append('store.synchronous = "normal": accepted messages can be lost in a power cut')
        if self.store.min_free_disk == 0:
            found.append("store.min_free_disk = 0: the disk may be filled to the last block")
        if self.socket.mode_bits & 0o007:
            found.append(f'socket.mode = "{self.socket.mode}": every user of this machine reaches the socket')
        address = self.metrics.address
        if address is not None and not is_local(address[0]) and not _is_private(address[0]):
            found.append(f'metrics.bind = "{self.metrics.bind}": the metrics page is open to other machines')
        if self.log.reveal:
            found.append("log.reveal = true: message texts and whole phone numbers go into the log")
        if not self.carriers:
            found.append("no [[carriers]]: messages are accepted and wait")
        used = {name for number in self.numbers for name in number.handlers}
        found += [
            f'handlers "{handler.name}": no number names it' for handler in self.handlers if handler.name not in used
        ]
        return found

    def _mail_warnings(self) -> list[str]:
        if self.smtp is None:
            return []
        if not (any(handler.email for handler in self.handlers) or any(rule.email for rule in self.rules)):
            return ["[smtp]: neither a handler nor a rule has email"]
        return _smtp_warnings(self.smtp)

    def _route_warnings(self) -> list[str]:
        receipts = {carrier.name: carrier.receipts for carrier in self.carriers}
        unrouted = tuple(number.number for number in self.numbers if number.carrier is None) if self.routes else ()
        return list(route_warnings(self.routes, receipts, unrouted))


def _is_private(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_private and not address.is_unspecified


def _carrier_warnings(carrier: Carrier) -> list[str]:
    where = f'carriers "{carrier.name}"'
    found = []
    far = [host for host, _ in carrier.endpoints if not is_local(host)]
    if not carrier.tls and far:
        found.append(f"{where}: without tls the password and all texts go to {far[0]} in clear")
    if carrier.tls and not carrier.tls_verify:
        found.append(f"{where}: tls_verify = false: anyone on the way can pose as the carrier")
    if len(carrier.password) > SPECIFIED_PASSWORD:
        found.append(
            f"{where}: the password has more than the {SPECIFIED_PASSWORD} characters of SMPP 3.4 §5.2.2; "
            "some carriers refuse or cut it"
        )
    if not carrier.password:
        found.append(f"{where}: the password is empty")
    if carrier.interface_version == SMPP_3_3 and carrier.bind == "transceiver":
        found.append(f'{where}: SMPP 3.3 has no transceivers; bind = "pair" is for that')
    if carrier.receipt_text is not None and carrier.receipts is False:
        found.append(f"{where}: receipt_text is without effect with receipts = false")
    if carrier.enquire_link == 0:
        found.append(f"{where}: enquire_link = 0: a dead connection is noticed only by unanswered submits")
    found += _secret_warnings(f"{where}: password", carrier.password)
    return found


def _handler_warnings(handler: Handler) -> list[str]:
    where = f'handlers "{handler.name}"'
    found: list[str] = []
    if handler.webhook is None or handler.secret is None:
        return found  # by e-mail
    if handler.webhook.startswith("http:") and not handler.is_private:
        found.append(f"{where}: webhook over http: texts go to {handler.host} in clear")
    if handler.is_private and not handler.allow_private:
        found.append(f"{where}: {handler.host} is a private address: every post is refused without allow_private")
    if len(handler.secret) < SHORTEST_KEY:
        found.append(f"{where}: a secret of less than {SHORTEST_KEY} characters can be guessed")
    found += _secret_warnings(f"{where}: secret", handler.secret)
    return found


def _smtp_warnings(smtp: Smtp) -> list[str]:
    found = []
    if smtp.tls == "none" and not is_local(smtp.host):
        what = "the password and all texts go" if smtp.user is not None else "all texts go"
        found.append(f"smtp: without tls {what} to {smtp.host} in clear")
    if smtp.password is not None:
        found += _secret_warnings("smtp: password", smtp.password)
    return found


def _app_warnings(app: App) -> list[str]:
    where = f'apps "{app.name}"'
    found = []
    if app.token is not None:
        if len(app.token) < SHORTEST_KEY:
            found.append(f"{where}: a token of less than {SHORTEST_KEY} characters can be guessed")
        found += _secret_warnings(f"{where}: token", app.token)
    return found


def _secret_warnings(where: str, secret: Secret) -> list[str]:
    if secret.world_readable:
        return [f"{where}: every user of this machine can read {secret.source.partition(':')[2]}"]
    return []
