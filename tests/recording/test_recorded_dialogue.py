"""What a typed line is to the server, what is kept of it, and what is shown: without a connection."""

from __future__ import annotations

from pathlib import Path

import pytest
from recordings import b64

from runner.authoring.conversation import ClientLine, ClientLiteral, ClientMessage, Ended, Exchange, Secured
from runner.recording.commands import COMMANDS, Command, RefusedError, completions, read_line
from runner.recording.dialogue import Dialogue
from runner.recording.kept import MOST_UNASKED
from runner.recording.login import encoded, new_login
from runner.redaction import Redactor
from runner.wire import Peer, TlsFacts
from tests.authoring.linting import told

HERE = Peer("127.0.0.1", "127.0.0.1", is_loopback=True)
ELSEWHERE = Peer("192.0.2.1", "192.0.2.2", is_loopback=False)


def test_example_of_expect_is_a_good_one():
    """What the help and the how-to show is nothing that lint would find fault with."""
    how_to = (Path(__file__).parents[2] / "docs/how-to/record-a-scenario.md").read_text("utf-8")
    form = COMMANDS["expect"][1].rpartition(": ")[2]
    assert f"`/expect {form}`" in how_to
    assert [] == told(f"name: Unknown users are refused\nsteps:\n  - send: RCPT TO:<x@a.example>\n    expect: {form}\n")


class Talk:
    """A dialogue whose server's side a test says; `shown` is all that was told."""

    def __init__(self, protocol="smtp", peer=HERE):
        self.shown = []
        self.of = Dialogue(protocol, lambda who, text: self.shown.append((who, text)), Redactor())
        self.of.opened(peer)

    def hear(self, *lines):
        """Receive lines of the server."""
        return self.of.received("".join(f"{line}\r\n" for line in lines).encode())

    def both(self, text, *lines):
        """Say a line and hear its reply; return what was sent."""
        sent = self.of.say(text)
        self.hear(*lines)
        return sent

    @property
    def events(self):
        return self.conversation.events

    @property
    def conversation(self):
        return self.of.kept.conversation("smtp", ("", 0), "", is_whole=self.of.is_whole)

    @property
    def texts(self):
        return "\n".join(text for _, text in self.shown)


@pytest.fixture
def smtp():
    """A dialogue that was greeted and has said EHLO."""
    talk = Talk()
    talk.hear("220 mx ESMTP")
    talk.both("EHLO me", "250-mx", "250-SIZE 1000", "250 AUTH LOGIN PLAIN")
    return talk


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("NOOP", "NOOP"),
        ("//x", "/x"),
        ("/AUTH plain", Command("auth", "plain")),
        ("/quit", Command("quit")),
        ("", ""),
    ],
)
def test_typed_line_is_command_or_goes_to_server(typed, meant):
    """A slash makes a command, two of them a line with one."""
    assert meant == read_line(typed)


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("/tsl", "did you mean 'tls'"),
        ("/zzz", "/help lists them"),
        ("/data", "/data wants something behind it: /data FILE"),
        ("/undo it", "/undo takes nothing behind it"),
    ],
)
def test_wrong_command_is_refused_with_what_was_meant(typed, reason):
    """A command that is none says which one it may have been."""
    with pytest.raises(RefusedError) as refused:
        read_line(typed)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AUTH L", ["LOGIN"]),
        ("/auth p", ["PLAIN"]),
        ("/und", ["/undo"]),
        ("MAIL FROM:<a@b> SI", ["SIZE="]),
        ("MAIL FROM:<a@b> RE", []),
        ("mail", ["MAIL FROM:<"]),
    ],
)
def test_completion_offers_what_the_server_does(text, expected):
    """Mechanisms and parameters come from the capabilities, and no others."""
    offered = {"AUTH": ("LOGIN", "PLAIN"), "SIZE": ("1000",)}
    assert expected == [found for found, _ in completions(text, "smtp", offered)]


class TestKept:
    """What the conversation holds in the end."""

    def test_whole_reply_is_kept_and_shown_at_once(self):
        """A reply in pieces is shown when it is whole."""
        talk = Talk()
        talk.of.received(b"220-mx one\r\n220 t")
        assert not talk.shown
        talk.of.received(b"wo\r\n")
        assert talk.shown == [("server", "220-mx one\n220 two")]
        assert ("220-mx one", "220 two") == talk.events[0].lines

    def test_unfinished_exchange_is_left_out(self, smtp):
        """A line whose reply has not come is not in the scenario, for it could not be replayed."""
        smtp.of.say("NOOP")
        assert not any(isinstance(one, ClientLine) and one.text == "NOOP" for one in smtp.events)
        smtp.hear("250 ok")
        assert any(isinstance(one, ClientLine) and one.text == "NOOP" for one in smtp.events)

    def test_message_is_kept_without_stuffing_and_dot(self, smtp):
        """A message typed by hand goes on until the dot; its own dots are doubled on the wire only."""
        smtp.both("MAIL FROM:<>", "250 ok")
        smtp.both("RCPT TO:<a@b>", "250 ok")
        smtp.both("DATA", "354 go")
        assert smtp.of.asked == "message"
        assert b"..dot\r\n" == smtp.of.say(".dot")
        assert b".\r\n" == smtp.of.say(".")
        assert "the reply to message" == smtp.of.awaits
        smtp.hear("250 queued")
        assert [(".dot",)] == [one.lines for one in smtp.events if isinstance(one, ClientMessage)]

    def test_unfinished_message_is_left_out_whole(self, smtp):
        """DATA without its message would end a case in the midst of one."""
        smtp.both("DATA", "354 go")
        smtp.of.say("Subject: x")
        smtp.of.left()
        assert not any(isinstance(one, ClientLine) and one.text == "DATA" for one in smtp.events)

    def test_message_of_file_has_network_line_ends(self, smtp):
        """A file's line ends, whichever, become CRLF, and a last line needs none."""
        smtp.both("DATA", "354 go")
        assert b"a\r\n..b\r\nc\r\n.\r\n" == smtp.of.message(b"a\r\n.b\nc", "m.eml")

    def test_hanging_up_is_kept_as_the_end(self, smtp):
        """The server's hanging up is what the scenario says, too."""
        smtp.both("QUIT", "221 bye")
        smtp.of.hung_up()
        assert Ended("server") == smtp.events[-1]
        with pytest.raises(RefusedError, match="hung up"):
            smtp.of.say("NOOP")

    def test_hanging_up_in_place_of_a_reply_is_an_answer(self, smtp):
        """A line to which the server hangs up is kept, as is that it did."""
        smtp.of.say("NOOP")
        smtp.of.hung_up()
        assert [ClientLine, Ended] == [type(one) for one in smtp.events[-2:]]

    def test_hanging_up_amid_a_message_ends_the_exchange_before(self, smtp):
        """A message that the server did not hear to its end is in no scenario, nor that it hung up there."""
        before = smtp.events
        smtp.both("DATA", "354 go")
        smtp.of.say("x")
        smtp.of.hung_up()
        assert before == smtp.events

    def test_leaving_before_the_reply_leaves_the_line_out(self, smtp):
        """What was not waited for is not in the scenario."""
        before = smtp.events
        smtp.of.say("NOOP")
        smtp.of.left()
        smtp.of.hung_up()
        assert before == smtp.events

    def test_server_that_talks_for_ever_is_cut_off(self, smtp):
        """Replies that nobody asked for do not pile up without end."""
        for _ in range(MOST_UNASKED + 1):
            smtp.hear("250 more")
        assert smtp.of.is_lost
        assert len(smtp.of.kept.current.events) < MOST_UNASKED + 10

    def test_what_is_no_reply_ends_it(self, smtp):
        """After bytes that are no reply nothing that follows is believed, and what came before is kept."""
        smtp.of.say("NOOP")
        smtp.hear("what?")
        assert smtp.of.is_lost
        assert "the server broke the protocol" in smtp.texts
        assert smtp.events[-1].lines[-1] == "250 AUTH LOGIN PLAIN"

    def test_chunk_is_refused(self, smtp):
        """BDAT can't be recorded, and says so before anything is sent."""
        with pytest.raises(RefusedError, match="BDAT is not recorded"):
            smtp.of.say("BDAT 3 LAST")


class TestUndo:
    """Taking exchanges out again."""

    def test_last_exchange_goes_with_all_its_parts(self, smtp):
        """A message goes with the DATA before it."""
        before = smtp.events
        smtp.both("DATA", "354 go")
        smtp.of.say("x")
        smtp.both(".", "250 queued")
        assert "DATA" == smtp.of.kept.undo()
        assert before == smtp.events

    def test_greeting_stays(self):
        """Without a greeting there is no scenario."""
        talk = Talk()
        talk.hear("220 mx")
        with pytest.raises(RefusedError, match="the greeting stays"):
            talk.of.kept.undo()

    def test_handshake_stays(self):
        """What follows a handshake was said through it."""
        talk = Talk()
        talk.hear("220 mx")
        talk.both("STARTTLS", "220 go")
        assert talk.of.wants_handshake
        talk.of.secured(TlsFacts("TLSv1.3", "x", verified=True))
        with pytest.raises(RefusedError, match="encrypted since"):
            talk.of.kept.undo()
        assert isinstance(talk.events[-1], Secured)


class TestExpect:
    """What the operator wants of the last reply."""

    @pytest.mark.parametrize("form", ["550 5.7.1 *", "5xx", "550 5.7.1 relay * denied", "any"])
    def test_form_that_fits_is_kept(self, smtp, form):
        """A short form that the reply fits stands with it."""
        smtp.both("RCPT TO:<a@b>", "550 5.7.1 relay access denied")
        smtp.of.kept.expect(form, smtp.of.machine)
        assert form == smtp.events[-1].expect

    @pytest.mark.parametrize(
        ("form", "reason"),
        [
            ("250", "the last reply would not fit: expected 250, and it was 550 5.7.1 relay access denied"),
            ("550 5.1.1", "would not fit"),
            ("550 5.7.1 relay", "end with"),
            ("OK", "'OK' is no reply code of smtp"),
            ("close", "'close' fits no reply"),
            ("550 ${text}", "placeholder"),
        ],
    )
    def test_form_that_does_not_fit_is_refused(self, smtp, form, reason):
        """A wrong short form gets the language's own message, one that would not fit the reply's."""
        smtp.both("RCPT TO:<a@b>", "550 5.7.1 relay access denied")
        with pytest.raises(RefusedError) as refused:
            smtp.of.kept.expect(form, smtp.of.machine)
        assert reason in str(refused.value)
        assert not smtp.events[-1].expect


class TestLogins:
    """Logging in by hand and by `/auth`."""

    def test_answers_are_encoded(self, smtp):
        """What is typed at the server's prompts is sent in base64, and the prompts are known for what they are."""
        smtp.both("AUTH LOGIN", f"334 {b64('Username:')}")
        assert "username" == smtp.of.asked
        assert f"{b64('alice')}\r\n".encode() == smtp.both("alice", f"334 {b64('Password:')}")
        assert "password" == smtp.of.asked
        assert f"{b64('hunter2 x')}\r\n".encode() == smtp.both("hunter2 x", "235 ok")
        assert {"username": "alice"} == dict(smtp.conversation.values)
        assert {"password": "hunter2 x"} == dict(smtp.conversation.secrets)

    def test_password_is_shown_in_no_form(self, smtp):
        """Neither the typed password nor its base64, nor a server's echo of it is shown."""
        smtp.both("AUTH LOGIN", f"334 {b64('Username:')}")
        smtp.both("alice", f"334 {b64('Password:')}")
        smtp.both("hunter2 x", "535 no hunter2 x", f"535 nor {b64('hunter2 x')}")
        assert "hunter2" not in smtp.texts
        assert b64("hunter2 x") not in smtp.texts
        assert "hunter2" not in repr(smtp.of.kept.current)

    def test_password_of_an_initial_response_is_not_shown(self, smtp):
        """AUTH PLAIN in one line is decoded to know what to hide."""
        smtp.both(f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + 'hunter2 x')}", "535 no hunter2 x")
        assert "hunter2" not in smtp.texts
        assert b64("\0alice\0hunter2 x") not in smtp.texts

    @pytest.mark.parametrize(
        ("typed", "sent"),
        [
            ("alice", b64("alice")),
            (b64("alice"), b64("alice")),
            ("password", b64("password")),
            ("*", "*"),
            ("", ""),
        ],
        ids=["word", "base64", "looks-like-base64", "cancel", "empty"],
    )
    def test_base64_is_not_encoded_twice(self, typed, sent):
        """What is base64 of readable text is sent as it is, for those who have it from elsewhere."""
        assert sent.encode() == encoded(typed)

    @pytest.mark.parametrize("line", ["AUTH PLAIN AGEAYg==", "AUTH LOGIN YWxpY2U="])
    def test_no_password_in_clear_text_over_a_network(self, line):
        """What others may read along is not sent, and says why."""
        talk = Talk(peer=ELSEWHERE)
        talk.hear("220 mx")
        with pytest.raises(RefusedError, match="not encrypted"):
            talk.of.say(line)

    def test_auth_becomes_one_event(self, smtp):
        """The frames of an exchange are not kept; the final reply is."""
        values = {"username": "alice", "password": "hunter2 x"}
        login = new_login(smtp.of.machine, "PLAIN", values, None, place=("mx", 25), nonce="n" * 32)
        assert b"AUTH PLAIN " == smtp.of.exchanges.begin(login)[:11]
        smtp.hear("235 2.7.0 ok")
        assert isinstance(smtp.events[-1], Exchange)
        assert ("PLAIN", ("235 2.7.0 ok",)) == (smtp.events[-1].mechanism, smtp.events[-1].final.lines)
        assert "hunter2" not in smtp.texts

    def test_challenges_are_answered_at_once(self, smtp):
        """An exchange of several rounds is played as its challenges come."""
        values = {"username": "alice", "password": "hunter2 x"}
        login = new_login(smtp.of.machine, "LOGIN", values, None, place=("mx", 25), nonce="")
        assert b"AUTH LOGIN\r\n" == smtp.of.exchanges.begin(login)
        assert f"{b64('alice')}\r\n".encode() == smtp.hear(f"334 {b64('Username:')}")
        assert f"{b64('hunter2 x')}\r\n".encode() == smtp.hear(f"334 {b64('Password:')}")
        assert b"" == smtp.hear("235 ok")

    @pytest.mark.parametrize(
        ("protocol", "said"),
        [
            ("smtp", [(f"AUTH PLAIN {b64(chr(0) + 'alice' + chr(0) + 'hunter2 x')}", "535 5.7.8 no")]),
            ("smtp", [("AUTH LOGIN", f"334 {b64('Username:')}"), ("alice", "334 UGFzcw=="), ("hunter2 x", "535 no")]),
            ("pop3", [("USER alice", "+OK"), ("PASS hunter2", "-ERR no")]),
            ("imap", [('LOGIN alice "hunter2 x"', "A1 NO no")]),
        ],
        ids=["initial", "challenges", "pass", "login"],
    )
    def test_refused_login_can_be_undone(self, protocol, said):
        """Who has mistyped a password is told how to get rid of that, and the password is none of the scenario's."""
        talk = Talk(protocol)
        talk.hear({"smtp": "220 mx", "pop3": "+OK", "imap": "* OK hi"}[protocol])
        for line, reply in said:
            talk.both(line, reply)
        assert ("note", "refused; /undo takes it out of the scenario") == talk.shown[-1]
        assert {} == dict(talk.conversation.secrets)

    def test_accepted_login_is_not_refused(self):
        """A later refusal of something else is not the login's."""
        talk = Talk("pop3")
        talk.hear("+OK")
        for line, reply in (("USER alice", "+OK"), ("PASS hunter2", "+OK"), ("DELE 9", "-ERR no such message")):
            talk.both(line, reply)
        assert "refused" not in talk.texts
        assert {"password": "hunter2"} == dict(talk.conversation.secrets)

    def test_exchange_that_can_not_go_on_is_cancelled(self, smtp):
        """A challenge that has no answer gets a star, and the recording goes on."""
        values = {"username": "alice", "password": "hunter2 x"}
        login = new_login(smtp.of.machine, "CRAM-MD5", values, None, place=("mx", 25), nonce="")
        smtp.of.exchanges.begin(login)
        assert b"*\r\n" == smtp.hear("334 %%%")
        smtp.hear("501 cancelled")
        assert not smtp.of.awaits


class TestTls:
    """The handshake on a connection that stands."""

    def test_clear_text_before_the_handshake_is_injection(self):
        """What comes behind the go-ahead in clear text ends the recording as what it is."""
        talk = Talk()
        talk.hear("220 mx")
        talk.of.say("STARTTLS")
        talk.hear("220 go", "250 injected")
        assert talk.of.is_lost
        assert "response injection" in talk.of.end

    def test_refused_starttls_makes_no_handshake(self):
        """A refusal is a reply like others."""
        talk = Talk()
        talk.hear("220 mx")
        talk.both("STARTTLS", "454 4.7.0 not now")
        assert not talk.of.wants_handshake
        assert not talk.of.awaits


class TestImap:
    """Tags, literals, and what comes unasked."""

    @pytest.fixture
    def imap(self):
        talk = Talk("imap")
        talk.hear("* OK ready")
        return talk

    def test_tags_come_by_themselves(self, imap):
        """A tag that was typed all the same is left out, and that is told."""
        assert b"A1 NOOP\r\n" == imap.both("NOOP", "A1 OK done")
        assert b"A2 NOOP\r\n" == imap.both("a7 NOOP", "A2 OK done")
        assert "it is left out" in imap.texts

    def test_literal_is_counted_and_waits_for_the_server(self, imap):
        """`{}` stands for the size of what is typed up to the dot."""
        assert b"" == imap.of.say("APPEND INBOX {}")
        assert b"" == imap.of.say("hi")
        assert b"A1 APPEND INBOX {4}\r\n" == imap.of.say(".")
        assert not imap.of.literals.has_waiting
        imap.hear("+ go")
        assert imap.of.literals.has_waiting
        assert b"hi\r\n\r\n" == imap.of.literals.go_on()
        imap.hear("A1 OK done")
        assert ["hi\n"] == [one.text for one in imap.events if isinstance(one, ClientLiteral)]

    def test_refused_literal_is_not_sent(self, imap):
        """What the server does not want stays here, and the next line is a command again."""
        imap.of.say("APPEND INBOX {}")
        imap.both(".", "A1 NO too large")
        assert not imap.of.literals.has_waiting
        assert b"A2 NOOP\r\n" == imap.of.say("NOOP")

    def test_untagged_lines_are_shown_as_they_come(self, imap):
        """In an IDLE nothing is waited for, and what comes is shown once."""
        imap.both("IDLE", "+ idling")
        assert not imap.of.awaits
        imap.hear("* 3 EXISTS")
        assert ("server", "* 3 EXISTS") == imap.shown[-1]
        imap.both("DONE", "A1 OK done")
        assert ("server", "A1 OK done") == imap.shown[-1]
        assert ("* 3 EXISTS", "A1 OK done") == imap.events[-1].lines

    def test_password_of_login_is_hidden(self, imap):
        """LOGIN shows its user and not its password."""
        imap.both('LOGIN alice "hunter2 x"', "A1 NO hunter2 x")
        assert "hunter2" not in imap.texts
        assert "LOGIN alice " in imap.texts

    def test_missing_password_is_asked_for(self, imap):
        """LOGIN with a name alone wants to be asked, so that nobody sees it."""
        assert "LOGIN alice " == imap.of.needs_password("LOGIN alice")
        assert not imap.of.needs_password("LOGIN alice secret")
        assert not imap.of.needs_password("NOOP")
