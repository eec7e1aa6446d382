"""Clients that are not mailproof, or another one: values are learnt, what is not expected is told, nothing grows."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mirroring import Talk, by_hand

from runner.mirror import taking
from runner.mirror.acts import Handshake, Hangup
from runner.mirror.hearing import Hearing
from runner.mirror.taking import LINE_LIMIT, MOST_COMPLAINTS

HELLO = """\
  - expect: 220
  - send: EHLO ${client.name}
    expect: 250
"""
MAIL = (
    HELLO
    + """\
  - send: MAIL FROM:<${sender}>
    expect: 250
  - send: DATA
    expect: 354
  - data: |
      Subject: ${unique}

      text
    expect: 250 queued for ${sender}
  - send: NOOP ${unique}
    expect: 250 again ${unique}
"""
)


class TestLearning:
    """The client's own values."""

    def test_values_are_the_clients(self):
        """What the client says for a placeholder is what the mirror says from then on."""
        talk = Talk(by_hand(MAIL))
        talk.say(b"EHLO my.host\r\n")
        talk.say(b"mail from:<me@home>\r\n")
        talk.say(b"DATA\r\n")
        assert b"250 queued for me@home\r\n" == talk.say(b"Subject: 4711\r\nX: y\r\n\r\nanything\r\n.\r\n")
        assert b"250 again 4711\r\n" == talk.say(b"NOOP 4711\r\n")
        assert b"221 bye\r\n" == talk.say(b"QUIT\r\n")
        talk.leave()
        assert talk.mirror.is_kept

    def test_a_value_is_kept_to(self):
        """Once it is known, another one is none that is expected."""
        talk = Talk(
            by_hand(
                HELLO + "  - send: MAIL FROM:<${sender}>\n    expect: 250\n  - send: VRFY ${sender}\n    expect: 252\n"
            )
        )
        talk.say(b"EHLO x\r\nMAIL FROM:<me@home>\r\n")
        assert b"500 expected VRFY" in talk.say(b"VRFY you@home\r\n")
        assert b"252 done\r\n" == talk.say(b"VRFY me@home\r\n")

    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_pieces(self, size):
        """How the bytes come is all the same."""
        talk = Talk(by_hand(MAIL))
        said = b"EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\nSubject: 1\r\n\r\n..x\r\n.\r\nNOOP 1\r\nQUIT\r\n"
        for at in range(0, len(said), size):
            talk.say(said[at : at + size])
        assert talk.heard.endswith(b"250 queued for a@b\r\n250 again 1\r\n221 bye\r\n")

    def test_tags_and_literals(self):
        """IMAP's tags are the client's, and so are the sizes of its literals and of the mirror's."""
        steps = (
            "  - expect: OK\n  - send: LOGIN ${username} ${password}\n    expect: OK\n"
            "  - send: APPEND INBOX\n    literal: |\n      Subject: ${unique}\n    expect: OK\n"
            "  - send: FETCH 1 BODY[]\n    expect: OK\n    message: {headers: {Subject: '${unique}'}}\n"
        )
        talk = Talk(by_hand(steps, "protocol: imap\nsecrets: [password]"))
        assert b"x1 OK done\r\n" == talk.say(b"x1 LOGIN me secret\r\n")
        assert b"+ go ahead\r\n" == talk.say(b"x2 APPEND INBOX {13}\r\n")
        assert b"x2 OK done\r\n" == talk.say(b"Subject: AB\r\n\r\n")
        heard = talk.say(b"x3 FETCH 1 BODY[]\r\n")
        found = re.search(rb"\{(\d+)\}\r\n(.*)\)\r\nx3 OK done\r\n\Z", heard, re.DOTALL)
        assert int(found[1]) == len(found[2])
        assert b"Subject: AB\r\n" in found[2]

    def test_base64(self):
        """What is base64 of a value is learnt from, too."""
        steps = HELLO + "  - send: AUTH PLAIN \\0${username}\\0${password}\n    expect: 235 *${username}\n"
        talk = Talk(by_hand(steps, "secrets: [password]"))
        talk.say(b"EHLO x\r\n")
        line = b"AUTH PLAIN " + base64.b64encode(b"\0me\0secret")
        assert b"235 mirror.exampleme\r\n" == talk.say(line + b"\r\n")

    def test_scram_with_a_nonce_of_its_own(self):
        """A client with another nonce is challenged for it, and the server proves itself to it."""
        talk = Talk(by_hand(HELLO + "  - auth: {mechanism: SCRAM-SHA-256, username: user, password: pencil}\n"))
        talk.say(b"EHLO x\r\n")
        bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
        challenge = talk.say(b"AUTH SCRAM-SHA-256 " + base64.b64encode(b"n,," + bare) + b"\r\n")
        first = base64.b64decode(challenge[4:])
        fields = dict(part.split(b"=", 1) for part in first.split(b","))
        final = b"c=biws,r=" + fields[b"r"]
        salted = hashlib.pbkdf2_hmac("sha256", b"pencil", base64.b64decode(fields[b"s"]), int(fields[b"i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        message = b",".join((bare, first, final))
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True)))
        told = base64.b64decode(talk.say(base64.b64encode(final + b",p=" + proof) + b"\r\n")[4:])
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        assert b"v=" + base64.b64encode(server) == told
        assert b"235 done\r\n" == talk.say(b"\r\n")

    def test_scram_with_a_wrong_password(self):
        """One that can't prove that it knows the password is refused, and that is told."""
        talk = Talk(by_hand(HELLO + "  - auth: {mechanism: SCRAM-SHA-1, username: user, password: pencil}\n"))
        talk.say(b"EHLO x\r\n")
        first = base64.b64decode(talk.say(b"AUTH SCRAM-SHA-1 " + base64.b64encode(b"n,,n=user,r=abc") + b"\r\n")[4:])
        nonce = first.split(b",")[0]
        reply = talk.say(base64.b64encode(b"c=biws," + nonce + b",p=AAAA") + b"\r\n")
        assert b"535 no\r\n" == reply
        assert ["line 7: the login fails: the proof of SCRAM is not that of the password"] == talk.mirror.notes

    def test_login_in_the_clients_own_rounds(self):
        """A client may send its first response with the command or after a challenge."""
        talk = Talk(by_hand(HELLO + "  - auth: PLAIN\n", "secrets: [password]"))
        talk.say(b"EHLO x\r\n")
        assert b"334 \r\n" == talk.say(b"AUTH PLAIN\r\n")
        assert b"235 done\r\n" == talk.say(base64.b64encode(b"\0a\0b") + b"\r\n")


marks = {"token-of-mine": "unique", "me@mirror.example": "sender", "mirror.example": "domain"}
words = st.text("abcXYZ <>@:", max_size=12).map(str.encode)


@given(st.lists(st.sampled_from(list(marks)) | st.text("abX <>:", min_size=1, max_size=5), max_size=5), words)
def test_what_is_expected_is_taken(parts, value):
    """A line with any value in the place of a mark is the line that is expected, unless the values run into each other."""
    expected = "|".join(parts).encode()
    heard = b"|".join(value if part in marks else part.encode() for part in parts)
    hearing = Hearing(marks)
    if b"|" not in value:
        assert hearing.takes(expected, heard)
        assert {value} >= set(hearing.learnt.values())


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_line_is_judged(expected, heard):
    """No line whatever breaks the comparison."""
    assert Hearing(marks).takes(expected, heard) in (True, False)


class TestOtherwise:
    """Clients that do otherwise."""

    def test_told(self):
        """Another line gets an error of the protocol, which says what was expected; the right one is still welcome."""
        talk = Talk(by_hand(HELLO))
        assert b"500 expected EHLO client.example, got HELO x\r\n" == talk.say(b"HELO x\r\n")
        assert ["line 5: expected EHLO client.example, got HELO x"] == talk.mirror.notes
        assert talk.say(b"EHLO x\r\n").startswith(b"250-")

    @pytest.mark.parametrize(
        ("protocol", "expected"),
        [
            ("pop3", b"-ERR expected NOOP, got X 1\r\n"),
            ("imap", b"X BAD expected A1 NOOP, got X 1\r\n"),
            ("sieve", b'NO "expected NOOP, got X 1"\r\n'),
            ("tcp", b"error: expected NOOP, got X 1\r\n"),
        ],
    )
    def test_told_in_each_protocol(self, protocol, expected):
        """The error is one of the protocol."""
        greeting = {"pop3": "  - expect: +OK\n", "tcp": ""}.get(protocol, "  - expect: OK\n")
        code = {"pop3": "+OK", "tcp": "x"}.get(protocol, "OK")
        talk = Talk(by_hand(f"{greeting}  - send: NOOP\n    expect: {code}\n", f"protocol: {protocol}"))
        assert expected == talk.say(b"X 1\r\n")

    def test_hostile_text_is_shown_plain(self):
        """Control characters go back neither to the client nor, unescaped, into a reply's lines."""
        talk = Talk(by_hand(HELLO))
        reply = talk.say(b"\x1b[31mEHLO\xff \r x\r\n")
        assert 1 == reply.count(b"\r\n")
        assert b"\x1b" not in reply

    def test_secrets_are_not_told(self):
        """What is expected and holds a secret is shown by the secret's name."""
        steps = (
            HELLO + "  - send: AUTH PLAIN\n    expect: 334\n  - send: \\0${username}\\0${password}\n    expect: 235\n"
        )
        talk = Talk(by_hand(steps, "secrets: [password]"))
        talk.say(b"EHLO x\r\nAUTH PLAIN\r\n")
        reply = talk.say(b"nonsense\r\n")
        assert b"Mirror-Passw0rd" not in reply
        assert base64.b64encode(b"Mirror-Passw0rd") not in reply

    @pytest.mark.parametrize(
        "line", ["AUTH PLAIN AHNlY3JldA==", "x LOGIN me s3cret", "PASS s3cret", "a1 AUTHENTICATE PLAIN AHNlY3JldA=="]
    )
    def test_the_clients_secrets_are_not_told(self, line):
        """What may be a client's own secret is neither noted nor said."""
        talk = Talk(by_hand(HELLO))
        talk.say(line.encode() + b"\r\n")
        assert [True] == [note.endswith("⟨credentials⟩") for note in talk.mirror.notes]
        assert "ret" not in talk.mirror.notes[0]
        assert b"ret" not in talk.heard

    def test_a_response_is_not_told(self):
        """Where a secret is expected, what comes in its place is not shown."""
        steps = (
            HELLO
            + "  - send: AUTH LOGIN\n    expect: 334\n  - send: ${username}\n    expect: 334\n  - send: ${password}\n    expect: 235\n"
        )
        talk = Talk(by_hand(steps, "secrets: [password]"))
        talk.say(b"EHLO x\r\nAUTH LOGIN\r\nbWU=\r\n")
        assert talk.say(b"no base64 s3cret\r\n").endswith(b", got another line\r\n")

    def test_goodbye(self):
        """A goodbye is answered whenever it comes, and the conversation is not what was expected."""
        talk = Talk(by_hand(HELLO))
        assert b"221 bye\r\n" == talk.say(b"quit\r\n")
        assert not talk.mirror.is_kept
        assert any(isinstance(act, Hangup) for act in talk.acts)

    def test_leaving(self):
        """A client that goes is told of, with what was expected of it."""
        talk = Talk(by_hand(HELLO))
        talk.leave()
        assert ["line 5: the client left where 'EHLO client.example' was expected"] == talk.mirror.notes
        assert talk.mirror.is_over

    def test_leaving_at_the_end(self):
        """One that goes without a goodbye once all is done has done its part."""
        talk = Talk(by_hand(HELLO))
        talk.say(b"EHLO x\r\n")
        talk.leave()
        assert talk.mirror.is_kept

    def test_too_often(self):
        """One that never says what is expected is sent away."""
        talk = Talk(by_hand(HELLO))
        talk.say(b"X\r\n" * 1000)
        assert MOST_COMPLAINTS == len(talk.mirror.notes)
        assert any(isinstance(act, Hangup) for act in talk.acts)

    def test_a_line_without_an_end(self):
        """So is one whose line does not end."""
        talk = Talk(by_hand(HELLO))
        talk.say(b"x" * (LINE_LIMIT + 1))
        assert ["line 5: a line without an end"] == talk.mirror.notes
        assert talk.mirror.is_over

    def test_a_message_without_an_end(self, monkeypatch):
        """So is one whose message does not; meanwhile only its beginning is kept."""
        monkeypatch.setattr(taking, "MESSAGE_LIMIT", 1_000_000)
        talk = Talk(by_hand(MAIL))
        talk.say(b"EHLO x\r\nMAIL FROM:<a@b>\r\nDATA\r\n")
        for _ in range(20):
            talk.say(b"x" * 70_000)
        assert ["line 11: the message has no end"] == talk.mirror.notes
        assert talk.mirror.is_over

    def test_too_much_ahead(self):
        """What is sent ahead of its turn is bounded."""
        talk = Talk(by_hand(HELLO + "  - starttls:\n"))
        talk.say(b"EHLO x\r\nSTARTTLS\r\n")
        assert any(isinstance(act, Handshake) for act in talk.acts)
        talk.say(b"x" * (17 * 1024 * 1024))
        assert talk.mirror.is_over
