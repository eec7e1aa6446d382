"""`starttls`, `tls` and implicit TLS: order, injection, faults, and what is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from memory import EOF, MemoryDriver
from playing import compile_case, says, shown

from runner.player import Player
from runner.results import Outcome
from runner.wire import Close, Fault, FaultKind, Open, Secure, TlsFacts, TlsWish, Write

HELLO = b"220 mx.example ESMTP\r\n"
GO = b"220 2.0.0 go ahead\r\n"
OK = b"250 2.0.0 ok\r\n"
EHLO = b"250-mx.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
STEPS = "  - expect: 220\n  - {send: 'EHLO x', expect: 250}\n  - starttls:\n"


def test_starttls(run):
    """The command, the go-ahead, the handshake; nothing is sent between command and handshake."""
    played = run(
        STEPS + "  - {send: 'EHLO y', expect: 250, capabilities: {STARTTLS: absent}}", HELLO, EHLO, GO, b"250 mx\r\n"
    )
    assert ["passed"] * 4 == shown(played.result)
    kinds = [type(action) for action in played.actions]
    assert [Open, Write, Write, Secure, Write, Write, Close] == kinds[:-1]
    assert "TLSv1.3" == played.result.tls


def test_options_go_to_the_driver(run):
    """The step's options come over the target's; the name is the target's host unless one says otherwise."""
    steps = "  - expect: 220\n  - {starttls: {verify: false, server_name: '${name}', min: TLSv1.3}}"
    played = run(steps, HELLO, GO, variables={"name": "mx.example"}, tls=TlsFacts("TLSv1.3", "X", verified=False))
    wish = next(action.wish for action in played.actions if isinstance(action, Secure))
    assert (False, "mx.example", "TLSv1.3") == (wish.verify, wish.server_name, wish.minimum)
    assert ("the certificate was not verified (verify: false)",) == played.result.warnings


@pytest.mark.parametrize(
    ("target", "step", "expected"),
    [
        ({}, "", ("TLSv1.2", "")),
        ({}, "max: TLSv1.2", ("TLSv1.2", "TLSv1.2")),
        ({}, "max: TLSv1.1", ("TLSv1.1", "TLSv1.1")),
        ({}, "min: TLSv1, max: TLSv1.1", ("TLSv1", "TLSv1.1")),
        ({"minimum": "TLSv1.3"}, "max: TLSv1.2", ("TLSv1.2", "TLSv1.2")),
        ({"maximum": "TLSv1.2"}, "", ("TLSv1.2", "TLSv1.2")),
        ({"maximum": "TLSv1.2"}, "min: TLSv1.3", ("TLSv1.3", "")),
        ({"maximum": "TLSv1.2"}, "min: TLSv1", ("TLSv1", "TLSv1.2")),
    ],
)
def test_versions_of_step_and_target(target, step, expected):
    """What a step says goes before what its target says; the other end of the range gives way to it."""
    assert expected == versions(wish_of(f"{{{step}}}", TlsWish(**target)))


@pytest.mark.parametrize(
    ("step", "expected"),
    [("", ("t.pem", "t.key")), ("cert: s.pem", ("s.pem", "")), ("cert: s.pem, key: s.key", ("s.pem", "s.key"))],
)
def test_certificates_of_step_and_target(step, expected):
    """A step's certificate never meets the target's key."""
    wish = wish_of(f"{{{step}}}", TlsWish(certificate="t.pem", key="t.key"))
    assert expected == (wish.certificate, wish.key)


def wish_of(options, target):
    """Return the wish that goes to the driver for a step's options and a target's."""
    case = compile_case(f"  - expect: 220\n  - starttls: {options}")
    party = case.sessions["main"]
    case = replace(case, sessions={"main": replace(party, target=replace(party.target, tls=target))})
    played = MemoryDriver(says(HELLO, GO)).play(Player(case))
    return next(action.wish for action in played.actions if isinstance(action, Secure))


def versions(wish):
    return wish.minimum, wish.maximum


def test_an_unverified_certificate_of_an_earlier_connection(run):
    """The warning that verification is off stays when another connection follows."""

    def server(sid):
        yield HELLO
        yield GO if sid == 0 else (b"221 bye\r\n", EOF)
        yield (b"221 bye\r\n", EOF)

    steps = "  - expect: 220\n  - {starttls: {verify: false}}\n  - {connect: , expect: 220}"
    played = run(steps, server, tls=TlsFacts("TLSv1.3", "X", verified=False))
    assert ("the certificate was not verified (verify: false)",) == played.result.warnings


def test_capabilities_are_forgotten(run):
    """What was offered in clear text does not count after the handshake."""
    result = run(STEPS + "  - {when: {capability: SIZE}, send: NOOP, expect: 250}", HELLO, EHLO, GO, OK).result
    assert shown(result)[3].startswith("error: whether SIZE is offered is not known")


@pytest.mark.parametrize(
    ("keys", "outcomes"),
    [
        ("", ["failed: expected 220, got 454 4.7.0 not now", "not run"]),
        (", expect: 454", ["passed", "passed"]),
        (", expect: [220, 454]", ["passed", "passed"]),
    ],
    ids=["unexpected", "expected", "either"],
)
def test_a_refusal(run, keys, outcomes):
    """A refusal fails, or is expected and there is no handshake."""
    steps = f"  - expect: 220\n  - {{starttls: {keys}}}\n  - {{send: NOOP, expect: 250}}"
    played = run(steps, HELLO, b"454 4.7.0 not now\r\n", OK)
    assert outcomes == shown(played.result)[1:]
    assert not any(isinstance(action, Secure) for action in played.actions)


@pytest.mark.parametrize("cut", [False, True], ids=["same segment", "later segment"])
@pytest.mark.parametrize(
    ("extra", "quoted"),
    [(b"250 injected\r\n", "250 injected"), (b"250-injected\r\n", "'250-injected'"), (b"2", "'2'")],
    ids=["reply", "half a reply", "byte"],
)
def test_injection(run, cut, extra, quoted):
    """Clear text behind the go-ahead is injection, whole or not, in its segment or later; the connection is reset."""
    turn = (GO, extra) if cut else GO + extra
    played = run(STEPS + "  - {send: 'EHLO y', expect: 250}", HELLO, EHLO, turn)
    reason = shown(played.result)[2]
    assert reason.startswith("failed: response injection: clear text before the TLS handshake (RFC 3207 section 6): ")
    assert quoted.strip("'") in reason
    assert Close(0, "reset") == played.actions[-2]
    assert played.sent[0].endswith(b"STARTTLS\r\n")


def test_a_go_ahead_before_the_command(run):
    """A go-ahead that came before the command is no answer to it, whole or begun."""
    for early in (GO, b"220 2.0.0 go"):
        played = run(STEPS, HELLO, EHLO + early)
        assert shown(played.result)[2].startswith("failed: unexpected data before 'starttls'")
        assert b"STARTTLS" not in played.sent[0]


@pytest.mark.parametrize(
    ("step", "before"), [("starttls:", "STARTTLS"), ("tls:", "the TLS handshake")], ids=["starttls", "tls"]
)
@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        (None, "a reply is still owed before {}: to NOOP"),
        (OK, "no step expected a reply that came before {}: 250 2.0.0 ok"),
    ],
    ids=["owed", "came"],
)
def test_replies_owed_before_the_handshake(run, step, before, turn, reason):
    """A reply that is owed, or that no step expected, fails before anything is encrypted."""
    played = run(f"  - expect: 220\n  - send: NOOP\n  - wait: 1s\n  - {step}", HELLO, turn)
    assert f"failed: {reason.format(before)}" == shown(played.result)[3]
    assert played.sent[0].startswith(b"NOOP\r\n")
    assert b"STARTTLS" not in played.sent[0]


FAULTS = [
    (Fault(FaultKind.TLS_EXPIRED, "notAfter=May 1"), "certificate expired: notAfter=May 1"),
    (Fault(FaultKind.TLS_NAME), "certificate is for another name"),
    (
        Fault(FaultKind.TLS_UNTRUSTED),
        "certificate not trusted; a CA of your own is named by --ca FILE, or tls: {ca: FILE} at the target",
    ),
    (Fault(FaultKind.TLS_PROTOCOL), "no common TLS version"),
    (Fault(FaultKind.RESET), "connection reset"),
]


@pytest.mark.parametrize(
    ("fault", "reason"), FAULTS, ids=lambda value: getattr(value, "kind", None) and value.kind.name
)
def test_a_handshake_that_fails(run, fault, reason):
    """Each fault has its own plain reason, and the rest is not run."""
    result = run(STEPS + "  - {send: 'EHLO y'}", HELLO, EHLO, GO, tls=fault).result
    assert [f"failed: the TLS handshake failed: {reason}", "not run"] == shown(result)[2:]


def test_a_fault_of_this_side(run):
    """A CA file that can't be read is no verdict on the server."""
    result = run(STEPS, HELLO, EHLO, GO, tls=Fault(FaultKind.LOCAL, "ca.pem: no such file")).result
    assert Outcome.ERROR is result.outcome


def test_the_server_hangs_up_in_the_handshake(run):
    """An end in the handshake fails it."""
    result = run(STEPS, HELLO, EHLO, (GO, EOF)).result
    assert "failed: the server closed the connection during the TLS handshake" == shown(result)[2]


def test_a_handshake_that_hangs():
    """A handshake is under the step's deadline, and the connection is dropped without a goodbye."""

    class Hanging(MemoryDriver):
        def _do_secure(self, action):
            pass

    played = Hanging(says(HELLO, EHLO, GO)).play(Player(compile_case(STEPS)))
    assert "failed: the TLS handshake was not done within 30 s" == shown(played.result)[2]
    assert played.sent[0].endswith(b"STARTTLS\r\n")
    assert Close(0) == played.actions[-2]


def test_implicit_tls(run):
    """With an implicit-TLS scheme the handshake belongs to the connection; a bad certificate is failed."""
    played = run(
        "  - expect: 220\n  - {when: {tls: true}, send: NOOP, expect: 250}", HELLO, OK, url="smtps://mx.example"
    )
    assert ["passed", "passed"] == shown(played.result)
    assert "mx.example" == played.actions[0].endpoint.tls.server_name
    result = run("  - expect: 220", HELLO, url="smtps://mx.example", tls=Fault(FaultKind.TLS_NAME)).result
    assert ["failed: the TLS handshake with mx.example:465 failed: certificate is for another name"] == shown(result)


def test_a_handshake_by_hand(run):
    """`tls` before the greeting is implicit TLS by hand: the greeting comes encrypted."""

    def server():
        yield None
        yield (b"221 bye\r\n", EOF)

    class Greeting(MemoryDriver):
        def _on_secured(self, sid, line, facts):
            super()._on_secured(sid, line, facts)
            self._events.append(("feed", sid, line, HELLO))

    played = Greeting(server).play(Player(compile_case("  - tls:\n  - expect: 220")))
    assert ["passed", "passed"] == shown(played.result)


def test_clear_text_where_the_handshake_is_due(run):
    """A server that greets in clear text where `tls` stands is named as such."""
    result = run("  - connect:\n  - wait: 1s\n  - tls:\n  - expect: 220", HELLO).result
    assert (
        "failed: the server speaks clear text where the TLS handshake was due: 220 mx.example ESMTP" == shown(result)[2]
    )


def test_a_second_handshake(run):
    """A go-ahead inside TLS can't be followed, which is no verdict; its refusal can be expected."""
    steps = STEPS + "  - {starttls: , expect: [220, 503]}\n  - {send: NOOP, expect: 250}"
    assert "error: the connection is encrypted already" == shown(run(steps, HELLO, EHLO, GO, GO).result)[3]
    assert Outcome.PASSED is run(steps, HELLO, EHLO, GO, b"503 no\r\n", OK).result.outcome
