"""What an IMAP server owes for what was sent: tags, continuations and literals, in whatever pieces it was written."""

import pytest

from runner.protocol.imap import Imap
from tests.protocol.feeding import bytewise, cut, owed, read, write
from tests.protocol.imap_dialogue import asked, greeted, say, told

LINE = "a client line"


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"A1 NOOP\r\n", ["NOOP"], id="a command"),
        pytest.param(b"x.1 nOoP\n", ["NOOP"], id="any tag, any case, a bare LF"),
        pytest.param(b"A1 uid Fetch 1 FLAGS\r\n", ["UID FETCH"], id="under UID"),
        pytest.param(b"A1 UID\r\nA2 UID SECRET\r\n", ["UID", "UID"], id="UID and no known word"),
        pytest.param(b"A1 HUNTER2 x\r\n", [LINE], id="an unknown command, whose words are not shown"),
        pytest.param(b"NOOP\r\n", [LINE], id="no tag"),
        pytest.param(b"\r\n", [LINE], id="an empty line"),
        pytest.param(b"A1 \r\n", [LINE], id="no command"),
        pytest.param(b" NOOP\r\n+ NOOP\r\n* NOOP\r\n(x NOOP\r\n", [LINE] * 4, id="what is no tag"),
        pytest.param(b"\xff\xfe NOOP\r\n", [LINE], id="not even ASCII"),
        pytest.param(b"A1 NOOP", [], id="half a line"),
        pytest.param(b"A1 NOOP\r\nA2 CHECK\r\n", ["NOOP", "CHECK"], id="pipelined"),
        pytest.param(
            b"A1 APPEND x {9+}\r\n\r\nA2 NOOP\r\nA3 CHECK\r\n",
            ["APPEND", "CHECK"],
            id="what looks like a command in a literal",
        ),
        pytest.param(b"A1 APPEND x {4+}\r\nabcd\r\nA2 NOOP\r\n", ["APPEND", "NOOP"], id="a literal without waiting"),
        pytest.param(b"A1 LOGIN {1+}\r\na {1+}\r\nb\r\nA2 NOOP\r\n", ["LOGIN", "NOOP"], id="two of them"),
        pytest.param(b"A1 APPEND x {0+}\r\n\r\nA2 NOOP\r\n", ["APPEND", "NOOP"], id="one of no octets"),
        pytest.param(b"A1 APPEND x {4}\r\nabcd\r\nA2 NOOP\r\n", ["APPEND"], id="what follows a literal waits"),
        pytest.param(b"A1 APPEND x {4+} \r\nA2 NOOP\r\n", ["APPEND", "NOOP"], id="no literal: not at the end"),
        pytest.param(b"A1 X {" + b"9" * 21 + b"}\r\nA2 NOOP\r\n", [LINE, "NOOP"], id="a size beyond all bounds"),
        pytest.param(b"A1 IDLE\r\nDONE\r\nA2 NOOP\r\n", ["IDLE"], id="what follows IDLE waits"),
        pytest.param(b"A1 AUTHENTICATE PLAIN\r\nabc\r\n", ["AUTHENTICATE"], id="what follows AUTHENTICATE waits"),
    ],
)
def test_what_is_owed_for_what_was_sent(data, replies):
    """One reply for each command, cut anywhere."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(len(data) + 1))):
        made = greeted()
        write(made, pieces)
        assert owed(made) == replies


WAITING = [
    pytest.param(b"A1 APPEND x {7}\r\nA2 NO\r\n\r\nA2 NOOP\r\n", b"+ go\r\n", ["APPEND", "NOOP"], id="a literal"),
    pytest.param(b"A1 APPEND x {6}\r\nA2 NOOP\r\nA3 CHECK\r\n", b"A1 NO no\r\n", ["NOOP", "CHECK"], id="refused"),
    pytest.param(
        b"A1 LOGIN {1}\r\na {1}\r\nb\r\nA2 NOOP\r\n", b"+ go\r\n+ go\r\n", ["LOGIN", "NOOP"], id="two literals"
    ),
    pytest.param(
        b"A1 LOGIN {1}\r\na {1}\r\nb\r\nA2 NOOP\r\n", b"+ go\r\nA1 NO\r\n", [LINE, "NOOP"], id="the second refused"
    ),
    pytest.param(b"A1 IDLE\r\nDONE\r\nA2 NOOP\r\n", b"+ idling\r\n", ["IDLE", "NOOP"], id="IDLE"),
    pytest.param(b"A1 IDLE\r\nDONE\r\nA2 NOOP\r\n", b"A1 BAD no\r\n", [LINE, "NOOP"], id="IDLE refused"),
    pytest.param(b"A1 AUTHENTICATE X\r\nabc\r\nA2 NOOP\r\n", b"+ \r\n", ["AUTHENTICATE"], id="AUTHENTICATE"),
    pytest.param(b"A1 AUTHENTICATE X\r\nabc\r\nA2 NOOP\r\n", b"+ \r\nA1 OK\r\n", ["NOOP"], id="AUTHENTICATE done"),
    pytest.param(b"A1 AUTHENTICATE X\r\nabc\r\nA2 NOOP\r\n", b"A1 NO\r\n", [LINE, "NOOP"], id="AUTHENTICATE refused"),
    pytest.param(
        b"A1 AUTHENTICATE X\r\nabc {3}\r\nA2 NOOP\r\n", b"+ \r\nA1 NO\r\n", ["NOOP"], id="a response is no literal"
    ),
    pytest.param(b"A1 AUTHENTICATE X a\r\nA2 NOOP\r\n", b"A1 OK\r\n", ["NOOP"], id="AUTHENTICATE with a response"),
]


@pytest.mark.parametrize(("data", "answer", "replies"), WAITING)
def test_what_waited_for_a_reply(data, answer, replies):
    """It is read as the server does once the reply says how."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(1, len(data)))):
        made = greeted()
        write(made, pieces)
        read(made, answer)
        assert owed(made) == replies


@pytest.mark.parametrize(("data", "answer", "replies"), WAITING)
def test_the_same_in_step(data, answer, replies):
    """A client that waits for each reply earns the same, if the server has asked for what it sends."""
    made = greeted()
    lines = data.splitlines(keepends=True)
    made.sent(lines[0])
    for reply in answer.splitlines(keepends=True):
        read(made, reply)
        made.sent(lines.pop(1))
    made.sent(b"".join(lines[1:]))
    assert owed(made) == replies


# Tags.


def test_each_command_has_a_tag_of_its_own():
    """They are made by the machine, whether what is asked for is sent or not."""
    made = greeted()
    assert [made.lead(line) for line in (b"NOOP", b"CHECK\r\n", b"")] == [b"A1 ", b"A2 ", b"A3 "]


@pytest.mark.parametrize(
    ("lines", "answer", "line", "lead"),
    [
        pytest.param([b"APPEND x {3}"], b"", b"abc", b"", id="a literal"),
        pytest.param([b"APPEND x {3}"], b"+ go\r\n", b"abc", b"", id="a literal that was asked for"),
        pytest.param([b"APPEND x {3}"], b"A1 NO\r\n", b"NOOP", b"A2 ", id="a literal that was refused"),
        pytest.param([b"APPEND x {3+}"], b"", b"abc", b"", id="a literal without waiting"),
        pytest.param([b"APPEND x {3+}", b"abc"], b"", b"NOOP", b"A2 ", id="behind a literal"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"", b"abc", b"", id="a response, before the challenge"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"+ \r\n", b"abc", b"", id="a response"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"+ \r\n", b"*", b"", id="a cancel"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"+ \r\n", b"", b"", id="an empty response"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"+ \r\n", b"DONE", b"", id="a response of that word"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"A1 NO\r\n", b"abc", b"A2 ", id="no response"),
        pytest.param([b"AUTHENTICATE PLAIN abc"], b"", b"NOOP", b"A2 ", id="behind an initial response"),
        pytest.param([b"AUTHENTICATE PLAIN abc"], b"+ \r\n", b"abc", b"", id="a challenge behind an initial response"),
        pytest.param([b"IDLE"], b"", b"DONE", b"", id="DONE before the go-ahead"),
        pytest.param([b"IDLE"], b"+ idling\r\n", b"done\r\n", b"", id="DONE"),
        pytest.param([b"IDLE"], b"+ idling\r\n", b"NOOP", b"A2 ", id="a command while idle"),
        pytest.param([b"IDLE"], b"A1 BAD\r\n", b"DONE", b"A2 ", id="DONE without IDLE"),
        pytest.param([b"IDLE", b"DONE"], b"+ idling\r\n", b"DONE", b"A2 ", id="DONE again"),
        pytest.param([b"XTALK"], b"+ tell\r\n", b"abc", b"", id="what an unknown command asks for"),
        pytest.param([b"XTALK"], b"", b"NOOP", b"A2 ", id="behind an unknown command"),
    ],
)
def test_a_continuation_has_no_tag(lines, answer, line, lead):
    """What goes on with a command belongs to it."""
    made = greeted()
    say(made, *lines)
    read(made, answer)
    assert made.lead(line) == lead


@pytest.mark.parametrize(
    ("lines", "leads"),
    [
        pytest.param([b"IDLE", b"DONE", b"NOOP"], [b"A1 ", b"", b"A2 "], id="IDLE"),
        pytest.param([b"IDLE", b"NOOP", b"DONE"], [b"A1 ", b"A2 ", b"A3 "], id="IDLE and another command"),
        pytest.param([b"AUTHENTICATE X", b"abc", b"NOOP"], [b"A1 ", b"", b"A2 "], id="AUTHENTICATE"),
        pytest.param([b"AUTHENTICATE X abc", b"NOOP"], [b"A1 ", b"A2 "], id="AUTHENTICATE with a response"),
        pytest.param([b"LOGIN {1}", b"a {1}", b"b", b"NOOP"], [b"A1 ", b"", b"", b"A2 "], id="literals"),
        pytest.param([b"APPEND x {1+}\r\na\r\n", b"NOOP"], [b"A1 ", b"A2 "], id="a literal in one piece"),
    ],
)
def test_tags_of_lines_that_leave_together(lines, leads):
    """What goes on with a command is known before the server has asked for it."""
    made = greeted()
    found = []
    for line in lines:
        found.append(made.lead(line))
        made.sent(found[-1] + line.removesuffix(b"\r\n") + b"\r\n")
    assert found == leads


def test_half_a_line_is_gone_on_with():
    """What follows a line without an end has no tag."""
    made = greeted()
    made.sent(made.lead(b"NO") + b"NO")
    assert made.lead(b"OP") == b""
    made.sent(b"OP\r\n")
    assert owed(made) == ["NOOP"]
    say(made, b"IDLE")
    made.sent(b"DO")
    assert made.lead(b"NE") == b""


@pytest.mark.parametrize(
    ("line", "is_slip"),
    [
        ("a1 NOOP", True),
        ("A001 UID FETCH 1 FLAGS", True),
        ("NOOP", False),
        ("a1 HELLO", False),
        ("LIST status", False),
        ("1", False),
    ],
)
def test_a_tag_that_the_author_has_written(line, is_slip):
    """It is told, for the runner would add another."""
    slip = Imap.slip_in(line)
    assert (slip is not None) is is_slip
    assert slip is None or "leave it out" == slip[1]


# Lines that cannot be read.


@pytest.mark.parametrize("line", [b"", b"NOOP", b" NOOP", b"+ NOOP", b"\x00"])
def test_an_untagged_bad_answers_what_has_no_tag(line):
    """It is a reply where nobody can tell a tag (RFC 9051 section 7.1.3), with the data before it."""
    made = greeted()
    made.sent(line + b"\r\n")
    (reply,) = read(made, b"* 1 EXISTS\r\n* BAD [CLIENTBUG] no command\r\n")
    assert told(reply) == "a client line: * 1 EXISTS\nBAD [CLIENTBUG] no command"
    assert made.owed == []


def test_a_word_that_is_taken_for_a_tag():
    """A server may give it back as one."""
    made = greeted()
    made.sent(b"NOOP\r\n")
    assert [told(one) for one in read(made, b"NOOP BAD no command\r\n")] == ["a client line: BAD no command"]


# Challenges.


def test_a_challenge_and_its_response():
    """It waits for one line; the exchange is open to the final reply."""
    made = greeted()
    say(made, b"AUTHENTICATE LOGIN")
    assert (made.in_auth, made.challenge) == (True, None)
    (reply,) = read(made, b"* 1 EXISTS\r\n+ VXNlcm5hbWU6\r\n")
    assert (reply.code, reply.is_challenge, reply.lines, reply.decoded) == ("+", True, [b"VXNlcm5hbWU6"], "Username:")
    assert (made.challenge, owed(made)) == (b"VXNlcm5hbWU6", ["AUTHENTICATE"])
    say(made, b"YWxpY2U=")
    assert (made.challenge, made.in_auth) == (None, True)
    (reply,) = read(made, b"+\r\n")
    assert (made.challenge, reply.lines) == (b"", [b""])
    say(made, b"*")
    (reply,) = read(made, b"A1 BAD cancelled\r\n")
    assert (told(reply), made.in_auth) == ("AUTHENTICATE: * 1 EXISTS\nBAD cancelled", False)


def test_text_of_a_challenge_is_no_response_code():
    """It is what the mechanism reads; elsewhere `+` may have a code."""
    (reply,) = asked(greeted(), b"AUTHENTICATE X", b"+ [CAPABILITY X]\r\n")
    assert reply.enhanced == ""
    (reply,) = asked(greeted(), b"IDLE", b"+ [X] idling\r\n")
    assert (reply.enhanced, reply.is_challenge) == ("[X]", False)


# The author's word.


def test_promised_replies():
    """The author says how many; each may have any tag."""
    made = greeted()
    made.sent(b"half")
    made.owe(2, 0)
    events = read(made, b"x OK 1\r\n* BAD 2\r\n")
    assert [(event.code, event.owed.to) for event in events] == [("OK", LINE), ("BAD", LINE)]
    assert made.owed == []


def test_fewer_replies_than_commands():
    """What the author does not expect is not owed, and its tag is unknown."""
    made = greeted()
    say(made, b"CHECK")
    made.sent(b"x NOOP\r\ny NOOP\r\n")
    made.owe(1, 1)
    assert owed(made) == ["CHECK", "NOOP"]
    events = read(made, b"A1 OK\r\nx OK\r\ny OK\r\n")
    assert [told(one) for one in events[:2]] == ["CHECK: OK", "NOOP: OK"]
    assert events[2].reason == "a tag that no command waits for, none is under way (RFC 9051 section 2.2.2)"


def test_no_reply_at_all():
    """Then nothing is put off, either."""
    for line in (b"AUTHENTICATE PLAIN", b"APPEND x {3}", b"IDLE"):
        made = greeted()
        say(made, line)
        made.owe(0, 0)
        assert (made.owed, made.in_auth, made.may_say_goodbye) == ([], False, True)
        say(made, b"NOOP")
        assert owed(made) == ["NOOP"]


def test_promised_replies_to_what_was_put_off():
    """What is counted later takes their place."""
    made = greeted()
    made.sent(b"x IDLE\r\nDONE\r\ny NOOP\r\nz CHECK\r\n")
    made.owe(2, 0)
    assert owed(made) == ["IDLE", LINE]
    events = read(made, b"+ idling\r\nx OK\r\n")
    assert (len(events), owed(made)) == (2, ["NOOP"])
    assert [told(one) for one in read(made, b"y OK\r\n")] == ["NOOP: OK"]


def test_replies_that_are_struck_out():
    """When nothing is owed any more, nothing is asked for either, and the next command is the first."""
    for line, answer in ((b"AUTHENTICATE X", b"+ \r\n"), (b"IDLE", b""), (b"APPEND x {3}", b"")):
        made = greeted()
        say(made, line)
        read(made, answer)
        made.owed.clear()
        assert "nothing asked for" in read(made, b"+ x\r\n")[0].reason
        made = greeted()
        say(made, line)
        made.owed.clear()
        assert read(made, b"* 1 EXISTS\r\n") == []
        say(made, b"NOOP")
        (event,) = read(made, b"A2 OK\r\n")
        assert told(event) == "NOOP: * 1 EXISTS\nOK"


# What the protocol says of itself.


def test_how_a_client_writes():
    """AUTHENTICATE, literals, the goodbye."""
    made = greeted()
    assert made.auth_head("PLAIN") == b"AUTHENTICATE PLAIN"
    assert made.literal_mark(3, is_sync=True) == b"{3}"
    assert made.literal_mark(3, is_sync=False) == b"{3+}"
    assert made.response(b"", is_initial=True) == b"="
    assert made.response(b"", is_initial=False) == b""


@pytest.mark.parametrize(
    ("line", "password"),
    [
        ("LOGIN alice secret", "secret"),
        ("login  al.ice  sec ret", "sec ret"),
        ('LOGIN "al \\" ice" "se cret"', '"se cret"'),
        ("a1 LOGIN alice secret", "secret"),
        ("LOGIN LOGIN secret", "secret"),
        ("LOGIN alice", None),
        ("SELECT alice secret", None),
    ],
)
def test_where_the_password_stands(line, password):
    """It is the second argument of LOGIN."""
    found = Imap.password_at.match(line)
    assert (found[1] if found else None) == password


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("[ALERT]", True),
        ("[APPENDUID 1 2]", True),
        ("[BADURL imap://[::1]", True),
        ("[]", False),
        ("[ x]", False),
        ("[ALERT", False),
        ("[A\ufffc]", False),
        ("ALERT", False),
    ],
)
def test_how_a_status_is_written(text, matches):
    """A name in brackets, and no placeholder in it."""
    assert (Imap.status_grammar.fullmatch(text) is not None) is matches


@pytest.mark.parametrize(("text", "code"), [("OK done", "OK"), ("preauth", "preauth"), ("+ x", "+"), ("250 x", None)])
def test_how_a_code_is_written(text, code):
    """One of six, in any case."""
    found = Imap.code_grammar.match(text)
    assert (found[0] if found else None) == code


@pytest.mark.parametrize(
    ("code", "is_refusal"), [("OK", False), ("NO", True), ("BAD", True), ("BYE", True), ("+", False)]
)
def test_what_says_no(code, is_refusal):
    """NO, BAD, and a server that leaves."""
    reply = read(greeted(), b"* BYE x\r\n")[0]
    reply.code = code
    assert Imap.is_refusal(reply) is is_refusal
