"""Which addresses a crawl may contact: public ones and those that the spec names, checked at every connection."""

from collections.abc import Collection, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from zope.interface import implementer

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


@implementer(IHostnameResolver)  # type: ignore[misc, unused-ignore]
class CheckedResolver:
    """Resolves as the reactor does, then passes on only addresses that may be contacted.

    Twisted connects to exactly the addresses that its name resolver gives (literal addresses
    pass through it too), so that a name which resolves to something else a moment later (DNS
    rebinding) gains nothing: each new connection is resolved and checked again. `connect_to`
    replaces host and port before the look-up; TLS and the Host header keep the name.
    `refused` holds the host names of which an address was refused.
    """

    def __init__(self, resolver: Any, policy: AddressPolicy, connect_to: Mapping[str, str]):
        self.resolver, self.policy, self.connect_to = resolver, policy, connect_to
        self.refused: set[str] = set()

    def resolveHostName(  # noqa: N802 (Twisted's interface)
        self,
        receiver: Any,
        host: str,
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type] | None = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> Any:
        target = self.connect_to.get(f"{host}:{portNumber}", f"{host}:{portNumber}")
        address, _, port = target.rpartition(":")
        checked = _CheckedReceiver(receiver, self, host)
        return self.resolver.resolveHostName(checked, address.strip("[]"), int(port), addressTypes, transportSemantics)


@implementer(IResolutionReceiver)  # type: ignore[misc, unused-ignore]
class _CheckedReceiver:
    def __init__(self, receiver: Any, owner: CheckedResolver, host: str):
        self.receiver, self.owner, self.host = receiver, owner, host

    def resolutionBegan(self, resolution: Any) -> None:  # noqa: N802
        self.receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        if self.owner.policy.permits(address.host):
            self.receiver.addressResolved(address)
        else:
            self.owner.refused.add(self.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        self.receiver.resolutionComplete()
