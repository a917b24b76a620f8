"""No connection to an address that is not public, unless the spec names it; whatever DNS says, and when."""

import pytest
from twisted.internet.address import IPv4Address, IPv6Address

from assets.crawl.addresses import AddressPolicy, CheckedResolver, is_refused_literal

REFUSED = ["127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.100.100.200", "0.0.0.0"]
REFUSED += ["224.0.0.1", "255.255.255.255", "168.63.129.16", "::1", "::", "fe80::1%eth0", "fd00:ec2::254", "ff02::1"]
REFUSED += ["::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:0:0:0:0:80ff:fffe", "fec0::1", "nonsense"]


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_not_public_are_refused(address):
    assert not AddressPolicy().permits(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_permitted(address):
    assert AddressPolicy().permits(address)


def test_a_named_network_is_permitted_and_no_other():
    policy = AddressPolicy(["127.0.0.0/8", "fd00::/8"])
    assert policy.permits("127.9.9.9")
    assert policy.permits("::ffff:127.0.0.1")
    assert policy.permits("fd00::1")
    assert not policy.permits("10.0.0.1")


def test_only_literal_hosts_are_judged_without_a_look_up():
    assert is_refused_literal("[::1]", AddressPolicy())
    assert not is_refused_literal("localhost", AddressPolicy())


class Dns:
    """A resolver that answers each look-up with the next of its answers, as a rebinding DNS server does."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    def resolveHostName(self, receiver, host, port, *rest):  # noqa: N802
        self.asked.append((host, port))
        receiver.resolutionBegan(None)
        for address in self.answers.pop(0):
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, port))
        receiver.resolutionComplete()


class Receiver:
    def __init__(self):
        self.addresses = []

    def resolutionBegan(self, resolution):  # noqa: N802
        pass

    def addressResolved(self, address):  # noqa: N802
        self.addresses.append((address.host, address.port))

    def resolutionComplete(self):  # noqa: N802
        pass


def look_up(resolver: CheckedResolver, host: str, port: int = 80) -> list[tuple[str, int]]:
    receiver = Receiver()
    resolver.resolveHostName(receiver, host, port)
    return receiver.addresses


def test_a_name_that_is_rebound_to_a_private_address_is_refused_at_the_next_connection():
    resolver = CheckedResolver(Dns(["8.8.8.8"], ["10.0.0.1"], ["8.8.4.4", "::1"]), AddressPolicy(), {})
    assert look_up(resolver, "rebind.test") == [("8.8.8.8", 80)]
    assert resolver.refused == set()
    assert look_up(resolver, "rebind.test") == []
    assert resolver.refused == {"rebind.test"}
    assert look_up(resolver, "mixed.test") == [("8.8.4.4", 80)]


def test_connect_to_replaces_host_and_port_and_is_checked_like_any_address():
    dns = Dns(["127.0.0.1"], ["127.0.0.1"])
    connect_to = {"docs.test:80": "127.0.0.1:4321"}
    assert look_up(CheckedResolver(dns, AddressPolicy(["127.0.0.0/8"]), connect_to), "docs.test") == [
        ("127.0.0.1", 4321)
    ]
    assert look_up(CheckedResolver(dns, AddressPolicy(), connect_to), "docs.test") == []
    assert dns.asked == [("127.0.0.1", 4321)] * 2
