"""The PROXY header, by the specification's own examples, and the addresses that it names."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.proxy import SIGNATURE, SocketAddress, header, parse_socket

CLIENT = SocketAddress("192.168.0.1", 56324)
SERVER = SocketAddress("192.168.0.11", 443)
CLIENT6 = SocketAddress("2001:db8::7", 56324)
SERVER6 = SocketAddress("2001:db8::1", 25)
# Section 2.2: the 12 bytes that begin version 2.
START = bytes.fromhex("0D0A0D0A000D0A515549540A")


def test_a_line_of_version_1():
    """The example of section 2.1, byte for byte."""
    assert b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n" == header(1, CLIENT, SERVER)


def test_a_line_of_version_1_for_ipv6():
    """IPv6 addresses stand without brackets."""
    assert b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n" == header(1, CLIENT6, SERVER6)


def test_the_longest_line_of_version_1():
    """Section 2.1: no line is longer than 107 characters, its end included."""
    longest = SocketAddress("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535)
    assert len(header(1, longest, longest)) <= 107


def test_version_2():
    """Section 2.2: signature, version and command, family, length, addresses, ports in network order."""
    expected = START + b"\x21\x11\x00\x0c" + bytes([192, 168, 0, 1, 192, 168, 0, 11]) + b"\xdc\x04\x01\xbb"
    assert expected == header(2, CLIENT, SERVER)


def test_version_2_for_ipv6():
    """36 bytes of addresses and ports."""
    ends = socket.inet_pton(socket.AF_INET6, CLIENT6.address) + socket.inet_pton(socket.AF_INET6, SERVER6.address)
    assert START + b"\x21\x21\x00\x24" + ends + struct.pack("!HH", 56324, 25) == header(2, CLIENT6, SERVER6)


@pytest.mark.parametrize(
    ("version", "expected"), [(1, b"PROXY UNKNOWN\r\n"), (2, START + b"\x21\x00\x00\x00")], ids=["v1", "v2"]
)
def test_an_unknown_client(version, expected):
    """Where an end has no IP address both are unknown."""
    assert expected == header(version, None, None)
    assert expected == header(version, CLIENT, None)


def test_an_ipv6_client_at_an_ipv4_server():
    """The server's address is mapped, so that one header holds both."""
    sent = header(2, CLIENT6, SERVER)
    assert b"\x21" == sent[13:14]
    assert socket.inet_pton(socket.AF_INET6, "::ffff:192.168.0.11") == sent[32:48]
    assert b"PROXY TCP6 2001:db8::7 " == header(1, CLIENT6, SERVER)[:23]


def test_an_ipv4_client_at_an_ipv6_server():
    """An author's address is not written otherwise: that is told."""
    with pytest.raises(ValueError, match=r"client 192\.168\.0\.1 is of IPv4, the destination 2001:db8::1 of IPv6"):
        header(1, CLIENT, SERVER6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.7", SocketAddress("192.0.2.7")),
        ("192.0.2.7:1234", SocketAddress("192.0.2.7", 1234)),
        ("2001:db8::7", SocketAddress("2001:db8::7")),
        ("[2001:db8::7]", SocketAddress("2001:db8::7")),
        ("[2001:DB8:0::7]:65535", SocketAddress("2001:db8::7", 65535)),
    ],
)
def test_addresses_that_are_read(text, expected):
    """With a port or without."""
    assert expected == parse_socket(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mx.example",
        "mx:25",
        "192.0.2.7:",
        "192.0.2.7:0",
        "192.0.2.7:65536",
        "192.0.2.7:٣",
        "192.0.2",
        "192.0.2.07",
        "[2001:db8::7",
        "[2001:db8::7]25",
        "[2001:db8::7]:",
        "[]:1",
        "fe80::1%eth0",
        "1.2.3.4 TCP4",
        "1.2.3.4\r\n",
    ],
)
def test_addresses_that_are_none(text):
    """Names, half brackets, ports out of range, and what would end the header's line."""
    with pytest.raises(ValueError, match="is no IP address with a port"):
        parse_socket(text)


ENDS = st.builds(SocketAddress, st.ip_addresses(v=4).map(str) | st.ip_addresses(v=6).map(str), st.integers(1, 65535))


@given(ENDS)
def test_what_is_shown_of_an_end_is_read_again(end):
    """An end's text names the same end."""
    assert end == parse_socket(str(end))


@given(ENDS, ENDS, st.sampled_from((1, 2)))
def test_any_header_is_whole(source, destination, version):
    """One line of ASCII, or a binary one whose length is right."""
    try:
        made = header(version, source, destination)
    except ValueError:
        assert "." in source.address
        assert ":" in destination.address
        return
    if version == 1:
        assert 1 == made.count(b"\r\n")
        assert 6 == len(made.decode("ascii").split())
    else:
        assert START == SIGNATURE == made[:12]
        assert len(made) == 16 + int.from_bytes(made[14:16])
