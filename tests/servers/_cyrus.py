"""Cyrus SASL's server side behind a few lines of SMTP: the verifier of channel bindings.

None of the mail servers of Debian 12 passes a channel binding to its SASL library. So the library itself, libsasl2
with its plugins, is called here, and given the binding by Python's own TLS and `cryptography`. All that AUTH says is
the library's: what it offers, its challenges, its verdict.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import ctypes
import functools
import ssl
from collections.abc import Callable, Iterator
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from tests.fake_server import Conn, FakeServer

from ._certificates import Certificate, certificate
from ._process import needs
from ._running import DOMAIN, HOST, PASSWORD, SENDER, Running

LIBRARY = "libsasl2.so.2"
PLUGIN = next(Path("/usr/lib").glob("*/sasl2/libscram.so"), Path("/usr/lib/sasl2/libscram.so"))
OK, CONTINUE = 0, 1
CALLBACK_END, CALLBACK_GETOPT = 0, 1
CHANNEL_BINDING, SSF_EXTERNAL, SET_CREATE = 21, 100, 1
MOST_STEPS = 10


class _Callback(ctypes.Structure):
    _fields_ = [("id", c_ulong), ("function", c_void_p), ("context", c_void_p)]


class _Binding(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("critical", c_int), ("size", c_ulong), ("data", c_char_p)]


_GetOption = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p, POINTER(c_char_p), POINTER(c_uint))


class _Library:
    """libsasl2 as a server, with its users in a file below `folder`; one for the whole process."""

    def __init__(self, folder: Path) -> None:
        options = {
            b"auxprop_plugin": b"sasldb",
            b"sasldb_path": bytes(folder / "sasldb"),
            b"pwcheck_method": b"auxprop",
            b"mech_list": b"PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256",
            b"log_level": b"0",
        }

        def get_option(_context: object, _plugin: bytes, option: bytes, result: object, size: object) -> int:
            if option not in options:
                return -1
            result[0] = options[option]  # type: ignore[index]
            if size:
                size[0] = len(options[option])  # type: ignore[index]
            return OK

        self.calls = ctypes.CDLL(LIBRARY)
        self._kept = (options, get_option, _GetOption(get_option))
        function = ctypes.cast(self._kept[2], c_void_p)
        self._callbacks = (_Callback * 2)(_Callback(CALLBACK_GETOPT, function), _Callback(CALLBACK_END))
        self.check(self.calls.sasl_server_init(self._callbacks, b"mailproof-tests"))

    def check(self, code: int) -> None:
        if code != OK:
            self.calls.sasl_errstring.restype = c_char_p
            raise RuntimeError(f"libsasl2: {self.calls.sasl_errstring(code, None, None)!r}")

    def connection(self) -> c_void_p:
        made = c_void_p()
        self.check(
            self.calls.sasl_server_new(b"smtp", f"mail.{DOMAIN}".encode(), None, None, None, None, 0, byref(made))
        )
        return made

    def set_password(self, user: str, password: str) -> None:
        self.check(
            self.calls.sasl_setpass(
                self.connection(), user.encode(), password.encode(), len(password.encode()), None, 0, SET_CREATE
            )
        )


class _Exchange:
    """The server's half of one connection's AUTH."""

    def __init__(self, library: _Library, binding: tuple[str, bytes] | None) -> None:
        self._calls = library.calls
        self._connection = library.connection()
        if binding:
            strength = c_uint(256)
            library.check(self._calls.sasl_setprop(self._connection, SSF_EXTERNAL, byref(strength)))
            kind, data = binding
            self._binding = _Binding(kind.encode(), 0, len(data), data)  # kept: the library copies nothing
            library.check(self._calls.sasl_setprop(self._connection, CHANNEL_BINDING, byref(self._binding)))

    def close(self) -> None:
        self._calls.sasl_dispose(byref(self._connection))

    def mechanisms(self) -> bytes:
        result, size, count = c_char_p(), c_uint(), c_int()
        code = self._calls.sasl_listmech(
            self._connection, None, b"", b" ", b"", byref(result), byref(size), byref(count)
        )
        return result.value or b"" if code == OK else b""

    def start(self, mechanism: bytes, initial: bytes | None) -> tuple[int, bytes]:
        size = 0 if initial is None else len(initial)
        return self._answer(self._calls.sasl_server_start, mechanism, initial, size)

    def step(self, response: bytes) -> tuple[int, bytes]:
        return self._answer(self._calls.sasl_server_step, response, len(response))

    def _answer(self, call: Callable[..., int], *given: object) -> tuple[int, bytes]:
        out, size = c_void_p(), c_uint()
        code = call(self._connection, *given, byref(out), byref(size))
        return code, ctypes.string_at(out, size.value) if out and size.value else b""


@functools.cache
def _library(folder: Path) -> _Library:
    return _Library(folder)


@contextlib.contextmanager
def cyrus_sasl(root: Path) -> Iterator[Callable[..., contextlib.AbstractContextManager[Running]]]:
    """Give a function that runs an SMTP server with STARTTLS; libsasl2 keeps the first `root` of a process.

    The function takes `kind`, the channel binding that the server verifies, `maximum`, its newest version of TLS, and
    `other`, true for a server whose TLS ends elsewhere: it knows another binding than its clients.
    """
    needs(PLUGIN)
    files = certificate(root)
    library = _library(root)
    library.set_password(SENDER, PASSWORD)

    @contextlib.contextmanager
    def start(kind: str, *, maximum: str = "TLSv1.3", other: bool = False) -> Iterator[Running]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = ssl.TLSVersion[maximum.replace(".", "_")]
        context.load_cert_chain(files.chain, files.key)

        def handle(conn: Conn) -> None:
            _serve(conn, library, context, lambda: _binding(conn, kind, files, other=other))

        with FakeServer(handle) as server:
            url = f"smtp://{HOST}:{server.port}"
            yield Running("cyrus sasl", HOST, server.port, str(files.ca), url, root / "log")

    yield start


def _binding(conn: Conn, kind: str, files: Certificate, *, other: bool) -> tuple[str, bytes]:
    if kind == "tls-unique":
        assert isinstance(conn.socket, ssl.SSLSocket)
        data = conn.socket.get_channel_binding("tls-unique") or b""
    else:
        found = x509.load_pem_x509_certificate(files.chain.read_bytes())
        digest = hashes.Hash(found.signature_hash_algorithm or hashes.SHA256())
        digest.update(found.public_bytes(Encoding.DER))
        data = digest.finalize()
    return kind, bytes(len(data)) if other else data


def _serve(conn: Conn, library: _Library, context: ssl.SSLContext, binding: Callable[[], tuple[str, bytes]]) -> None:
    conn.send(b"220 mail.example.com ESMTP\r\n")
    exchange: _Exchange | None = None  # once TLS is there
    while line := conn.line():
        verb, _, rest = line.strip().partition(b" ")
        if verb == b"QUIT":
            conn.send(b"221 2.0.0 bye\r\n")
            break
        if verb == b"EHLO":
            more = b"AUTH " + exchange.mechanisms() if exchange else b"STARTTLS"
            conn.send(b"250-mail.example.com\r\n250 " + more + b"\r\n")
        elif verb == b"STARTTLS":
            conn.send(b"220 2.0.0 go ahead\r\n")
            conn.secure(context)
            exchange = _Exchange(library, binding())
        elif verb == b"AUTH" and exchange:
            conn.send(_authenticate(conn, exchange, rest))
        else:
            conn.send(b"502 5.5.1 not here\r\n")
    if exchange:
        exchange.close()


def _authenticate(conn: Conn, exchange: _Exchange, rest: bytes) -> bytes:
    mechanism, _, initial = rest.partition(b" ")
    code, challenge = exchange.start(mechanism, _decoded(initial) if initial else None)
    for _ in range(MOST_STEPS):
        if code != CONTINUE:
            break
        conn.send(b"334 " + base64.b64encode(challenge) + b"\r\n")
        code, challenge = exchange.step(_decoded(conn.line().strip()))
    return b"235 2.7.0 welcome\r\n" if code == OK else b"535 5.7.8 no\r\n"


def _decoded(text: bytes) -> bytes:
    try:
        return b"" if text == b"=" else base64.b64decode(text, validate=True)
    except binascii.Error:
        return b"*"
