"""Which addresses a crawl may contact: public ones and those that the spec names, checked at every connection."""

from collections.abc import Collection, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from twisted.python.components import proxyForInterface
from zope.interface import implementer

NAT64 = ip_network("64:ff9b::/96")
# Global by the registries, and not public: 6to4 leads to IPv4 addresses that others choose, fec0 is the
# site-local range of old (RFC 3879), and Azure's platform service (its "WireServer") answers at the last.
REFUSED = (ip_network("2002::/16"), ip_network("fec0::/10"), ip_network("168.63.129.16/32"))


class AddressPolicy:
    """Refuses private, loopback, link-local, multicast, tunnel and metadata addresses unless a network is allowed.

    An IPv6 address that stands for an IPv4 address (mapped, NAT64) is judged by that.
    """

    def __init__(self, allowed: Collection[str] = ()):
        self.allowed = [ip_network(network) for network in allowed]

    def permits(self, address: str) -> bool:
        """Whether this literal address may be contacted."""
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and (parsed.ipv4_mapped or parsed in NAT64):
            parsed = IPv4Address(int(parsed) & 0xFFFFFFFF)
        if any(parsed in network for network in self.allowed):
            return True
        return parsed.is_global and not parsed.is_multicast and not any(parsed in network for network in REFUSED)


def is_refused_literal(host: str, policy: AddressPolicy) -> bool:
    """Whether a URL's host is an address (not a name) that the policy refuses."""
    try:
        address = str(ip_address(host.strip("[]")))
    except ValueError:
        return False
    return not policy.permits(address)


@implementer(IHostnameResolver)  # type: ignore[misc, unused-ignore]
class CheckedResolver:
    """Resolves as the reactor does, then passes on only addresses that may be contacted.

    Twisted connects to exactly the addresses that its name resolver gives (literal ones pass through
    it too), so that a name which resolves to something else a moment later (DNS rebinding) gains
    nothing. `connect_to` replaces host and port before the look-up; TLS and the Host header keep
    the name. `refused` holds the host names of which an address was refused.
    """

    def __init__(self, resolver: Any, policy: AddressPolicy, connect_to: Mapping[str, str]):
        self.resolver, self.policy, self.connect_to = resolver, policy, connect_to
        self.refused: set[str] = set()

    def resolveHostName(self, receiver: Any, host: str, portNumber: int = 0, *rest: Any) -> Any:  # noqa: N802, N803
        target = self.connect_to.get(f"{host}:{portNumber}", f"{host}:{portNumber}")
        address, _, port = target.rpartition(":")
        return self.resolver.resolveHostName(
            _CheckedReceiver(receiver, self, host), address.strip("[]"), int(port), *rest
        )


class _CheckedReceiver(proxyForInterface(IResolutionReceiver, "receiver")):  # type: ignore[misc, unused-ignore]
    def __init__(self, receiver: Any, owner: CheckedResolver, host: str):
        super().__init__(receiver)
        self.owner, self.host = owner, host

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        if self.owner.policy.permits(address.host):
            self.receiver.addressResolved(address)
        else:
            self.owner.refused.add(self.host)
