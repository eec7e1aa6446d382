"""The order of a conversation: what is impossible is found, and only where it is certain."""

from __future__ import annotations

import pytest

from runner.authoring.lint import lint
from tests.authoring.linting import subject, told, told_in_steps


def _steps(*lines: str) -> str:
    """Return steps: `COMMAND -> REPLY` is a send, `<- REPLY` an expect, everything else stands as it is."""
    found = []
    for line in lines:
        if " -> " in line:
            command, reply = line.split(" -> ")
            found.append(f"- send: {command}\n  expect: {reply}\n")
        else:
            found.append(f"- expect: {line[3:]}\n" if line.startswith("<- ") else f"{line}\n")
    return "".join(found)


def _rules(steps: str, head: str = "name: x\n") -> list[str]:
    return [one.split(" ")[1] for one in told_in_steps(steps, head)]


HELLO = ("<- 220", "EHLO x.example.com -> 250")
MAIL = ("MAIL FROM:<> -> 250", "RCPT TO:<${to}> -> 250")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(("<- 220", "MAIL FROM:<> -> 250"), ["too-early"], id="MAIL before EHLO"),
        pytest.param(("<- 220", "mail from:<> -> 250"), ["too-early"], id="whatever the case"),
        pytest.param((*HELLO, "RCPT TO:<a@example.com> -> 250"), ["too-early"], id="RCPT before MAIL"),
        pytest.param((*HELLO, "MAIL FROM:<> -> 250", "DATA -> 354"), ["too-early"], id="DATA before RCPT"),
        pytest.param((*HELLO, *MAIL, "RSET -> 250", "DATA -> 354"), ["too-early"], id="DATA after RSET"),
        pytest.param((*HELLO, *MAIL, "EHLO y -> 250", "DATA -> 354"), ["too-early"], id="EHLO begins anew"),
        pytest.param((*HELLO, *MAIL, "- data: x\n  expect: 250"), ["too-early"], id="a message before DATA"),
        pytest.param(
            (*HELLO, *MAIL, "DATA -> 354", "- data: x\n  expect: 250", "RCPT TO:<${to}> -> 250"),
            ["too-early"],
            id="a transaction ends",
        ),
        pytest.param((*HELLO, "MAIL FROM:<> -> 503", "RCPT TO:<${to}> -> 250"), ["too-early"], id="MAIL was refused"),
        pytest.param(("<- 220", "MAIL FROM:<> -> 503"), [], id="a refusal is the test"),
        pytest.param(("<- 220", "MAIL FROM:<> -> [250, 503]"), [], id="either is fine"),
        pytest.param(("<- 220", "HELO x -> 250", *MAIL, "DATA -> 354"), [], id="HELO will do"),
        pytest.param((*HELLO, "MAIL FROM:<> -> [250, 530]", "RCPT TO:<${to}> -> 250"), [], id="MAIL may be taken"),
        pytest.param((*HELLO, "${line} -> 250", "RCPT TO:<${to}> -> 250"), [], id="a line that nobody knows"),
        pytest.param((*HELLO, r"- bytes: 'MAIL FROM:<>\r\n'", "RCPT TO:<${to}> -> 250"), [], id="bytes"),
        pytest.param((*HELLO, "- send: MAIL FROM:<>", "- send: RCPT TO:<${to}>", "<- 250", "<- 250"), [], id="late"),
        pytest.param((*HELLO, *MAIL, "DATA -> 354", "RCPT TO:<x> -> silence\n  for: 1s"), [], id="in a message"),
        pytest.param((*HELLO, *MAIL, "DATA -> 354", "- send: MAIL", "'.' -> 250", "NOOP -> 250"), [], id="its dot"),
    ],
)
def test_order_of_smtp(lines: tuple[str, ...], expected: list[str]) -> None:
    """RFC 5321 section 4.1.4: EHLO, MAIL, RCPT, DATA."""
    assert expected == _rules(_steps(*lines))


def test_lmtp_has_its_own_hello() -> None:
    """RFC 2033 section 4.1: LHLO in place of EHLO."""
    head = "name: x\nprotocol: lmtp\n"
    assert ["too-early"] == _rules(_steps("<- 220", "EHLO x -> 500", "MAIL FROM:<> -> 250"), head)
    assert [] == _rules(_steps("<- 220", "LHLO x -> 250", "MAIL FROM:<> -> 250"), head)


@pytest.mark.parametrize(
    ("protocol", "lines", "expected"),
    [
        pytest.param("imap", ("<- OK", "SELECT INBOX -> OK"), ["too-early"], id="SELECT before LOGIN"),
        pytest.param("imap", ("<- OK", "login ${u} ${p} -> OK", "FETCH 1 BODY -> OK"), ["too-early"], id="FETCH"),
        pytest.param("imap", ("<- [OK, PREAUTH]", "SELECT INBOX -> OK"), [], id="logged in from the start"),
        pytest.param("imap", ("<- OK", "SELECT INBOX -> BAD"), [], id="a refusal is the test"),
        pytest.param("imap", ("<- OK", "- auth: PLAIN", "SELECT a -> OK", "UID FETCH 1 BODY -> OK"), [], id="in order"),
        pytest.param("pop3", ("<- +OK", "STAT -> +OK"), ["too-early"], id="STAT before PASS"),
        pytest.param("pop3", ("<- +OK", "USER ${u} -> +OK", "PASS ${p} -> +OK", "STAT -> +OK"), [], id="POP3 in order"),
        pytest.param("pop3", ("<- +OK", "APOP ${u} ${p} -> +OK", "RETR 1 -> +OK"), [], id="APOP"),
        pytest.param("pop3", ("<- +OK", "CAPA -> +OK"), [], id="CAPA at any time"),
        pytest.param("sieve", ("<- OK", "LISTSCRIPTS -> OK"), ["too-early"], id="LISTSCRIPTS"),
        pytest.param("sieve", ("<- OK", "- auth: PLAIN", "LISTSCRIPTS -> OK"), [], id="Sieve in order"),
    ],
)
def test_order_of_mailboxes(protocol: str, lines: tuple[str, ...], expected: list[str]) -> None:
    """Login first, and in IMAP a mailbox that is open."""
    assert expected == _rules(_steps(*lines), f"name: x\nprotocol: {protocol}\n")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param((*HELLO, "- starttls:", "MAIL FROM:<> -> 250"), ["no-hello-after-starttls"], id="MAIL"),
        pytest.param((*HELLO, "- starttls:", "- auth: PLAIN"), ["no-hello-after-starttls"], id="AUTH"),
        pytest.param((*HELLO, "STARTTLS -> 220", "- tls:", "- auth: PLAIN"), ["no-hello-after-starttls"], id="by hand"),
        pytest.param((*HELLO, "- starttls:", "MAIL FROM:<> -> 503"), [], id="a refusal is the test"),
        pytest.param((*HELLO, "- starttls:\n  expect: 454", "MAIL FROM:<> -> 250"), [], id="no handshake"),
        pytest.param((*HELLO, "- starttls:\n  expect: [220, 454]", "MAIL FROM:<> -> 250"), [], id="perhaps none"),
        pytest.param((*HELLO, "- starttls:", "EHLO x -> 250", "MAIL FROM:<> -> 250"), [], id="EHLO"),
        pytest.param(
            (*HELLO, "- when: {tls: false}\n  starttls:", "MAIL FROM:<> -> 250"), [], id="perhaps a handshake"
        ),
    ],
)
def test_hello_after_starttls(lines: tuple[str, ...], expected: list[str]) -> None:
    """RFC 3207 section 4.2: the client should send EHLO after the handshake."""
    assert expected == _rules(_steps(*lines))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param((*HELLO, "QUIT -> 221", "NOOP -> 250"), ["after-goodbye"], id="a command"),
        pytest.param((*HELLO, "QUIT -> 221", "<- 250"), ["after-goodbye"], id="a reply"),
        pytest.param((*HELLO, "- close: quit", "NOOP -> 250"), ["after-goodbye"], id="close"),
        pytest.param((*HELLO, "<- close", "NOOP -> 250"), ["after-goodbye"], id="the server closed"),
        pytest.param((*HELLO, "- send: QUIT", "<- 221", "<- 250"), ["after-goodbye"], id="reply read later"),
        pytest.param((*HELLO, "QUIT -> 221", "<- close"), [], id="the end"),
        pytest.param((*HELLO, "QUIT -> [221, close]"), [], id="either"),
        pytest.param((*HELLO, "- send: QUIT", "<- 221"), [], id="its reply"),
        pytest.param((*HELLO, "QUIT -> 221", "- connect:\n  expect: 220"), [], id="another connection"),
        pytest.param((*HELLO, "QUIT -> 221", "- close: fin"), [], id="our end"),
        pytest.param((*HELLO, "NOOP -> [250, 421]", "NOOP -> 250"), [], id="perhaps the end"),
        pytest.param((*HELLO, "- when: {reply: 5xx}\n  send: QUIT\n  expect: 221", "NOOP -> 250"), [], id="perhaps"),
    ],
)
def test_after_goodbye(lines: tuple[str, ...], expected: list[str]) -> None:
    """After QUIT the server closes, and nothing can be asked of it."""
    assert expected == _rules(_steps(*lines))


def test_imap_says_goodbye_with_logout() -> None:
    """After LOGOUT nothing is answered."""
    steps = _steps("<- OK", "LOGOUT -> OK", "NOOP -> OK")
    assert ["after-goodbye"] == _rules(steps, "name: x\nprotocol: imap\n")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param((*HELLO, "- auth: PLAIN", "- starttls:"), ["password-in-clear"], id="before STARTTLS"),
        pytest.param(
            (*HELLO, "- when: {tls: false}\n  auth: PLAIN"), ["password-in-clear"], id="where there is no TLS"
        ),
        pytest.param(
            ("<- 220", "EHLO x -> 250\n  capabilities: [STARTTLS]", r"AUTH PLAIN \0${u}\0${p} -> 235"),
            ["password-in-clear"],
            id="STARTTLS is offered",
        ),
        pytest.param(
            (
                *HELLO,
                "- when: {tls: false}\n  steps:\n    - send: AUTH LOGIN\n      expect: 334",
                "    - send: ${u}\n      expect: 334\n    - send: ${p}\n      expect: 235",
            ),
            ["password-in-clear"],
            id="the password of LOGIN",
        ),
        pytest.param((*HELLO, "- auth: PLAIN"), [], id="the target may have TLS"),
        pytest.param((*HELLO, "- auth: CRAM-MD5", "- starttls:"), [], id="a digest"),
        pytest.param((*HELLO, "- auth: PLAIN\n  expect: 538", "- starttls:"), [], id="a refusal is the test"),
        pytest.param((*HELLO, "- when: {tls: true}\n  auth: PLAIN"), [], id="where there is TLS"),
        pytest.param((*HELLO, "- starttls:", "EHLO x -> 250", "- auth: PLAIN"), [], id="after the handshake"),
    ],
)
def test_password_in_clear(lines: tuple[str, ...], expected: list[str]) -> None:
    """Told only where the file itself says that there is no TLS."""
    assert expected == _rules(_steps(*lines))


def test_password_of_pop3_in_clear() -> None:
    """PASS before STLS."""
    steps = _steps("<- +OK", "USER ${u} -> +OK", "PASS ${p} -> +OK", "- starttls:")
    assert ["password-in-clear"] == _rules(steps, "name: x\nprotocol: pop3\n")


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(
            "- repeat: 2\n  steps:\n    - send: QUIT\n      expect: 221\n", ["after-goodbye"], id="second round"
        ),
        pytest.param("- repeat: 1\n  steps:\n    - send: QUIT\n      expect: 221\n", [], id="one round"),
        pytest.param(
            "- repeat: 2\n  steps:\n    - connect:\n      expect: 220\n    - send: QUIT\n      expect: 221\n",
            [],
            id="each on its connection",
        ),
        pytest.param(
            "- repeat: 3\n  keep_going: true\n  steps:\n    - send: VRFY x\n      expect: 252\n"
            "    - send: MAIL FROM:<>\n      expect: 250\n",
            [],
            id="a round that may break off",
        ),
        pytest.param(
            "- retry: {every: 1s, for: 9s}\n  steps:\n    - connect:\n      expect: 220\n"
            "    - send: MAIL FROM:<>\n      expect: 250\n",
            ["too-early"],
            id="in an attempt",
        ),
    ],
)
def test_loops(steps: str, expected: list[str]) -> None:
    """What is certain in the first round or the next is told once."""
    assert expected == sorted(set(_rules(_steps(*HELLO) + steps)))


def test_both_sides_of_a_condition() -> None:
    """What both sides do is certain behind them, what one does is not."""
    both = (
        "- when: {capability: SIZE}\n  steps:\n    - send: MAIL FROM:<> SIZE=1\n      expect: 250\n"
        "  else:\n    - send: MAIL FROM:<>\n      expect: 250\n"
    )
    one = both.partition("  else:")[0]
    rcpt, data = _steps("RCPT TO:<${to}> -> 250"), _steps("DATA -> 354")
    assert [] == _rules(_steps(*HELLO) + both + rcpt)
    assert [] == _rules(_steps(*HELLO) + one + rcpt)
    assert ["too-early"] == _rules(_steps(*HELLO) + both + data)


def test_a_pipeline_is_in_order() -> None:
    """Its commands come one after the other."""
    right = "- pipeline:\n    - send: MAIL FROM:<>\n      expect: 250\n    - send: RCPT TO:<${to}>\n      expect: 250\n"
    wrong = "- pipeline:\n    - send: RCPT TO:<${to}>\n      expect: 250\n    - send: MAIL FROM:<>\n      expect: 250\n"
    assert [[], ["too-early"]] == [_rules(_steps(*HELLO) + steps) for steps in (right, wrong)]


def test_sessions_are_apart() -> None:
    """What one session says is not said in another."""
    text = (
        "name: x\nsessions: {b: {protocol: smtp}}\nsteps:\n  - expect: 220\n  - send: EHLO x\n    expect: 250\n"
        "  - session: b\n    expect: 220\n  - session: b\n    send: MAIL FROM:<>\n    expect: 250\n"
    )
    assert ["10 too-early"] == told(text)


def test_connections_that_are_called_by_number_are_left_alone() -> None:
    """Which of them a step is for the file does not say."""
    text = (
        "name: x\nsessions: {c: {protocol: smtp, count: 3}}\nsteps:\n  - session: c\n    expect: 220\n"
        "  - session: 'c[1]'\n    send: MAIL FROM:<>\n    expect: 250\n"
    )
    assert [] == told(text)


def test_a_session_that_nobody_knows_is_left_alone() -> None:
    """Without its target nobody knows what it speaks."""
    text = "name: x\nsessions: {b: other}\nsteps:\n  - session: b\n    send: MAIL FROM:<>\n    expect: 250\n"
    assert [] == lint(subject(text))


def test_a_fragment_may_come_after_anything() -> None:
    """Alone, nothing is known of what came before it."""
    assert [] == told("fragment: {params: []}\nsteps:\n  - send: DATA\n    expect: 354\n")


def test_cleanup_has_connections_of_its_own() -> None:
    """After the goodbye of the steps it begins anew."""
    text = "name: x\nsteps:\n  - expect: 220\n  - send: QUIT\n    expect: 221\ncleanup:\n"
    assert [] == told(f"{text}  - expect: 220\n  - send: NOOP\n    expect: 250\n")
    assert ["8 too-early"] == told(f"{text}  - expect: 220\n  - send: MAIL FROM:<>\n    expect: 250\n")
