"""Transcripts as they were taken, from telnet, nc, openssl and swaks: who said what, and what is drafted of it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from compiling import compiled

from runner.authoring.conversation import ClientLine, ClientLiteral, ClientMessage, Ended, Secured
from runner.authoring.draft import Draft, draft
from runner.authoring.readers import read
from runner.errors import InputError

HERE = Path(__file__).parent / "transcripts"
# The password of the servers that they were taken from, and that of the third one.
PASSWORDS = ("S3cret+/pa ?s?>", "myPASSWORD", "wrong-password")

# What was said: the client's verbs (IMAP's without tags; `x` for a response of AUTH), messages with their number of
# lines, literals; of replies the word that their last line begins with.
SAID = {
    "1-local-delivery": ("smtp", "220 EHLO 250 MAIL 250 RCPT 250 DATA 354 <2> 250 QUIT 221 end:server"),
    "2-relay-refused": ("smtp", "220 EHLO 250 MAIL 250 RCPT 550 end:server"),
    "3-auth-login-relay": (
        "smtp",
        "220 EHLO 250 AUTH 334 x 334 x 235 MAIL 250 RCPT 250 DATA 354 <2> 250 QUIT 221 end:server",
    ),
    "nc-exim": ("smtp", "220 HELO 250 QUIT 221"),
    "ncat-exim": ("smtp", "220 HELO 250 VRFY 501 QUIT 221"),
    "openssl-dovecot-imap-starttls": ("imap", "+ CAPABILITY + STARTTLS + TLS NOOP LOGOUT + + end:server"),
    "openssl-dovecot-imaps": ("imap", "TLS + LOGIN + STATUS + LOGOUT + end:server"),
    "openssl-dovecot-imaps-80": ("imap", "TLS + LOGIN + LOGOUT + end:server"),
    "openssl-dovecot-pop3-stls": ("pop3", "+OK STLS +OK TLS USER +OK PASS +OK QUIT +OK end:server"),
    "openssl-postfix-implicit": ("smtp", "TLS 220 EHLO 250 MAIL 250 QUIT"),
    "openssl-postfix-starttls": (
        "smtp",
        "220 EHLO 250 STARTTLS 220 TLS EHLO 250 AUTH 235 MAIL 250 RCPT 250 DATA 354 <3> 250 QUIT 221 end:server",
    ),
    "openssl-quiet": ("smtp", "TLS 220 EHLO 250 QUIT 221"),
    "swaks-dovecot-lmtp": (
        "lmtp",
        "220 LHLO 250 MAIL 250 RCPT 250 RCPT 250 RCPT 550 DATA 354 <10> 250 250 QUIT 221 end:client",
    ),
    "swaks-exim-nohints": ("smtp", "220 EHLO 250 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221 end:client"),
    "swaks-exim-pipe": ("smtp", "220 EHLO 250 MAIL 250 RCPT 250 QUIT 221 end:client"),
    "swaks-exim-tls": (
        "smtp",
        "220 EHLO 250 STARTTLS 220 TLS EHLO 250 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221 end:client",
    ),
    "swaks-postfix-badpw": ("smtp", "220 EHLO 250 AUTH 334 x 535 AUTH 334 x 334 x 535 AUTH 535 QUIT 221 end:client"),
    "swaks-postfix-cram": (
        "smtp",
        "220 EHLO 250 AUTH 334 x 235 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221 end:client",
    ),
    "swaks-postfix-plaintext-plain": (
        "smtp",
        "220 EHLO 250 AUTH 235 MAIL RCPT DATA 250 250 354 <10> 250 QUIT 221 end:client",
    ),
    "swaks-postfix-plaintext": (
        "smtp",
        "220 EHLO 250 AUTH 334 x 334 x 235 MAIL 250 RCPT 250 DATA 354 <3> 250 QUIT 221 end:client",
    ),
    "swaks-postfix-refused": ("smtp", "220 EHLO 250 MAIL 250 RCPT 554 QUIT 221 end:client"),
    "swaks-postfix-tls-login": (
        "smtp",
        "220 EHLO 250 STARTTLS 220 TLS EHLO 250 AUTH 334 x 334 x 235 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221 end:client",
    ),
    "swaks-postfix-tlsc-plain-hide": ("smtp", "TLS 220 EHLO 250 AUTH 235 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221"),
    "swaks-postfix": ("smtp", "220 EHLO 250 MAIL 250 RCPT 250 DATA 354 <10> 250 QUIT 221 end:client"),
    "swaks-raw": ("smtp", "220 EHLO 250 MAIL 250 QUIT 221 end:client"),
    "telnet-dovecot-imap": ("imap", "+ CAPABILITY + LOGIN + SELECT + FETCH + LOGOUT + end:server"),
    "telnet-dovecot-imap-80": ("imap", "+ LOGIN + CAPABILITY + LOGOUT + end:server"),
    "telnet-dovecot-pop3": ("pop3", "+OK CAPA . USER +OK PASS +OK STAT +OK LIST . RETR . QUIT +OK end:server"),
    "telnet-dovecot-sieve": (
        "sieve",
        "OK CAPABILITY OK AUTHENTICATE OK LISTSCRIPTS OK CHECKSCRIPT {} OK LOGOUT OK end:server",
    ),
    "telnet-exim-auth": ("smtp", "220 EHLO 250 AUTH 334 x 334 x 235 MAIL 250 RCPT 250 RSET 250 QUIT 221 end:server"),
    "telnet-postfix": ("smtp", "220 EHLO 250 MAIL 250 RCPT 250 DATA 354 <4> QUIT 250 221 end:server"),
}


def text_of(name):
    return (HERE / name).read_bytes().decode("utf-8", "surrogateescape")


def word_of(event, protocol):
    """Return what `SAID` has for an event."""
    if isinstance(event, ClientMessage):
        return f"<{len(event.lines)}>"
    if isinstance(event, (Secured, ClientLiteral)):
        return "TLS" if isinstance(event, Secured) else "{}"
    if isinstance(event, Ended):
        return f"end:{event.by}"
    if isinstance(event, ClientLine):
        words = event.text.split(" ")
        is_response = len(words) == 1 and len(words[0]) >= 12 and not words[0].isupper()
        return "x" if is_response else words[protocol == "imap"].upper()
    return "+" if protocol == "imap" else event.lines[-1].split(" ")[0]


@pytest.mark.parametrize(("name", "expected"), SAID.items(), ids=SAID)
def test_lines_have_their_speakers(name, expected):
    """Each line is told whose it is by the protocol, without any hand's help."""
    [conversation] = read(text_of(f"{name}.txt"), name)
    words = [word_of(event, conversation.protocol) for event in conversation.events]
    assert expected == (conversation.protocol, " ".join(words))


@pytest.mark.parametrize("expect", ["texts", "status", "codes"])
@pytest.mark.parametrize("name", SAID)
def test_scenario_is_valid_and_holds_no_password(name, expect):
    """What is drafted compiles, and no form of a password is in it."""
    [conversation] = read(text_of(f"{name}.txt"), name)
    drafted = draft(conversation, expect=expect)
    assert compiled(drafted.text).protocol == conversation.protocol
    for password in PASSWORDS:
        told = f"{drafted!r} {drafted.text} {conversation!r} {drafted.guesses}"
        assert password not in told
        assert base64.b64encode(password.encode()).decode() not in told
        assert base64.b64encode(f"\0alice@example.com\0{password}".encode()).decode() not in told


def test_message_is_as_it_was_meant():
    """A body may look like a reply; a stuffed dot is taken off."""
    [conversation] = read(text_of("telnet-postfix.txt"), "x")
    [message] = [event for event in conversation.events if isinstance(event, ClientMessage)]
    assert ("Subject: by hand", "", "250 is a number", ".stuffed") == message.lines


def test_wrapped_reply_is_whole():
    """What the terminal has wrapped is one line again."""
    [conversation] = read(text_of("1-local-delivery.txt"), "x")
    reply = conversation.events[-4]
    assert ("250 2.6.0 <SMTP0146bXmdMJOtd3r00028154@mail.kuku.co.il> Queued mail for delivery",) == reply.lines


@pytest.mark.parametrize("name", ["telnet-dovecot-imap-80", "openssl-dovecot-imaps-80"])
def test_wrapped_capabilities_are_whole(name):
    """A terminal of 80 columns drops the blank at its edge; what looks like a tag and a command is a capability."""
    [conversation] = read(text_of(f"{name}.txt"), "x")
    codes = [line for event in conversation.events for line in getattr(event, "lines", ()) if "URL-PARTIAL" in line]
    assert codes
    for line in codes:
        assert " URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE " in line
        assert " I18NLEVEL=1 CONDSTORE QRESYNC ESEARCH " in line


def test_capabilities_go_on_until_their_end():
    """A response code to its bracket, a list to its line's end: neither is asked about, another line still is."""
    full = "* OK [CAPABILITY " + "X" * 62
    for head, rest in ((full, "CATENATE UNSELECT] hi"), ("* CAPABILITY " + "X" * 66, "CATENATE UNSELECT MOVE")):
        [conversation] = read(f"* OK hi\na1 NOOP\n{head}\n{rest}\na1 OK\n", "x")
        assert (f"{head} {rest}", "a1 OK") == conversation.events[-1].lines
    with pytest.raises(InputError, match="no answer to this command: a line 'CATENATE OK'"):
        read(f"* OK hi\na1 NOOP\n{full}] hi\nCATENATE UNSELECT MOVE\na1 OK\na2 LOGOUT\na2 OK\n", "x")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_wrapped_keys_of_a_session_are_no_lines(width):
    """A key that s_client shows belongs to the session up to its end, on any terminal; hex elsewhere does not."""
    shown = f"    Resumption PSK: {'0123456789ABCDEF' * 6}"
    wrapped = [shown[at : at + width] for at in range(0, len(shown), width)]
    head = ["CONNECTED(00000003)", "---", "Verify return code: 0 (ok)", "---", "---", "SSL-Session:"]
    said = [*head, *wrapped, "    Timeout   : 7200 (sec)", "---", "read R BLOCK", "* OK hi", "a1 LOGOUT", "a1 OK bye"]
    [conversation] = read("\n".join(said), "x")
    assert ("* OK hi",) == conversation.events[1].lines
    with pytest.raises(InputError, match=r"which protocol is this\? '⟨hidden: it may be a password⟩' is no greeting"):
        read("\n".join([*head, "    Timeout   : 7200 (sec)", *wrapped[1:], "* OK hi"]), "x")


def test_plain_text_of_auth_is_what_was_sent():
    """Swaks --auth-plaintext shows what was encoded; what went over the wire is told."""
    [conversation] = read(text_of("swaks-postfix-plaintext.txt"), "x")
    lines = [event.text for event in conversation.events if isinstance(event, ClientLine)]
    assert [base64.b64encode(word.encode()).decode() for word in ("alice@example.com", PASSWORDS[0])] == lines[2:4]


def test_tls_of_swaks():
    """What swaks says of the handshake comes along; it verifies nothing."""
    [conversation] = read(text_of("swaks-postfix-tls-login.txt"), "x")
    [secured] = [event for event in conversation.events if isinstance(event, Secured)]
    facts = secured.facts
    assert ("TLSv1.3", "TLS_AES_256_GCM_SHA384", False) == (facts.version, facts.cipher, facts.verified)


def test_key_of_s_client_was_never_sent():
    """`RCPT` in capitals makes s_client renegotiate: the line is left out, and that is told."""
    [conversation] = read(text_of("openssl-postfix-implicit.txt"), "x")
    told = "line 94 was never sent: s_client takes a line that begins with R for a key of its own"
    assert (told,) == conversation.guesses


@pytest.mark.parametrize(
    ("head", "place"),
    [
        (
            "$ telnet mail.example.com 587\nTrying 192.0.2.1...\nConnected to mail.example.com.\n",
            ("mail.example.com", 587),
        ),
        ("root@a:~# nc -C -v mail.example.com 25\n", ("mail.example.com", 25)),
        ("C:\\> telnet mail.example.com 25\nConnecting To mail.example.com...\n", ("mail.example.com", 25)),
        ("=== Trying mail.example.com:2525...\n=== Connected to mail.example.com.\n", ("mail.example.com", 2525)),
        ("mail.example.com [192.0.2.1] 25 (smtp) open\n", ("mail.example.com", 25)),
        ("Ncat: Version 7.93 ( https://nmap.org/ncat )\nNcat: Connected to 192.0.2.1:25.\n", ("192.0.2.1", 25)),
        ("=~=~=~=~=~=~=~=~=~=~=~= PuTTY log 2009.06.06 07:11:14 =~=~=~=~=~=~=~=~=~=~=~=\n", ("", 0)),
        (
            'Script started on 2026-01-01 00:00:00+00:00 [TERM="xterm"]\n$ telnet mail.example.com 25\n',
            ("mail.example.com", 25),
        ),
    ],
    ids=["telnet", "nc", "windows", "swaks without hints", "netcat", "ncat", "putty", "script"],
)
def test_tools_lines_tell_the_server(head, place):
    """What the shell and the tools say is no part of the conversation, and tells the server's place."""
    [conversation] = read(head + "220 x ESMTP\nquit\n221 bye\n", "x")
    assert place == (conversation.host, conversation.port)
    assert 3 == len(conversation.events)


def test_several_conversations():
    """A file holds as many as there are: after another command, another greeting, another connection."""
    one = "220 x ESMTP\nquit\n221 bye\n"
    ended = "Connection closed by foreign host.\nroot@a:~# "
    text = f"{one}{one}{ended}telnet mx2 25\nTrying 192.0.2.2...\n{one}{ended}\n"
    assert ["", "", "mx2"] == [conversation.host for conversation in read(text, "x")]


@pytest.mark.parametrize("marks", [("", ""), ("S: ", "C: ")], ids=["of a terminal", "marked"])
def test_each_conversation_has_its_protocol(marks):
    """LMTP in the same text makes no LMTP of what was had in SMTP before it."""
    server, client = marks
    smtp, lmtp = (f"{server}220 x\n{client}{hello} me\n{server}250 x\n" for hello in ("EHLO", "LHLO"))
    bye = f"{client}QUIT\n{server}221 bye\n"
    assert ["smtp", "lmtp", "smtp"] == [one.protocol for one in read(smtp + bye + lmtp + bye + smtp, "x")]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff220 x ESMTP\r\nehlo me\r\n250 x\r\nquit\r\n221 bye\r\n",
        "220 x ESMTP\rehlo me\r250 x\rquit\r221 bye\r",
        "\x1b[1m220 x ESMTP\x1b[0m\nehlx\b \bo me\n250 x\n\x1b]0;title\x07quit\n221 bye\x00\n",
        "220 x ESMTP\r\r\nehlo me\n250 x\r\r\nquit\n221 bye",
    ],
    ids=["byte order mark and CRLF", "CR alone", "escapes and backspaces", "two CRs"],
)
def test_line_ends_and_escapes(text):
    """However a terminal's text was kept, it is what the screen has shown."""
    [conversation] = read(text, "x")
    assert ["220 x ESMTP", "ehlo me", "250 x", "quit", "221 bye"] == [
        event.text if isinstance(event, ClientLine) else event.lines[0] for event in conversation.events
    ]


RFC = """\
   Delivery, as RFC 5321 has it:

      S: 220 foo.com Simple Mail Transfer Service Ready
      C: EHLO bar.com
      S: 250-foo.com greets bar.com
      S: 250-8BITMIME
      S: 250 HELP
      C: MAIL FROM:<Smith@bar.com>
      S: 250 OK
      C: DATA
      S: 354 Start mail input; end with
         <CRLF>.<CRLF>
      C: Blah blah blah...
      C:
      C: .
      S: 250 OK
      C: QUIT
      S: 221 foo.com Service closing transmission channel
"""
IMAP = """\
C:   a001 login mrc secret
S:   a001 OK LOGIN completed
C:   a002 fetch 12 body[header]
S:   * 12 FETCH (BODY[HEADER] {6}
S:   abcd
S:   )
S:   a002 OK FETCH completed
C:   a003 logout
S:   * BYE IMAP4rev2 server terminating connection
S:   a003 OK LOGOUT completed
"""
REPORT = """\
     0.010  *: connected to 192.0.2.1:465
     0.020  *: TLSv1.3 TLS_AES_256_GCM_SHA384, certificate verified
     0.020  S: 220 mx1.example ESMTP
     0.030  C: AUTH LOGIN
     0.030  S: 334 VXNlcm5hbWU6
     0.040  C: YWxpY2VA… ⟨username⟩
     0.040  S: 334 UGFzc3dvcmQ6
     0.050  C: ⟨password⟩
  >  0.060  S: 535 5.7.8 no
"""


class TestMarked:
    """Dialogues that say who said what."""

    def test_as_rfcs_print_them(self):
        """Indentation, a heading and a line that goes on are understood; the heading is the title."""
        [conversation] = read(RFC, "x")
        assert "Delivery, as RFC 5321 has it" == conversation.title
        assert ("354 Start mail input; end with <CRLF>.<CRLF>",) == conversation.events[6].lines
        assert ("Blah blah blah...", "") == conversation.events[7].lines

    def test_imap(self):
        """What all lines have in common before them is taken off, and a literal is the server's."""
        [conversation] = read(IMAP, "x")
        assert "imap" == conversation.protocol
        assert ("* 12 FETCH (BODY[HEADER] {6}", "abcd", ")", "a002 OK FETCH completed") == conversation.events[4].lines
        assert ("the greeting is missing, and was put in",) == conversation.guesses

    def test_of_a_report(self):
        """Mailproof's own transcripts name what they hide, and tell of TLS."""
        [conversation] = read(REPORT, "x")
        lines = [event.template for event in conversation.events if isinstance(event, ClientLine)]
        assert ["", "${username}", "${password}"] == lines
        assert isinstance(conversation.events[0], Secured)
        assert "wrong" in draft(conversation).text

    def test_sessions_of_a_report_are_conversations(self):
        """Each session of a report is told apart."""
        text = "  0.010  main    S: 220 x ESMTP\n  0.020  watcher S: * OK hi\n  0.030  main    C: QUIT\n"
        assert ["smtp", "imap"] == [conversation.protocol for conversation in read(text, "x")]

    @pytest.mark.parametrize(
        "marks", [("Server: ", "Client: "), ("1. S: ", "2. C: "), ("  S:", "  C:")], ids=["words", "numbers", "close"]
    )
    def test_other_marks(self, marks):
        """Words and numbers do as well."""
        server, client = marks
        [conversation] = read(f"{server}220 x\n{client}QUIT\n{server}221 bye\n", "x")
        assert ["220 x", "QUIT", "221 bye"] == [
            event.text if isinstance(event, ClientLine) else event.lines[0] for event in conversation.events
        ]

    def test_marks_answer_a_question(self):
        """A mark on a line of a pasted transcript says whose it is, and the rest is found out."""
        long = "250 2.0.0 a long reply that a terminal may well have wrapped at this place"
        [conversation] = read(f"220 x ESMTP\nnoop\n{long}\nC: xthing\n250 ok\nquit\n221 bye\n", "x")
        assert ["noop", "xthing", "quit"] == [
            event.text for event in conversation.events if isinstance(event, ClientLine)
        ]


class TestBlackbox:
    """Modules of blackbox_exporter."""

    def test_modules(self):
        """Each module that probes by TCP is a scenario, in the protocol of its banner or as lines."""
        found = read(text_of("blackbox.yml"), "blackbox.yml")
        texts = [one.text if isinstance(one, Draft) else draft(one).text for one in found]
        names = ["smtp_starttls", "imaps_banner", "pop3s_banner", "irc_banner", "tcp_connect", "auth"]
        protocols = ["smtp", "imap", "pop3", "tcp", "tcp", "tcp"]
        assert list(zip(names, protocols, strict=True)) == [
            (scenario.name, scenario.protocol) for scenario in map(compiled, texts)
        ]
        assert "expect: 220 /^([^ ]+) ESMTP (.+)$/" in texts[0]
        assert "until: '/PING :([^ ]+)/'" in texts[3] or "until: /PING :([^ ]+)/" in texts[3]
        assert "send: PONG ${m3_1}" in texts[3]

    def test_password_is_left_out(self):
        """What a module sends to log in is a secret of the scenario."""
        *_, last = read(text_of("blackbox.yml"), "blackbox.yml")
        assert "AGFsaWNl" not in last.text
        assert ("credentials",) == last.secrets
