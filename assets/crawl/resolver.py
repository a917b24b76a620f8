"""Name resolution that checks every address, so that no connection is made to one that the policy refuses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from zope.interface import implementer

from assets.crawl.addresses import AddressPolicy


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

    def addressResolved(self, address: IPv4Address | IPv6Address) -> None:  # noqa: N802
        if self.owner.policy.permits(address.host):
            self.receiver.addressResolved(address)
        else:
            self.owner.refused.add(self.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        self.receiver.resolutionComplete()
