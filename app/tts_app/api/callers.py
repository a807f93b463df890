"""Whose request it is, as far as an address says: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_ONE_CALLER = 64
"""Bits of an IPv6 address that name a caller: networks hand out no less than a /64 (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Callers:
    """Names callers by their addresses. `trusted` are the proxies whose forwarded address counts."""

    trusted: Sequence[Network] = ()

    def of(self, peer: str, forwarded: str = "") -> str:
        """Return the name of the caller at the `address`: of IPv6, its network."""
        return _grouped(self.address(peer, forwarded))

    def address(self, peer: str, forwarded: str = "") -> str:
        """Return the address behind `peer`: the last one in `forwarded` that is no trusted proxy.

        `forwarded` is the request's X-Forwarded-For; it counts only if `peer` is trusted.
        """
        hops = [_without_port(hop.strip()) for hop in forwarded.split(",") if hop.strip()]
        address = peer
        while hops and self.is_trusted(address):
            address = hops.pop()
        return address

    def is_trusted(self, address: str) -> bool:
        """Whether `address` is a trusted proxy."""
        try:
            found = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped.version == network.version and mapped in network for network in self.trusted)


def networks(names: Sequence[str]) -> tuple[Network, ...]:
    """Return the networks and addresses that `names` are.

    Raises:
        ValueError: one of them is neither a network nor an address.
    """
    return tuple(ip_network(name, strict=False) for name in names)


def _without_port(hop: str) -> str:
    """Return the address of `hop`: some proxies add the caller's port, and its connections have many."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _grouped(address: str) -> str:
    """Return the name of the caller that has `address`; what is no address names itself."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found) >> (128 - _ONE_CALLER) << (128 - _ONE_CALLER), _ONE_CALLER)))
