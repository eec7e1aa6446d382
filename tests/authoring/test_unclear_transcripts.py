"""Transcripts that leave open who said what: each has its question, at its line, and a way out."""

from __future__ import annotations

import pytest

from runner.authoring.readers import read
from runner.authoring.readers.asking import quoted
from runner.authoring.readers.screen import LONGEST_LINE, MOST_CHARACTERS, MOST_LINES
from runner.errors import InputError, escape

# Each: the transcript, what the command line says of it, the question.
UNCLEAR = {
    "two replies": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\n250 2.1.0 Ok\n",
        {},
        """\
t.txt:4:1: two replies in a row: what was sent before this one?
  |
4 | 250 2.1.0 Ok
  | ^^^^^^^^^^^^
  = add the client's line, or join this with the line that it is the rest of;
    put C: or S: before the line to say whose it is""",
    ),
    "server only": (
        "220 mx.example ESMTP\n250 mx.example\n250 2.1.0 Ok\n",
        {},
        """\
t.txt:2:1: only the server's lines are here: what was sent before this reply?
  |
2 | 250 mx.example
  | ^^^^^^^^^^^^^^
  = a terminal without local echo shows none; add what was typed, one line a
    command""",
    ),
    "missing reply": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nmail from:<a@b.example>\nrcpt to:<c@d.example>\n250 Ok\ndata\n354 go\nhi\n.\n250 ok\n",
        {},
        """\
t.txt:5:1: commands in a row: 'mail from:<a@b.example>', 'rcpt to:<c@d.example>'; one reply follows
  |
5 | rcpt to:<c@d.example>
  | ^^^^^^^^^^^^^^^^^^^^^
  = is a reply missing, or is one of them the rest of a line of the server? put
    C: or S: before the line to say whose it is""",
    ),
    "wrap or command": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nnoop\n250 2.0.0 this is a long reply of the server that says you may ask for\nhelp\nquit\n221 bye\n",
        {},
        """\
t.txt:7:1: commands in a row: 'help', 'quit'; one reply follows
  |
7 | quit
  | ^^^^
  = is a reply missing, or is one of them the rest of a line of the server? put
    C: or S: before the line to say whose it is""",
    ),
    "wrap or unknown": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nnoop\n250 2.0.0 this is a long reply of the server that says you may ask for\nxdelivery\n250 ok\nquit\n221 bye\n",
        {},
        """\
t.txt:6:1: is 'xdelivery' the client's line, or the rest of the server's line before?
  |
6 | xdelivery
  | ^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "short stray": (
        "220 mx.example ESMTP\nehlo me\n250 ok\nhello there\nquit\n221 bye\n",
        {},
        """\
t.txt:4:1: is 'hello there' the client's line, or the rest of the server's line before?
  |
4 | hello there
  | ^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "no dot": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nmail from:<>\n250 ok\nrcpt to:<a@b>\n250 ok\ndata\n354 go\nSubject: x\n\nhello\n250 ok\nquit\n221 bye\n",
        {},
        """\
t.txt:10:1: the message that begins here has no end: a line of a lone dot is due
   |
10 | Subject: x
   | ^^^^^^^^^^
   = add a line '.' where it ended""",
    ),
    "hyphen cut": (
        "220 mx.example ESMTP\nehlo me\n250-mx.example\n250-SIZE\nmail from:<>\n250 ok\n",
        {},
        """\
t.txt:5:1: the reply before is not at its end: its last line has a '-' after the code
  |
5 | mail from:<>
  | ^^^^^^^^^^^^
  = is a line missing, or is this the rest of the one before? put C: or S:
    before the line to say whose it is""",
    ),
    "codes mixed": (
        "220 mx.example ESMTP\nehlo me\n250-mx.example\n550 no\n",
        {},
        """\
t.txt:4:1: a reply of the server is due here, and this is none
  |
4 | 550 no
  | ^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "two responses": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nauth login\n334 VXNlcm5hbWU6\nbXl1c2Vy\nbXlQQVNTV09SRA==\n235 ok\n",
        {},
        """\
t.txt:7:1: one line of these answers the challenge: which?
  |
7 | ⟨hidden: it may be a password⟩
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is, and keep what a terminal
    has wrapped in one line""",
    ),
    "greeting below, marked": (
        "Client: EHLO me\nServer: 220 mx.example ESMTP\nServer: 250 ok\n",
        {},
        """\
t.txt:2:1: this is a greeting, and the reply to EHLO is due
  |
2 | Server: 220 mx.example ESMTP
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = a server greets before the client says anything: put this line above the
    client's first one, or add what is missing between them""",
    ),
    "greeting below another command": (
        "mail from:<>\n220 mx.example ESMTP\n250 ok\n",
        {},
        """\
t.txt:2:1: this is a greeting, and the reply to MAIL is due
  |
2 | 220 mx.example ESMTP
  | ^^^^^^^^^^^^^^^^^^^^
  = a server greets before the client says anything: put this line above the
    client's first one, or add what is missing between them""",
    ),
    "greeting below, IMAP": (
        "C: a1 LOGIN x y\nS: * OK [CAPABILITY IMAP4rev1] hi\nS: a1 OK done\n",
        {},
        """\
t.txt:2:1: this is a greeting, and the reply to LOGIN is due
  |
2 | S: * OK [CAPABILITY IMAP4rev1] hi
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = a server greets before the client says anything: put this line above the
    client's first one, or add what is missing between them""",
    ),
    "command that looks like base64": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nstarttls\nquit\n221 bye\n",
        {},
        """\
t.txt:5:1: commands in a row: 'starttls', 'quit'; one reply follows
  |
5 | quit
  | ^^^^
  = is a reply missing, or is one of them the rest of a line of the server? put
    C: or S: before the line to say whose it is""",
    ),
    "bytes that are no UTF-8": (
        "220 x\n" + "\udcff" * 200 + "\nquit\n221 bye\n",
        {},
        """\
t.txt:2:1: is '\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff…' the client's line, or the rest of the server's line before?
  |
2 | \\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff\\udcff…
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "no response": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nauth login\n334 VXNlcm5hbWU6\n334 UGFzc3dvcmQ6\nbXlQQVNTV09SRA==\n235 ok\n",
        {},
        """\
t.txt:6:1: no answer to the challenge before this reply
  |
6 | 334 UGFzc3dvcmQ6
  | ^^^^^^^^^^^^^^^^
  = add it; what it is doesn't matter""",
    ),
    "base64 alone": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nbXlQQVNTV09SRA==\nbXlQQVNTV09SRA==\n235 ok\n",
        {},
        """\
t.txt:5:1: which line did the client send? '⟨hidden: it may be a password⟩' is no command that is known
  |
5 | ⟨hidden: it may be a password⟩
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "not protocol": (
        "hello\nworld\n",
        {},
        """\
t.txt:1:1: which protocol is this? 'hello' is no greeting of a mail server
  |
1 | hello
  | ^^^^^
  = say --protocol smtp, lmtp, pop3, imap or sieve; begin with the greeting, or
    with what telnet or s_client says""",
    ),
    "empty": (
        "\n\n",
        {},
        """\
t.txt:1:1: there is no conversation in it
  = --format telnet, swaks, marked or blackbox says what it is; say --protocol
    smtp, lmtp, pop3, imap or sieve""",
    ),
    "354 wrong": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nnoop\n354 go\n",
        {},
        """\
t.txt:5:1: a 354 that answers no DATA
  |
5 | 354 go
  | ^^^^^^
  = the reply before may be missing; put C: or S: before the line to say whose
    it is""",
    ),
    "bdat": (
        "220 mx.example ESMTP\nehlo me\n250 mx.example\nbdat 3 last\nabc250 ok\n",
        {},
        """\
t.txt:4:1: a BDAT chunk can't be imported: a transcript doesn't show its octets
  |
4 | bdat 3 last
  | ^^^^^^^^^^^
  = write the scenario's 'bdat' step by hand, or take the transcript with DATA""",
    ),
    "imap no answer": (
        "* OK hi\na1 CAPABILITY\n* CAPABILITY IMAP4rev1\na2 NOOP\na2 OK done\n",
        {},
        """\
t.txt:2:1: no answer to this command: a line 'a1 OK', 'a1 NO' or 'a1 BAD' is due
  |
2 | a1 CAPABILITY
  | ^^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "imap stray": (
        "* OK hi\na1 NOOP\na1 OK done\nwhat is this\na2 LOGOUT\n* BYE\na2 OK\n",
        {},
        """\
t.txt:4:1: whose line is 'what is this'? a command has a tag, the server's lines begin with '*' or a tag
  |
4 | what is this
  | ^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "imap literal off2": (
        "* OK hi\na1 FETCH 1 BODY[]\n* 1 FETCH (BODY[] {5}\nabcd\n)\na1 OK done\n",
        {},
        """\
t.txt:4:1: the server's literal would end within this line's end: its octets were not copied as they are
  |
4 | abcd
  | ^^^^
  = correct the number in line 3 or after, so that the literal ends where it did""",
    ),
    "pop3 no dot": (
        "+OK hi\nCAPA\n+OK\nTOP\nUSER a\n+OK\n",
        {},
        """\
t.txt:4:1: the server's lines that begin here have no end: a lone dot is due
  |
4 | TOP
  | ^^^
  = add a line '.' where it ended""",
    ),
    "sieve stray": (
        '"IMPLEMENTATION" "x"\nOK "hi"\nfoo\nNO "what"\n',
        {},
        """\
t.txt:3:1: 'foo' is no command of ManageSieve, and no reply is due
  |
3 | foo
  | ^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "pop3 s_client": (
        "CONNECTED(00000003)\n---\nVerify return code: 0 (ok)\n---\n+OK hi\nUSER a\n+OK\nQUIT\n+OK\n",
        {},
        """\
t.txt:5:1: was there TLS from the first byte, or after STLS? s_client shows the same for both
  |
5 | +OK hi
  | ^^^^^^
  = put the command that was typed above its output: '$ openssl s_client
    -starttls pop3 -connect HOST:110', or without '-starttls pop3'""",
    ),
    "lmtp missing": (
        "220 x LMTP\nlhlo me\n250 x\nmail from:<>\n250 ok\nrcpt to:<a>\n250 ok\nrcpt to:<b>\n250 ok\ndata\n354 go\nhi\n.\n250 <a> ok\nquit\n221 bye\n",
        {},
        """\
t.txt:15:1: a reply is due here, and this is none; one reply follows
   |
15 | quit
   | ^^^^
   = is the reply missing, or is this the rest of a line of the server? put C:
     or S: before the line to say whose it is""",
    ),
    "marked no mark": (
        "S: 220 x\nC: EHLO me\n250 x\nC: QUIT\nS: 221 bye\n",
        {},
        """\
t.txt:3:1: who said '250 x'? it has no mark
  |
3 | 250 x
  | ^^^^^
  = begin it with C: or S:, or with # if it is a comment""",
    ),
    "marked mixed": (
        "S: 220 x\nC: EHLO me\nS: 250-x\nC: QUIT\nS: 221 bye\n",
        {},
        """\
t.txt:4:1: the server's reply before is not at its end
  |
4 | C: QUIT
  | ^^^^^^^
  = is a line of it missing, or marked as the client's?""",
    ),
    "swaks unhinted": (
        "=== Trying x:25...\n=== Connected to x.\n<-  220 x\nfoo\n -> QUIT\n<-  221 bye\n",
        {},
        """\
t.txt:4:1: swaks has put no hint before 'foo'
  |
4 | foo
  | ^^^
  = remove it if it is none of its lines; else begin it with ' -> ' or '<-  '""",
    ),
    "swaks timeout": (
        "=== Trying x:25...\n=== Connected to x.\n<-  220 x\n -> EHLO me\n<** Timeout (30 secs) waiting for server response\n -> QUIT\n*** Remote host closed connection unexpectedly.\n",
        {},
        """\
t.txt:5:1: swaks has waited in vain for a reply here
  |
5 | <** Timeout (30 secs) waiting for server response
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = cut the transcript before the line that had none, or write 'expect: silence'
    by hand""",
    ),
    "swaks no send": (
        "=== Trying x:25...\n=== Connected to x.\n<-  220 x\n<-  250 ok\n",
        {},
        """\
t.txt:4:1: two replies in a row: what was sent before this one?
  |
4 | <-  250 ok
  | ^^^^^^^^^^
  = add the client's line before it""",
    ),
    "other protocol forced": (
        "hello\nworld\n",
        {"protocol": "smtp"},
        """\
t.txt:1:1: a reply is due here, and this is none; no reply follows
  |
1 | hello
  | ^^^^^
  = is the reply missing, or is this the rest of a line of the server? put C: or
    S: before the line to say whose it is""",
    ),
    "another reply before the greeting": (
        "220 x LMTP\nlhlo me\n250-x\n250 STARTTLS\nfoo bar\nbaz\n",
        {},
        """\
t.txt:5:1: is 'foo bar' the client's line, or the rest of the server's line before?
  |
5 | foo bar
  | ^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "PASS in a question": (
        "+OK hi\nuser a\npass topsecret\n+OK\n",
        {},
        """\
t.txt:3:1: commands in a row: 'user a', 'pass ⟨…⟩'; one reply follows
  |
3 | pass ⟨…⟩
  | ^^^^^^^^
  = is a reply missing, or is one of them the rest of a line of the server? put
    C: or S: before the line to say whose it is""",
    ),
    "LOGIN in a question": (
        "* OK hi\na1 LOGIN alice topsecret\na2 NOOP\na2 OK\n",
        {},
        """\
t.txt:2:1: no answer to this command: a line 'a1 OK', 'a1 NO' or 'a1 BAD' is due
  |
2 | a1 LOGIN alice ⟨…⟩
  | ^^^^^^^^^^^^^^^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "auth line in a question": (
        "220 mx.example ESMTP\nehlo me\n250 x\nauth plain AGFsaWNlAHNlY3JldA==\nmail from:<>\n250 ok\nquit\n221 bye\n",
        {},
        """\
t.txt:5:1: commands in a row: 'auth plain ⟨…⟩', 'mail from:<>'; one reply follows
  |
5 | mail from:<>
  | ^^^^^^^^^^^^
  = is a reply missing, or is one of them the rest of a line of the server? put
    C: or S: before the line to say whose it is""",
    ),
    "client literal too short": (
        "* OK hi\na1 APPEND INBOX {500}\n+ OK\nSubject: x\n",
        {},
        """\
t.txt:2:1: the transcript ends before the 500 octets of this literal
  |
2 | a1 APPEND INBOX {500}
  | ^^^^^^^^^^^^^^^^^^^^^
  = correct the number, or the lines that follow""",
    ),
    "client literal within a line end": (
        "* OK hi\na1 APPEND INBOX {11}\n+ OK\nSubject: x\n\na1 OK\n",
        {},
        """\
t.txt:2:1: the literal of 11 octets has other lines than these: it would end within a line end
  |
2 | a1 APPEND INBOX {11}
  | ^^^^^^^^^^^^^^^^^^^^
  = correct the number, or the lines that follow""",
    ),
    "sieve owed": (
        '"IMPLEMENTATION" "x"\nOK "hi"\nLISTSCRIPTS\nNOOP\nOK\nOK\n',
        {},
        """\
t.txt:4:1: a reply of the server is due here, and this is none
  |
4 | NOOP
  | ^^^^
  = put C: or S: before the line to say whose it is""",
    ),
    "line of the report is short": (
        "  0.010  S: 220 x\n  0.020  S: 250 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…\n",
        {},
        """\
t.txt:2:3: the report has shortened this line
  |
2 |   0.020  S: 250 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…
  |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = take the transcript from its JSON or HTML""",
    ),
    "message with a reply, marked": (
        "S: 220 x\nC: DATA\nS: 354 go\nC: hi\nS: 250 ok\n",
        {},
        """\
t.txt:5:1: a reply within a message: it has no end before
  |
5 | S: 250 ok
  | ^^^^^^^^^
  = end the message with a line of a lone dot""",
    ),
    "swaks TLS failed": (
        "=== Trying x:25...\n<-  220 x\n -> STARTTLS\n<-  220 go\n*** TLS startup failed (connect(): error:0A000126)\n*** STARTTLS attempted but failed\n",
        {},
        """\
t.txt:5:1: the TLS handshake failed here: there is no conversation after it
  |
5 | *** TLS startup failed (connect(): error:0A000126)
  | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = write 'starttls' with 'tls_expect: {fails: …}' by hand""",
    ),
    "blackbox bytes": (
        "modules:\n  a:\n    prober: tcp\n    tcp:\n      query_response:\n        - expect_bytes: 'x'\n",
        {},
        """\
t.txt:6:11: 'expect_bytes' can't be imported
  |
6 |         - expect_bytes: 'x'
  |           ^^^^^^^^^^^^
  = write the scenario's step by hand: 'until' with a regex""",
    ),
    "blackbox key": (
        "modules:\n  a:\n    prober: tcp\n    tcp:\n      query_response:\n        - expct: 'x'\n",
        {},
        """\
t.txt:6:11: 'expct' is not known in 'query_response'
  |
6 |         - expct: 'x'
  |           ^^^^^""",
    ),
    "blackbox without tcp": (
        "modules:\n  a:\n    prober: http\n",
        {},
        """\
t.txt:1:1: none of the modules probes by TCP
  |
1 | modules:
  | ^
  = only those with 'prober: tcp' are conversations""",
    ),
}


@pytest.mark.parametrize(
    "text",
    [bytes(range(256)).decode("utf-8", "surrogateescape"), "220 x\n".encode("utf-16-le").decode(), "\0" * 500],
    ids=["octets", "UTF-16 without a mark", "zeros"],
)
@pytest.mark.parametrize("kind", [None, "blackbox", "swaks"])
def test_what_is_no_text_is_said_to_be_none(text, kind):
    """No line of it is asked about, whatever it is taken for."""
    with pytest.raises(InputError, match=r"\At\.txt:1:1: this is no text but binary data: no transcript\n  = copy"):
        read(text, "t.txt", kind=kind)


@pytest.mark.parametrize(
    "text",
    ["220 x\0\nquit\0\n221 bye\0\n", "220 \x03x\nquit\n221 bye\n", "220 " + "\udcf0\udcd2" * 40 + "\nquit\n221\n"],
    ids=["zeros at the ends", "a stray control character", "KOI8-R"],
)
def test_an_odd_text_is_one(text):
    """What terminals leave in a text, and other encodings, are read."""
    assert 1 == len(read(text, "t.txt"))


def test_a_name_in_a_question_is_short_on_the_screen():
    """What is quoted is cut by the columns that it takes."""
    assert "'" + "\\udcff" * 9 + "…'" == escape(quoted("\udcff" * 60))


@pytest.mark.parametrize(("text", "given", "question"), UNCLEAR.values(), ids=UNCLEAR)
def test_question(text, given, question):
    """What can't be told is asked, in words that name the way out."""
    with pytest.raises(InputError) as caught:
        read(text, "t.txt", **given)
    assert question == str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x" * (MOST_CHARACTERS + 1), "t.txt:1:1: more than 16 MiB: no transcript"),
        ("\n" * MOST_LINES, "t.txt:200000:1: more than 200,000 lines: no transcript"),
        ("220 " + "x" * LONGEST_LINE, "t.txt:1:1: a line of more than 64 KiB"),
        ("220 x\nnoop\n250 " + "x" * 76 + ("\n" + "y" * 80) * 1000, "t.txt:822:1: a line of more than 64 KiB"),
        (
            "220 x\nnoop " + "x" * 75 + ("\n" + "y" * 80) * 1000 + "\n250 ok\n",
            "t.txt:821:1: a line of more than 64 KiB",
        ),
        ("S: 220 x\nC: NOOP\n" + "   x\n" * 40_000, "t.txt:2:1: a line of more than 64 KiB"),
        ("220 x\nquit\n221 bye\n" * 501, "t.txt:1501:1: more than 500 conversations"),
        ("S: 220 x\nC: QUIT\nS: 221 bye\n" * 501, "t.txt:1501:1: more than 500 conversations"),
        ("=== Trying x:25...\n<-  220 x\n" * 501, "t.txt:1001:1: more than 500 conversations"),
    ],
    ids=[
        "characters",
        "lines",
        "line",
        "wrapped line of the server",
        "wrapped line of the client",
        "marked line that goes on",
        "conversations",
        "marked conversations",
        "conversations of swaks",
    ],
)
def test_limits(text, message):
    """What is larger than anybody's transcript is refused, and what the limit is."""
    with pytest.raises(InputError) as caught:
        read(text, "t.txt", kind="marked" if text.startswith("S: ") else None)
    assert message == str(caught.value).split("\n", maxsplit=1)[0]
