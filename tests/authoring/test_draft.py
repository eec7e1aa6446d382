"""Drafts: what a conversation becomes, and that it is accepted by what was drafted from it."""

import pytest
from compiling import problems_in
from drafting import (
    ClientLine,
    ClientLiteral,
    Ended,
    Exchange,
    Secured,
    accepts_its_own,
    draft,
    encoded,
    replayed,
    reply,
    talk,
)

from runner.results import Outcome
from runner.wire import TlsFacts

GREETING = "S: 220 mail.kuku.co.il hello ESMTP Sat, 6 Jun 2009 07:11:14 -0400"
EHLO = (
    "S: 250-mail.kuku.co.il Hello [xxx.xxx.xxx.xxx]\n250-TURN\n250-SIZE 104857600\n250-ENHANCEDSTATUSCODES\n"
    "250-8bitmime\n250-STARTTLS\n250-X-EXPS=LOGIN\n250-AUTH GSSAPI NTLM LOGIN\n250-AUTH=LOGIN\n250 OK"
)
OPENING = (GREETING, "C: ehlo", EHLO)
FROM = ("C: mail from: me@mydomain.com", "S: 250 2.1.0 me@mydomain.com....Sender OK")
AUTH_LOGIN = (
    "C: auth login",
    "S: 334 VXNlcm5hbWU6",
    f"C: {encoded('myuser@kuku.co.il')}",
    "S: 334 UGFzc3dvcmQ6",
    f"C: {encoded('myPASSWORD')}",
)
QUEUED = "S: 250 2.6.0 <SMTP0146bXmdMJOtd3r00028154@mail.kuku.co.il> Queued mail for delivery"
QUIT = ("C: quit", "S: 221 2.0.0 mail.kuku.co.il Service closing transmission channel", Ended("server"))
LOCAL = talk(
    *OPENING,
    *FROM,
    "C: rcpt to: you@kuku.co.il",
    "S: 250 2.1.5 you@kuku.co.il",
    "C: data",
    "S: 354 Start mail input; end with <CRLF>.<CRLF>",
    ["This is a test.", ""],
    QUEUED,
    *QUIT,
)
REFUSED = talk(
    *OPENING,
    *FROM,
    "C: rcpt to: you@externaldomain.com",
    "S: 550 5.1.1 Bad destination mailbox address (you@externaldomain.com).",
    Ended("server"),
)
RELAYED = talk(
    *OPENING,
    *AUTH_LOGIN,
    "S: 235 2.7.0 Authentication successful.",
    *FROM,
    "C: rcpt to: you@externaldomain.com",
    "S: 250 2.1.5 you@externaldomain.com",
    "C: data",
    "S: 354 Start mail input; end with <CRLF>.<CRLF>",
    ["This is a test.", ""],
    QUEUED,
    *QUIT,
)
WRONG = talk(*OPENING, *AUTH_LOGIN, "S: 535 5.7.8 Authentication credentials invalid", *QUIT)
FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=True)
STARTTLS = talk(
    "S: 220 mx.example.com ESMTP Postfix",
    "C: EHLO laptop.example.org",
    "S: 250-mx.example.com\n250-STARTTLS\n250 PIPELINING",
    "C: STARTTLS",
    "S: 220 2.0.0 Ready to start TLS",
    Secured(FACTS),
    "C: EHLO laptop.example.org",
    "S: 250-mx.example.com\n250-AUTH PLAIN LOGIN\n250 PIPELINING",
    f"C: AUTH PLAIN {encoded(chr(0) + 'alice' + chr(0) + 'wonderland')}",
    "S: 235 2.7.0 Authentication successful",
    "C: MAIL FROM:<alice@example.com> SIZE=100",
    "S: 250 2.1.0 Ok",
    "C: RCPT TO:<bob@example.com>",
    "S: 250 2.1.5 Ok",
    "C: RCPT TO:<nobody@example.com>",
    "S: 550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in local recipient table",
    "C: RCPT TO:<carol@example.net>",
    "S: 250 2.1.5 Ok",
    "C: DATA",
    "S: 354 End data with <CR><LF>.<CR><LF>",
    [
        "From: alice@example.com",
        "Date: Fri, 17 May 2024 12:00:00 +0000",
        "Subject: hello",
        "",
        "Hi.",
        "..",
        "wonderland",
    ],
    "S: 250 2.0.0 Ok: queued as 4VgXyz1234z9",
    "C: QUIT",
    "S: 221 2.0.0 Bye",
)
IMAP = talk(
    "S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] Dovecot ready.",
    'C: a1 LOGIN alice@example.com "sec ret"',
    "S: * CAPABILITY IMAP4rev1 X\na1 OK Logged in",
    "C: a2 SELECT INBOX",
    "S: * 3 EXISTS\n* 0 RECENT\n* FLAGS (\\Seen \\Answered)\n* OK [UIDVALIDITY 1234] UIDs valid\n"
    "* OK [UNSEEN 2] First unseen.\n"
    "a2 OK [READ-WRITE] Select completed (0.001 + 0.000 secs).",
    "C: a3 APPEND INBOX {5}",
    "S: + OK",
    ClientLiteral("hello"),
    "S: a3 OK [APPENDUID 12 3] Append completed",
    "C: a4 FETCH 1 BODY[]",
    "S: * 1 FETCH (BODY[] {5}\nhello)\na4 OK Fetch completed",
    "C: a5 IDLE",
    "S: + idling",
    "S: * 4 EXISTS",
    "C: DONE",
    "S: a5 OK Idle completed",
    "C: a6 LOGOUT",
    "S: * BYE bye\na6 OK Logout",
    Ended("server"),
    protocol="imap",
)
IMAP_SASL = talk(
    "S: * OK ready",
    "C: 1 CAPABILITY",
    "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN\n1 OK done",
    "C: 2 AUTHENTICATE PLAIN",
    "S: +",
    f"C: {encoded(chr(0) + 'alice' + chr(0) + 'wonderland')}",
    "S: 2 OK in",
    protocol="imap",
)
POP3 = talk(
    "S: +OK POP3 ready <1896.697170952@dbc.mtview.ca.us>",
    "C: CAPA",
    "S: +OK list follows\nUSER\nTOP\nSASL PLAIN\n.",
    "C: USER alice",
    "S: +OK send PASS",
    "C: PASS wonder land",
    "S: +OK Logged in, 3 messages.",
    "C: STAT",
    "S: +OK 2 320",
    "C: LIST",
    "S: +OK 2 messages (320 octets)\n1 120\n2 200\n.",
    "C: RETR 1",
    "S: +OK 120 octets\nSubject: x\n\nhello\n.",
    "C: DELE 9",
    "S: -ERR no such message",
    "C: QUIT",
    "S: +OK bye",
    protocol="pop3",
)
APOP = talk(
    "S: +OK POP3 ready <1896.697170952@dbc.mtview.ca.us>",
    "C: APOP alice c4c9334bac560ecc979e58001b3e22fb",
    "S: +OK maildrop has 1 message",
    protocol="pop3",
)
SIEVE = talk(
    'S: "IMPLEMENTATION" "Dovecot"\n"SIEVE" "fileinto"\n"SASL" "PLAIN"\nOK "ready"',
    f'C: AUTHENTICATE "PLAIN" "{encoded(chr(0) + "alice" + chr(0) + "wonderland")}"',
    'S: OK "Logged in."',
    "C: LISTSCRIPTS",
    'S: "main" ACTIVE\nOK "Listscripts completed."',
    'C: PUTSCRIPT "x" {5+}',
    ClientLiteral("keep;", is_sync=False),
    'S: OK (WARNINGS) "stored"',
    'C: GETSCRIPT "none"',
    'S: NO (NONEXISTENT) "Script does not exist."',
    protocol="sieve",
)
LMTP = talk(
    "S: 220 lmtp.example.com ready",
    "C: LHLO mx.example.com",
    "S: 250-lmtp.example.com\n250 8BITMIME",
    "C: MAIL FROM:<a@example.org>",
    "S: 250 ok",
    "C: RCPT TO:<b@example.com>",
    "S: 250 ok",
    "C: RCPT TO:<c@example.com>",
    "S: 250 ok",
    "C: DATA",
    "S: 354 go",
    ["Subject: x", "", "y"],
    "S: 250 2.0.0 <b@example.com> OBsfKXM2R2YMGwAA0J78UA Saved",
    "S: 452 4.2.2 <c@example.com> Quota exceeded",
    protocol="lmtp",
)
TCP = talk(
    "S: 220 mx.example.com ESMTP", "C: NOOP", "S: 250 Ok", "C: HELP", "S: one\ntwo", "C: x", "S: /y", protocol="tcp"
)
PIPELINED = talk(
    "S: 220 mx.example.com ESMTP",
    "C: EHLO x.example",
    "S: 250-mx.example.com\n250 PIPELINING",
    "C: MAIL FROM:<a@example.com>",
    "C: RCPT TO:<zz@example.com>",
    "C: RCPT TO:<b@example.com>",
    "C: DATA",
    "S: 250 ok",
    "S: 550 5.1.1 zz@example.com unknown",
    "S: 250 ok b@example.com",
    "S: 354 go",
    ["x"],
    "S: 250 done",
)
ODD = talk(
    "S: 220-one\n220 two",
    "C: HELO x.example",
    "S: 250 hi",
    "C: HELP",
    "S: 214-{{ a }}\n214-...\n214- # x\n214 ${b} * ? \\ ",
    "C: NOOP {{ x }} ${y} # z: 'q'",
    "S: 250 /usr/bin * ${x} {{ y }}",
    "C: VRFY caf\udce9\x07",
    "S: 252 2.1 caf\udce9 \x07\\",
    "C:  NOOP ",
    "S: 500",
    "C: ",
    "S: 500 or 501",
    "C: DATA",
    "S: 354 go",
    ["${x}", "{{ y }}", ".", "", "", " z ", ""],
    "S: 250 close",
    "C: DATA",
    "S: 354 go",
    [],
    "S: 554 5.6.0 [x]",
    "C: DATA",
    "S: 354 go",
    ["caf\udce9", ".x"],
    "S: 421 4.3.0 going",
    Ended("server"),
)
LOGIN_WITH_INITIAL = talk(
    GREETING,
    "C: EHLO x.example",
    "S: 250 AUTH LOGIN",
    f"C: AUTH LOGIN {encoded('alice')}",
    f"S: 334 {encoded('Passwort?')}",
    f"C: {encoded('wonderland')}",
    "S: 235 ok",
)
PLAIN_AFTER_CHALLENGE = talk(
    GREETING,
    "C: EHLO x.example",
    "S: 250-mail.kuku.co.il\n250 AUTH PLAIN",
    "C: AUTH PLAIN",
    "S: 334 ",
    f"C: {encoded('boss' + chr(0) + 'alice' + chr(0) + 'wonderland')}",
    "S: 235 ok",
)
CANCELLED = talk(
    GREETING,
    "C: EHLO x.example",
    "S: 250 AUTH CRAM-MD5",
    "C: AUTH CRAM-MD5",
    "S: 334 PDFAeD4=",
    "C: *",
    "S: 501 5.0.0 x",
)
BARE_PASSWORD = talk(
    GREETING, "C: EHLO x.example", "S: 250 AUTH LOGIN", "C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: al!ce", "S: 501 bad"
)
CUT = talk(GREETING, "C: EHLO x.example", reply("250-mail.kuku.co.il\n250-SIZE", is_cut=True))
NO_LAST_REPLY = talk(GREETING, "C: EHLO x.example", "S: 250 mail.kuku.co.il", "C: NOOP")
HUNG_UP = talk(GREETING, "C: EHLO x.example", "S: 250 mail.kuku.co.il", "C: NOOP", Ended("server"))
NO_GOODBYE = talk(GREETING, "C: EHLO x.example", "S: 250 mail.kuku.co.il", "C: QUIT", Ended("client"))
LONG = talk(
    GREETING, "C: HELP", "S: " + "\n".join([*(f"214-{n}" for n in range(30)), "214 end"]), "S: 421 bye", Ended("server")
)

ALL = {
    "local": LOCAL,
    "refused": REFUSED,
    "relayed": RELAYED,
    "wrong password": WRONG,
    "starttls": STARTTLS,
    "imap": IMAP,
    "imap sasl": IMAP_SASL,
    "pop3": POP3,
    "sieve": SIEVE,
    "lmtp": LMTP,
    "tcp": TCP,
    "pipelined": PIPELINED,
    "odd": ODD,
    "login with initial": LOGIN_WITH_INITIAL,
    "plain after challenge": PLAIN_AFTER_CHALLENGE,
    "cancelled": CANCELLED,
    "bare password": BARE_PASSWORD,
    "long help": LONG,
    "apop": APOP,
    "no last reply": NO_LAST_REPLY,
    "hung up": HUNG_UP,
    "no goodbye": NO_GOODBYE,
}


@pytest.mark.parametrize("expect", ["texts", "status", "codes"])
@pytest.mark.parametrize("conversation", ALL.values(), ids=ALL)
def test_a_draft_accepts_its_own_conversation(conversation, expect):
    """Played against a server that says the same again, a draft passes, whatever it expects."""
    accepts_its_own(conversation, expect=expect)


@pytest.mark.parametrize(
    ("conversation", "expected"),
    [
        (LOCAL, "A mail to a local recipient is accepted"),
        (REFUSED, "A mail to an outside recipient is refused"),
        (RELAYED, "A mail to an outside recipient is accepted after AUTH LOGIN"),
        (STARTTLS, "A mail to an outside recipient is accepted after AUTH PLAIN"),
        (WRONG, "AUTH LOGIN with a wrong password is refused"),
        (POP3, "POP3 login by USER succeeds"),
        (TCP, "What is said by TCP"),
    ],
)
def test_a_title_says_what_happened(conversation, expected):
    """Where the source has no title, who was written to and how it went is one."""
    assert f"name: {expected}" == draft(conversation).text.split("\n")[1]


def test_the_telnet_afternoon_reads_as_one_wrote_it():
    """The dialogue stays a dialogue: addresses have names, what varies is a star, nothing else is changed."""
    text = draft(RELAYED).text
    assert text.endswith("""
  - talk: |
      C: auth login
      S: 334 Username:
      C: ${username}
      S: 334 Password:
      C: ${password}
      S: 235 2.7.0 Authentication successful.
      C: mail from: ${sender}
      S: 250 2.1.0 ${sender}....Sender OK
      C: rcpt to: ${external}
      S: 250 2.1.5 ${external}
      C: data
      S: 354 Start mail input; end with <CRLF>.<CRLF>
      C: This is a test.
      C:
      C: .
      # guessed: a star stands for a message id
      S: 250 2.6.0 <*> Queued mail for delivery
      C: quit
      S: 221 2.0.0 * Service closing transmission channel
""")


def test_an_ehlo_without_a_name_gets_one_and_says_so():
    """Servers of today refuse a bare EHLO; that the draft has changed it is told."""
    made = draft(LOCAL)
    assert (
        "  # changed: no name followed here, and servers of today want one\n  - send: EHLO ${client.name}" in made.text
    )
    assert "EHLO had no argument: it is sent with the client's name" in made.guesses


def test_variables_are_those_of_the_conversation():
    """What was found is told with its value, secrets by their names only."""
    made = draft(RELAYED)
    assert {
        "username": "myuser@kuku.co.il",
        "sender": "me@mydomain.com",
        "external": "you@externaldomain.com",
    } == dict(made.variables)
    assert ("password",) == made.secrets


def test_codes_fit_another_server():
    """With "codes" no text and no status is expected, and of the capabilities only what is used."""
    text = draft(RELAYED, expect="codes").text
    expected = {line.strip().removeprefix("S: ") for line in text.split("\n") if line.strip().startswith("S: ")}
    assert {"334", "235", "250", "354", "221"} == expected
    assert "    capabilities: {AUTH: [LOGIN]}\n" in text


def test_a_wrong_password_is_made_up():
    """The scenario of a failed login sends another wrong password, and wants no secret."""
    made = draft(WRONG)
    assert "  wrong_password: wrong-${unique}\n" in made.text
    assert () == made.secrets
    assert "      # a failed login was recorded: wrong_password is made up\n" in made.text


def test_a_sender_that_is_the_user_leaks_no_name():
    """An address made of the user's name is written with it."""
    text = draft(STARTTLS).text
    assert "  sender: ${username}@example.com\n" in text
    assert "alice" not in text


def test_a_certificate_that_was_not_verified_is_told():
    """A run verifies it, and would fail where the recording did not."""
    facts = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=False)
    made = draft(talk(GREETING, "C: STARTTLS", "S: 220 go", Secured(facts), "C: NOOP", "S: 250 ok"))
    assert ("the server's certificate was not verified while this was recorded; a run verifies it",) == made.guesses


def test_implicit_tls_is_no_step():
    """Whether TLS comes first the target's scheme says."""
    text = draft(talk(Secured(FACTS), GREETING)).text
    assert text.endswith(
        "steps:\n  # TLS from the first byte: the target's scheme says so, such as smtps or imaps\n"
        "  - expect: 220 * hello ESMTP *\n"
    )


@pytest.mark.parametrize(
    ("mechanism", "final", "expected"),
    [
        ("SCRAM-SHA-256", "S: 235 2.7.0 ok", "  - auth: SCRAM-SHA-256\n    expect: 235 2.7.0 ok\n"),
        ("XOAUTH2", "S: 235 ok", "  - auth: XOAUTH2\n    expect: 235 ok\n"),
        (
            "CRAM-MD5",
            "S: 535 5.7.8 no",
            "  - auth: {mechanism: CRAM-MD5, password: '${wrong_password}'}\n    expect: 535 5.7.8 no\n",
        ),
    ],
    ids=["accepted", "token", "refused"],
)
def test_an_exchange_is_the_verb(mechanism, final, expected):
    """What differs each time is made by `auth`; a refusal is expected as it came."""
    exchange = Exchange(mechanism, reply(final.removeprefix("S: ")))
    text = draft(talk(GREETING, "C: EHLO x.example", "S: 250 ok", exchange)).text
    assert expected in text
    assert [] == problems_in(text)


def test_a_recorded_cram_md5_is_the_verb():
    """Lines of a challenge and its answer can't be replayed, so they become one step."""
    text = draft(
        talk(
            GREETING,
            "C: EHLO x.example",
            "S: 250 AUTH CRAM-MD5",
            "C: AUTH CRAM-MD5",
            f"S: 334 {encoded('<1.2@x>')}",
            f"C: {encoded('tim b913a602c7eda7a495b4e6e7334d3890')}",
            "S: 235 ok",
        )
    ).text
    assert text.endswith("  - auth: CRAM-MD5\n    expect: 235 ok\n")


def test_what_is_no_mechanism_of_ours_ends_the_draft():
    """An exchange that no step can make is told, and nothing after it is pretended."""
    made = draft(talk(GREETING, Exchange("DIGEST-MD5", reply("235 ok")), "C: NOOP", "S: 250 ok"))
    assert ("DIGEST-MD5 is no mechanism that a scenario knows; what follows is left out",) == made.guesses
    assert "NOOP" not in made.text


def test_a_reply_that_is_none_ends_the_draft():
    """No expectation stands for what a run could not read."""
    made = draft(talk(GREETING, "C: NOOP", "S: welcome to the machine", "C: RSET", "S: 250 ok"))
    assert "RSET" not in made.text
    assert ("the server said what is no reply: what follows is left out",) == made.guesses


def test_a_cut_reply_is_its_code():
    """Of a reply whose end is not known no more than the code is expected, and that is told."""
    made = draft(CUT)
    assert made.text.endswith(
        "      # the transcript ends in the midst of this reply: more of it is not known\n      S: 250\n"
    )
    assert [] == problems_in(made.text)


def test_what_an_operator_expects_stands():
    """A form that was asked for is written; one that can't be is told."""
    conversation = talk(GREETING, "C: NOOP", reply("250 ok", expect="2xx *"), "C: NOOP", reply("250 ok", expect="boo"))
    made = draft(conversation)
    assert "  - send: NOOP\n    expect: 2xx *\n" in made.text
    assert ("an expectation that was asked for can't be written; another stands in its place",) == made.guesses


def test_a_template_of_the_recorder_stands():
    """Who has listened knows better than the bytes."""
    line = ClientLine(encoded("wonderland"), "${password}")
    made = draft(
        talk(GREETING, "C: AUTH LOGIN", "S: 334 UGFzc3dvcmQ6", line, "S: 235 ok", secrets={"password": "wonderland"})
    )
    assert "      C: ${password}\n" in made.text
    assert ("password",) == made.secrets


def test_an_empty_conversation_is_a_file_all_the_same():
    """There is nothing in it but a greeting, and that is told."""
    made = draft(talk())
    assert [] == problems_in(made.text)
    assert made.guesses


def test_the_source_is_told():
    """The file says where it comes from, in one line."""
    made = draft(talk(GREETING, source="telnet.txt,\nline 3"))
    assert "description: Drafted from telnet.txt, line 3.\n" in made.text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("250 2.0.0 Ok: queued as 4VgXyz1234z9", "250 2.0.0 Ok: queued as *"),
        ("250 OK id=1s7tXQ-000000001Bc-2abc", "250 OK id=*"),
        ("250 2.0.0 44HC0gkX012345 Message accepted for delivery", "250 2.0.0 * Message accepted for delivery"),
        ("250 2.0.0 5e8b9f1a Message accepted for delivery", "250 2.0.0 * Message accepted for delivery"),
        ("250 2.1.0 OK 5b1f17b1804b1-42f9e8a5d1bsm12.12 - gsmtp", "250 2.1.0 OK * - gsmtp"),
        ("250 Hello mx.example.org [IPv6:2001:db8::1]", "250 Hello mx.example.org [*]"),
        ("250 <abc@d.example> [InternalId=12, Hostname=EX1] 9 bytes in 0.1, 9 KB/sec Queued",
         "250 * [InternalId=*, Hostname=*] * Queued"),
        ("250 2.0.0 Ok: 462 bytes queued as 4VgXyz1234z9", "250 2.0.0 Ok: * bytes queued as *"),
        ("250 2.0.0 Ok: 462 bytes", "250 2.0.0 Ok: * bytes"),
        ("250 10 byte chunk received", "250 * byte chunk received"),
        ("250 10 byte chunk, total 462", "250 * byte chunk, total *"),
        ("250 Message OK, 86 octets received", "250 Message OK, * octets received"),
        ("250 2.6.0 CHUNK received OK, 462 octets", "250 2.6.0 CHUNK received OK, * octets"),
        ("250 2.6.0 462 bytes received in 00:00:01; Message id A accepted",
         "250 2.6.0 * bytes received in *; Message id A accepted"),
        ("250 Message accepted (462 bytes)", "250 Message accepted (* bytes)"),
        ("552 5.3.4 Message of more than 10240 bytes", "552 5.3.4 Message of more than 10240 bytes"),
        ("250 at Fri, 17 May 2024 12:00:00 +0000", "250 at *"),
        ("250 mail.kuku.co.il is me", "250 * is me"),
        ("250 100% *sure*?", r"250 100% \*sure\*\?"),
    ],
)  # fmt: skip
def test_what_varies_is_a_star(said, expected):
    """Queue ids, dates, addresses, and the server's own name; the rest is as it was said."""
    assert f"      S: {expected}\n" in draft(talk(GREETING, "C: NOOP", f"S: {said}")).text


def test_the_first_unseen_message_is_no_fact_of_the_server():
    """Once it is read, the server says nothing of it, or names another."""
    text = draft(IMAP).text
    assert "UIDVALIDITY *" in text
    assert "UNSEEN" not in text


def test_a_secret_outside_of_a_login_is_removed_and_told():
    """A password that was typed as a command is not in the file, and the operator learns why."""
    made = draft(talk(GREETING, "C: wonderland", "S: 500 what?", secrets={"password": "wonderland"}))
    assert (
        "      # a secret stood here: REMOVED is in its place; where it was the same word by chance, put that back\n      C: REMOVED\n"
        in made.text
    )
    assert 1 == len(made.guesses)


@pytest.mark.parametrize(
    ("said", "protocol"),
    [
        (["C: BDAT 12 LAST", ["wonderland"], "S: 250 ok"], "smtp"),
        (["C: a1 APPEND INBOX {10}", "S: + go", ClientLiteral("wonderland"), "S: a1 OK done"], "imap"),
    ],
    ids=["chunk", "literal"],
)
def test_a_secret_in_octets_is_removed_and_told(said, protocol):
    """What is sent by its size is changed no more silently than a line is."""
    greeting = {"smtp": GREETING, "imap": "S: * OK hi"}[protocol]
    made = draft(talk(greeting, *said, protocol=protocol, secrets={"password": "wonderland"}))
    assert (
        "  # a secret stood here: REMOVED is in its place; where it was the same word by chance, put that back\n"
        in made.text
    )
    assert "wonderland" not in made.text
    assert 1 == len(made.guesses)


class TestCommonWord:
    """A password that is a word of other lines too."""

    def test_a_title_is_in_our_words(self):
        """Whatever the password is, a title says in whole words what happened; what is not ours is hidden."""
        wrong = (*AUTH_LOGIN[:-1], f"C: {encoded('wrong')}", "S: 535 5.7.8 no")
        assert "name: AUTH LOGIN with a wrong password is refused\n" in draft(talk(*OPENING, *wrong)).text
        unknown = ("C: AUTH WONDERLAND", "S: 504 5.5.4 what?")
        made = draft(talk(*OPENING, *unknown, secrets={"password": "wonderland"}))
        assert "name: AUTH … is refused\n" in made.text

    def test_an_address_with_it_is_a_variable_that_is_given(self):
        """The address is in no file, and the draft passes where it is given."""
        said = talk(
            *OPENING,
            "C: AUTH PLAIN " + encoded("\0alice\0test"),
            "S: 235 2.7.0 ok",
            "C: MAIL FROM:<ann@other.example>",
            "S: 250 2.1.0 <ann@other.example> ok",
            "C: RCPT TO:<bob@test.example>",
            "S: 250 2.1.5 <bob@test.example> ok",
        )
        made = draft(said)
        assert "requires: {var: [username, external]}\n" in made.text
        assert "      C: RCPT TO:<${external}>\n      S: 250 2.1.5 <${external}> ok\n" in made.text
        assert "# what is secret is in values that are not written, --var gives them: external\n" in made.text
        assert (("external",), False) == (made.missing, "test" in f"{made.text}{made!r}{made.guesses}")
        result = replayed(
            said,
            made.text,
            secrets={"password": "test"},
            variables={"username": "alice", "external": "bob@test.example"},
        )
        assert Outcome.PASSED is result.outcome, result.reason

    def test_a_host_with_it_is_one_star(self):
        """What varies is a star as a whole, though a part of it is secret."""
        text = draft(talk("S: 220 mail.test.example ESMTP", "C: QUIT", "S: 221 bye", secrets={"password": "test"})).text
        assert "S: 220 * ESMTP\n" in text


def test_what_a_reader_has_guessed_is_a_comment():
    """Who has the file alone sees it as well."""
    text = draft(talk("S: 220 x", "C: QUIT", "S: 221 bye", guesses=("the greeting is missing, and was put in",))).text
    assert "      # guessed: the greeting is missing, and was put in\n      S: 220 x\n" in text


def test_wrong_passwords_of_one_length_are_all_hidden():
    """Where two logins failed, the server's echo of the first password is a star as that of the second is."""
    wrong = (
        (*AUTH_LOGIN[:-1], f"C: {encoded(password)}", f"S: 535 5.7.8 no: {password}")
        for password in ("first-guess", "other-guess")
    )
    text = draft(talk(*OPENING, *(one for login in wrong for one in login))).text
    assert 2 == text.count("      S: 535 5.7.8 no: *\n")
    assert "guess" not in text


def test_a_command_without_a_tag_is_whole():
    """Any command that the protocol's own machine knows is none of the words that may be tags."""
    said = ('C: GETMETADATA "" /shared/comment', "S: OK done")
    text = draft(talk("S: * OK hi", *said, protocol="imap")).text
    assert 'C: GETMETADATA "" /shared/comment\n' in text


def test_a_title_uses_no_name():
    """A title that looks like a placeholder is none: the file wants no secret for it."""
    made = draft(talk(GREETING, title="about ${password}", secrets={"password": "wonderland"}))
    assert () == made.secrets
    assert "secrets:" not in made.text
