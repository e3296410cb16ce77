"""Reverse proxies before a server: what they say about who asks is believed of them, and of nobody else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Proxies:
    """The proxies of a server, by their networks. ``headers`` have lower-case names."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self._networks = networks

    def caller(self, peer: str, headers: Mapping[str, str]) -> Address | None:
        """Who asks: the peer, or whom the proxies say; None for what is no address, such as a local socket.

        Each proxy appends the address that it was asked by, so the last which is no proxy's own is the one to believe.
        """
        asking = address(peer)
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            if asking is None or not within(asking, self._networks) or not hop.strip():
                break
            asking = address(hop)
        return asking

    def secure(self, peer: str, scheme: str, headers: Mapping[str, str]) -> bool:
        """Whether the caller came by https, to us or to a proxy."""
        asking = address(peer)
        if asking is not None and within(asking, self._networks):
            scheme = headers.get("x-forwarded-proto", scheme)
        return scheme.strip().lower() == "https"


def address(text: str) -> Address | None:
    """An address as sockets and proxies write it, None for what is none."""
    bare = text.strip().removeprefix("[").partition("]")[0]
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare  # some proxies write 203.0.113.9:4711
    try:
        found = ip_address(bare)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def within(found: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    return any(found in network for network in networks)
