"""`mailproof.yaml`: the servers to test and what is known of them.

Values of variables stay nodes (templates are parsed where a case is made) and secrets stay references: no
secret is read here, and nothing is connected. A URL from the command line becomes a Target by the same rules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from runner.errors import InputError, Problem, SourceFile, Span
from runner.language.loader import Mapping as MappingNode
from runner.language.loader import Node, Scalar, Sequence, load, read_file
from runner.language.paths import PROJECT_FILE
from runner.language.schema import check_project, without_excerpt
from runner.language.template import did_you_mean
from runner.language.values import parse_boolean, parse_duration, parse_size
from runner.protocol.base import Limits
from runner.wire import TlsWish

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

# RFC 5321 section 4.5.3.1.5: a reply line has up to 512 octets, so no server must be held to less.
MIN_LINE_LIMIT = 512
# What a buffer may grow to at the operator's wish; beyond this the machine and not the server is under test.
MAX_LIMIT = 1024**3


class _Scheme(NamedTuple):
    protocol: Literal["smtp", "lmtp"]
    port: int
    implicit_tls: bool = False


# Ports: RFC 5321 (25), RFC 6409 (587), RFC 8314 (465). LMTP has none of its own (RFC 2033); 24 is "any private mail".
SCHEMES = {
    "smtp": _Scheme("smtp", 25),
    "smtps": _Scheme("smtp", 465, implicit_tls=True),
    "submission": _Scheme("smtp", 587),
    "submissions": _Scheme("smtp", 465, implicit_tls=True),
    "lmtp": _Scheme("lmtp", 24),
    "lmtp+unix": _Scheme("lmtp", 0),
}
_UNIX = "lmtp+unix"
_LATER = ("pop3", "pop3s", "imap", "imaps", "sieve", "tcp")

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BARE_HOST = re.compile(r"[\w.-]+(?::\d+)?")
_LABEL = re.compile(r"[\w-]{1,63}")
# RFC 1035 section 2.3.4, and what sun_path holds on every system.
_MAX_HOST = 253
_MAX_SOCKET_PATH = 103


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret comes from, never what it is: a variable's name, an absolute path, a program, a question."""

    kind: Literal["env", "file", "command", "prompt"]
    value: str | tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server to test. `path` is a UNIX socket's and then stands in place of host and port."""

    name: str
    url: str
    scheme: str
    protocol: Literal["smtp", "lmtp"]
    host: str
    port: int
    span: Span
    path: str = ""
    implicit_tls: bool = False
    tags: tuple[str, ...] = ()
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    tls: TlsWish = field(default_factory=TlsWish)
    source_address: str = ""
    plaintext_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Project:
    """A project file; without one, `Project()`.

    `root` is its folder. `timeout` and `deadline` are seconds, None where the file says nothing; an empty
    `client_name` means the machine's own.
    """

    root: Path | None = None
    source: SourceFile | None = None
    targets: Mapping[str, Target] = field(default_factory=dict)
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    env: tuple[str, ...] = ()
    timeout: float | None = None
    deadline: float | None = None
    limits: Limits = field(default_factory=Limits)
    lenient_line_ends: bool = False
    client_name: str = ""


def find_project(start: Path) -> Path | None:
    """Return the nearest project file, from the folder `start` upwards."""
    for folder in (start.absolute(), *start.absolute().parents):
        if (folder / PROJECT_FILE).is_file():
            return folder / PROJECT_FILE
    return None


def load_project(path: Path, problems: list[Problem], name: str = "") -> Project | None:
    """Read the project file; `name` is what messages call it (the path, if left out).

    Returns:
        The project, or None if anything is wrong; then `problems` has grown.
    """
    found: list[Problem] = []
    try:
        source = read_file(path, name or str(path))
    except InputError as error:
        problems += error.problems
        return None
    root = load(source, found, advice=_ADVICE_TOP)
    project = None
    if root is not None:
        check_project(root, found)
        project = _Reader(path.absolute().parent, found).project(root, source)
    problems += sorted(found, key=lambda problem: (problem.span.line, problem.span.column))
    return None if found else project


_ADVICE_TOP = "a project file has 'targets: {NAME: URL}'; what else it may have is in the manual"


class _Reader:
    """Reads checked nodes; a kind that the schema has told to be wrong is passed over."""

    def __init__(self, folder: Path, problems: list[Problem]) -> None:
        self._folder = folder
        self._problems = problems

    def project(self, root: MappingNode, source: SourceFile) -> Project:
        defaults = _mapping(root.get("defaults"))
        return Project(
            root=self._folder,
            source=source,
            targets=self._targets(root.get("targets")),
            variables=_variables(root.get("vars")),
            secrets=self._secrets(root.get("secrets")),
            env=_texts(root.get("env")),
            timeout=self._parsed(defaults.get("timeout"), parse_duration),
            deadline=self._parsed(defaults.get("deadline"), parse_duration),
            limits=self._limits(_mapping(defaults.get("limits"))),
            lenient_line_ends=_text(defaults.get("line_ends")) == "lenient",
            client_name=_text(root.get("client_name")),
        )

    def _targets(self, node: Node | None) -> dict[str, Target]:
        return {name: self._target(name, value) for name, (_, value) in _mapping(node).items.items()}

    def _target(self, name: str, node: Node) -> Target:
        options = _mapping(node)
        url = options.get("url") if options.items else node
        return Target(
            name=name,
            url=_text(url),
            **self._place(url)._asdict(),
            span=url.span if url is not None else node.span,
            tags=_texts(options.get("tags")),
            variables=_variables(options.get("vars")),
            secrets=self._secrets(options.get("secrets")),
            tls=self._tls(_mapping(options.get("tls"))),
            source_address=self._parsed(options.get("source_address"), _parse_address) or "",
            plaintext_secrets=_text(options.get("plaintext_secrets")) == "allow",
        )

    def _place(self, url: Node | None) -> _Place:
        if isinstance(url, Scalar) and url.text:
            try:
                return parse_url(url)
            except InputError as error:
                self._problems += error.problems
        # The project is not used, but the rest of the target is still to be judged.
        return _Place("", "smtp", "", 0)

    def _tls(self, options: MappingNode) -> TlsWish:
        return TlsWish(
            verify=self._parsed(options.get("verify"), parse_boolean) is not False,
            ca=self._parsed(options.get("ca"), self._existing) or "",
            server_name=_text(options.get("server_name")),
            minimum=_text(options.get("min")) or TlsWish().minimum,
        )

    def _secrets(self, node: Node | None) -> Mapping[str, SecretRef]:
        found: dict[str, SecretRef] = {}
        for name, (key, value) in _mapping(node).items.items():
            for kind, (_, given) in _mapping(value).items.items():
                if kind == "env":
                    found[name] = SecretRef("env", _text(given), key.span)
                elif kind == "file":
                    found[name] = SecretRef("file", str(self._folder / _text(given)), key.span)
                elif kind == "command":
                    found[name] = SecretRef("command", _texts(given), key.span)
        return found

    def _limits(self, node: MappingNode) -> Limits:
        usual = Limits()
        self._parsed(node.get("literal"), _parse_limit)
        line = self._parsed(node.get("line"), _parse_limit) or usual.line
        reply = self._parsed(node.get("reply"), _parse_limit) or max(usual.reply, line)
        if reply < line and not self._problems:
            advice = "a reply has at least one line; raise 'reply' or lower 'line'"
            self._fail(node.items["reply"][1].span, f"the limit for a reply is below that for a line, {line}", advice)
        return Limits(line=line, reply=reply, lines=usual.lines)

    def _existing(self, text: str) -> str:
        path = self._folder / text
        try:
            is_file = path.is_file()
        except OSError:
            is_file = False
        if not is_file:
            raise ValueError(f"there is no file '{text}'")
        return str(path)

    def _parsed(self, node: Node | None, parse: Callable[[str], T]) -> T | None:
        if not isinstance(node, Scalar) or node.is_empty:
            return None
        try:
            return parse(node.text)
        except ValueError as error:
            self._fail(node.span, str(error))
            return None

    def _fail(self, span: Span, message: str, advice: str = "") -> None:
        # The schema check may have said the same of the same place.
        if not any(one.span == span and one.message == message for one in self._problems):
            self._problems.append(Problem(span, message, advice))


def _mapping(node: Node | None) -> MappingNode:
    return node if isinstance(node, MappingNode) else _NO_MAPPING


_NO_MAPPING = MappingNode(SourceFile("", ""), 1, 1, 1, {})


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, Scalar) else ""


def _texts(node: Node | None) -> tuple[str, ...]:
    items = node.items if isinstance(node, Sequence) else []
    return tuple(item.text for item in items if isinstance(item, Scalar))


def _variables(node: Node | None) -> Mapping[str, Scalar]:
    items = _mapping(node).items
    return {name: value for name, (_, value) in items.items() if isinstance(value, Scalar)}


def _parse_limit(text: str) -> int:
    size = parse_size(text)
    if not MIN_LINE_LIMIT <= size <= MAX_LIMIT:
        raise ValueError(f"'{text}' is no limit: from {MIN_LINE_LIMIT} bytes to {MAX_LIMIT // 1024**3}GiB")
    return size


def _parse_address(text: str) -> str:
    import ipaddress  # noqa: PLC0415 -- 3 ms that few targets need

    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(f"'{text}' is no IP address") from None
    return text


class _Place(NamedTuple):
    """What a URL says; the fields are those of Target."""

    scheme: str
    protocol: Literal["smtp", "lmtp"]
    host: str
    port: int
    path: str = ""
    implicit_tls: bool = False


def parse_target(url: str) -> Target:
    """Make a target of a URL on the command line; its name is the URL.

    Raises:
        InputError: it is none, or of a kind that this version doesn't know.
    """
    span = Span(SourceFile("<command line>", url), 1, 1, max(1, len(url)))
    place = parse_url(Scalar.at(span, url, ""))
    return Target(name=url, url=url, **place._asdict(), span=span)


def parse_url(url: Scalar) -> _Place:
    """Read a target's URL.

    Raises:
        InputError: with the place in the URL and what would be right.
    """
    match = _URL.fullmatch(url.text)
    if "@" in url.text and not (match and match[1].lower() == _UNIX):
        # What stands before the sign may be a password: nothing of the line is shown.
        advice = "secrets don't belong in a URL: 'username' goes under vars, 'password' under secrets"
        raise InputError([Problem(without_excerpt(url.span), "a URL with a user name", advice)])
    if match is None:
        host = url.text if _BARE_HOST.fullmatch(url.text) else "HOST"
        raise _wrong(url, 0, len(url.text), f"'{url.text}' is no URL", f"write it with its scheme: smtp://{host}")
    name = match[1].lower()
    scheme = SCHEMES.get(name)
    if scheme is None:
        raise _unknown_scheme(url, name)
    rest, start = match[2], match.start(2)
    if name == _UNIX:
        return _Place(name, scheme.protocol, "", 0, path=_socket_path(url, rest, start))
    host, port = _host_and_port(url, rest, start)
    return _Place(name, scheme.protocol, host, port or scheme.port, implicit_tls=scheme.implicit_tls)


def _wrong(url: Scalar, offset: int, width: int, message: str, advice: str = "") -> InputError:
    return InputError([Problem(url.span_at(offset, max(1, width)), message, advice)])


def _unknown_scheme(url: Scalar, name: str) -> InputError:
    if name in _LATER:
        return _wrong(url, 0, len(name), f"'{name}' is not supported in this version", f"what is: {', '.join(SCHEMES)}")
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
    labels = host.removesuffix(".").split(".")
    if len(host) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels):
        raise _wrong(url, start, len(host), f"'{host}' is no host name")


def _port(url: Scalar, text: str, start: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 0x10000):
        raise _wrong(url, start, len(text), f"'{text}' is no port", "a port is a number from 1 to 65535")
    return int(text)
