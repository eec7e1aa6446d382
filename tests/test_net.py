"""Faults by the system's and the library's errors, names, limits."""

from __future__ import annotations

import errno
import os
import resource
import socket
import ssl
import threading

import pytest
from fake_server import certificates

from runner import net
from runner.net import Broken, Resolver, SelectorPoller, TlsContexts, Wakeup, resolving
from runner.wire import Fault, FaultKind, TlsWish


def os_error(number):
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        pytest.param(os_error(errno.ECONNREFUSED), Fault(FaultKind.REFUSED), id="refused"),
        pytest.param(os_error(errno.ECONNRESET), Fault(FaultKind.RESET), id="reset"),
        pytest.param(os_error(errno.EPIPE), Fault(FaultKind.RESET), id="pipe"),
        pytest.param(os_error(errno.EHOSTUNREACH), Fault(FaultKind.UNREACHABLE, "no route to host"), id="host"),
        pytest.param(os_error(errno.ENETUNREACH), Fault(FaultKind.UNREACHABLE, "network is unreachable"), id="net"),
        pytest.param(os_error(errno.EACCES), Fault(FaultKind.LOCAL, "permission denied"), id="access"),
        pytest.param(OSError("AF_UNIX path too long"), Fault(FaultKind.LOCAL, "AF_UNIX path too long"), id="path"),
        pytest.param(
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            Fault(FaultKind.UNRESOLVED, "name or service not known"),
            id="name",
        ),
    ],
)
def test_os_faults(error, fault):
    """Each error of the system has its kind and plain words."""
    assert fault == net.os_fault(error)


def verification_error(code, message):
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    error.verify_message = message
    return error


@pytest.mark.parametrize(
    ("code", "message", "fault"),
    [
        (9, "certificate is not yet valid", Fault(FaultKind.TLS_NOT_YET_VALID)),
        (10, "certificate has expired", Fault(FaultKind.TLS_EXPIRED)),
        (18, "self-signed certificate", Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate")),
        (19, "self-signed...", Fault(FaultKind.TLS_UNTRUSTED, "self-signed certificate in the chain")),
        (20, "unable to get local issuer certificate", Fault(FaultKind.TLS_UNTRUSTED, "unknown issuer")),
        (
            62,
            "Hostname mismatch, certificate is not valid for 'mx.example'.",
            Fault(FaultKind.TLS_NAME, "not valid for 'mx.example'"),
        ),
        (23, "certificate revoked", Fault(FaultKind.TLS_UNTRUSTED, "certificate revoked")),
    ],
)
def test_certificate_faults(code, message, fault):
    """Each verdict on a certificate has its kind and plain words."""
    assert fault == net.tls_fault(verification_error(code, message), b"")


@pytest.mark.parametrize(
    ("first", "kind", "words"),
    [
        pytest.param(b"220 mx\r\n250 x", FaultKind.TLS_PLAINTEXT, "'220 mx'", id="smtp"),
        pytest.param(b"+OK", FaultKind.TLS_PLAINTEXT, "'+OK'", id="short"),
        pytest.param(b"a" * 200, FaultKind.TLS_PLAINTEXT, f"'{'a' * 60}...'", id="long"),
        pytest.param(b"\x16\x03\x01\x00\x05", FaultKind.TLS_OTHER, "wrong version number", id="record"),
        pytest.param(b"\xff\xfd\x18", FaultKind.TLS_OTHER, "wrong version number", id="telnet"),
        pytest.param(b"", FaultKind.TLS_OTHER, "wrong version number", id="nothing"),
    ],
)
def test_clear_text_is_told_from_broken_tls(first, kind, words):
    """Only readable first bytes make a failed handshake a clear-text server's."""
    error = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    error.reason = "WRONG_VERSION_NUMBER"
    assert Fault(kind, words) == net.tls_fault(error, first)


def test_alert_words():
    """A server's alert is told in the library's words."""
    error = ssl.SSLError(1, "...")
    error.reason = "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert Fault(FaultKind.TLS_OTHER, "sslv3 alert handshake failure") == net.tls_fault(error, b"\x15\x03")


def test_contexts_are_made_once(tmp_path):
    """One wish, whatever the server's name, is one context."""
    contexts = TlsContexts()
    wish = TlsWish(ca=certificates().roots(tmp_path))
    named = TlsWish(ca=wish.ca, server_name="mx.example")
    assert contexts.get(wish) is contexts.get(named)
    assert contexts.get(wish) is not contexts.get(TlsWish(verify=False))


@pytest.mark.parametrize("minimum", ["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])
def test_minimum_versions(minimum):
    """Every version can be the least one, without a warning."""
    version = TlsContexts().get(TlsWish(verify=False, minimum=minimum)).minimum_version
    assert minimum.replace(".", "_") == version.name


def test_unknown_minimum():
    """An unknown version is a local error that lists the known ones."""
    with pytest.raises(Broken, match=r"unknown TLS version 'SSLv3': TLSv1, TLSv1.1, TLSv1.2, TLSv1.3 are known"):
        TlsContexts().get(TlsWish(minimum="SSLv3"))


def test_roots_that_are_none(tmp_path):
    """A file without a certificate is a local error that names it."""
    path = tmp_path / "roots.pem"
    path.write_text("no certificate\n")
    with pytest.raises(Broken, match="holds no PEM certificate"):
        TlsContexts().get(TlsWish(ca=str(path)))


@pytest.mark.parametrize("name", ["", "x" * 300, ".mx.example"])
def test_names_that_cannot_be_verified(name):
    """A handshake without a usable name is a local error."""
    wish = TlsWish(server_name=name)
    with pytest.raises(Broken) as caught:
        net.Tls(TlsContexts().get(wish), wish, "")
    assert FaultKind.LOCAL is caught.value.fault.kind


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_numeric_hosts_need_no_lookup(host):
    """An address is known without asking."""
    resolver = Resolver(lambda: None)
    assert [address.where[:2] for address in resolver.known(host, 25)] == [(host, 25)]


def test_names_are_not_numeric():
    """A name is not known before it is asked for."""
    assert Resolver(lambda: None).known("mx.example", 25) == ()


def test_lookups_of_one_name_are_one(monkeypatch):
    """Askers share a lookup; what was found is kept for its time."""
    found = (net.Address(socket.AF_INET, ("192.0.2.1", 25)),)
    asked, woken, now, answers = [], threading.Event(), [0.0], []
    numeric = resolving.numeric
    monkeypatch.setattr(resolving, "numeric", lambda host, port: () if host == "mx.example" else numeric(host, port))
    monkeypatch.setattr(resolving, "look_up", lambda *key: asked.append(key) or found)
    resolver = Resolver(woken.set, lambda: now[0])
    resolver.ask("mx.example", 25, answers.append)
    resolver.ask("mx.example", 25, answers.append)
    assert woken.wait(5)
    resolver.collect()
    assert (answers, asked) == ([found, found], [("mx.example", 25)])
    assert found == resolver.known("mx.example", 25)
    now[0] = resolving.NAME_LIFE + 1
    assert resolver.known("mx.example", 25) == ()


def test_overlong_name_is_not_found():
    """What can be no host name is not found, rather than an error of the codec."""
    with pytest.raises(Broken) as caught:
        resolving.look_up("x" * 100 + ".example", 25)
    assert FaultKind.UNRESOLVED is caught.value.fault.kind


def test_families_take_turns(monkeypatch):
    """Addresses are tried in the system's order, the families in turn."""

    def entry(family, host):
        return (family, socket.SOCK_STREAM, 6, "", (host, 25))

    six, four = socket.AF_INET6, socket.AF_INET
    listed = [entry(six, "::1"), entry(six, "::2"), entry(six, "::2"), entry(four, "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: listed)
    assert [address.where[0] for address in resolving.look_up("mx.example", 25)] == ["::1", "127.0.0.1", "::2"]


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [pytest.param(100, 256, id="enough"), pytest.param(300, 364, id="raised"), pytest.param(5000, 1024, id="bounded")],
)
def test_allowed_files_are_raised(monkeypatch, asked, allowed):
    """The soft limit goes up to what is asked for, and never above the hard one."""
    limits = [(256, 1024)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    assert net.allow_files(asked) == allowed
    assert limits[-1] == (allowed, 1024)


def test_selector_poller_reports_as_epoll_does():
    """The poller for other systems reports readiness by the same numbers, and lets a descriptor rest."""
    poller, pair = SelectorPoller(), socket.socketpair()
    fd = pair[0].fileno()
    poller.register(fd, net.READ | net.WRITE)
    assert poller.poll(0, 8) == [(fd, net.WRITE)]
    pair[1].send(b"x")
    assert poller.poll(0, 8) == [(fd, net.READ | net.WRITE)]
    poller.modify(fd, 0)
    assert poller.poll(0, 8) == []
    poller.unregister(fd)
    poller.close()
    pair[0].close()
    pair[1].close()


def test_wakeup_never_blocks():
    """Any number of wakes is one, also after the close."""
    wakeup = Wakeup()
    for _ in range(2000):
        wakeup.wake()
    wakeup.clear()
    wakeup.close()
    wakeup.wake()
