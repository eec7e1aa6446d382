"""ManageSieve: the replies of RFC 5804 and of the servers in the field, in whatever pieces, and what is none."""

import re
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.protocol import Limits, Malformed, Reply
from runner.protocol.sieve import Sieve
from runner.protocol.sieve_reply import SieveReply, read_items, response_code_size
from tests.protocol.feeding import LIMITS, bytewise, cut, owed, read, reply_to, write

NO_CODE = "not a reply: OK, NO or BYE is due, or a line that begins with a string (RFC 5804 section 4)"
NO_BLANK = "not a reply: a blank is due after OK, NO or BYE (RFC 5804 section 4)"
NO_STRINGS = "not a reply: a line that begins with a string has only strings and atoms in it (RFC 5804 section 4)"
NO_SIZE = "a literal whose size is no number of octets (RFC 5804 section 4)"
TOO_LARGE = "a literal of more than 67108864 octets (limit 'literal')"
BARE_LF = "a line that ends with a bare LF (RFC 5804 section 1.1)"
BARE_CR = "a bare CR inside a line (RFC 5804 section 1.1)"
SMALL = Limits(line=64, reply=120, lines=6, literal=300)

CHALLENGE = (
    b"cmVhbG09ImVsd29vZC5pbm5vc29mdC5leGFtcGxlLmNvbSIsbm9uY2U9Ik9BNk1HOXRFUUdtMmhoIixxb3A9ImF1dGgiLGFsZ29yaXRobT1t"
    b"ZDUtc2VzcyxjaGFyc2V0PXV0Zi04"
)
LAST = b"cnNwYXV0aD1lYTQwZjYwMzM1YzQyN2I1NTI3Yjg0ZGJhYmNkZmZmZA=="
GREETING = (
    b'"IMPLEMENTATION" "Example1 ManageSieved v001"\r\n"SASL" "DIGEST-MD5 GSSAPI"\r\n"SIEVE" "fileinto vacation"\r\n'
    b'"STARTTLS"\r\n"VERSION" "1.0"\r\nOK\r\n'
)
PIGEONHOLE = (
    b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n'
    b'"SIEVE" "fileinto reject envelope encoded-character vacation subaddress comparator-i;ascii-numeric"\r\n'
    b'"NOTIFY" "mailto"\r\n"SASL" "PLAIN LOGIN"\r\n"STARTTLS"\r\n"VERSION" "1.0"\r\nOK "Dovecot ready."\r\n'
)
CYRUS = (
    b'"IMPLEMENTATION" "Cyrus timsieved v3.6.1-Debian-3.6.1-4"\r\n"SASL" "PLAIN"\r\n'
    b'"SIEVE" "comparator-i;ascii-numeric fileinto reject vacation"\r\n"STARTTLS"\r\n"UNAUTHENTICATE"\r\nOK\r\n'
)
SCRIPT = b'#this is my wonderful script\r\nreject "I reject all";\r\n'
LISTING = b'"summer_script"\r\n"vacation_script"\r\n{13}\r\nclever"script\r\n"main_script" ACTIVE\r\nOK\r\n'

# One side's lines each: what was sent, and what came. Every command is answered.
TALKS = {
    "RFC 5804 section 2.1, a challenge and the last one in the response code": [
        (b"", GREETING),
        (b'Authenticate "DIGEST-MD5"\r\n', b'"%b"\r\n' % CHALLENGE),
        (b'"Y2hhcnNldD11dGYtOCx1c2VybmFtZT0iY2hyaXMi"\r\n', b'OK (SASL "%b")\r\n' % LAST),
    ],
    "RFC 5804 section 2.1, with literals": [
        (b"", GREETING),
        (b'Authenticate "DIGEST-MD5"\r\n', b"{%d}\r\n%b\r\n" % (len(CHALLENGE), CHALLENGE)),
        (b"{300+}\r\n" + b"Y" * 300 + b"\r\n", b"{56}\r\n%b\r\n" % LAST),
        (b'""\r\n', b"OK\r\n"),
    ],
    "RFC 5804 section 2.1, refused and thrown out": [
        (b"", b'"IMPLEMENTATION" "Example1 ManageSieved v001"\r\n"SASL" "PLAIN"\r\nOK\r\n'),
        (b'Authenticate "PLAIN" "QJIrweAPyo6Q1T9xu"\r\n', b"NO\r\n"),
        (b'Authenticate "PLAIN" "QJIrweAPyo6Q1T9xy"\r\n', b'BYE "Too many failed authentication attempts"\r\n'),
    ],
    "RFC 5804 section 2.1, an initial response and an empty literal": [
        (b"", GREETING),
        (b'AUTHENTICATE "GSSAPI" {1488+}\r\n' + b"Y" * 1488 + b"\r\n", b"{208}\r\n" + b"Y" * 208 + b"\r\n"),
        (b"{0+}\r\n\r\n", b"{44}\r\nBQQF/wAMAAwAAAAAYRGFAo6W0vIHti8i1UXODgEAEAA=\r\n"),
        (b"{44+}\r\nBQQE/wAMAAwAAAAAIsT1iv9UkZApw471iXt6cwEAAAE=\r\n", b"OK\r\n"),
    ],
    "RFC 5804 sections 2.3 to 2.8": [
        (b"", GREETING),
        (b"CAPABILITY\r\n", GREETING),
        (b'HAVESPACE "myscript" 999999\r\n', b'NO (QUOTA/MAXSIZE) "Quota exceeded"\r\n'),
        (b'Putscript "foo" {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\n', b'NO "line 2: Syntax error"\r\n'),
        (b'Putscript "f" {3+}\r\nx;\n\r\n', b'OK (WARNINGS) "line 8: server redirect action limit is 2"\r\n'),
        (b"Listscripts\r\n", LISTING),
        (b"listscripts\r\n", b'"summer_script"\r\n"main_script" active\r\nOK\r\n'),
        (b'Setactive "baz"\r\n', b'No (NONEXISTENT) "There is no script by that name"\r\n'),
        (b'Setactive "baz"\r\n', b"No (NONEXISTENT) {31}\r\nThere is no script by that name\r\n"),
        (b"Logout\r\n", b"Ok\r\n"),
    ],
    "RFC 5804 sections 2.9 to 2.14": [
        (b"", GREETING),
        (b'Getscript "myscript"\r\n', b"{%d}\r\n%b\r\nOK\r\n" % (len(SCRIPT), SCRIPT)),
        (b'Deletescript "baz"\r\n', b'No (ACTIVE) "You may not delete an active script"\r\n'),
        (b'Renamescript "baz" "bar"\r\n', b'No "bar already exists"\r\n'),
        (b"CheckScript {31+}\r\n#comment\r\nInvalidSieveCommand\r\n\r\n", b'NO "line 2: Syntax error"\r\n'),
        (b"NOOP\r\n", b'OK "NOOP completed"\r\n'),
        (b'NOOP "STARTTLS-SYNC-42"\r\n', b'OK (TAG {16}\r\nSTARTTLS-SYNC-42) "Done"\r\n'),
        (b"UNAUTHENTICATE\r\n", b"OK\r\n"),
    ],
    "Pigeonhole": [
        (b"", PIGEONHOLE),
        (b'AUTHENTICATE "PLAIN" "AGEAYg=="\r\n', b'NO "Authentication failed."\r\n'),
        (b'AUTHENTICATE "PLAIN"\r\n', b'""\r\n'),
        (b'"AGEAYg=="\r\n', b'OK "Logged in."\r\n'),
        (
            b'PUTSCRIPT "x" {4+}\r\nfoo;\r\n',
            b"NO {53}\r\nx: line 1: error: unknown command 'foo'.\r\nerror: 1.\r\n\r\n",
        ),
        (b'GETSCRIPT "x"\r\n', b'{6}\r\nkeep;\n\r\nOK "Getscript completed."\r\n'),
        (b"LOGOUT\r\n", b'OK "Logout completed."\r\n'),
    ],
    "Cyrus": [
        (b"", CYRUS),
        (b'AUTHENTICATE "PLAIN" "AGEAYg=="\r\n', b'NO ("SASL" "authentication failure") "Authentication error"\r\n'),
        (b'AUTHENTICATE "LOGIN"\r\n', b"{12}\r\nVXNlcm5hbWU6\r\n"),
        (b'"YQ=="\r\n', b"{12}\r\nUGFzc3dvcmQ6\r\n"),
        (b'"Yg=="\r\n', b"OK\r\n"),
        (b"LISTSCRIPTS\r\n", b'BYE (REFERRAL "sieve://mx.example.com") "Try Remote."\r\n'),
    ],
}


def connected(limits=LIMITS, *, lenient=False):
    """Return a machine whose connection stands."""
    made = Sieve(limits, lenient=lenient)
    made.opened()
    return made


def greeted(greeting=b"OK\r\n", limits=LIMITS, *, lenient=False):
    """Return a machine that is greeted."""
    made = connected(limits, lenient=lenient)
    assert reply_to(made, greeting).code == "OK"
    return made


def replied(data, command=b"NOOP\r\n"):
    """Return the reply to a command."""
    made = greeted()
    made.sent(command)
    return reply_to(made, data)


def play(talk, cut_server, cut_client=bytewise):
    """Play a talk in pieces, and return all that came of it: events, and what the machine knew after each."""
    made = connected()
    seen = []
    for command, answer in talk:
        write(made, cut_client(command))
        for event in read(made, *cut_server(answer)):
            knows = (made.in_auth, made.challenge, made.said_goodbye, made.may_say_goodbye, made.pending)
            seen.append((event, knows, dict(made.capabilities or {})))
    assert (made.owed, made.next()) == ([], None)
    return seen


# Whole talks.


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_a_talk_in_any_pieces_is_the_same(talk):
    """Each command has one reply, however the bytes were cut."""
    whole = play(talk, lambda data: [data], lambda data: [data])
    assert len(whole) == len(talk)
    assert not [event for event, *_ in whole if isinstance(event, Malformed) or event.owed is None]
    assert play(talk, bytewise) == whole
    longest = max(len(answer) for _, answer in talk)
    for place in range(longest):
        assert play(talk, lambda data, at=place: cut(data, min(at, len(data))), lambda data: [data]) == whole


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
def test_a_talk_that_was_pipelined_has_the_same_replies(talk):
    """All that came in one piece is cut into the same replies, with the same owners."""
    apart = [event for event, *_ in play(talk, lambda data: [data])]
    made = connected()
    made.sent(b"".join(command for command, _ in talk))
    assert read(made, b"".join(answer for _, answer in talk)) == apart


# A reply.


@pytest.mark.parametrize(
    ("data", "code", "lines"),
    [
        pytest.param(b"OK\r\n", "OK", [b""], id="a code alone"),
        pytest.param(b"oK\r\n", "OK", [b""], id="in any case"),
        pytest.param(b"OK \r\n", "OK", [b""], id="a blank and nothing"),
        pytest.param(b'NO "no"\r\n', "NO", [b'"no"'], id="a text"),
        pytest.param(b'NO  "no"\r\n', "NO", [b' "no"'], id="one blank is the separator"),
        pytest.param(b"Bye gone home\r\n", "BYE", [b"gone home"], id="a text that is no string"),
        pytest.param(b'OK "a" "b"\r\n', "OK", [b'"a" "b"'], id="more than there should be"),
        pytest.param(b'"a"\r\n"OK" x\r\nOK\r\n', "OK", [b'"a"', b'"OK" x', b""], id="a script that is called OK"),
        pytest.param(b'"SIEVE" "" \r\nOK\r\n', "OK", [b'"SIEVE" "" ', b""], id="a blank at a line's end"),
    ],
)
def test_a_reply(data, code, lines):
    """Lines to one that says OK, NO or BYE; of that only what follows the code is in `lines`."""
    reply = replied(data)
    assert (reply.code, reply.lines, str(reply.owed), reply.head_at) == (code, lines, "NOOP", -1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"\r\n", NO_CODE, id="an empty line"),
        pytest.param(b"OKAY\r\n", NO_CODE, id="another word"),
        pytest.param(b" OK\r\n", NO_CODE, id="a blank in front"),
        pytest.param(b"+OK\r\n", NO_CODE, id="another protocol"),
        pytest.param(b"A1 OK done\r\n", NO_CODE, id="a tag"),
        pytest.param(b"ACTIVE\r\n", NO_CODE, id="an atom"),
        pytest.param(b"(TAG) OK\r\n", NO_CODE, id="a response code in front"),
        pytest.param("\uff2f\uff2b\r\n".encode(), NO_CODE, id="letters that are not ASCII"),
        pytest.param(b'OK"x"\r\n', NO_BLANK, id="a text glued to the code"),
        pytest.param(b"OK(X)\r\n", NO_BLANK, id="a response code glued to the code"),
        pytest.param(b"OK\tx\r\n", NO_BLANK, id="a tab"),
        pytest.param(b'"abc\r\n', NO_STRINGS, id="a string that does not end in its line"),
        pytest.param(b'"a\\"\r\n', NO_STRINGS, id="a string that ends with a backslash"),
        pytest.param(b'"a"b"\r\n', NO_STRINGS, id="a quote that is not escaped"),
        pytest.param(b'"a" (b)\r\n', NO_STRINGS, id="parentheses"),
        pytest.param(b'"a" {5} x\r\n', NO_STRINGS, id="a literal's mark that is none"),
        pytest.param(b"{2}\r\nabOK\r\n", NO_STRINGS, id="a literal without a line end after it"),
        pytest.param(b"OK\n", BARE_LF, id="a bare LF"),
        pytest.param(b"O\rK\r\n", BARE_CR, id="a bare CR"),
        pytest.param(b"{x}\r\n", NO_SIZE, id="a literal of x octets"),
        pytest.param(b"OK {-1}\r\n", NO_SIZE, id="a literal of -1 octets"),
        pytest.param(b"{%b}\r\n" % (b"9" * 23), TOO_LARGE, id="a size of 23 digits"),
        pytest.param(b"{4294967295}\r\n", TOO_LARGE, id="a literal of 4 GiB"),
    ],
)
def test_what_is_no_reply(data, reason):
    """It is refused by name, quoted, with what it came in place of, and nothing after it is read."""
    made = greeted()
    made.sent(b"NOOP\r\n")
    (event,) = read(made, data + b"OK\r\n")
    assert (type(event), event.reason, str(event.owed)) == (Malformed, reason, "NOOP")
    assert read(made, b"OK\r\n") == []
    assert made.pending == b""


def test_a_lenient_reader_takes_odd_line_ends():
    """With `lenient` the LF alone ends a line, and is counted."""
    made = greeted(lenient=True)
    assert reply_to(made, b'"a"\nOK "x"\n').lines == [b'"a"', b'"x"']
    assert made.lenient_line_ends == 2


@pytest.mark.parametrize(
    ("text", "status"),
    [
        pytest.param(b'(QUOTA/MAXSIZE) "x"', "(QUOTA/MAXSIZE)", id="usual"),
        pytest.param(b"(WARNINGS)", "(WARNINGS)", id="nothing after it"),
        pytest.param(b'(TAG "a)b\\")") "x"', '(TAG "a)b\\")")', id="a parenthesis in a string"),
        pytest.param(b'(X (1 "(") y) "x"', '(X (1 "(") y)', id="parentheses in parentheses"),
        pytest.param(b'(TAG {3}\r\na"b) "x"', '(TAG "a\\"b")', id="a literal is written as a quoted string"),
        pytest.param(b'(X {1}\r\na {1}\r\nb) "x"', '(X "a" "b")', id="two literals"),
        pytest.param(b'(TAG {2}\r\n\r\n) "x"', "(TAG {2})", id="a literal that can't be quoted"),
        pytest.param(b'("SASL" "authentication failure") "x"', '("SASL" "authentication failure")', id="Cyrus"),
        pytest.param(b'(X "x"', "", id="without its end"),
        pytest.param(b'(X "x) y', "", id="with a string that does not end"),
        pytest.param(b'"(X) y"', "", id="inside the text"),
        pytest.param(b'x (X) "y"', "", id="not in front"),
        pytest.param(b"(" * 50_000, "", id="deep without end"),
        pytest.param(b"(" * 9_000 + b")" * 9_000, "(" * 9_000 + ")" * 9_000, id="deep"),
    ],
)
def test_the_response_code(text, status):
    """It begins the text, in parentheses that count outside strings (RFC 5804 section 4)."""
    assert replied(b"OK " + text + b"\r\n").enhanced == status


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(b'OK "Logged in."\r\n', "Logged in.", id="a quoted string"),
        pytest.param(b'NO (QUOTA) "Quota exceeded"\r\n', "Quota exceeded", id="behind a response code"),
        pytest.param(b'NO "a \\"b\\" \\\\ c"\r\n', 'a "b" \\ c', id="escaped"),
        pytest.param(b"NO (QUOTA) {5}\r\nabc()\r\n", "abc()", id="a literal"),
        pytest.param(b"NO {12}\r\nline 1\r\nab\r\n\r\n", "line 1\nab", id="lines, the last with its end"),
        pytest.param(b"OK (TAG {1}\r\na) {1}\r\nb\r\n", "b", id="literals in both"),
        pytest.param(b'OK ""\r\n', "", id="an empty string"),
        pytest.param(b"OK\r\n", "", id="nothing"),
        pytest.param(b"OK (X)\r\n", "", id="a response code alone"),
        pytest.param(b"OK hello there\r\n", "hello there", id="no string"),
        pytest.param(b'OK "a" "b"\r\n', '"a" "b"', id="two strings"),
        pytest.param(b'"x"\r\n{1}\r\ny\r\nOK "Done"\r\n', "Done", id="lines before it are not said"),
        pytest.param(b'OK "Gr\xc3\xbc\xdfe"\r\n', "Grü\\xdfe", id="any octets"),
    ],
)
def test_what_a_reply_says_is_its_texts_content(data, said):
    """Quotes and backslashes are not said, nor is the response code."""
    assert replied(data).said == said


def test_patterns_see_a_text_with_and_without_its_quotes():
    """First as it came, then without code, response code and quotes."""
    assert list(replied(b'"a" ACTIVE\r\nOK (WARNINGS) "b"\r\n').views()) == [
        ['"a" ACTIVE', 'OK (WARNINGS) "b"'],
        ['"a" ACTIVE', '(WARNINGS) "b"'],
        ['"a" ACTIVE', '"b"'],
        ['"a" ACTIVE', "b"],
    ]


def test_patterns_see_the_lines_of_a_text_in_a_literal():
    """Its lines are there with its mark before them, as it came, and without."""
    assert list(replied(b"{1}\r\nx\r\nNO {8}\r\na: b\r\nc:\r\n").views()) == [
        ["{1}", "x", "NO {8}", "a: b", "c:"],
        ["{1}", "x", "{8}", "a: b", "c:"],
        ["{1}", "x", "a: b", "c:"],
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"NO {8}\r\na: b\r\nc:\r\n", "NO a: b\nc:", id="text"),
        pytest.param(b"{1}\r\nx\r\nNO (QUOTA) {4}\r\nfull\r\n", "{1}\nNO (QUOTA) full", id="behind a response code"),
        pytest.param(b"{1}\r\nx\r\nOK\r\n", "{1}\nOK", id="a script"),
        pytest.param(b'NO (TAG {1}\r\nx) "no"\r\n', 'NO (TAG "x") "no"', id="in a response code"),
    ],
)
def test_a_text_in_a_literal_is_shown(data, text):
    """A mark alone would not tell what the reply means; those of scripts stay."""
    assert str(replied(data)) == text
    assert text.endswith(replied(data).head)


def test_only_the_text_is_seen_without_its_quotes():
    """A line of a list is what it is."""
    reply = replied(b'"summer"\r\nOK "Done"\r\n')
    assert [reply.bare(text) for text in reply.texts] == ['"summer"', "Done"]


def test_a_script_is_folded_and_opened():
    """In the reply's text stands the mark; patterns see the lines; the octets are there as they came."""
    reply = replied(b"{%d}\r\n%b\r\nOK\r\n" % (len(SCRIPT), SCRIPT), b'GETSCRIPT "myscript"\r\n')
    assert str(reply) == "{54}\nOK"
    assert [literal.data for literal in reply.literals] == [SCRIPT]
    assert reply.searched == ["{54}", "#this is my wonderful script", 'reject "I reject all";', "OK"]


def test_lines_inside_a_literal_are_octets():
    """Not even `OK` at the beginning of a line ends a reply there."""
    reply = replied(b'{20}\r\nOK\r\nNO "x"\r\n{2000}\r\n\r\nOK "end"\r\n')
    assert (reply.code, reply.lines, reply.said) == ("OK", [b"{20}", b'"end"'], "end")


# Exchanges.


def test_a_challenge_is_the_strings_content():
    """Its code is `+`, its text what the string says, and it waits for the response."""
    made = greeted()
    made.sent(b'AUTHENTICATE "LOGIN"\r\n')
    reply = reply_to(made, b'"VXNlcm5hbWU6"\r\n')
    assert (str(reply), reply.said, reply.decoded, reply.is_challenge) == (
        "+ VXNlcm5hbWU6",
        "VXNlcm5hbWU6",
        "Username:",
        True,
    )
    assert (made.challenge, made.in_auth) == (b"VXNlcm5hbWU6", True)
    assert list(reply.views()) == [["+ VXNlcm5hbWU6"], ["VXNlcm5hbWU6"]]


@pytest.mark.parametrize("empty", [b'""\r\n', b"{0}\r\n\r\n"], ids=["quoted", "a literal"])
def test_an_empty_challenge(empty):
    """It is a challenge all the same (RFC 5804 section 2.1)."""
    made = greeted()
    made.sent(b'AUTHENTICATE "PLAIN"\r\n')
    assert (reply_to(made, empty).lines, made.challenge) == ([b""], b"")


def test_a_string_that_nothing_asked_for_is_no_challenge():
    """Outside an exchange it is a line of the next reply."""
    reply = replied(b'"VXNlcm5hbWU6"\r\nOK\r\n')
    assert (reply.code, reply.is_challenge) == ("OK", False)


def test_capabilities_in_an_exchange_are_no_challenge():
    """Only a string that is alone is one."""
    made = greeted()
    made.sent(b'AUTHENTICATE "PLAIN" "AA=="\r\n')
    assert reply_to(made, b'"SASL" "PLAIN"\r\n"STARTTLS"\r\nOK\r\n').code == "OK"
    assert not made.in_auth


@pytest.mark.parametrize(
    ("sent", "answers", "replies"),
    [
        pytest.param(b'"YQ=="\r\n"Yg=="\r\n', b'"YQ=="\r\n', ["AUTHENTICATE response"] * 2, id="responses"),
        pytest.param(b'"YQ=="\r\n"Yg=="\r\n', b"NO\r\n", ["a client line"] * 2, id="responses to nothing"),
        pytest.param(b"NOOP\r\n", b'"YQ=="\r\n', ["AUTHENTICATE response"], id="a command that is read as a response"),
        pytest.param(b"NOOP\r\n", b"OK\r\n", ["NOOP"], id="a command behind an exchange of one round"),
        pytest.param(b"{2+}\r\nYQ\r\nNOOP\r\n", b'""\r\n', ["AUTHENTICATE response", "NOOP"], id="a literal"),
        pytest.param(b'*\r\nAUTHENTICATE "X"\r\n"YQ=="\r\n', b"NO\r\n", None, id="another exchange behind it"),
    ],
)
def test_what_follows_authenticate_is_what_the_server_takes_it_for(sent, answers, replies):
    """Until the reply has come nobody knows; each line has one reply in any case."""
    made = greeted()
    made.sent(b'AUTHENTICATE "LOGIN"\r\n' + sent)
    before = len(made.owed)
    read(made, answers)
    assert len(made.owed) == before - 1
    assert owed(made) == (replies or ["a client line", "AUTHENTICATE", "AUTHENTICATE response"])
    assert made.challenge is None
    assert made.in_auth == (answers[:1] == b'"' or replies is None)


def test_anything_answers_a_challenge():
    """The next line is a response, whatever it looks like, and owes one reply."""
    made = greeted()
    made.sent(b'AUTHENTICATE "LOGIN"\r\n')
    read(made, b'"VXNlcm5hbWU6"\r\n')
    made.sent(b"LOGOUT\r\n")
    assert (owed(made), made.challenge) == (["AUTHENTICATE response"], None)
    read(made, b"NO\r\n")
    assert (made.in_auth, made.said_goodbye) == (False, False)


@pytest.mark.parametrize(
    ("encoded", "written"),
    [
        pytest.param(b"", b'""', id="empty"),
        pytest.param(b"YQ==", b'"YQ=="', id="short"),
        pytest.param(b"*", b'"*"', id="a cancel"),
        pytest.param(b"Y" * 1024, b'"' + b"Y" * 1024 + b'"', id="the longest quoted string"),
        pytest.param(b"Y" * 1028, b"{1028+}\r\n" + b"Y" * 1028, id="a literal"),
    ],
)
@pytest.mark.parametrize("is_initial", [True, False])
def test_how_a_response_is_written(encoded, written, is_initial):
    """A string, with the initial one behind the mechanism (RFC 5804 section 2.1)."""
    made = greeted()
    assert made.response(encoded, is_initial=is_initial) == written
    made.sent(made.auth_head("PLAIN") + b" " + written + b"\r\n")
    assert (owed(made), made.is_amid_line) == (["AUTHENTICATE"], False)


@pytest.mark.parametrize(
    ("data", "last"),
    [
        pytest.param(b'OK (SASL "cnNw")\r\n', b"cnNw", id="usual"),
        pytest.param(b'ok (sasl "cnNw") "Logged in."\r\n', b"cnNw", id="with a text"),
        pytest.param(b"OK (SASL {4}\r\ncnNw)\r\n", b"cnNw", id="a literal"),
        pytest.param(b"OK (SASL {2000}\r\n%b)\r\n" % (b"Y" * 2000), b"Y" * 2000, id="a long one"),
        pytest.param(b'OK (SASL "")\r\n', b"", id="empty"),
        pytest.param(b'OK "Logged in."\r\n', None, id="none"),
        pytest.param(b"OK (SASL)\r\n", None, id="without data"),
        pytest.param(b"OK (SASL cnNw)\r\n", None, id="an atom"),
        pytest.param(b'OK (TAG "cnNw")\r\n', None, id="another response code"),
        pytest.param(b'NO (SASL "cnNw")\r\n', None, id="of a refusal"),
    ],
)
def test_the_last_message_of_a_mechanism(data, last):
    """It is in the response code SASL of the OK (RFC 5804 section 1.3)."""
    assert greeted().last_challenge(replied(data, b'AUTHENTICATE "X"\r\n')) == last


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        pytest.param('AUTHENTICATE "PLAIN" "x"', '"x"', id="quoted"),
        pytest.param("authenticate PLAIN x", "x", id="without quotes"),
        pytest.param('AUTHENTICATE "PLAIN"', "", id="without a response"),
        pytest.param("AUTHENTICATE", None, id="without a mechanism"),
        pytest.param('AUTHENTICATED "X"', None, id="another command"),
        pytest.param('NOOP "AUTHENTICATE X"', None, id="inside a line"),
    ],
)
def test_the_line_that_opens_an_exchange(line, rest):
    """The mechanism's quotes may be left out; the initial response is what follows."""
    found = Sieve.auth_command.match(line)
    assert (line[found.end() :] if found else None) == rest


# What is owed.


@pytest.mark.parametrize(
    ("data", "replies"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b"Listscripts\r\n", ["LISTSCRIPTS"], id="a command"),
        pytest.param(b"NOOP\n", ["NOOP"], id="a bare LF"),
        pytest.param(b"NOOP\r\r\n", ["NOOP"], id="two CRs"),
        pytest.param(b'SETACTIVE "a"\r\nLISTSCRIPTS\r\n', ["SETACTIVE", "LISTSCRIPTS"], id="pipelined"),
        pytest.param(b"XYZZY secret\r\n", ["a client line"], id="an unknown command, whose words are not shown"),
        pytest.param(b"\r\n", ["a client line"], id="an empty line"),
        pytest.param(b'"YQ=="\r\n', ["a client line"], id="a string without an exchange"),
        pytest.param(b"NOOP", [], id="half a line"),
        pytest.param(b'PUTSCRIPT "a" {6+}\r\nNOOP\r\n\r\nNOOP\r\n', ["PUTSCRIPT", "NOOP"], id="a script"),
        pytest.param(b'PUTSCRIPT "a" {6+}\r\nNO', ["PUTSCRIPT"], id="a script that is not whole"),
        pytest.param(b"RENAMESCRIPT {1+}\r\na {1+}\r\nb\r\nNOOP\r\n", ["RENAMESCRIPT", "NOOP"], id="two literals"),
        pytest.param(b'PUTSCRIPT "a" {0+}\r\n\r\n', ["PUTSCRIPT"], id="a script of no octets"),
        pytest.param(b'NOOP "{6+}"\r\nNOOP\r\n', ["NOOP", "NOOP"], id="what looks like a literal in a string"),
    ],
)
def test_what_is_owed_for_what_was_sent(data, replies):
    """One reply for each command, from its first line on, cut anywhere."""
    for pieces in ([data], bytewise(data), *(cut(data, place) for place in range(len(data) + 1))):
        made = greeted()
        write(made, pieces)
        assert owed(made) == replies


def test_the_authors_word_counts():
    """With `replies` the author says how many replies a write earns; a script is followed to its end all the same."""
    made = greeted()
    made.sent(b'PUTSCRIPT "a" {10+}\r\nNOOP')
    made.owe(2, 0)
    made.sent(b"\r\nNOOP\r\nNOOP\r\n")
    assert owed(made) == ["PUTSCRIPT", "a client line", "NOOP"]


def test_a_reply_that_nobody_asked_for_answers_nothing():
    """It is given out without an owner, a BYE at once."""
    made = greeted()
    events = read(made, b'BYE "Disconnected for inactivity."\r\n')
    assert [(event.code, event.owed) for event in events] == [("BYE", None)]


# What is known of the server.


@pytest.mark.parametrize(
    ("greeting", "shown"),
    [
        pytest.param(
            b'"IMPlemENTATION" "Example1 ManageSieved v001"\r\n"SASl" "DIGEST-MD5 GSSAPI"\r\n'
            b'"SIeVE" "fileinto vacation"\r\n"StaRTTLS"\r\n"MAXREdIRECTS" "5"\r\nOK\r\n',
            {
                "IMPLEMENTATION": ("Example1", "ManageSieved", "v001"),
                "SASL": ("DIGEST-MD5", "GSSAPI"),
                "AUTH": ("DIGEST-MD5", "GSSAPI"),
                "SIEVE": ("fileinto", "vacation"),
                "STARTTLS": (),
                "MAXREDIRECTS": ("5",),
            },
            id="RFC 5804 section 1.7, in any case",
        ),
        pytest.param(b'"SASL" ""\r\n"STARTTLS"\r\nOK\r\n', {"SASL": (), "STARTTLS": ()}, id="no mechanism is no AUTH"),
        pytest.param(
            b"{4}\r\nSASL {9}\r\nPLAIN X-Y\r\nOK\r\n",
            {"SASL": ("PLAIN", "X-Y"), "AUTH": ("PLAIN", "X-Y")},
            id="literals",
        ),
        pytest.param(b'"a b" "c"\r\n"" "d"\r\n"Cyrus v1" "SASL={PLAIN}"\r\nOK\r\n', {}, id="names that are none"),
        pytest.param(b'"X" a "b c" "B"\r\n"X" "d"\r\nOK\r\n', {"X": ("a", "b", "c", "d")}, id="rubbish"),
        pytest.param(b"OK\r\n", {}, id="none"),
        pytest.param(b'"SASL" "PLAIN"\r\nNO "x"\r\n', None, id="of a refusal"),
        pytest.param(b'"SASL" "PLAIN"\r\nBYE "x"\r\n', None, id="of a server that is going away"),
    ],
)
def test_the_greeting_shows_capabilities(greeting, shown):
    """Names in upper case, the words of their values, SASL also as AUTH (RFC 5804 section 1.7)."""
    made = connected()
    read(made, greeting)
    assert (made.greeted, made.capabilities) == (True, shown)


@pytest.mark.parametrize(
    ("command", "answer", "offered"),
    [
        pytest.param(b"CAPABILITY\r\n", b'"SASL" "LOGIN"\r\nOK\r\n', ("LOGIN",), id="the last ones count"),
        pytest.param(b"CAPABILITY\r\n", b'"SASL" "LOGIN"\r\nNO\r\n', ("PLAIN",), id="a refusal shows none"),
        pytest.param(b"LISTSCRIPTS\r\n", b'"SASL" "LOGIN"\r\nOK\r\n', ("PLAIN",), id="a script of that name"),
        pytest.param(b'AUTHENTICATE "X"\r\n', b"OK\r\n", ("PLAIN",), id="an exchange changes nothing"),
    ],
)
def test_the_command_shows_capabilities(command, answer, offered):
    """Only replies to CAPABILITY and the greeting show any."""
    made = greeted(b'"SASL" "PLAIN"\r\nOK\r\n')
    assert made.capabilities["AUTH"] == ("PLAIN",)
    made.sent(command)
    read(made, answer)
    assert made.capabilities["AUTH"] == offered


def test_the_server_greets_again_after_a_handshake():
    """What was learnt in clear text is forgotten; the new greeting counts (RFC 5804 section 2.2)."""
    made = greeted(GREETING)
    made.sent(b"STARTTLS\r\n")
    assert reply_to(made, b'OK "Begin TLS negotiation now."\r\n').code == Sieve.starttls_code
    assert not made.may_say_goodbye
    made.secured()
    assert (owed(made), made.capabilities, made.may_say_goodbye) == (["greeting"], None, False)
    reply_to(made, b'"SASL" "PLAIN"\r\nOK "TLS negotiation successful."\r\n')
    assert (made.capabilities, made.may_say_goodbye) == ({"SASL": ("PLAIN",), "AUTH": ("PLAIN",)}, True)


def test_a_greeting_that_is_owed_already_is_owed_once():
    """A handshake before any greeting makes no second one due."""
    made = connected()
    made.secured()
    assert owed(made) == ["greeting"]


@pytest.mark.parametrize(
    "injected", [b'"SASL" "PLAIN"\r\n', b"{5}\r\nab", b'"SASL" "PL', b"O"], ids=["a line", "a literal", "half", "one"]
)
def test_what_came_before_a_handshake_is_seen_and_dropped(injected):
    """It is pending until then, and no part of the greeting inside TLS."""
    made = greeted()
    made.sent(b"STARTTLS\r\n")
    (reply,) = read(made, b"OK\r\n" + injected)
    assert reply.code == "OK"
    assert (made.is_amid_reply, made.pending != b"") == (True, True)
    made.secured()
    assert made.pending == b""
    assert reply_to(made, b"OK\r\n").lines == [b""]


def test_a_reply_that_is_not_whole_is_pending():
    """Its lines are counted and shown as they came, of literals the marks."""
    made = greeted()
    made.sent(b"LISTSCRIPTS\r\n")
    assert read(made, b'"a" ACTIVE\r\n{1}\r\nx\r\n"b') == []
    assert made.pending == b'"a" ACTIVE\r\n{1}\r\n"b'
    assert (made.line_count, made.line_so_far(0), made.line_so_far(1)) == (2, b'"a" ACTIVE', b"{1}")
    assert (made.is_amid_reply, made.has_half_line) == (True, True)
    with pytest.raises(IndexError):
        made.line_so_far(2)


@pytest.mark.parametrize(
    ("sent", "received", "may"),
    [
        pytest.param(b"", b"", True, id="at rest"),
        pytest.param(b"NOOP\r\n", b"", False, id="a reply is owed"),
        pytest.param(b'AUTHENTICATE "X"\r\n', b'""\r\n', False, id="an exchange is open"),
        pytest.param(b"NO", b"", False, id="half a line"),
        pytest.param(b'PUTSCRIPT "x" {9+}\r\nab', b"NO\r\n", False, id="half a script"),
        pytest.param(b"STARTTLS\r\n", b"OK\r\n", False, id="a handshake is due"),
        pytest.param(b"STARTTLS\r\n", b"NO\r\n", True, id="no handshake is due"),
        pytest.param(b"LOGOUT\r\n", b"OK\r\n", False, id="it was said"),
        pytest.param(b"NOOP\r\n", b"BYE\r\n", False, id="the server is going away"),
        pytest.param(b"NOOP\r\n", b"rubbish\r\n", False, id="what came is no reply"),
    ],
)
def test_when_the_goodbye_may_be_said(sent, received, may):
    """Only where it would be read as a command, and by somebody."""
    made = greeted()
    made.sent(sent)
    read(made, received)
    assert made.may_say_goodbye == may


@pytest.mark.parametrize(("answer", "said"), [(b"OK\r\n", True), (b"BYE\r\n", True), (b"NO\r\n", False)])
def test_the_goodbye(answer, said):
    """OK and BYE answer it; after a NO the session goes on."""
    made = greeted()
    made.sent(Sieve.goodbye)
    read(made, answer)
    assert made.said_goodbye == said


def test_refusals():
    """NO and BYE say no."""
    assert [Sieve.is_refusal(replied(code + b"\r\n")) for code in (b"OK", b"NO", b"bye")] == [False, True, True]


# How an expectation is written.


@pytest.mark.parametrize(
    ("written", "status"),
    [
        pytest.param('(QUOTA) "x"', "(QUOTA)", id="a name"),
        pytest.param('(TAG "a)b") x', '(TAG "a)b")', id="a parenthesis in a string"),
        pytest.param("(X (a b) *) x", "(X (a b) *)", id="parentheses"),
        pytest.param('("SASL" "x") y', '("SASL" "x")', id="Cyrus"),
        pytest.param("(WARNINGS", None, id="without its end"),
        pytest.param('(TAG "a', None, id="with half a string"),
        pytest.param("() x", None, id="nothing"),
        pytest.param("( x) y", None, id="no name"),
    ],
)
def test_how_a_response_code_is_written(written, status):
    """What begins with a parenthesis is meant to be one; it is a name and what follows, to the closing one."""
    meant = Sieve.status_like.match(written)[0]
    assert (meant if Sieve.status_grammar.fullmatch(meant) else None) == status


@pytest.mark.parametrize(
    ("written", "code"), [("OK x", "OK"), ("no", "no"), ("Bye", "Bye"), ("+ x", "+"), ("PREAUTH", None)]
)
def test_how_a_code_is_written(written, code):
    """OK, NO, BYE and +, in any case."""
    found = Sieve.code_grammar.match(written)
    assert (found[0] if found else None) == code


# Limits.


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"OK " + b"x" * 61, "a line of more than 64 bytes (limit 'line')", id="a line"),
        pytest.param(b'"x"\r\n' * 7, "a reply of more than 6 lines", id="lines"),
        pytest.param(b'"%b"\r\n' % (b"x" * 50) * 5, "a reply of more than 120 bytes (limit 'reply')", id="octets"),
        pytest.param(b"{301}\r\n", "a literal of more than 300 octets (limit 'literal')", id="a literal"),
        pytest.param(b'"a"' + b" {0}\r\n" * 8, "a reply of more than 6 literals", id="literals"),
    ],
)
def test_limits(data, reason):
    """What is too much is refused as soon as it is, by the limit's name."""
    for pieces in ([data], bytewise(data)):
        made = greeted(limits=SMALL)
        made.sent(b"LISTSCRIPTS\r\n")
        (event,) = read(made, *pieces)
        assert event.reason == reason


def test_of_a_long_script_the_beginning_is_kept():
    """The rest is counted, and the reply goes on behind it."""
    made = greeted(limits=SMALL)
    made.sent(b'GETSCRIPT "x"\r\n')
    (reply,) = read(made, b"{300}\r\n", *bytewise(b"x" * 300), b'\r\nOK "Getscript completed."\r\n')
    assert (reply.said, reply.literals[0].size, reply.literals[0].is_whole) == ("Getscript completed.", 300, False)
    assert len(reply.literals[0].data) <= SMALL.reply


@pytest.mark.parametrize(
    ("command", "data"),
    [
        pytest.param(b'AUTHENTICATE "X"\r\n', b"{300}\r\n" + b"x" * 300 + b"\r\n", id="a challenge"),
        pytest.param(b"CAPABILITY\r\n", b'"X" {300}\r\n' + b"x" * 300 + b"\r\nOK\r\n", id="a capability"),
    ],
)
def test_what_the_machine_reads_itself_must_be_whole(command, data):
    """A challenge or capability of which something would be left out is refused."""
    made = greeted(limits=SMALL)
    made.sent(command)
    (event,) = read(made, data)
    assert event.reason == "a reply of more than 120 bytes (limit 'reply')"


def test_a_reply_without_end_is_cut_off():
    """Of 100,000 lines the limit is read, and nothing is kept."""
    made = greeted()
    made.sent(b"LISTSCRIPTS\r\n")
    (event,) = read(made, *([b'"script"\r\n' * 1000] * 100))
    assert event.reason == "a reply of more than 10000 lines"
    assert made.pending == b""


def test_a_literal_that_never_ends_is_bounded():
    """What is kept of it stops at limit `reply`, and it is no reply."""
    made = greeted()
    made.sent(b'GETSCRIPT "x"\r\n')
    piece = b"x" * 65536
    tracemalloc.start()
    try:
        events = read(made, b"{67108864}\r\n", *([piece] * 1000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (events, made.is_amid_reply, made.pending) == ([], True, b"{67108864}")
    assert peak < 2 * LIMITS.reply


def test_many_literals_are_read_and_seen_at_once():
    """A list of 10,000 names in literals takes time in proportion."""
    made = greeted()
    made.sent(b"LISTSCRIPTS\r\n")
    (reply,) = read(made, b"{3}\r\nabc\r\n" * 10_000 + b"OK\r\n")
    assert len(reply.searched) == 20_001
    assert sum(map(len, reply.views())) == 40_002


# Properties.

WIRE = st.lists(
    st.sampled_from(b'OK NO BYE ( ) " \\ { } {0} "a" {9 +'.split())
    | st.sampled_from([b"{2}\r\n", b" ", b"\r\n", b"\n", b'"SASL" "X"\r\n', b"OK\r\n"])
    | st.binary(max_size=3),
    max_size=24,
).map(b"".join)
SENT = st.sampled_from(
    [
        b"NOOP\r\n",
        b"CAPABILITY\r\n",
        b'AUTHENTICATE "X"\r\n',
        b'"YQ=="\r\n',
        b'PUTSCRIPT "x" {3+}\r\nabc\r\n',
        b"LOGOUT\r\n",
    ]
)


def looked_at(event):
    """Look at all that a reply shows, which must not fail; return what is comparable."""
    if isinstance(event, Malformed):
        return event
    assert isinstance(event, SieveReply)
    return (event, event.said, str(event), event.searched, event.texts, list(event.views()), event.line_count)


@settings(deadline=None)
@given(WIRE, st.lists(SENT, max_size=4), st.booleans(), st.data())
def test_any_bytes_are_read_to_the_same_end(wire, sent, lenient, data):
    """For any bytes, in any pieces, come the same replies or the same refusal, and no exception (properties 1, 2)."""
    seen = []
    places = data.draw(st.lists(st.integers(0, len(wire)), max_size=6))
    for pieces in ([wire], cut(wire, *places), bytewise(wire)):
        made = connected(SMALL, lenient=lenient)
        write(made, sent)
        events = read(made, *pieces)
        capabilities = made.capabilities
        seen.append(([looked_at(event) for event in events], made.owed, made.challenge, made.pending, capabilities))
    assert seen[0] == seen[1] == seen[2]


@settings(deadline=None)
@given(WIRE, st.integers(1, 50))
def test_what_is_kept_is_bounded(wire, times):
    """However long it goes on, no more is kept than the limits and one read."""
    made = connected(SMALL)
    for _ in range(times):
        read(made, wire)
        assert len(made.pending) <= SMALL.reply + SMALL.lines * 2 + 2 * SMALL.line + len(wire)


@settings(deadline=None)
@given(
    st.sampled_from(["OK", "NO", "BYE"]),
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(st.binary(max_size=20), max_size=4),
    st.data(),
)
def test_strings_come_back_as_they_are(code, tag, text, names, data):
    """Whatever a string holds, quoted or literal, it is read as it was (property 3)."""

    def written(content):
        if re.search(rb"[\r\n]", content) or data.draw(st.booleans()):
            return b"{%d}\r\n%b" % (len(content), content)
        return b'"%b"' % re.sub(rb'(["\\])', rb"\\\1", content)

    wire = b"".join(written(name) + b"\r\n" for name in names) + code.encode()
    wire += (b" (TAG %b)" % written(tag) if tag is not None else b"") + (
        b" " + written(text) if text is not None else b""
    )
    reply = replied(wire + b"\r\n", b"LISTSCRIPTS\r\n")
    listed = [read_items(line, reply.literals_of(at)) for at, line in enumerate(reply.lines[:-1])]
    assert [[item.content for item in items] for items in listed] == [[name] for name in names]
    assert (reply.code, bool(reply.enhanced)) == (code, tag is not None)
    if text is not None and b"\r" not in text and b"\n" not in text:
        assert reply.said == text.decode("utf-8", "backslashreplace")


@settings(deadline=None)
@given(st.text(alphabet='()"\\{} aX', max_size=40))
def test_a_response_code_ends_in_the_text(text):
    """Its size is none, or that of a stretch in parentheses."""
    size = response_code_size(text.encode())
    assert size == 0 or (text[0], text[size - 1]) == ("(", ")")


def test_events_are_replies():
    """What the machine gives out is what every layer above knows."""
    assert isinstance(replied(b"OK\r\n"), Reply)
