from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samfleet.outbound.addresses import Address, AddressForbidden, AddressPolicy, carried, literal_address

STRICT = AddressPolicy()
IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)


def forms(address: IPv4Address) -> list[IPv6Address]:
    """Return the address as IPv4-mapped, NAT64 and 6to4."""
    number = int(address)
    return [
        IPv6Address((0xFFFF << 32) | number),
        IPv6Address(int(IPv6Address("64:ff9b::")) | number),
        IPv6Address((0x2002 << 112) | (number << 80)),
    ]


@given(IPV4)
def test_an_ipv4_address_is_judged_alike_in_every_ipv6_form(address: IPv4Address) -> None:
    assert {STRICT.allows(form) for form in forms(address)} == {STRICT.allows(address)}


@given(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="169.254.0.0/16"))
def test_private_addresses_are_refused_in_every_form(address: IPv4Address) -> None:
    every: list[Address] = [address, *forms(address)]
    assert not any(STRICT.allows(form) for form in every)


@given(st.one_of(IPV4, IPV6))
def test_the_standard_library_calls_no_allowed_address_private(address: Address) -> None:
    if STRICT.allows(address):
        meant = carried(address)
        assert meant.is_global
        assert not any((meant.is_private, meant.is_loopback, meant.is_link_local, meant.is_multicast))


@given(st.one_of(IPV4, IPV6))
def test_an_address_is_allowed_if_its_own_network_is(address: Address) -> None:
    policy = AddressPolicy.of([str(address)])
    meant = carried(address)
    assert policy.allows(address) == (not (meant.is_unspecified or meant.is_multicast))


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_allowed(text: str) -> None:
    assert STRICT.allows(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "0.1.2.3", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.9.9.9", "168.63.129.16", "169.254.169.254",
        "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1",
        "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1",
        "2001:db8::1", "2002:7f00:1::1", "2002:a00:1::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254",
        "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_special_addresses_are_refused(text: str) -> None:
    assert not STRICT.allows(ip_address(text))


def test_the_operator_allows_networks_but_never_multicast() -> None:
    policy = AddressPolicy.of(["10.0.0.0/8", "::1", "0.0.0.0/0"])
    assert policy.allows(ip_address("::ffff:10.2.3.4"))
    assert policy.allows(ip_address("::1"))
    assert not policy.allows(ip_address("fd00::1"))
    for text in ("0.0.0.0", "::", "224.0.0.1", "ff02::1"):
        assert not policy.allows(ip_address(text))


def test_one_forbidden_address_of_a_name_suffices() -> None:
    STRICT.check("example.com", [ip_address("8.8.8.8")])
    with pytest.raises(AddressForbidden, match=r"example.com has the address 10\.0\.0\.1"):
        STRICT.check("example.com", [ip_address("8.8.8.8"), ip_address("10.0.0.1")])


def test_a_host_is_an_address_or_a_name() -> None:
    assert literal_address("[::1]") == ip_address("::1")
    assert literal_address("127.0.0.1") == ip_address("127.0.0.1")
    assert literal_address("2130706433") is None  # the resolver reads it as 127.0.0.1, and that is checked then
    assert literal_address("example.com") is None
