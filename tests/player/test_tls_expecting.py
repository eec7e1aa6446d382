"""`tls_expect`: what a handshake brought and the certificate is, or how it must fail."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import replace

import pytest
from cryptography import x509
from issuing import UNTIL, der, issued
from memory import EOF, MemoryDriver
from playing import compile_case, says, shown

from runner.player import Player
from runner.results import Outcome
from runner.wire import Close, Fault, FaultKind, Secure, TlsFacts, TlsWish

HELLO = b"220 mx.example ESMTP\r\n"
GO = b"220 2.0.0 go ahead\r\n"
OK = b"250 2.0.0 ok\r\n"
STEPS = "  - expect: 220\n  - {{starttls: {options}, tls_expect: {wanted}}}\n  - {{send: NOOP, expect: 250}}"

NAMES = (x509.DNSName("mail.example.com"), x509.DNSName("*.example.net"))
ADDRESS = x509.IPAddress(ipaddress.ip_address("192.0.2.7"))
CERTIFICATE = der(issued(*NAMES, ADDRESS, key="RSA 2048"))
FACTS = TlsFacts(
    "TLSv1.2",
    "ECDHE-RSA-AES256-GCM-SHA384",
    verified=True,
    certificate=CERTIFICATE,
    moment=(UNTIL - dt.timedelta(days=13, hours=5, minutes=59)).timestamp(),
)
ISSUER = r"issuer CN=\ Prüfstelle,1.2.840.113549.1.9.1=ca@example.com,O=Smith\, \"Sons\" \+ Co \<#1\>\;\ ,C=US"


def play(run, wanted, facts=FACTS, options="", **given):
    return run(STEPS.format(options=options, wanted=wanted), HELLO, GO, OK, tls=facts, **given).result


FITTING = [
    "{version: TLSv1.2}",
    "{version: [TLSv1.2, TLSv1.3]}",
    "{version: '>= TLSv1'}",
    "{cipher: 'ECDHE-*'}",
    "{cipher: '/AES(128|256)-GCM/'}",
    "{issuer: '*Prüfstelle*'}",
    "{issuer: '*${who}*'}",
    "{names: mail.example.com}",
    "{names: [Mail.Example.com, a.example.net, 192.0.2.7, '${domain}']}",
    "{valid_for: 13d5h}",
    "{valid_for: 317h}",
    "{public_key: RSA >= 2048}",
    "{public_key: [EC >= 256, RSA>=1024]}",
    "{version: TLSv1.2, cipher: '*', issuer: '*', names: [mail.example.com], valid_for: 1d, public_key: RSA >= 2048}",
]


@pytest.mark.parametrize("wanted", FITTING)
def test_what_fits(run, wanted):
    """What is as it must be passes."""
    variables = {"who": 'Smith\\, \\"Sons\\"', "domain": "mail.example.com"}
    assert ["passed"] * 3 == shown(play(run, wanted, variables=variables))


DIFFERING = [
    ("{version: TLSv1.3}", "expected TLSv1.3, got TLSv1.2"),
    ("{version: '>= TLSv1.3'}", "expected >= TLSv1.3, got TLSv1.2"),
    ("{version: [TLSv1, TLSv1.1]}", "expected TLSv1 or TLSv1.1, got TLSv1.2"),
    ("{cipher: 'TLS_*'}", "expected cipher TLS_*, got cipher ECDHE-RSA-AES256-GCM-SHA384"),
    ("{cipher: ECDHE}", "expected cipher ECDHE, got cipher ECDHE-RSA-AES256-GCM-SHA384"),
    ('{issuer: "*O=Let\'s Encrypt*"}', f"expected issuer *O=Let's Encrypt*, got {ISSUER}"),
    (
        "{names: [mail.example.com, smtp.example.com, 192.0.2.8]}",
        "expected a certificate for smtp.example.com, 192.0.2.8, got one for mail.example.com, *.example.net, 192.0.2.7",
    ),
    ("{valid_for: 14d}", "expected valid for 14d, got valid for 13d5h, until 2051-01-02 03:04 UTC"),
    ("{public_key: RSA >= 3072}", "expected public key RSA >= 3072, got public key RSA 2048"),
    ("{public_key: [EC >= 256, Ed25519]}", "expected public key EC >= 256 or Ed25519, got public key RSA 2048"),
]


@pytest.mark.parametrize(("wanted", "reason"), DIFFERING)
def test_what_differs(run, wanted, reason):
    """What is otherwise fails the step, and the conversation goes on."""
    result = play(run, wanted)
    assert ["passed", f"failed: {reason}", "passed"] == shown(result)
    assert Outcome.FAILED is result.outcome


def test_all_that_differs_is_told(run):
    """One run tells everything, expected above actual."""
    result = play(run, "{version: TLSv1.3, names: [x.example], valid_for: 90d, public_key: Ed448}")
    parts = [(one.part, one.expected) for one in result.steps[1].differences]
    assert [
        ("TLS version", "TLSv1.3"),
        ("names", "a certificate for x.example"),
        ("valid_for", "valid for 90d"),
        ("public_key", "public key Ed448"),
    ] == parts


@pytest.mark.parametrize(
    ("since", "until", "actual"),
    [
        (-9, -2, "expired 2d ago, on 2024-06-08 00:00 UTC"),
        (2, 90, "valid from 2024-06-12 00:00 UTC on"),
        (-1, 0, "valid for 0h, until 2024-06-10 00:00 UTC"),
    ],
    ids=["expired", "not yet", "now"],
)
def test_dates_of_a_certificate_that_was_not_verified(run, since, until, actual):
    """With `verify: false` the dates are judged all the same."""
    now = dt.datetime(2024, 6, 10, tzinfo=dt.UTC)
    certificate = issued(since=now + dt.timedelta(days=since), until=now + dt.timedelta(days=until))
    facts = TlsFacts("TLSv1.3", "X", verified=False, certificate=der(certificate), moment=now.timestamp())
    result = play(run, "{valid_for: 1h}", facts, "{verify: false}")
    assert f"failed: expected valid for 1h, got {actual}" == shown(result)[1]
    assert ("the certificate was not verified (verify: false)",) == result.warnings


@pytest.mark.parametrize(
    ("key", "wanted", "is_good"),
    [
        ("EC 256", "EC >= 256", True),
        ("EC 256", "EC >= 384", False),
        ("EC 384", "EC >= 256", True),
        ("Ed25519", "Ed25519", True),
        ("Ed25519", "Ed448", False),
        ("Ed25519", "EC >= 256", False),
        ("RSA 1024", "RSA >= 2048", False),
        ("1.2.840.10040.4.1", "RSA >= 1024", False),
    ],
)
def test_keys(run, key, wanted, is_good):
    """A key must be of the kind, and have the bits."""
    result = play(run, f"{{public_key: {wanted}}}", replace(FACTS, certificate=der(issued(key=key))))
    expected = "passed" if is_good else f"failed: expected public key {wanted}, got public key {key}"
    assert expected == shown(result)[1]


def test_no_names(run):
    """A certificate whose name stands in the subject alone is good for none."""
    result = play(run, "{names: [mail.example.com]}", replace(FACTS, certificate=der(issued())))
    assert "failed: expected a certificate for mail.example.com, got one for no name" == shown(result)[1]


@pytest.mark.parametrize("certificate", [b"", b"\x30\x82", CERTIFICATE[:-1]], ids=["none", "broken", "cut"])
@pytest.mark.parametrize("wanted", ["{names: [x]}", "{issuer: '*'}", "{valid_for: 0h}", "{public_key: RSA >= 512}"])
def test_a_certificate_that_cannot_be_read(run, wanted, certificate):
    """What can't be read never passes."""
    result = play(run, wanted, replace(FACTS, certificate=certificate))
    assert shown(result)[1].startswith("failed: expected a certificate that can be read, got the certificate's ")


@pytest.mark.parametrize("name", ["", "bücher.example"], ids=["empty", "not ASCII"])
def test_a_name_that_is_none(run, name):
    """A value that no certificate could have is an error, and no verdict."""
    result = play(run, "{names: ['${name}']}", variables={"name": name})
    assert shown(result)[1].startswith(f"error: '{name}' is no name that a certificate could have")


def test_a_warning(run):
    """`severity: warning` notes what differs, and the case can still pass."""
    steps = (
        "  - expect: 220\n  - {starttls: , expect: 220, severity: warning, tls_expect: {valid_for: 14d}}\n"
        "  - {send: NOOP, expect: 250}"
    )
    result = run(steps, HELLO, GO, OK, tls=FACTS).result
    assert Outcome.PASSED is result.outcome
    assert ("starttls: expected valid for 14d, got valid for 13d5h, until 2051-01-02 03:04 UTC",) == result.warnings


def test_a_refusal_in_place_of_a_handshake(run):
    """Where no handshake is made there is nothing that could pass."""
    steps = "  - expect: 220\n  - {starttls: , expect: [220, 454], tls_expect: {version: TLSv1.3}}"
    result = run(steps, HELLO, b"454 4.7.0 not now\r\n").result
    assert "failed: no TLS handshake was made, and 'tls_expect' judges one" == shown(result)[1]


# Another session's certificate.

TWO = """
  - expect: 220
  - starttls:
  - session: other
    expect: 220
  - session: other
    starttls:
    tls_expect: {same_certificate_as: main}
"""


def two(first, second):
    """Play two sessions whose handshakes bring these facts."""

    class Driver(MemoryDriver):
        def _do_secure(self, action):
            self._tls = second if action.sid else first
            super()._do_secure(action)

    def server(sid):
        yield HELLO
        heard = yield GO
        while heard != b"QUIT\r\n":
            heard = yield None
        yield (b"221 bye\r\n", EOF)

    top = "sessions: {other: {protocol: smtp}}"
    return Driver(server).play(Player(compile_case(TWO, top=top))).result


def test_the_same_certificate():
    """Both sessions' servers show the same certificate."""
    assert Outcome.PASSED is two(FACTS, replace(FACTS, version="TLSv1.3")).outcome


def test_another_certificate():
    """Another certificate, or none, fails, with both fingerprints."""
    result = two(FACTS, replace(FACTS, certificate=der(issued())))
    assert "failed: expected that of 'main': SHA-256 " in shown(result)[3]
    nothing = replace(FACTS, certificate=b"")
    assert "failed: expected that of 'main': none, got none" == shown(two(nothing, nothing))[3]


# Handshakes that must fail.

KINDS = {
    "expired": FaultKind.TLS_EXPIRED,
    "untrusted": FaultKind.TLS_UNTRUSTED,
    "name": FaultKind.TLS_NAME,
    "protocol": FaultKind.TLS_PROTOCOL,
}
FAILING = "  - expect: 220\n  - {{starttls: , tls_expect: {{fails: {}}}}}\n"


@pytest.mark.parametrize("fails", KINDS)
def test_a_handshake_that_fails_as_it_must(run, fails):
    """The step passes, and the connection is gone."""
    played = run(FAILING.format(fails) + "  - {send: NOOP, expect: 250}", HELLO, GO, tls=Fault(KINDS[fails]))
    reason = "error: nothing can be sent: an earlier step closed the connection; 'connect' opens another"
    assert ["passed", "passed", reason] == shown(played.result)
    assert Close(0, "reset") in played.actions
    assert Outcome.PASSED is run(FAILING.format(fails), HELLO, GO, tls=Fault(KINDS[fails])).result.outcome


@pytest.mark.parametrize("fails", KINDS)
@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.name.startswith("TLS_")], ids=lambda one: one.name)
def test_a_handshake_that_fails_otherwise(run, fails, kind):
    """Any other way of failing fails the step."""
    outcome = run(FAILING.format(fails), HELLO, GO, tls=Fault(kind)).result.outcome
    assert (Outcome.PASSED if kind is KINDS[fails] else Outcome.FAILED) is outcome


def test_the_words_for_another_failure(run):
    """What came is told beside what had to come."""
    result = run(FAILING.format("expired"), HELLO, GO, tls=Fault(FaultKind.TLS_NAME, "not valid for 'x'")).result
    expected = "expected the TLS handshake to fail (certificate expired), got: certificate is for another name: not valid for 'x'"
    assert f"failed: {expected}" == shown(result)[1]


def test_a_handshake_that_does_not_fail(run):
    """A handshake that is made where it must fail fails the step, and the case ends."""
    result = run(FAILING.format("protocol") + "  - {send: NOOP, expect: 250}", HELLO, GO, tls=FACTS).result
    reason = "expected the TLS handshake to fail (no common TLS version), got TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384"
    assert ["passed", f"failed: {reason}", "not run"] == shown(result)


@pytest.mark.parametrize(
    ("turn", "tls", "outcome"),
    [
        (GO, Fault(FaultKind.LOCAL, "no file"), Outcome.ERROR),
        (GO, Fault(FaultKind.RESET), Outcome.FAILED),
        ((GO, EOF), FACTS, Outcome.FAILED),
        (b"454 no\r\n", FACTS, Outcome.FAILED),
    ],
    ids=["local", "reset", "closed", "refused"],
)
def test_what_is_no_failure_of_the_handshake(run, turn, tls, outcome):
    """An error on this side, an end of the connection or a refusal are not how it must fail."""
    assert outcome is run(FAILING.format("untrusted"), HELLO, turn, tls=tls).result.outcome


def test_a_target_that_does_not_verify():
    """Where the certificate is not verified it can't fail; nothing is tried."""
    case = compile_case(FAILING.format("expired"))
    party = case.sessions["main"]
    target = replace(party.target, tls=TlsWish(verify=False))
    case = replace(case, sessions={"main": replace(party, target=target)})
    played = MemoryDriver(says(HELLO, GO)).play(Player(case))
    assert shown(played.result)[1].startswith("error: the handshake can't fail by 'expired': the certificate is not")
    assert not any(isinstance(action, Secure) for action in played.actions)


# With `tls` and `connect`.


def test_the_handshake_alone(run):
    """`tls` takes the same demands."""
    steps = "  - connect:\n  - {tls: , tls_expect: {version: TLSv1.3}}"
    result = run(steps, None, tls=FACTS).result
    assert "failed: expected TLSv1.3, got TLSv1.2" == shown(result)[1]
    steps = "  - connect:\n  - {tls: , tls_expect: {fails: name}}"
    assert Outcome.PASSED is run(steps, None, tls=Fault(FaultKind.TLS_NAME)).result.outcome


def test_implicit_tls(run):
    """With an implicit-TLS scheme `connect` takes the demands, and the greeting is judged besides."""
    steps = "  - {connect: , expect: 220, tls_expect: {names: [mail.example.com], version: TLSv1.3}}"
    result = run(steps, HELLO, url="smtps://mail.example.com", tls=FACTS).result
    assert ["failed: expected TLSv1.3, got TLSv1.2"] == shown(result)


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (Fault(FaultKind.TLS_EXPIRED), "passed"),
        (Fault(FaultKind.TLS_NAME), "failed: expected the TLS handshake to fail (certificate expired), got: "),
        (FACTS, "failed: expected the TLS handshake to fail (certificate expired), got TLSv1.2 "),
        (Fault(FaultKind.REFUSED), "error: no connection to mail.example.com:465: connection refused"),
    ],
    ids=["as it must", "otherwise", "not", "no connection"],
)
def test_implicit_tls_that_must_fail(run, tls, reason):
    """A connection whose handshake must fail, does."""
    result = run("  - {connect: , tls_expect: {fails: expired}}", HELLO, url="smtps://mail.example.com", tls=tls).result
    assert shown(result)[0].startswith(reason)


def test_a_connection_that_does_not_come_about(run):
    """Where no connection is made nothing of its TLS is judged, and so nothing passes."""
    steps = "  - {connect: , expect: refused, tls_expect: {version: TLSv1.3}}"
    result = run(steps, lambda: Fault(FaultKind.REFUSED), url="smtps://mail.example.com").result
    assert ["failed: no TLS handshake was made, and 'tls_expect' judges one"] == shown(result)


def test_a_connection_without_tls(run):
    """Where the scheme has no implicit TLS there is nothing to judge, should a condition lead there."""
    step = "  - {connect: , expect: 220, when: {tls: false}, tls_expect: {version: TLSv1.3}}"
    result = run(step, HELLO).result
    assert ["error: there is no TLS handshake here to judge: the target's scheme is not one of implicit TLS"] == shown(
        result
    )
