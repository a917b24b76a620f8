"""Which network addresses a crawl may contact: public ones, and those that the spec names."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

NAT64 = ip_network("64:ff9b::/96")
# Azure's metadata and platform service answers at a public address (its "WireServer").
METADATA = frozenset({ip_address("168.63.129.16")})


class AddressPolicy:
    """Refuses private, loopback, link-local, multicast and metadata addresses unless a network is allowed.

    IPv6 addresses that carry an IPv4 address (mapped, 6to4, Teredo, NAT64) are judged by what
    they carry too.
    """

    def __init__(self, allowed: Collection[str] = ()):
        self.allowed = [ip_network(network) for network in allowed]

    def permits(self, address: str) -> bool:
        """Whether this literal address may be contacted."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return all(self._permits(each) for each in (parsed, *_carried(parsed)))

    def _permits(self, address: IPv4Address | IPv6Address) -> bool:
        if any(address in network for network in self.allowed):
            return True
        if isinstance(address, IPv6Address) and _carried(address):
            return True  # the address that it carries decides
        return address.is_global and not address.is_multicast and address not in METADATA


def is_refused_literal(host: str, policy: AddressPolicy) -> bool:
    """Whether a URL's host is an address (not a name) that the policy refuses."""
    try:
        address = str(ip_address(host.strip("[]")))
    except ValueError:
        return False
    return not policy.permits(address)


def _carried(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(address, IPv4Address):
        return []
    teredo = address.teredo
    nat64 = IPv4Address(int(address) & 0xFFFFFFFF) if address in NAT64 else None
    return [found for found in (address.ipv4_mapped, address.sixtofour, teredo and teredo[1], nat64) if found]
