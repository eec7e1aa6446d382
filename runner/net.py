"""The only opener of sockets: connecting, names, TLS over memory, readiness; OS and TLS errors become faults here.

It must not know what a player or a protocol is, and it keeps no connection: `session` does. Nothing in it
blocks but the lookup of names, which has threads of its own. `ssl` costs more to import than the rest of a
short run, so it is imported with the first TLS wish.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runner.errors import escape
from runner.wire import TLS_VERSIONS, Fault, FaultKind, Peer, TlsFacts, TlsWish

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from runner.proxy import SocketAddress
    from runner.wire import Family, ProxyHeader

# What a poller is asked for and answers with: poll(2)'s and epoll(7)'s numbers; any other bit is an error or hang-up.
READ = 1
WRITE = 4

# A turn's read: large enough that a reply is one call, below malloc's limit for mapping fresh pages (128 KiB).
CHUNK = 65_536
# SIGPIPE must not end a process that has set it back to its default for the sake of its output.
SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)
# Names that were found are good for this many seconds: a run asks once, a long watch follows a change.
NAME_LIFE = 30.0
# Lookups under way at once; a dead name server holds a thread for half a minute.
LOOKUPS = 32
# Bytes of a failed handshake that are kept to name who answered.
FIRST_BYTES = 512
QUOTED = 60
# Files that a process has open besides its connections.
SPARE_FILES = 64
# A file with a certificate, its chain and its key has some 20 KiB.
MAX_PEM = 1024 * 1024

_NONBLOCK = getattr(socket, "SOCK_NONBLOCK", 0)


# --- faults ---------------------------------------------------------------------------------------------------

_KINDS = {
    errno.ECONNREFUSED: FaultKind.REFUSED,
    errno.ECONNRESET: FaultKind.RESET,
    errno.ECONNABORTED: FaultKind.RESET,
    errno.EPIPE: FaultKind.RESET,
    errno.EHOSTUNREACH: FaultKind.UNREACHABLE,
    errno.EHOSTDOWN: FaultKind.UNREACHABLE,
    errno.ENETUNREACH: FaultKind.UNREACHABLE,
    errno.ENETDOWN: FaultKind.UNREACHABLE,
    errno.ETIMEDOUT: FaultKind.UNREACHABLE,
    errno.ENOENT: FaultKind.UNREACHABLE,
}
_WORDS = {
    errno.ECONNREFUSED: "",
    errno.ECONNRESET: "",
    errno.EPIPE: "",
    errno.ENOENT: "no such socket",
    errno.EHOSTUNREACH: "no route to host",
    errno.EADDRNOTAVAIL: "this machine has no such address, or no free port",
}


def os_fault(error: OSError) -> Fault:
    """Name what the system said about a socket or a lookup."""
    if isinstance(error, socket.gaierror):
        return Fault(FaultKind.UNRESOLVED, _lower(error.strerror))
    number = error.errno or 0
    if number in (errno.EMFILE, errno.ENFILE):
        return Fault(FaultKind.LOCAL, f"too many open files: {allow_files(0)} are allowed ('ulimit -n')")
    words = _WORDS.get(number)
    if words is None:
        words = _lower(os.strerror(number) if number else str(error))
    return Fault(_KINDS.get(number, FaultKind.LOCAL), words)


def _lower(text: str | None) -> str:
    """Put a library's sentence into the house's form: `Name or service not known` loses its capital."""
    text = (text or "").rstrip(".")
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


class Broken(Exception):  # noqa: N818 - what has happened, not a mistake
    """A connection cannot be had or used any more; `fault` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


def allow_files(number: int) -> int:
    """Raise this process's limit of open files to `number` and some to spare, as far as the system lets it.

    Returns the limit that holds then.
    """
    import resource  # noqa: PLC0415 - few runs need it

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number + SPARE_FILES
    if soft == resource.RLIM_INFINITY or wanted <= soft:
        return soft
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return soft
    return wanted


# --- addresses ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Address:
    """One place to connect to: the socket family and its form of address (a UNIX socket's is its path)."""

    family: int
    where: Any


Addresses = tuple[Address, ...]


def _look_up(host: str, port: int, flags: int = 0) -> Addresses:
    """Ask the system for a host's addresses, the families in turn (RFC 8305, section 4)."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except (ValueError, OverflowError) as error:  # a label too long for the codec, a NUL, a port beyond all
        raise Broken(Fault(FaultKind.UNRESOLVED, "not a host name and port")) from error
    except OSError as error:
        raise Broken(os_fault(error)) from error
    unique = list(dict.fromkeys(Address(family, where) for family, _, _, _, where in found))
    first = [address for address in unique if address.family == unique[0].family]
    other = [address for address in unique if address.family != unique[0].family]
    turns: list[Address] = []
    while first or other:
        turns += first[:1] + other[:1]
        first, other = first[1:], other[1:]
    return tuple(turns)


def of_family(addresses: Addresses, family: Family) -> list[Address]:
    """Return the addresses that are of the family, or all of them if none is named."""
    if not family:
        return list(addresses)
    number = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    return [address for address in addresses if address.family == number]


def unix_addresses(path: str) -> Addresses:
    """Return the address of a UNIX socket."""
    return (Address(socket.AF_UNIX, path),)


def numeric(host: str, port: int) -> Addresses:
    """Return the address that `host` spells out, or nothing when it is a name."""
    try:
        return _look_up(host, port, socket.AI_NUMERICHOST)
    except Broken:
        return ()


class Resolver:
    """Looks names up in threads; answers come in the loop's thread through `collect`, after a `wake`.

    Lookups of one name at one time are one lookup, and what was found is kept for `NAME_LIFE` seconds.
    """

    def __init__(self, wake: Callable[[], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._wake = wake
        self._clock = clock
        self._known: dict[tuple[str, int], tuple[float, Addresses]] = {}
        self._waiting: dict[tuple[str, int], list[Callable[[Addresses | Fault], None]]] = {}
        self._queue: deque[tuple[str, int]] = deque()
        self._answers: deque[tuple[tuple[str, int], Addresses | Fault]] = deque()
        self._running = 0

    def known(self, host: str, port: int) -> Addresses:
        """Return what needs no lookup: a numeric host's address, or a name's that was found lately."""
        until, addresses = self._known.get((host, port), (0.0, ()))
        if addresses and self._clock() < until:
            return addresses
        addresses = numeric(host, port)
        if addresses:
            self._known[host, port] = (float("inf"), addresses)
        return addresses

    def ask(self, host: str, port: int, answer: Callable[[Addresses | Fault], None]) -> None:
        """Look a name up; `answer` is called from `collect`."""
        key = (host, port)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(answer)
        if len(waiting) == 1:
            self._queue.append(key)
            self._start()

    def _start(self) -> None:
        import threading  # noqa: PLC0415 - a run against addresses needs no threads

        while self._queue and self._running < LOOKUPS:
            self._running += 1
            key = self._queue.popleft()
            try:
                threading.Thread(target=self._work, args=(key,), name=f"lookup {key[0]}", daemon=True).start()
            except RuntimeError as error:
                self._answers.append((key, Fault(FaultKind.LOCAL, str(error))))
                self._wake()

    def _work(self, key: tuple[str, int]) -> None:
        try:
            answer: Addresses | Fault = _look_up(*key)
        except Broken as broken:
            answer = broken.fault
        self._answers.append((key, answer))
        self._wake()

    def collect(self) -> None:
        """Hand out the answers that have come. To be called in the loop's thread."""
        while self._answers:
            key, answer = self._answers.popleft()
            self._running -= 1
            if not isinstance(answer, Fault):
                self._known[key] = (self._clock() + NAME_LIFE, answer)
            for tell in self._waiting.pop(key, ()):
                tell(answer)
        self._start()


# --- sockets --------------------------------------------------------------------------------------------------


def connect(address: Address, source: str = "") -> tuple[socket.socket, int]:
    """Begin a connection that blocks nobody.

    Returns the socket and 0 (it stands already), `EINPROGRESS` (it will be writable when it is decided) or
    `EAGAIN` (a UNIX socket's queue is full: try again a little later with a new one).

    Raises:
        Broken: it failed at once.
    """
    local_end = _local_end(address.family, source) if source else None
    sock = None
    try:
        sock = socket.socket(address.family, socket.SOCK_STREAM | _NONBLOCK)
        if not _NONBLOCK:
            sock.setblocking(False)
        if address.family != socket.AF_UNIX:
            # A body's last piece would wait for the acknowledgement of the one before.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if local_end:
                sock.bind(local_end)
        number = sock.connect_ex(address.where)
        if number not in (0, errno.EINPROGRESS, errno.EAGAIN):
            raise OSError(number, os.strerror(number))  # noqa: TRY301 - one way out, which closes
    except (OSError, ValueError, OverflowError) as error:
        if sock is not None:
            sock.close()
        fault = os_fault(error) if isinstance(error, OSError) else Fault(FaultKind.LOCAL, str(error))
        raise Broken(fault) from error
    return sock, number


def _local_end(family: int, source: str) -> Any:
    if family == socket.AF_UNIX:
        return None
    ends = numeric(source, 0)
    if not ends:
        raise Broken(Fault(FaultKind.LOCAL, f"source address '{source}' is no IP address"))
    if ends[0].family != family:
        raise Broken(Fault(FaultKind.LOCAL, f"source address '{source}' is of another family than the server's"))
    return ends[0].where


def pending_fault(sock: socket.socket) -> Fault | None:
    """Return what has gone wrong with a socket since it was last asked; nothing when all is well."""
    number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os_fault(OSError(number, os.strerror(number))) if number else None


def peer_of(sock: socket.socket, remote: Address) -> Peer:
    """Describe both ends of a connection that stands; `remote` is the address it was made to."""
    if sock.family == socket.AF_UNIX:
        return Peer("", str(remote.where), is_loopback=True)
    address = str(remote.where[0])
    try:
        local = str(sock.getsockname()[0])
    except OSError:
        local = ""
    return Peer(local, address, is_loopback=_is_loopback(address))


def announced_ends(sock: socket.socket, proxy: ProxyHeader) -> tuple[SocketAddress | None, SocketAddress | None]:
    """Return the two ends that a PROXY header is to name: as wished, else the connection's own.

    Raises:
        Broken: only one end can be named, for the connection has no IP addresses of its own.
    """
    if sock.family == socket.AF_UNIX:
        if (proxy.source is None) != (proxy.destination is None):
            words = "a PROXY header names both 'source' and 'destination' where the connection has no IP addresses"
            raise Broken(Fault(FaultKind.LOCAL, words))
        return proxy.source, proxy.destination
    try:
        return _end_of(sock.getsockname(), proxy.source), _end_of(sock.getpeername(), proxy.destination)
    except OSError as error:
        raise Broken(os_fault(error)) from error


def _end_of(own: Any, wished: SocketAddress | None) -> SocketAddress:
    from runner.proxy import SocketAddress  # noqa: PLC0415 - few servers stand behind a proxy

    if wished is None:
        return SocketAddress(own[0].partition("%")[0], own[1])
    return wished._replace(port=wished.port or own[1])


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", "::ffff:127.")) or address == "::1"


def end_writing(sock: socket.socket) -> bool:
    """Tell the other end that no more comes; false when the connection is gone already."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def reset(sock: socket.socket) -> None:
    """Close a connection so that the other end sees a reset, and what was not sent is dropped."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    finally:
        sock.close()


class Wakeup:
    """Wakes the loop out of its wait, from any thread or signal handler."""

    def __init__(self) -> None:
        self._inner, self._outer = socket.socketpair()
        self._inner.setblocking(False)
        self._outer.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._inner.fileno()

    def wake(self) -> None:
        """Make the loop's wait end; when the pair is full, or closed, that is seen to already."""
        try:
            self._outer.send(b"\0", SEND_FLAGS)
        except OSError:
            return

    def clear(self) -> None:
        """Forget the wakes so far."""
        try:
            self._inner.recv(4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Close both ends."""
        self._inner.close()
        self._outer.close()


class SelectorPoller:
    """A poller over `selectors` with the methods of `select.epoll`, for systems that have none.

    A closed descriptor leaves an epoll by itself; this one wants to be told of each descriptor's end.
    """

    def __init__(self) -> None:
        import selectors  # noqa: PLC0415 - of no use where there is epoll

        self._selector = selectors.DefaultSelector()

    def register(self, fd: int, mask: int) -> None:
        """Watch a descriptor for `READ` and `WRITE`; with neither it rests."""
        if mask:
            self._selector.register(fd, _events(mask))

    def modify(self, fd: int, mask: int) -> None:
        """Watch a descriptor for other things."""
        self.unregister(fd)
        self.register(fd, mask)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor, also one that rests."""
        try:
            self._selector.unregister(fd)
        except KeyError:
            return

    def poll(self, timeout: float | None, most: int) -> list[tuple[int, int]]:
        """Wait up to `timeout` seconds; return at most `most` pairs of descriptor and mask."""
        ready = self._selector.select(timeout)[:most]
        return [(key.fd, (events & 1 and READ) | (events & 2 and WRITE)) for key, events in ready]

    def close(self) -> None:
        """Free what the system keeps for it."""
        self._selector.close()


def _events(mask: int) -> int:
    return (1 if mask & READ else 0) | (2 if mask & WRITE else 0)


def new_poller() -> select.epoll | SelectorPoller:
    """Return this system's fastest poller."""
    return select.epoll() if hasattr(select, "epoll") else SelectorPoller()


# --- TLS ------------------------------------------------------------------------------------------------------


class TlsContexts:
    """The TLS settings by wish, made once each: reading the system's roots takes 10 to 30 ms."""

    def __init__(self) -> None:
        self._made: dict[TlsWish, ssl.SSLContext] = {}

    def get(self, wish: TlsWish) -> ssl.SSLContext:
        """Return the context for a wish.

        Raises:
            Broken: a file cannot be read or used, or no version is left to speak.
        """
        key = replace(wish, server_name="")
        context = self._made.get(key)
        if context is None:
            context = self._made[key] = _new_context(wish)
        return context


def _new_context(wish: TlsWish) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - see the module's docstring

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.options |= ssl.OP_NO_RENEGOTIATION
    _set_versions(context, wish)
    if wish.certificate:
        load_certificate(context, wish.certificate, wish.key)
    if not wish.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif wish.ca:
        # Roots that the user names may be a server's own certificate or an intermediate one.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        _load_roots(context, wish.ca)
    else:
        context.load_default_certs()
    return context


def _set_versions(context: ssl.SSLContext, wish: TlsWish) -> None:
    import ssl  # noqa: PLC0415
    import warnings  # noqa: PLC0415

    minimum = _version(wish.minimum)
    maximum = _version(wish.maximum) if wish.maximum else ssl.TLSVersion.MAXIMUM_SUPPORTED
    if wish.maximum and maximum < minimum:
        words = f"TLS from {wish.minimum} to {wish.maximum} leaves no version"
        raise Broken(Fault(FaultKind.LOCAL, words))
    with warnings.catch_warnings():
        # Old versions are asked for on purpose, to see whether a server still speaks them.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = minimum
        context.maximum_version = maximum
    if minimum < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("DEFAULT:@SECLEVEL=0")


def _version(name: str) -> ssl.TLSVersion:
    import ssl  # noqa: PLC0415

    if name not in TLS_VERSIONS:
        words = f"unknown TLS version '{name}': {', '.join(TLS_VERSIONS)} are known"
        raise Broken(Fault(FaultKind.LOCAL, words))
    return ssl.TLSVersion[name.replace(".", "_")]


class _HasPassword(Exception):  # noqa: N818 - what OpenSSL found, not a mistake of ours
    """A private key is protected by a password."""


def _refuse_password() -> str:
    raise _HasPassword


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Give a context the certificate in one PEM file and the key in another, or without `key` in the same.

    Raises:
        Broken: a file cannot be read, or does not hold what it should.
    """
    import ssl  # noqa: PLC0415

    key = key or certificate
    for path, what in ((certificate, "CERTIFICATE"), (key, "PRIVATE KEY")):
        if f"{what}-----".encode() not in _read_pem(path):
            words = f"'{path}' holds no {what.lower()} in PEM form"
            raise Broken(Fault(FaultKind.LOCAL, words))
    try:
        # Without a function OpenSSL would ask on the terminal for a key's password.
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except _HasPassword:
        words = f"the key in '{key}' is protected by a password; take one without: openssl pkey -in KEY -out NEW"
        raise Broken(Fault(FaultKind.LOCAL, words)) from None
    except ssl.SSLError as error:
        is_other = error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH")
        what = "does not belong to" if is_other else "cannot be used with"
        words = f"the key in '{key}' {what} the certificate in '{certificate}'"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error
    except OSError as error:
        words = f"cannot read '{certificate}' or '{key}': {_lower(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


def _read_pem(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read(MAX_PEM)
    except OSError as error:
        words = f"cannot read '{path}': {_lower(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


def _load_roots(context: ssl.SSLContext, path: str) -> None:
    import ssl  # noqa: PLC0415

    try:
        context.load_verify_locations(cafile=path)
    except ssl.SSLError as error:
        words = f"'{path}' holds no PEM certificate that can be used as a root"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error
    except OSError as error:
        words = f"cannot read the file of roots '{path}': {_lower(error.strerror)}"
        raise Broken(Fault(FaultKind.LOCAL, words)) from error


class Tls:
    """The client's side of one TLS connection in memory: raw bytes go in by `feed` and come out by `pending`."""

    __slots__ = ("_first", "_has_certificate", "_incoming", "_outgoing", "_ssl", "_verified", "_want")

    def __init__(self, context: ssl.SSLContext, wish: TlsWish, host: str) -> None:
        """Prepare a handshake with the server that `wish.server_name`, else `host`, names.

        Raises:
            Broken: there is no name to verify, or it can be none.
        """
        import ssl  # noqa: PLC0415

        name = (wish.server_name or host).rstrip(".")
        if wish.verify and not name:
            words = "no host name to verify the certificate for: set 'server_name' or 'verify: false'"
            raise Broken(Fault(FaultKind.LOCAL, words))
        self._want = ssl.SSLWantReadError
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._first = b""
        self._verified = wish.verify
        self._has_certificate = bool(wish.certificate)
        try:
            self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name or None)
        except (ValueError, ssl.SSLError) as error:
            raise Broken(Fault(FaultKind.LOCAL, f"'{name}' cannot be a server's name in TLS")) from error

    def feed(self, data: bytes) -> None:
        """Take raw bytes from the server."""
        self._incoming.write(data)
        if len(self._first) < FIRST_BYTES:
            self._first += data[: FIRST_BYTES - len(self._first)]

    def pending(self) -> bytes:
        """Take the raw bytes that are to go to the server."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def handshake(self) -> TlsFacts | None:
        """Go on with the handshake; return its facts, or nothing as long as more must come.

        Raises:
            Broken: it failed; an alert may be `pending`.
        """
        try:
            self._ssl.do_handshake()
        except self._want:
            return None
        except OSError as error:
            raise Broken(tls_fault(error, self._first)) from error
        return self._facts()

    def _facts(self) -> TlsFacts:
        tls = self._ssl
        cipher, version = tls.cipher(), tls.version() or ""
        return TlsFacts(
            version=version,
            cipher=cipher[0] if cipher else "",
            verified=self._verified,
            certificate=_shared(tls.getpeercert(binary_form=True) or b""),
            # What Python gives with TLS 1.3 is no secret of this connection alone (RFC 9266 section 1).
            unique=b"" if version == "TLSv1.3" else tls.get_channel_binding("tls-unique") or b"",
            moment=time.time(),
            client_certificate=self._has_certificate,
        )

    def read(self) -> tuple[bytes, bool, Fault | None]:
        """Decrypt what was fed: the clear bytes, whether close_notify came, what broke after them."""
        parts: list[bytes] = []
        try:
            while part := self._ssl.read(CHUNK):
                parts.append(part)
        except self._want:
            return b"".join(parts), False, None
        except OSError as error:
            return b"".join(parts), False, tls_fault(error, b"")
        return b"".join(parts), True, None

    def write(self, data: bytes) -> bytes:
        """Encrypt; return the raw bytes to send.

        Raises:
            Broken: the connection takes no more.
        """
        try:
            self._ssl.write(data)
        except OSError as error:
            raise Broken(tls_fault(error, b"")) from error
        return self.pending()

    def close(self) -> bytes:
        """Return the close_notify to send; nothing when TLS is too broken for one."""
        with contextlib.suppress(OSError):
            self._ssl.unwrap()
        return self.pending()


@functools.lru_cache(maxsize=64)
def _shared(certificate: bytes) -> bytes:
    """Return the same object for equal bytes: a thousand connections to one server keep one certificate."""
    return certificate


# OpenSSL's X509_V_ERR numbers (x509_vfy.h).
_CERTIFICATE_FAULTS = {
    9: Fault(FaultKind.TLS_NOT_YET_VALID),
    10: Fault(FaultKind.TLS_EXPIRED),
    18: Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate"),
    19: Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate in the chain"),
    20: Fault(FaultKind.TLS_UNTRUSTED, "unknown issuer"),
    21: Fault(FaultKind.TLS_UNTRUSTED, "unknown issuer, and no intermediate certificate was sent"),
}
_NAME_CODES = (62, 64)
_PROTOCOL_REASONS = (
    "UNSUPPORTED_PROTOCOL",
    "TLSV1_ALERT_PROTOCOL_VERSION",
    "WRONG_SSL_VERSION",
    "VERSION_TOO_LOW",
)


def tls_fault(error: OSError, first: bytes) -> Fault:
    """Name what the TLS library said; `first` is what the server sent first, if that was its handshake."""
    import ssl  # noqa: PLC0415

    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error)
    if _is_clear_text(first):
        return Fault(FaultKind.TLS_PLAINTEXT, _quote_first_line(first))
    reason = getattr(error, "reason", None) or ""
    words = reason.lower().replace("_", " ")
    if reason == "NO_PROTOCOLS_AVAILABLE":
        # The server was not asked: this machine's library was built or set up without the versions that were wished.
        return Fault(FaultKind.LOCAL, "this machine's TLS library speaks none of the versions asked for")
    if reason in _PROTOCOL_REASONS:
        return Fault(FaultKind.TLS_PROTOCOL, words)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Fault(FaultKind.TLS_CLOSED)
    return Fault(FaultKind.TLS_OTHER, words or _lower(str(error)))


def _certificate_fault(error: ssl.SSLCertVerificationError) -> Fault:
    code = error.verify_code
    if code in _NAME_CODES:
        # "Hostname mismatch, certificate is not valid for 'mx.example'."
        words = error.verify_message.partition("certificate is ")[2].rstrip(".")
        return Fault(FaultKind.TLS_NAME, words or _lower(error.verify_message))
    return _CERTIFICATE_FAULTS.get(code) or Fault(FaultKind.TLS_UNTRUSTED, _lower(error.verify_message))


def _is_clear_text(first: bytes) -> bool:
    """Whether a server's first bytes are a line of text; a TLS record begins with 20 to 23."""
    start = first[:5]
    return bool(start) and all(32 <= byte < 127 or byte in b"\r\n\t" for byte in start)


def _quote_first_line(first: bytes) -> str:
    line = first.split(b"\n", 1)[0].rstrip(b"\r").decode("utf-8", "backslashreplace")
    shown = escape(line if len(line) <= QUOTED else line[:QUOTED] + "...")
    return f"an HTTP server answers: '{shown}'" if line.startswith("HTTP/") else f"'{shown}'"
