"""Addresses that requests on behalf of a user may reach.

Only global unicast addresses are allowed, and the networks that the operator adds. Ranges follow the IANA registries of
special-purpose addresses for IPv4 and IPv6 (RFC 6890). An IPv6 address that carries an IPv4 address is judged by that
one: IPv4-mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self

from samfleet.errors import Forbidden

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL_IPV6 = IPv6Network("2000::/3")  # all that IANA has assigned as global unicast
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # services of Azure's hosts, inside a global range
        "169.254.0.0/16",  # link-local, with the metadata services of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # the former relay of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",
    )
)
_SPECIAL_IPV6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocols, Teredo included
        "2001:db8::/32",
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)


class AddressForbidden(Forbidden):
    """The address is not a public one; use a public address, or ask the operator to allow its network."""

    code = "address_forbidden"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """Public addresses, and those in `allowed`. The unspecified address and multicast are never allowed."""

    allowed: tuple[Network, ...] = ()

    @classmethod
    def of(cls, networks: Iterable[str]) -> Self:
        """Read addresses and networks in CIDR form. Raises ValueError."""
        return cls(tuple(ip_network(text) for text in networks))

    def allows(self, address: Address) -> bool:
        meant = carried(address)
        if meant.is_unspecified or meant.is_multicast:
            return False
        if any(
            one.version == network.version and one in network for one in (address, meant) for network in self.allowed
        ):
            return True
        return is_public(meant)

    def check(self, host: str, addresses: Sequence[Address]) -> None:
        """Raise `AddressForbidden` unless every address of the host is allowed.

        One forbidden address suffices: a name with a public and a private address is an attempt to reach the latter.
        """
        for address in addresses:
            if not self.allows(address):
                raise AddressForbidden(
                    f"{host} has the address {address}, which is not a public one; use a public address, or ask the "
                    "operator to allow its network"
                )


def carried(address: Address) -> Address:
    """Return the IPv4 address inside a mapped, NAT64 or 6to4 address, and any other address unchanged."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


def is_public(address: Address) -> bool:
    """Return whether the address is global unicast. Expects the result of `carried`."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    return address in _GLOBAL_IPV6 and not any(address in network for network in _SPECIAL_IPV6)


def literal_address(host: str) -> Address | None:
    """Return the address if the host is one, None for a name."""
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
