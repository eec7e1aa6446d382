"""The mail exchangers of a domain, asked of a small name server on loopback."""

from __future__ import annotations

import builtins
import contextlib
import socket
import threading
from dataclasses import replace

import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from runner import mx
from runner.errors import InputError, SourceFile, Span, ToolError
from runner.language.nodes import Scalar
from runner.language.target import Target, parse_domain, parse_target
from runner.mx import exchangers

MX = {
    "example.com.": ["20 mx2.example.com.", "10 MX1.example.com.", "20 a.example.com.", "30 mx1.example.com."],
    "null.example.": ["0 ."],
    "odd.example.": [r"10 a\032b.example."],
    "none.example.": [],
    "many.example.": [f"10 mx{number}.example." for number in range(51)],
    "xn--bcher-kva.example.": ["10 mx.example.org."],
}


def answer(query, zone):
    """Answer as a name server that knows these domains alone."""
    response = dns.message.make_response(query)
    name = query.question[0].name.to_text().lower()
    if name == "broken.example.":
        response.set_rcode(dns.rcode.SERVFAIL)
    elif name not in zone:
        response.set_rcode(dns.rcode.NXDOMAIN)
    elif zone[name]:
        response.answer.append(dns.rrset.from_text(name, 300, "IN", "MX", *zone[name]))
    return response


@contextlib.contextmanager
def name_server(zone=MX, *, is_silent=False):
    """Serve a zone on a free port of loopback; give a resolver that asks there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(10)

        def serve():
            while True:
                data, client = sock.recvfrom(4096)
                if not data:
                    return
                if not is_silent:
                    sock.sendto(answer(dns.message.from_wire(data), zone).to_wire(), client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = sock.getsockname()[1]
        try:
            yield resolver
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", sock.getsockname())
            thread.join(5)


def target(domain, name="out"):
    span = Span(SourceFile("mailproof.yaml", f"mx: {domain}"), 1, 5)
    place = parse_domain(Scalar.at(span, domain, ""))
    return Target(name=name, url=f"mx: {domain}", span=span, **place._asdict())


def test_every_mail_exchanger_is_a_target():
    """Each once, in lower case, the preferred first, with what the domain's target says."""
    with name_server() as resolver:
        found = exchangers([target("smtp://example.com:2525")], resolver)
    assert ["mx1.example.com", "a.example.com", "mx2.example.com"] == [one.host for one in found]
    assert ["out mx1.example.com", "out a.example.com", "out mx2.example.com"] == [one.name for one in found]
    assert "smtp://mx1.example.com:2525" == found[0].url
    assert {("smtp", 2525, False)} == {(one.scheme, one.port, one.is_domain) for one in found}


def test_a_domain_without_mail_exchangers_is_its_own():
    """RFC 5321 section 5.1: the address record of the domain is meant."""
    with name_server() as resolver:
        assert ["none.example"] == [one.host for one in exchangers([target("none.example")], resolver)]


def test_a_domain_in_letters_of_its_own():
    """It is looked up in its ASCII form."""
    with name_server() as resolver:
        assert ["mx.example.org"] == [one.host for one in exchangers([target("bücher.example")], resolver)]


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("null.example", "'null.example' takes no mail: its MX says so (RFC 7505)"),
        ("absent.example", "there is no domain 'absent.example'"),
        ("odd.example", r"the mail exchanger 'a\032b.example' of 'odd.example' is no host name"),
        ("a\u00a1b.example", "'a\u00a1b.example' is no domain name"),
        ("many.example", "'many.example' names 51 mail exchangers, more than 50"),
    ],
)
def test_a_domain_that_gives_no_target_is_told(domain, message):
    """At its place in the project file, before anything connects."""
    wrong = replace(target("example.com"), host=domain)
    with name_server() as resolver, pytest.raises(InputError) as caught:
        exchangers([target("example.com"), wrong], resolver)
    [problem] = caught.value.problems
    assert (message, "mailproof.yaml:1:5") == (problem.message, problem.span.place)


def test_all_domains_are_told_at_once():
    """What is wrong with one does not hide the others."""
    with name_server() as resolver, pytest.raises(InputError) as caught:
        exchangers([target("null.example"), target("absent.example")], resolver)
    assert 2 == len(caught.value.problems)


def test_a_name_server_that_fails_is_the_surroundings_fault():
    """No verdict on the domain can be had."""
    with name_server() as resolver, pytest.raises(ToolError, match="no name server has a good answer"):
        exchangers([target("broken.example")], resolver)


def test_a_name_server_that_is_silent(monkeypatch):
    """A lookup has its time, and no more."""
    monkeypatch.setattr(mx, "LOOKUP_SECONDS", 0.2)
    with name_server(is_silent=True) as resolver, pytest.raises(ToolError, match=r"answers within 0\.2 s"):
        exchangers([target("example.com")], resolver)


def test_without_the_extra(monkeypatch):
    """Its name is told."""
    real = builtins.__import__

    def absent(name, *rest):
        if name.partition(".")[0] == "dns":
            raise ModuleNotFoundError(name="dns")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ToolError, match=r"pip install 'mailproof\[dns\]'"):
        exchangers([target("example.com")])


def test_other_targets_need_no_name_server():
    """They stay as they are."""
    plain = parse_target("smtp://mx.example")
    assert [plain] == exchangers([plain])
