"""HAProxy's PROXY protocol: the header that tells a server behind a proxy who the client is.

A text line (version 1) or a binary header (version 2), as "The PROXY protocol, versions 1 & 2" has them; it comes
before anything else, a TLS handshake included. Addresses and bytes only: who is announced, and why, is not known here.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
# Section 2.2: version 2 and PROXY in one byte; the families of addresses, each with TCP.
_PROXIED = 0x21
_TCP = {4: 0x11, 6: 0x21}
_UNSPECIFIED = 0x00

Ip = IPv4Address | IPv6Address


class SocketAddress(NamedTuple):
    """An IP address and a port, as getsockname(2) gives them; port 0 is the connection's own."""

    address: str
    port: int = 0

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def parse_socket(text: str) -> SocketAddress:
    """Read `192.0.2.7`, `192.0.2.7:1234`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:1234`.

    Raises:
        ValueError: with what would be right.

    >>> parse_socket("[2001:db8::7]:1234")
    SocketAddress(address='2001:db8::7', port=1234)
    """
    host, port = text, ""
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
        is_whole = bool(closing) and (not rest or (rest.startswith(":") and port != ""))
    else:
        if text.count(":") == 1:
            host, _, port = text.partition(":")
        is_whole = host == text or bool(port)
    is_port = not port or (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 0x10000)
    if not (is_whole and is_port and "%" not in host):
        raise _no_socket(text)
    try:
        return SocketAddress(str(ip_address(host)), int(port or 0))
    except ValueError:
        raise _no_socket(text) from None


def _no_socket(text: str) -> ValueError:
    return ValueError(f"'{text}' is no IP address with a port: 192.0.2.7:1234 or [2001:db8::7]:1234")


def header(version: int, source: SocketAddress | None, destination: SocketAddress | None) -> bytes:
    """Return the header for a client at `source` that has connected to `destination`.

    Without both, as on a UNIX socket, the addresses are unknown. An IPv4 destination of an IPv6 source is written as
    IPv6 does it (`::ffff:192.0.2.1`).

    Raises:
        ValueError: the source is of IPv4, the destination of IPv6: no header can say that.
    """
    if source is None or destination is None:
        return b"PROXY UNKNOWN\r\n" if version == 1 else _binary(_UNSPECIFIED, b"")
    client, server = ip_address(source.address), ip_address(destination.address)
    if client.version == 6 and server.version == 4:
        server = IPv6Address(f"::ffff:{server}")
    if client.version != server.version:
        raise ValueError(
            f"the client {client} is of IPv4, the destination {server} of IPv6: name a 'destination' of IPv4"
        )
    if version == 1:
        family = f"TCP{client.version}"
        return f"PROXY {family} {client} {server} {source.port} {destination.port}\r\n".encode()
    ports = struct.pack("!HH", source.port, destination.port)
    return _binary(_TCP[client.version], client.packed + server.packed + ports)


def _binary(family: int, addresses: bytes) -> bytes:
    return SIGNATURE + struct.pack("!BBH", _PROXIED, family, len(addresses)) + addresses
