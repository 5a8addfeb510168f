"""Which addresses a webhook may reach: a name is looked up for each connection, and each of its addresses checked.

What is checked is what getaddrinfo returned, so that 127.0.0.1 is found in each of its spellings (``2130706433``,
``0x7f.1``, ``::ffff:127.0.0.1``), and the connection goes to the very address that passed: a name that answers
differently the second time reaches nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable
from functools import lru_cache, partial
from typing import Final

import trio

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to numeric addresses, in the order in which to try them; raises OSError."""

LOOKUPS: Final = 2
"""Lookups of one handler at the same time: a name server that hangs takes no thread from anybody else."""

_REFUSED_V4: Final = tuple(
    (ipaddress.IPv4Network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6: Final = tuple(
    (ipaddress.IPv6Network(network), kind)
    for network, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("2001::/23", "reserved"),  # Teredo and other protocol assignments
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),  # an IPv4 address inside, routed who knows where
        ("3fff::/20", "documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
    )
)
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")


@lru_cache(maxsize=1024)
def refusal(address: str) -> str | None:
    """Why an address is not for webhooks, as one word of the IANA special-purpose registries; None: it is public.

    Raises ValueError for what is no numeric address. IPv4 inside of IPv6 (mapped, NAT64) counts as what is inside.
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed not in _MAPPED and parsed not in _NAT64:
            for network, kind in _REFUSED_V6:
                if parsed in network:
                    return kind
            return None if parsed in _GLOBAL_V6 else "reserved"
        parsed = ipaddress.IPv4Address(int(parsed) & 0xFFFF_FFFF)
    for network_v4, kind in _REFUSED_V4:
        if parsed in network_v4:
            return kind
    return None


class AddressRefusedError(Exception):
    """A webhook's host has an address that webhooks may not reach."""


async def allowed_addresses(resolver: Resolver, host: str, port: int, *, allow_private: bool) -> list[str]:
    """The addresses of a host, each one checked. Raises AddressRefusedError if any of them is refused, OSError."""
    addresses = await resolver(host, port)
    if not allow_private:
        for address in addresses:
            kind = refusal(address)
            if kind is not None:
                raise AddressRefusedError(f"address refused: {address} is {kind}")
    # A link-local address with its zone (fe80::1%eth0) has no form in a URL.
    return [address for address in addresses if "%" not in address]


class SystemResolver:
    """getaddrinfo in threads of its own. A lookup that hangs is abandoned with the post that asked for it."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(LOOKUPS)

    async def __call__(self, host: str, port: int) -> list[str]:
        """As `Resolver`."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        found = await trio.to_thread.run_sync(
            partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM),
            abandon_on_cancel=True,
            limiter=self._limiter,
        )
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
