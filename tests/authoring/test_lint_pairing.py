"""Replies are judged by the line that earned them, whichever step reads them; where nobody knows, nothing is said."""

from __future__ import annotations

import pytest

from runner.authoring.lint import lint
from tests.authoring.linting import inside, subject, told

HELLO = "name: x\nsteps:\n  - talk: |\n      S: 220\n      C: EHLO x.example.com\n      S: 250\n"
ENVELOPE = "      C: MAIL FROM:<>\n      C: RCPT TO:<${to}>\n      C: DATA\n"


def _talk(*lines: str) -> str:
    return HELLO + "".join(f"      {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        pytest.param("250 250 354", [], id="each as it should be"),
        pytest.param("250 250 250", ["12 impossible-reply"], id="the third is DATA's"),
        pytest.param("354 250 354", ["10 impossible-reply"], id="the first is MAIL's"),
        pytest.param("250 550 354", ["9 too-early"], id="DATA is taken though RCPT was refused"),
        pytest.param("250 550 503", [], id="DATA is refused then"),
    ],
)
def test_pipelined_commands_in_a_talk(replies: str, expected: list[str]) -> None:
    """Three lines of the client before the first reply, as a client writes them that was offered PIPELINING."""
    text = HELLO + ENVELOPE + "".join(f"      S: {reply}\n" for reply in replies.split())
    assert expected == told(text)


def test_a_pipelined_message() -> None:
    """What swaks does with --pipeline: the message follows the 354, and what comes after it has its own replies."""
    text = (
        HELLO + ENVELOPE + "      S: 250\n      S: 250\n      S: 354\n      C: Subject: x\n      C: .\n      S: 250\n"
    )
    assert [] == told(f"{text}      C: QUIT\n      S: 221\n")
    assert ["17 impossible-reply"] == told(f"{text}      C: NOOP\n      S: 220\n")


def test_place_and_words_of_a_reply_that_another_step_reads() -> None:
    """The finding stands where the reply is expected."""
    text = f"{HELLO}{ENVELOPE}      S: 250\n      S: 250\n      S: 250 ok\n"
    (found,) = lint(subject(text))
    assert (12, 10, "DATA is answered with 354, not 250") == (found.span.line, found.span.column, found.message)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(("C: RSET", "C: QUIT", "S: 250", "S: 221"), [], id="what was sent before it"),
        pytest.param(("C: QUIT", "S: 221", "S: 250"), ["9 after-goodbye"], id="nothing is owed any more"),
        pytest.param(("C: QUIT", "C: NOOP", "S: 221"), ["8 after-goodbye"], id="sent after it"),
    ],
)
def test_goodbye_in_a_pipeline(lines: tuple[str, ...], expected: list[str]) -> None:
    """Replies that are owed come before the end."""
    assert expected == told(_talk(*lines))


def test_lines_before_the_greeting() -> None:
    """A client that does not wait reads the greeting first, beside whatever line."""
    text = "name: x\nsteps:\n  - talk: |\n      C: EHLO x\n      C: MAIL FROM:<>\n      S: 220\n      S: 250\n      S: 250\n"
    assert [] == told(text)


def test_a_talk_without_its_greeting() -> None:
    """What can't be a greeting is none."""
    text = "name: x\nsteps:\n  - talk: |\n      C: NOOP\n      C: DATA\n      S: 250\n      S: 354\n"
    assert ["5 too-early"] == told(text)


def test_a_refused_login_that_is_read_later() -> None:
    """Whether a password is meant to be refused, the reply to its own line says."""
    text = "name: x\nprotocol: imap\nsteps:\n  - talk: |\n      S: OK\n      C: NOOP\n      C: LOGIN bob nonsense\n"
    steps = "  - expect: {}\n"
    assert [] == told(f"{text}      S: OK\n{steps.format('NO')}")
    assert ["7 literal-password"] == [one for one in told(f"{text}      S: OK\n{steps.format('OK')}") if "lit" in one]


PIPELINE = """
name: x
steps:
  - expect: 220
  - send: EHLO x
    expect: 250
  - pipeline:
      - send: MAIL FROM:<>
        expect: 250
      - send: RCPT TO:<${to}>
"""


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param("      - {send: DATA, expect: 250}\n  - expect: 354\n", [], id="one is read by the next line's"),
        pytest.param("      - {send: DATA, expect: 250}\n  - expect: 250\n", ["12 impossible-reply"], id="then DATA's"),
        pytest.param(
            "      - {expect: 250}\n      - {send: DATA, expect: 250}\n", ["12 impossible-reply"], id="its own"
        ),
    ],
)
def test_pipeline(steps: str, expected: list[str]) -> None:
    """All lines of a pipeline leave before its first reply is read."""
    assert expected == told(PIPELINE + steps)


BEFORE = """
name: x
steps:
  - expect: 220
  - send: EHLO x
    expect: 250
  - send: MAIL FROM:<>
    expect: 250
  - send: RCPT TO:<${to}>
"""
DATA = "  - send: DATA\n    expect: 250\n  - expect: 354\n"


@pytest.mark.parametrize(
    "between",
    [
        pytest.param("  - when: {capability: PIPELINING}\n    expect: 250\n", id="a step that may not run"),
        pytest.param(
            "  - when: {tls: true}\n    steps: [{expect: 250}]\n    else: [{wait: 1s}]\n", id="one way of two"
        ),
        pytest.param("  - retry: {every: 1s, for: 5s}\n    steps: [{expect: 250}, {send: NOOP}]\n", id="attempts"),
        pytest.param("  - bytes: 'NOOP${more}\\r\\n'\n", id="octets with a value"),
        pytest.param("  - bytes: {hex: 4e4f4f500d0a}\n", id="octets that are not read"),
        pytest.param("  - {send: HELP, replies: 2}\n  - expect: 250\n", id="many replies to a line"),
        pytest.param("  - expect: [250, silence]\n    for: 1s\n", id="maybe nothing"),
    ],
)
def test_whose_reply_it_is_nobody_knows(between: str) -> None:
    """A count that the file does not settle makes nothing certain, until the next connection."""
    assert [] == told(BEFORE + between + DATA)
    again = "  - connect:\n    expect: 220\n  - send: NOOP\n    expect: 220\n"
    assert ["impossible-reply"] == [one.split()[1] for one in told(BEFORE + between + DATA + again)]


@pytest.mark.parametrize(
    "between",
    [
        pytest.param("  - when: {tls: true}\n    steps: [{send: NOOP, expect: 250}]\n", id="steps that may not run"),
        pytest.param("  - repeat: 3\n    steps: [{send: NOOP, expect: 250}]\n", id="rounds"),
        pytest.param("  - bytes: 'NOOP\\r\\nNOOP\\r\\n'\n  - expect: 250\n  - expect: 250\n", id="lines as octets"),
        pytest.param("  - {send: HELP, replies: 1}\n  - expect: 250\n", id="a number of replies"),
        pytest.param("  - send: NOOP\n    expect: silence\n    for: 1s\n  - expect: 250\n", id="silence reads nothing"),
        pytest.param("  - send: NOOP\n    expect_line: 250-*\n  - expect: 250\n", id="a line of a reply"),
        pytest.param("  - session: b\n    send: NOOP\n", id="another session"),
    ],
)
def test_what_settles_by_itself(between: str) -> None:
    """Where every way ends with nothing owed, the next reply is the next line's own."""
    head = BEFORE.replace("steps:", "sessions: {b: {protocol: smtp}}\nsteps:", 1)
    found = told(f"{head}  - expect: 250\n{between}  - send: NOOP\n    expect: 354\n")
    assert ["impossible-reply"] == [one.split()[1] for one in found if "impossible" in one]


def test_lines_of_a_literal_earn_nothing() -> None:
    """Only the last line of an APPEND that is written by hand is answered, and the next command by its own reply."""
    text = (
        "name: x\nprotocol: imap\nsteps:\n  - expect: OK\n  - auth: PLAIN\n  - send: APPEND INBOX {9}\n    expect: +\n"
        "  - {send: 'To: x', tag: none}\n  - {send: '', tag: none, expect: NO}\n"
        "  - send: LOGIN bob nonsense\n    expect: NO\n"
    )
    assert [] == told(text)


def test_a_reply_that_a_fragment_reads(tmp_path) -> None:
    """The finding stands at the line that is sent: the fragment is another file."""
    (tmp_path / "read.yaml").write_text("fragment: {params: []}\nsteps:\n  - expect: 250\n  - expect: 250\n", "utf-8")
    text = f"{BEFORE}  - send: DATA\n  - use: read.yaml\n"
    found = lint(subject(text, inside(tmp_path)))
    assert ["10 impossible-reply"] == [f"{one.span.line} {one.rule}" for one in found]
