"""A server to test, and the URL that names it.

A URL from the project file and one from the command line are read by the same rules. No secret is here,
only where one comes from; nothing is resolved or connected.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.dataclass import dataclass
from runner.errors import InputError, Problem, SourceFile, Span
from runner.language.nodes import Scalar, without_excerpt
from runner.language.template import did_you_mean
from runner.wire import Family, ProxyHeader, TlsWish

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Scheme(NamedTuple):
    protocol: str
    port: int
    implicit_tls: bool = False


# Ports: RFC 5321 (25), RFC 6409 (587), RFC 8314 (465, 993, 995), RFC 1939 (110), RFC 9051 (143), RFC 5804 (4190).
# LMTP has none of its own (RFC 2033), 24 is "any private mail"; a URL of tcp names one.
SCHEMES = {
    "smtp": _Scheme("smtp", 25),
    "smtps": _Scheme("smtp", 465, implicit_tls=True),
    "submission": _Scheme("smtp", 587),
    "submissions": _Scheme("smtp", 465, implicit_tls=True),
    "lmtp": _Scheme("lmtp", 24),
    "lmtp+unix": _Scheme("lmtp", 0),
    "pop3": _Scheme("pop3", 110),
    "pop3s": _Scheme("pop3", 995, implicit_tls=True),
    "imap": _Scheme("imap", 143),
    "imaps": _Scheme("imap", 993, implicit_tls=True),
    "sieve": _Scheme("sieve", 4190),
    "tcp": _Scheme("tcp", 0),
}
_UNIX = "lmtp+unix"

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
# A URL whose colon or slashes are too few.
_SLASHES = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):?//?([^/].*)", re.DOTALL)
_BARE_HOST = re.compile(r"[\w.-]+(?::\d+)?")
_LABEL = re.compile(r"[\w-]{1,63}")
# RFC 1035 section 2.3.4, and what sun_path holds on every system.
_MAX_HOST = 253
_MAX_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret comes from, never what it is.

    A variable's name, an absolute path, a keyring's service and user name, a program, a question.
    """

    kind: Literal["env", "file", "keyring", "command", "prompt"]
    value: str | tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server to test.

    `path` is a UNIX socket's and then stands in place of host and port; so does `command`, a program and its
    arguments. With `is_domain` the host is a domain, and its mail exchangers are the servers: see `runner.mx`.
    """

    name: str
    url: str
    scheme: str
    protocol: str
    host: str
    port: int
    span: Span
    path: str = ""
    implicit_tls: bool = False
    tags: tuple[str, ...] = ()
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    tls: TlsWish = field(default_factory=TlsWish)
    command: tuple[str, ...] = ()
    is_domain: bool = False
    source_address: str = ""
    family: Family = ""
    proxy: ProxyHeader | None = None
    plaintext_secrets: bool = False
    greylisting: float | None = None

    @property
    def advice_if_silent(self) -> str:
        """What may be the reason where the server greets nobody, to be put behind that; nothing if nothing is known."""
        secure = f"{self.scheme}s"
        if secure not in SCHEMES or not self.host or self.command:
            return ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"; a server of implicit TLS is silent until the handshake: {secure}://{host}:{self.port}?"


class Place(NamedTuple):
    """What a URL says; the fields are those of Target."""

    scheme: str
    protocol: str
    host: str
    port: int
    path: str = ""
    implicit_tls: bool = False
    command: tuple[str, ...] = ()
    is_domain: bool = False


def parse_target(url: str) -> Target:
    """Make a target of a URL on the command line; its name is the URL.

    Raises:
        InputError: it is none, or of a kind that this version doesn't know.
    """
    span = Span(SourceFile("<command line>", url), 1, 1, max(1, len(url)))
    place = parse_url(Scalar.at(span, url, ""))
    return Target(name=url, url=url, **place._asdict(), span=span)


def parse_url(url: Scalar) -> Place:
    """Read a target's URL.

    Raises:
        InputError: with the place in the URL and what would be right.
    """
    match = _URL.fullmatch(url.text)
    if "@" in url.text and not (match and match[1].lower() == _UNIX):
        # What stands before the sign may be a password: nothing of the line is shown.
        advice = "secrets don't belong in a URL: 'username' goes under vars, 'password' under secrets"
        raise InputError([Problem(without_excerpt(url.span), "a URL with a user name", advice)])
    if match is None and (meant := _SLASHES.fullmatch(url.text)) and meant[1].lower() in SCHEMES:
        advice = f"write {meant[1].lower()}://{meant[2]}"
        raise _wrong(url, 0, len(url.text), f"'{url.text}' is no URL", advice)
    if match is None:
        host = url.text if _BARE_HOST.fullmatch(url.text) else "HOST"
        raise _wrong(url, 0, len(url.text), f"'{url.text}' is no URL", f"write it with its scheme: smtp://{host}")
    name = match[1].lower()
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise _unknown_scheme(url, name)
    rest, start = match[2], match.start(2)
    if name == _UNIX:
        return Place(name, scheme.protocol, "", 0, path=_socket_path(url, rest, start))
    host, port = _host_and_port(url, rest, start)
    if not (port or scheme.port):
        raise _wrong(url, 0, len(url.text), f"no port, and {name} has none of its own", f"write {name}://{rest}:PORT")
    return Place(name, scheme.protocol, host, port or scheme.port, implicit_tls=scheme.implicit_tls)


def parse_domain(domain: Scalar) -> Place:
    """Read the domain whose mail exchangers are targets: `example.com`, or a URL that gives them scheme and port.

    Raises:
        InputError: with the place and what would be right.
    """
    if "://" in domain.text:
        place = parse_url(domain)
        if place.path:
            raise _wrong(domain, 0, len(domain.text), "a UNIX socket has no mail exchangers", "name a domain")
        if place.protocol not in ("smtp", "lmtp"):
            raise _wrong(domain, 0, len(place.scheme), "mail exchangers speak SMTP", "name the server by 'url'")
    else:
        place = Place("smtp", "smtp", domain.text, SCHEMES["smtp"].port)
        _check_host(domain, domain.text, 0)
    if _is_address(place.host):
        raise _wrong(domain, 0, len(domain.text), f"'{place.host}' is an address, no domain", "name it by 'url'")
    return place._replace(is_domain=True)


def _is_address(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()


def _wrong(url: Scalar, offset: int, width: int, message: str, advice: str = "") -> InputError:
    return InputError([Problem(url.span_at(offset, max(1, width)), message, advice)])


def _unknown_scheme(url: Scalar, name: str) -> InputError:
    return _wrong(url, 0, len(name), f"unknown scheme '{name}'", did_you_mean(name, SCHEMES, "the schemes are"))


def _socket_path(url: Scalar, path: str, start: int) -> str:
    if not path.startswith("/"):
        advice = "three slashes begin an absolute path: lmtp+unix:///run/dovecot/lmtp"
        raise _wrong(url, start, len(path), "a UNIX socket wants an absolute path", advice)
    if not path.isprintable() or len(path.encode()) > _MAX_SOCKET_PATH:
        raise _wrong(url, start, len(path), f"a socket's path has at most {_MAX_SOCKET_PATH} printable characters")
    return path


def _host_and_port(url: Scalar, rest: str, start: int) -> tuple[str, int]:
    """Split `host`, `host:port`, `[address]`, `[address]:port`; port 0 is the scheme's own."""
    if match := re.search(r"[/?#]", rest):
        at = match.start()
        raise _wrong(url, start + at, len(rest) - at, f"'{rest[at:]}' after the host", "end the URL with host or port")
    if rest.startswith("["):
        return _bracketed(url, rest, start)
    host, colon, port = rest.partition(":")
    if ":" in port:
        raise _wrong(url, start, len(rest), f"'{rest}' is no host", f"an IPv6 address stands in brackets: [{rest}]")
    _check_host(url, host, start)
    return host, _port(url, port, start + len(host) + 1) if colon else 0


def _bracketed(url: Scalar, rest: str, start: int) -> tuple[str, int]:
    import ipaddress  # noqa: PLC0415 -- 3 ms that few targets need

    host, closing, after = rest[1:].partition("]")
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        raise _wrong(url, start, len(rest), f"'{rest}' is no IPv6 address in brackets") from None
    if not closing or (after and not after.startswith(":")):
        raise _wrong(url, start, len(rest), f"'{rest}' is no IPv6 address in brackets and a port")
    return host, _port(url, after[1:], start + len(host) + 3) if after else 0


def _check_host(url: Scalar, host: str, start: int) -> None:
    if not host:
        raise _wrong(url, start, 1, "no host", "a target is SCHEME://HOST or SCHEME://HOST:PORT")
    if "$" in host or "{" in host:
        raise _wrong(url, start, len(host), "no placeholder can stand in a URL", "write the host out")
    if not is_host_name(host):
        raise _wrong(url, start, len(host), f"'{host}' is no host name")


def is_host_name(text: str) -> bool:
    """Whether a text is a name that can be looked up, or an IPv4 address."""
    return len(text) <= _MAX_HOST and all(_LABEL.fullmatch(label) for label in text.removesuffix(".").split("."))


def _port(url: Scalar, text: str, start: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 0x10000):
        raise _wrong(url, start, len(text), f"'{text}' is no port", "a port is a number from 1 to 65535")
    return int(text)
