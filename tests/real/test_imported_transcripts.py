"""Transcripts taken from running servers, as operators take them: imported, they pass there and fail elsewhere.

The raw ones in tests/authoring/transcripts were taken in the same way.
"""

from __future__ import annotations

import base64

import pytest
from terminals import BODY, CLOSED, REPLY, SCRIPT, STATUS, TAGGED, run, typed

from runner.authoring.draft import draft
from runner.authoring.readers import read
from runner.results import Outcome
from tests.running import described, run_case
from tests.servers._running import PASSWORD, RECIPIENT, SENDER

EXTERNAL = "carol@example.net"
LOGIN = ("-au", SENDER, "-ap", PASSWORD)


def encoded(text):
    return base64.b64encode(text.encode()).decode()


PLAIN = encoded(f"\0{SENDER}\0{PASSWORD}")


def swaks(door, *arguments, to=RECIPIENT):
    return run("--from", SENDER, "--to", to, "--server", f"{door.host}:{door.port}", *arguments)


def telnet(door, *lines):
    return typed(["telnet", door.host, str(door.port)], lines)


def s_client(door, *lines, options=()):
    return typed(["openssl", "s_client", "-crlf", "-connect", f"{door.host}:{door.port}", *options], lines)


def mail(door, to=RECIPIENT):
    return telnet(
        door,
        ("", REPLY),
        ("ehlo client.example.org", REPLY),
        (f"mail from:<{SENDER}>", REPLY),
        (f"rcpt to:<{to}>", REPLY),
        ("data", REPLY),
        ("Subject: by hand", b""),
        ("", b""),
        ("250 is no reply here", b""),
        ("..", b""),
        (".", REPLY),
        ("quit", CLOSED),
    )


def relay_refused(door):
    return telnet(
        door,
        ("", REPLY),
        ("EHLO client.example.org", REPLY),
        (f"MAIL FROM:<{SENDER}>", REPLY),
        (f"RCPT TO:<{EXTERNAL}>", REPLY),
        ("QUIT", CLOSED),
    )


def login_by_hand(door, password=PASSWORD):
    return telnet(
        door,
        ("", REPLY),
        ("EHLO client.example.org", REPLY),
        ("AUTH LOGIN", REPLY),
        (encoded(SENDER), REPLY),
        (encoded(password), REPLY),
        (f"MAIL FROM:<{SENDER}>", REPLY),
        ("RSET", REPLY),
        ("QUIT", CLOSED),
    )


def pop3(door):
    return telnet(
        door,
        ("", STATUS),
        ("CAPA", BODY),
        (f"USER {SENDER}", STATUS),
        (f"PASS {PASSWORD}", STATUS),
        ("STAT", STATUS),
        ("LIST", BODY),
        ("QUIT", CLOSED),
    )


def imap(door):
    return telnet(
        door,
        ("", rb"ready"),
        ("a1 CAPABILITY", TAGGED),
        (f'a2 LOGIN {SENDER} "{PASSWORD}"', TAGGED),
        ("a3 SELECT INBOX", TAGGED),
        ("a4 SEARCH ALL", TAGGED),
        ("a5 LOGOUT", CLOSED),
    )


def imap_wrong_password(door):
    return telnet(
        door,
        ("", rb"ready"),
        (f"a1 LOGIN {SENDER} wrong-password", TAGGED),
        ("a2 LOGOUT", CLOSED),
    )


def sieve(door):
    return telnet(
        door,
        ("", SCRIPT),
        (f'AUTHENTICATE "PLAIN" "{PLAIN}"', SCRIPT),
        ("LISTSCRIPTS", SCRIPT),
        ("CHECKSCRIPT {5+}", b""),
        ("keep;", SCRIPT),
        ("LOGOUT", CLOSED),
    )


def s_client_starttls(door):
    # In small letters: s_client takes a line that begins with R for a key of its own.
    return s_client(
        door,
        ("", rb"read R BLOCK"),
        ("ehlo client.example.org", REPLY),
        (f"auth plain {PLAIN}", REPLY),
        (f"mail from:<{SENDER}>", REPLY),
        (f"rcpt to:<{EXTERNAL}>", REPLY),
        ("data", REPLY),
        ("Subject: hello", b""),
        ("", b""),
        ("hi", b""),
        (".", REPLY),
        ("quit", CLOSED),
        options=("-starttls", "smtp"),
    )


def s_client_imaps(door):
    return s_client(
        door,
        ("", rb"ready"),
        (f'a1 LOGIN {SENDER} "{PASSWORD}"', TAGGED),
        ("a2 STATUS INBOX (MESSAGES)", TAGGED),
        ("a3 LOGOUT", CLOSED),
    )


def s_client_stls(door):
    return s_client(
        door,
        ("", rb"read R BLOCK[\s\S]*read R BLOCK"),
        (f"USER {SENDER}", STATUS),
        (f"PASS {PASSWORD}", STATUS),
        ("STAT", STATUS),
        ("QUIT", CLOSED),
        options=("-starttls", "pop3"),
    )


def s_client_sieve(door):
    return s_client(
        door,
        ("", rb"read R BLOCK[\s\S]*^OK "),
        (f'AUTHENTICATE "PLAIN" "{PLAIN}"', SCRIPT),
        ("LOGOUT", CLOSED),
        options=("-starttls", "sieve"),
    )


# The name of a transcript: the fixture of its server, the door there, how it is taken.
TAKEN = {
    "swaks postfix": ("postfix_server", "plain", swaks),
    "swaks postfix STARTTLS LOGIN": (
        "postfix_server",
        "tls_only",
        lambda door: swaks(door, "-tls", "-a", "LOGIN", *LOGIN, to=EXTERNAL),
    ),
    "swaks postfix TLS PLAIN": (
        "postfix_server",
        "submissions",
        lambda door: swaks(door, "-tlsc", "-a", "PLAIN", *LOGIN, "--auth-hide-password", "-hi"),
    ),
    "swaks postfix CRAM-MD5": ("postfix_server", "plain", lambda door: swaks(door, "-a", "CRAM-MD5", *LOGIN)),
    "swaks postfix pipelined": (
        "postfix_server",
        "plain",
        lambda door: swaks(door, "--pipeline", "-a", "PLAIN", *LOGIN, "--auth-plaintext", "--show-time-lapse"),
    ),
    "swaks postfix refused": ("postfix_server", "plain", lambda door: swaks(door, to=EXTERNAL)),
    "swaks postfix wrong password": (
        "postfix_server",
        "plain",
        lambda door: swaks(door, "-a", "-au", SENDER, "-ap", "wrong-password"),
    ),
    "swaks exim STARTTLS PLAIN": (
        "exim_server",
        "tls_only",
        lambda door: swaks(door, "-tls", "-a", "PLAIN", *LOGIN, to=EXTERNAL),
    ),
    "swaks exim without hints": ("exim_server", "plain", lambda door: swaks(door, "--no-hints")),
    "swaks dovecot LMTP": (
        "mailbox_server",
        "lmtp",
        lambda door: swaks(door, "--protocol", "LMTP", to=f"{RECIPIENT},nobody-here@example.com"),
    ),
    "swaks dovecot submission": ("mailbox_server", "submission", lambda door: swaks(door, "-a", "PLAIN", *LOGIN)),
    "telnet postfix": ("postfix_server", "plain", mail),
    "telnet postfix refused": ("postfix_server", "plain", relay_refused),
    "telnet exim": ("exim_server", "plain", mail),
    "telnet exim LOGIN": ("exim_server", "plain", login_by_hand),
    "telnet dovecot POP3": ("mailbox_server", "pop3", pop3),
    "telnet dovecot IMAP": ("mailbox_server", "imap", imap),
    "telnet dovecot ManageSieve": ("mailbox_server", "sieve", sieve),
    "openssl postfix STARTTLS PLAIN": ("postfix_server", "tls_only", s_client_starttls),
    "openssl dovecot IMAPS": ("mailbox_server", "imaps", s_client_imaps),
    "openssl dovecot STLS": ("mailbox_server", "pop3", s_client_stls),
    "openssl dovecot ManageSieve STARTTLS": ("mailbox_server", "sieve", s_client_sieve),
}


def imported(text, folder, **options):
    """Import a transcript as a file; no password is in it."""
    [conversation] = read(text, "transcript.txt")
    drafted = draft(conversation, **options)
    assert not [secret for secret in (PASSWORD, PLAIN, encoded(PASSWORD)) if secret in drafted.text + repr(drafted)]
    path = folder / "imported.yaml"
    path.write_text(drafted.text)
    return path


def replayed(path, door):
    return run_case(path, door.url, door.variables, door.password, ca=door.ca)


@pytest.mark.parametrize("expect", ["texts", "codes"])
@pytest.mark.parametrize("name", TAKEN)
def test_passes_where_it_was_taken(request, tmp_path, name, expect):
    """What was had with a server is had with it again."""
    server, door, take = TAKEN[name]
    running = getattr(request.getfixturevalue(server), door)
    text = take(running)
    path = imported(text, tmp_path, expect=expect)
    result = replayed(path, running)
    assert Outcome.PASSED is result.outcome, f"{text}\n{path.read_text()}\n{described(result)}"


# A transcript, how another server is broken, the fixture of that and its door, what is said.
BROKEN = {
    "open relay": ("telnet postfix refused", "broken_postfix", "open_relay", "plain", "expected 554"),
    "open relay by swaks": ("swaks postfix refused", "broken_postfix", "open_relay", "plain", "expected 554"),
    "no STARTTLS": (
        "swaks postfix STARTTLS LOGIN",
        "broken_postfix",
        "starttls_off",
        "tls_only",
        "expected 220, got 502 5.5.1",
    ),
    "certificate": (
        "openssl postfix STARTTLS PLAIN",
        "broken_postfix",
        "expired_certificate",
        "tls_only",
        "certificate expired",
    ),
    "any password": ("swaks postfix wrong password", "broken_postfix", "any_password", "plain", "expected 535"),
    "exim relays": ("swaks exim refused", "broken_exim", "open_relay", "plain", "expected 550"),
    "any password by IMAP": ("telnet dovecot wrong", "broken_mailboxes", "any_password", "imap", "expected NO"),
}
REFUSED = {
    "swaks exim refused": ("exim_server", "plain", lambda door: swaks(door, to=EXTERNAL)),
    "telnet dovecot wrong": ("mailbox_server", "imap", imap_wrong_password),
}


@pytest.mark.parametrize(("name", "fixture", "variation", "door", "reason"), BROKEN.values(), ids=BROKEN)
def test_fails_where_the_server_is_broken(request, tmp_path, name, fixture, variation, door, reason):
    """What a change has broken is seen by what was kept from before."""
    server, own, take = (TAKEN | REFUSED)[name]
    path = imported(take(getattr(request.getfixturevalue(server), own)), tmp_path, expect="codes")
    result = replayed(path, getattr(request.getfixturevalue(fixture)(variation), door))
    assert Outcome.FAILED is result.outcome, f"{path.read_text()}\n{described(result)}"
    assert reason in described(result)


def test_a_message_of_another_size_passes(mailbox_server, tmp_path):
    """How many octets a message had is a star: Dovecot's submission tells that of the server it hands on to."""
    path = imported(swaks(mailbox_server.submission, "-a", "PLAIN", *LOGIN), tmp_path)
    text = path.read_text()
    assert "* bytes queued as *" in text
    path.write_text(text.replace("This is a test mailing", "This is a test mailing of another size"))
    assert text != path.read_text()
    result = replayed(path, mailbox_server.submission)
    assert Outcome.PASSED is result.outcome, described(result)


def test_each_recipient_of_lmtp_is_answered(mailbox_server, tmp_path):
    """After the dot there is a reply for each recipient that was accepted."""
    door = mailbox_server.lmtp
    text = swaks(door, "--protocol", "LMTP", to=f"{RECIPIENT},{SENDER},nobody-here@example.com")
    result = replayed(imported(text, tmp_path, expect="status"), door)
    assert Outcome.PASSED is result.outcome, described(result)


def test_texts_are_a_servers_own(postfix_server, exim_server, tmp_path):
    """With its texts a scenario is for the server that it came from; with codes alone it is for others too."""
    text = mail(postfix_server.plain)
    assert Outcome.FAILED is replayed(imported(text, tmp_path), exim_server.plain).outcome
    assert Outcome.PASSED is replayed(imported(text, tmp_path, expect="codes"), exim_server.plain).outcome
