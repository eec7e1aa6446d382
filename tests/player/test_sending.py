"""Lines and messages: what goes out for `send`, `data`, `wait` and `close`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import EOF, RESET
from playing import shown

from runner.errors import SourceFile, Span
from runner.language.template import Template, Value
from runner.player.filling import Scope, fill_message
from runner.results import Outcome
from runner.wire import Close

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
SPAN = Span(SourceFile("test.yaml", ""), 1, 1)


def test_a_whole_conversation(run):
    """Greeting, EHLO, MAIL, RCPT, DATA, message and QUIT: every byte as written, every step passed."""
    played = run(
        """
  - expect: 220
  - {send: 'EHLO ${client.name}', expect: 250}
  - {send: 'MAIL FROM:<${sender}>', expect: 250}
  - {send: 'RCPT TO:<b@example.org>', expect: 250}
  - {send: DATA, expect: 354}
  - data: |
      Subject: ${unique}

      .hidden
      text
    expect: 250
  - {send: QUIT, expect: [221, close]}""",
        HELLO,
        b"250 mx\r\n",
        OK,
        OK,
        b"354 go\r\n",
        OK,
        (b"221 bye\r\n", EOF),
        variables={"sender": "a@example.com"},
    )
    assert ["passed"] * 7 == shown(played.result)
    assert Outcome.PASSED is played.result.outcome
    assert (
        played.sent[0] == b"EHLO client.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n"
        b"Subject: t0123456789\r\n\r\n..hidden\r\ntext\r\n.\r\nQUIT\r\n"
    )


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        pytest.param("", b"NOOP\r\n", id="crlf"),
        pytest.param(", eol: lf", b"NOOP\n", id="lf"),
        pytest.param(", eol: cr", b"NOOP\r", id="cr"),
        pytest.param(", eol: none", b"NOOP", id="none"),
        pytest.param(", encode: base64", b"Tk9PUA==\r\n", id="base64"),
    ],
)
def test_line_ends_and_encoding(run, keys, sent):
    """A line ends as `eol` says, and `encode: base64` encodes it anywhere."""
    played = run(f"  - expect: 220\n  - {{send: NOOP{keys}}}\n  - close: reset", HELLO)
    assert sent == played.sent[0]


def test_the_empty_line(run):
    """`send: ''` is the empty line."""
    assert run("  - expect: 220\n  - {send: '', expect: 500}", HELLO, b"500 what\r\n").sent[0] == b"\r\nQUIT\r\n"


def test_replies_by_the_authors_word(run):
    """`replies: 2` makes two replies owed to one write, in a pipeline too."""
    two = (OK + OK,)
    steps = "  - expect: 220\n  - {send: X, replies: 2, expect: 250}\n  - expect: 250"
    assert Outcome.PASSED is run(steps, HELLO, *two).result.outcome
    steps = "  - expect: 220\n  - pipeline:\n      - {send: X, replies: 2, expect: 250}\n      - expect: 250"
    assert Outcome.PASSED is run(steps, HELLO, *two).result.outcome


def test_no_reply_by_the_authors_word(run):
    """`replies: 0` makes none owed, so nothing is missing at the end."""
    assert Outcome.PASSED is run("  - expect: 220\n  - {send: X, replies: 0}", HELLO).result.outcome


@pytest.mark.parametrize(("char", "name"), [("\r", "CR"), ("\n", "LF"), ("\0", "NUL")], ids=["CR", "LF", "NUL"])
@pytest.mark.parametrize("where", ["send: 'MAIL FROM:<${x}>'", "data: 'a${x}b'"], ids=["send", "data"])
def test_a_value_that_breaks_a_line(run, char, name, where):
    """CR, LF and NUL in a value are refused where it goes into a line, and nothing is sent."""
    steps = f"  - expect: 220\n  - {{send: DATA, expect: 354}}\n  - {{{where}}}"
    played = run(steps, HELLO, b"354 go\r\n", variables={"x": f"a{char}b"})
    assert f"error: the value of 'x' holds a {name}, which can't be in a line" == shown(played.result)[2]
    assert played.sent[0] == b"DATA\r\n"


def test_a_captured_value_is_data(run):
    """A capture goes out as it came: no placeholder in it is filled."""
    steps = "  - {expect: 220, capture: {x: text}}\n  - {send: 'NOOP ${x}', expect: 250}"
    assert run(steps, b"220 ${y}\r\n", OK).sent[0] == b"NOOP ${y}\r\nQUIT\r\n"


def test_no_message_without_354(run):
    """A message is not written where DATA was answered otherwise."""
    steps = "  - expect: 220\n  - {send: DATA, expect: any}\n  - {data: hello, expect: 250}"
    played = run(steps, HELLO, b"503 5.5.1 no\r\n")
    assert (
        "failed: no message was written: no 354 was read before it; 'send: DATA' with 'expect: 354' goes before"
        == shown(played.result)[2]
    )
    assert played.sent[0] == b"DATA\r\nQUIT\r\n"


@pytest.mark.parametrize("turn", [b"354 go\r\n", None], ids=["354 is there", "354 is not there"])
def test_no_message_after_a_354_that_nobody_read(run, turn):
    """Whether a 354 that no step expects has come yet makes no difference: no message is written."""
    steps = "  - expect: 220\n  - send: DATA\n  - wait: 1s\n  - {data: hello, expect: 250}"
    played = run(steps, HELLO, turn)
    assert shown(played.result)[3].startswith("failed: no message was written: no 354 was read")
    assert played.sent[0] == b"DATA\r\n"


def test_an_open_message_is_never_ended(run):
    """A case that ends after 354 drops the connection: no dot, no QUIT."""
    played = run("  - expect: 220\n  - {send: DATA, expect: 354}", HELLO, b"354 go\r\n")
    assert played.sent[0] == b"DATA\r\n"
    assert Close(0) == played.actions[-2]


def test_an_early_reply_counts_as_the_messages(run):
    """A final reply that comes before the message is written is its reply."""
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - wait: 1s\n  - {data: hello, expect: 552}"
    played = run(steps, HELLO, (b"354 go\r\n", b"552 too big\r\n"))
    assert Outcome.PASSED is played.result.outcome


def test_an_early_reply_and_the_end(run):
    """A server that refuses early and hangs up is judged by its words, whether or not the message could be written."""
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - wait: 1s\n  - {data: hello, expect: 552}"
    played = run(steps, HELLO, (b"354 go\r\n", b"552 too big\r\n", EOF))
    assert Outcome.PASSED is played.result.outcome


@given(
    body=st.text(alphabet=".\r\na\u00e9 ", max_size=40),
    value=st.text(alphabet=".a", max_size=3),
    place=st.integers(0, 40),
)
@settings(max_examples=300)
def test_a_message_on_the_wire(body, value, place):
    """Any message has CRLF only, CRLF.CRLF once at its end, and un-stuffing gives the normalised text back."""
    placeholder = _placeholder("x")
    template = Template((body[:place], placeholder, body[place:]), SPAN)
    scope = Scope({"x": Value(value)}, frozenset(), lambda name, form: None)
    wire = b"\r\n" + fill_message(template, scope).data
    assert wire.count(b"\r\n.\r\n") == 1
    assert wire.endswith(b"\r\n.\r\n")
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    lines = wire[2:].removesuffix(b".\r\n").split(b"\r\n")
    unstuffed = b"\n".join(line.removeprefix(b".") for line in lines)
    wanted = (_lf(body[:place]) + value + _lf(body[place:])).encode()
    assert unstuffed.removesuffix(b"\n") == wanted.removesuffix(b"\n")


def _placeholder(name):
    from runner.language.template import Placeholder

    return Placeholder(name, None, (), SPAN)


def _lf(text):
    return text.replace("\r\n", "\n").replace("\r", "\n")


# Waiting and closing.


def test_waiting_extends_the_deadline(run):
    """What `wait` asks for is added to the case's deadline, and the step may last so long."""
    steps = "  - expect: 220\n  - wait: 15m\n  - {send: NOOP, expect: 250}"
    played = run(steps, HELLO, OK)
    assert Outcome.PASSED is played.result.outcome
    assert 900 <= played.result.elapsed < 901


@pytest.mark.parametrize(
    ("how", "sent", "last"),
    [("quit", b"QUIT\r\n", "fin"), ("fin", b"", "fin"), ("reset", b"", "reset")],
    ids=["quit", "fin", "reset"],
)
def test_close(run, how, sent, last):
    """`close` says goodbye, ends in order, or resets."""
    played = run(f"  - expect: 220\n  - close: {how}", HELLO)
    assert Outcome.PASSED is played.result.outcome
    assert sent == played.sent.get(0, b"")
    assert [Close(0, last)] == [action for action in played.actions if isinstance(action, Close)]


def test_close_quit_with_an_expect(run):
    """The `expect` of `close: quit` judges the goodbye's answer."""
    played = run("  - expect: 220\n  - {close: quit, expect: 221}", HELLO, b"500 what\r\n")
    assert "failed: expected 221, got 500 what" == shown(played.result)[1]


def test_close_quit_expected_of_a_closed_connection(run):
    """An `expect` beside `close: quit` is judged also where the server has hung up already."""
    played = run("  - expect: 220\n  - wait: 1s\n  - {close: quit, expect: 221}", (HELLO, EOF))
    assert "failed: the server closed the connection where a reply was due" == shown(played.result)[2]


def test_close_quit_reads_what_comes(run):
    """`close: quit` reads what is owed before its own answer; what was not owed fails it."""
    steps = "  - expect: 220\n  - send: NOOP\n  - close: quit"
    assert Outcome.PASSED is run(steps, HELLO, None, (OK, b"221 bye\r\n", EOF)).result.outcome
    played = run("  - expect: 220\n  - close: quit", HELLO, (b"221 bye\r\n", b"250 more\r\n"))
    assert "failed: something came that was not owed: 250 more" == shown(played.result)[1]


def test_a_refusal_that_no_step_reads_is_told(run):
    """A refusal that `close: quit` reads and nobody judges fails the step; that of the goodbye is a warning."""
    steps = "  - expect: 220\n  - send: NOOP\n  - close: quit"
    result = run(steps, HELLO, (b"550 no\r\n", b"221 bye\r\n", EOF)).result
    assert "failed: no step read the reply to NOOP: 550 no" == shown(result)[2]
    result = run("  - expect: 220", HELLO, (b"502 what\r\n", EOF)).result
    assert ("passed", ("no step read the reply to QUIT: 502 what",)) == (result.outcome.value, result.warnings)


def test_close_quit_is_not_part_of_a_message(run):
    """Inside a message the goodbye would be text, so it is not sent."""
    steps = "  - expect: 220\n  - {send: DATA, expect: 354}\n  - close: quit"
    played = run(steps, HELLO, b"354 go\r\n")
    assert "error: the goodbye was not sent: the server would read it as part of a message" == shown(played.result)[2]
    assert played.sent[0] == b"DATA\r\n"


def test_a_goodbye_that_nobody_answers(run):
    """A server that does not answer the goodbye costs two seconds and a warning."""

    def server():
        yield HELLO
        yield None

    played = run("  - expect: 220", server)
    assert Outcome.PASSED is played.result.outcome
    assert ("at the end the server did not answer QUIT within 2 s",) == played.result.warnings
    assert played.now < 1003


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        (
            "  - {send: NOOP, expect: 250}",
            "nothing can be sent: an earlier step closed the connection; 'connect' opens another",
        ),
        ("  - expect: close", "nothing can be read: an earlier step closed the connection; 'connect' opens another"),
    ],
    ids=["send", "expect"],
)
def test_after_close(run, steps, reason):
    """After `close` a session can't go on; its own end is not the server's."""
    played = run(f"  - expect: 220\n  - close: fin\n{steps}", HELLO)
    assert f"error: {reason}" == shown(played.result)[2]


@pytest.mark.parametrize("end", [EOF, RESET], ids=["eof", "reset"])
def test_sending_to_a_server_that_hung_up(run, end):
    """A line can't be sent over a connection that ended; one that expects the end has met it."""
    played = run("  - expect: 220\n  - wait: 1s\n  - {send: NOOP, expect: 250}", (HELLO, end))
    how = "the server has closed the connection" if end is EOF else "connection reset"
    assert f"failed: nothing can be sent: {how}" == shown(played.result)[2]
    played = run("  - expect: 220\n  - wait: 1s\n  - {send: NOOP, expect: [250, close]}", (HELLO, end))
    assert Outcome.PASSED is played.result.outcome
