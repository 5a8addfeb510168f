"""Which addresses webhooks may reach."""

from __future__ import annotations

import ipaddress
import socket
import threading

import pytest
import trio
import trio.testing

from gateway.handlers import addresses
from gateway.handlers.addresses import AddressRefusedError, SystemResolver, allowed_addresses, refusal

REFUSED = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("10.0.0.0", "private"),
    ("10.255.255.255", "private"),
    ("100.64.0.0", "shared"),
    ("100.127.255.255", "shared"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("169.254.169.254", "link-local"),
    ("172.16.0.1", "private"),
    ("172.31.255.255", "private"),
    ("192.0.0.8", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    ("192.168.1.1", "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.19.255.255", "benchmarking"),
    ("198.51.100.7", "documentation"),
    ("203.0.113.7", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.255", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    ("::", "unspecified"),
    ("::1", "loopback"),
    ("::7f00:1", "reserved"),  # IPv4-compatible, deprecated
    ("::ffff:127.0.0.1", "loopback"),
    ("::ffff:10.1.2.3", "private"),
    ("::ffff:169.254.169.254", "link-local"),
    ("64:ff9b::7f00:1", "loopback"),
    ("64:ff9b::a9fe:a9fe", "link-local"),
    ("64:ff9b:1::1", "reserved"),
    ("100::1", "reserved"),
    ("2001::1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("2002:7f00:1::", "6to4"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("fc00::1", "private"),
    ("fd12:3456:789a::1", "private"),
    ("fe80::1", "link-local"),
    ("fe80::1%eth0", "link-local"),
    ("fec0::1", "private"),
    ("ff02::1", "multicast"),
]
ALLOWED = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2001:4860:4860::8888",
    "2606:2800:220:1::1",
    "2a00:1450:4001:80b::200e",
]


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_refused(address: str, kind: str) -> None:
    assert refusal(address) == kind


@pytest.mark.parametrize("address", ALLOWED)
def test_allowed(address: str) -> None:
    assert refusal(address) is None


def test_nothing_passes_that_the_standard_library_calls_not_global() -> None:
    """Python's own tables, asked at the edges of every network of ours and at a grid over all of IPv4."""
    edges: set[int] = set(range(0, 1 << 32, 65_536 * 3 + 257))
    for network, _ in addresses._REFUSED_V4:
        low, high = int(network.network_address), int(network.broadcast_address)
        edges |= {max(low - 1, 0), low, high, min(high + 1, (1 << 32) - 1)}
    passed = [ipaddress.IPv4Address(n) for n in edges if refusal(str(ipaddress.IPv4Address(n))) is None]
    assert len(passed) > 10_000
    assert [str(a) for a in passed if not a.is_global or a.is_multicast] == []


def test_what_is_no_address_is_not_passed() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        refusal("receiver.example")


def _names(table: dict[str, list[str]]) -> addresses.Resolver:
    async def resolver(host: str, port: int) -> list[str]:
        return table[host]

    return resolver


async def test_one_refused_address_refuses_the_host() -> None:
    resolver = _names({"two.example": ["93.184.216.34", "10.0.0.1"], "one.example": ["93.184.216.34"]})
    assert await allowed_addresses(resolver, "one.example", 443, allow_private=False) == ["93.184.216.34"]
    with pytest.raises(AddressRefusedError, match=r"^address refused: 10\.0\.0\.1 is private$"):
        await allowed_addresses(resolver, "two.example", 443, allow_private=False)
    assert await allowed_addresses(resolver, "two.example", 443, allow_private=True) == ["93.184.216.34", "10.0.0.1"]


async def test_an_address_with_a_zone_is_left_out() -> None:
    resolver = _names({"near.example": ["fe80::1%eth0", "fe80::2"]})
    assert await allowed_addresses(resolver, "near.example", 80, allow_private=True) == ["fe80::2"]


@pytest.mark.parametrize(
    "spelling", ["127.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "127.1", "017700000001", "::ffff:127.0.0.1", "::1"]
)
async def test_every_spelling_of_loopback_is_refused(spelling: str) -> None:
    """By the system's own getaddrinfo, which knows them all."""
    with pytest.raises(AddressRefusedError, match=r"is loopback$"):
        await allowed_addresses(SystemResolver(), spelling, 80, allow_private=False)


async def test_lookups_that_hang_take_two_threads_and_are_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    release, entered, both = threading.Event(), [], trio.Event()

    def count(host: str) -> None:
        entered.append(host)
        if len(entered) == 2:
            both.set()

    def hang(host: str, port: int, **_: object) -> list[object]:
        trio.from_thread.run_sync(count, host)
        release.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    resolver = SystemResolver()
    try:
        async with trio.open_nursery() as nursery:
            for name in ("a.example", "b.example", "c.example"):
                nursery.start_soon(resolver, name, 80)
            with trio.fail_after(5):
                await both.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert len(entered) == 2
            assert trio.to_thread.current_default_thread_limiter().borrowed_tokens == 0
            nursery.cancel_scope.cancel()
    finally:
        release.set()
    assert len(entered) == 2
