"""``[[carriers]]``: an account at an operator or aggregator, with its limits and quirks; a file for each theme."""

from __future__ import annotations

from pydantic import model_validator

from gateway.settings.carrier.account import SPECIFIED_PASSWORD, Account
from gateway.settings.carrier.ends import Ends
from gateway.settings.carrier.holding import BindKind, Holding
from gateway.settings.carrier.outbind import Outbind
from gateway.settings.carrier.pacing import Pacing
from gateway.settings.carrier.profile import Profiled
from gateway.settings.carrier.receipts import Receipts
from gateway.settings.carrier.versions import version_problem
from gateway.settings.carrier.wire import Alphabet, LongMessages, Wire
from gateway.settings.types import fail, split_host_port

__all__ = ["SPECIFIED_PASSWORD", "Alphabet", "BindKind", "Carrier", "LongMessages"]


class Carrier(Ends, Receipts, Wire, Pacing, Outbind, Holding, Account, Profiled):
    """One account; all its binds share a queue, a rate and the ids of its receipts."""

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """(host, port) to connect to, in order of preference; none where the carrier connects to us."""
        if self.hosts is not None:
            return tuple(split_host_port(host, self.port) for host in self.hosts)
        return ((self.host, self.port),) if self.host is not None else ()

    @property
    def mo_alphabet(self) -> Alphabet:
        """What data_coding 0 means in messages from this carrier."""
        return self.inbound_alphabet or self.default_alphabet

    @model_validator(mode="after")
    def _consistent(self) -> Carrier:
        self._reachable()
        if self.reconnect_min > self.reconnect_max:
            raise fail("reconnect", "reconnect_min not above reconnect_max")
        if self.national_languages and self.default_alphabet not in ("gsm7", "gsm7_packed"):
            raise fail("national_languages", 'default_alphabet = "gsm7" or "gsm7_packed" beside national_languages')
        if (problem := version_problem(self)) is not None:
            raise fail("interface_version", problem)
        if self.tls_key is not None and self.tls_cert is None:
            raise fail("tls", "tls_cert beside tls_key")
        if not self.tls:
            given = [key for key in ("tls_ca", "tls_cert", "tls_server_name") if getattr(self, key) is not None]
            if given:
                raise fail("tls", f"tls = true beside {given[0]}")
        return self

    def _reachable(self) -> None:
        """Who connects to whom has to be clear."""
        if self.outbind is None:
            for key in ("outbind_from", "outbind_system_id", "outbind_password"):
                if getattr(self, key):
                    raise fail("outbind", f"outbind beside {key}")
        else:
            if self.bind == "transmitter":
                raise fail("outbind", "a bind that receives beside outbind")
            if not self.outbind_from:
                raise fail("outbind", "outbind_from beside outbind")
            if self.outbind_password is None:
                raise fail("outbind", 'outbind_password beside outbind ("" where the carrier sends none)')
            if self.bind != "pair":
                if self.host is not None or self.hosts is not None:
                    raise fail("outbind", 'no host beside outbind, which the binds wait for (but with bind = "pair")')
                return
        if (self.host is None) == (self.hosts is None):
            raise fail("host_or_hosts", "exactly one of host and hosts")
