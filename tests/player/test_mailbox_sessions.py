"""POP3, ManageSieve and any line protocol: what differs from SMTP in a conversation."""

from __future__ import annotations

import pytest
from mailboxes import GREETINGS, converse, transcript
from memory import EOF, STALL
from playing import shown

from runner.protocol import Limits
from runner.results import Outcome
from runner.wire import Close

# POP3.


@pytest.mark.parametrize(
    ("line", "said"),
    [("PASS hunter2", "C: PASS ⟨password⟩"), ("PASS ${reader_password}", "C: PASS ⟨reader_password⟩")],
    ids=["invented", "declared"],
)
def test_a_password_is_not_shown(line, said):
    """The password of a PASS is hidden by its place."""
    steps = f"  - {{expect: +OK}}\n  - {{send: '{line}', expect: -ERR}}"
    played = converse("pop3", steps, b"-ERR no\r\n", secrets={"reader_password": "tr0ub4dor"})
    assert said in transcript(played)


def test_a_message_is_judged():
    """`message` looks into what RETR brings."""
    steps = (
        "  - {expect: +OK}\n"
        "  - {send: RETR 1, expect: +OK, message: {headers: {Subject: 'a test'}, body: '*..x*', lacks: secret}}\n"
        "  - {send: RETR 2, expect: +OK, message: {headers: {Subject: other}}}"
    )
    mail = b"+OK\r\nSubject: a\r\n test\r\n\r\n...x\r\n.\r\n"
    result = converse("pop3", steps, mail, mail).result
    assert ["passed", "passed"] == shown(result)[:2]
    assert Outcome.FAILED is result.steps[2].outcome


def test_a_message_over_imap():
    """A FETCH without a message is told so."""
    steps = "  - {expect: OK}\n  - {send: 'FETCH 1 BODY[]', expect: OK, message: {headers: {Subject: x}}}"
    mail = b"* 1 FETCH (BODY[] {14}\r\nSubject: x\r\n\r\n)\r\nA1 OK\r\n"
    assert ["passed"] * 2 == shown(converse("imap", steps, mail).result)
    assert "nothing of a message" in shown(converse("imap", steps, b"A1 OK\r\n").result)[1]


def test_a_refused_goodbye():
    """A QUIT that is refused fails the case, for messages were not removed; elsewhere it is a warning."""
    refused = GREETINGS["pop3"], (b"-ERR not removed\r\n", EOF)
    reason = "no step read the reply to QUIT: -ERR not removed"
    result = converse("pop3", "  - {expect: +OK}", *refused, greets=False).result
    assert (Outcome.FAILED, f"after the last step: {reason}") == (result.outcome, result.reason)
    result = converse("pop3", "  - {expect: +OK}\n  - close: quit", *refused, greets=False).result
    assert f"failed: {reason}" == shown(result)[1]
    result = converse("sieve", "  - {expect: OK}", GREETINGS["sieve"], (b"NO not now\r\n", EOF), greets=False).result
    assert (Outcome.PASSED, ("no step read the reply to LOGOUT: NO not now",)) == (result.outcome, result.warnings)


# ManageSieve.

STARTTLS = "  - {expect: OK}\n  - starttls:\n  - {send: NOOP, expect: OK}"


def test_the_greeting_after_starttls():
    """The step reads the greeting that comes after the handshake."""
    played = converse("sieve", STARTTLS, b"OK go\r\n", GREETINGS["sieve"], b"OK\r\n", greets_after_tls=True)
    assert ["passed"] * 3 == shown(played.result)


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b'NO "not now"\r\n', 'failed: expected OK, got NO "not now"'),
        (None, "failed: no greeting after the TLS handshake within 30 s"),
        (EOF, "failed: the server closed the connection where a reply was due"),
    ],
    ids=["refused", "silent", "close"],
)
def test_no_greeting_after_starttls(greeting, reason):
    """Without it, or with another code, the step fails."""
    result = converse("sieve", STARTTLS, b"OK go\r\n", greeting, greets_after_tls=True).result
    assert reason == shown(result)[1]


def test_a_greeting_before_the_handshake():
    """In clear text it is injection."""
    result = converse("sieve", STARTTLS, b"OK go\r\n" + GREETINGS["sieve"]).result
    assert "response injection" in shown(result)[1]


# Any line protocol.


def tcp(steps, *turns, **given):
    return converse("tcp", steps, *turns, greets=False, **given)


def test_lines():
    """A reply is a line; a quit is no more than the end of the connection."""
    played = tcp("  - expect: hello *\n  - {send: x, expect: /^y/}\n  - close: quit", b"hello you\r\n", b"yes\n")
    assert (["passed"] * 3, b"x\r\n") == (shown(played.result), played.sent[0])
    assert Close(0, "fin") in played.actions
    assert played.now < 1001


@pytest.mark.parametrize(
    ("until", "turn"),
    [
        ("/^END/", (b"a\n", b"b\nEN", b"D\n")),
        ("/^END/", (b"a\nb\nEND\n",)),
        ("{lines: 3}", (b"a\n", b"b", b"\nEND\n")),
        ("{silence: 2s}", (b"a\nb\nEN", b"D\n")),
        ("{silence: 2s}", (b"a\nb\n", b"END\n", EOF)),
    ],
    ids=["line", "at once", "number", "pause", "close"],
)
def test_a_reply_of_many_lines(until, turn):
    """`until` says how it ends; it is judged as a whole, and nothing of it is left."""
    steps = f"  - {{send: x, expect: any, until: {until}, lines: 3, has: [b, /a\\nb/], capture: {{c: '/^E(.*)/m'}}}}"
    more = "\n  - {send: 'y ${c}', expect: z}" if EOF not in turn else ""
    played = tcp(steps + more, None, turn, b"z\n")
    assert ["passed"] * (2 if more else 1) == shown(played.result)


@pytest.mark.parametrize(
    ("until", "turn", "reason"),
    [
        ("/END/", (b"a\nb\n",), "no line /END/, which ends the reply, within 1 s, only 2 lines, the last: 'b'"),
        ("{lines: 3}", (b"a\nb\npar",), "only 2 of 3 lines within 1 s, the last: 'b'"),
        (
            "{silence: 500ms}",
            (b"a\npar",),
            "no pause of 0.5 s, which ends the reply, within 1 s; 1 line, the last: 'a'",
        ),
        ("/END/", (b"a\n", EOF), "the server closed the connection inside a reply"),
        ("{silence: 500ms}", (b"a\npar", EOF), "the server closed the connection inside a reply"),
        ("/END/", (b"par",), "no whole reply to a client line within 1 s, only 3 bytes: 'par'"),
    ],
    ids=["line", "number", "pause", "close", "close in a line", "not one line"],
)
def test_a_reply_without_its_end(until, turn, reason):
    """What came is told, and what was missing."""
    result = tcp(f"  - {{send: x, expect: any, until: {until}, timeout: 1s}}", None, turn).result
    assert f"failed: {reason}" == shown(result)[0]
    assert turn[0].decode().strip().replace("\r", "") in result.steps[0].differences[0].actual


def test_a_greeting_of_many_lines():
    """`connect` reads a greeting to the end that it gives it."""
    steps = "  - {connect: , expect: any, until: /^END/, lines: 2}\n  - {send: x, expect: y}"
    assert ["passed"] * 2 == shown(tcp(steps, b"a\nEND\n", b"y\n").result)


def test_a_pause_that_has_passed():
    """Lines that came before the step are one reply up to a pause between them."""
    steps = "  - {send: x}\n  - {expect: silence, for: 1s}\n"

    def server():
        yield None
        yield (b"a\n", b"b\n")

    result = tcp("  - send: x\n  - wait: 5s\n  - {expect: any, until: {silence: 1s}, lines: 2}", server).result
    assert ["passed"] * 3 == shown(result)
    assert Outcome.FAILED is tcp(steps, server).result.outcome


@pytest.mark.parametrize(
    ("limits", "fault"),
    [(Limits(lines=5), "a reply of more than 5 lines"), (Limits(reply=8), "a reply of more than 8 bytes")],
    ids=["lines", "bytes"],
)
def test_a_reply_that_is_too_long(limits, fault):
    """What is gathered is bounded as any reply."""
    result = tcp("  - {send: x, expect: any, until: /END/}", None, (b"ab\n",) * 8, limits=limits).result
    assert f"failed: the server broke the protocol: {fault}" in shown(result)[0]


def test_a_line_too_many():
    """What a step leaves is surplus for the next one that sends."""
    result = tcp("  - {send: x, expect: any}\n  - {send: y, expect: any}", None, b"a\nb\n").result
    assert "failed: unexpected data before 'send y': b" == shown(result)[1]


@pytest.mark.parametrize("end", ["", "\n  - close: quit"])
def test_a_line_too_many_at_the_end(end):
    """What comes a moment after the last step is told, though no goodbye makes the server say all that it has."""
    result = tcp(f"  - {{send: x, expect: any}}{end}", None, (b"a\n", b"b\n"), elapses=0.2).result
    assert Outcome.FAILED is result.outcome
    assert "something came that was not owed: b" in f"{result.reason}{result.steps[-1].reason}"


def test_the_time_that_a_line_is_waited_for_at_the_end():
    """Where no goodbye is known that is half a second, and the warning says so."""
    played = converse("tcp", "  - {send: HELP}", None, greets=False)
    assert ("at the end the server did not answer a client line within 0.5 s",) == played.result.warnings


def test_a_reply_without_its_end_is_told_plainly():
    """What came is whole lines; what is missing is what ends them."""
    steps = "  - {send: HELP, expect: '*', until: /^END/, timeout: 1s}"
    result = converse("tcp", steps, b"", (b"one\r\ntwo\r\nthr", STALL), greets=False).result
    assert "one\ntwo\nthr (incomplete)\nand nothing that ends it" == result.steps[0].differences[0].actual
