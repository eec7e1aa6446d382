"""What goes by between a client and a server: read the same however it is cut, passed on whole but for what is kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.authoring.conversation import ClientLine, ClientLiteral, ClientMessage, Ended, Secured, ServerReply
from runner.authoring.draft import draft
from runner.recording.overheard import MOST_KEPT, Overheard, refusal
from runner.wire import TlsFacts

FACTS = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", verified=True)
C, S = "client", "server"
SMTP = [
    (S, b"220 mx.example.com ESMTP\r\n"),
    (C, b"EHLO client.example.org\r\n"),
    (S, b"250-mx.example.com\r\n250-SIZE 1000\r\n250-AUTH PLAIN SCRAM-SHA-256-PLUS\r\n250 CHUNKING\r\n"),
    (C, b"AUTH PLAIN\r\n"),
    (S, b"334 \r\n"),
    (C, b"AGFsaWNlAHNlY3JldA==\r\n"),
    (S, b"235 2.7.0 ok\r\n"),
    (C, b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"),
    (S, b"250 ok\r\n250 ok\r\n354 go on\r\n"),
    (C, b"Subject: x\r\n\r\n..dot\r\nDATA\r\n.\r\n"),
    (S, b"250 queued\r\n"),
    (C, b"QUIT\r\n"),
    (S, b"221 bye\r\n"),
]
IMAP = [
    (S, b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=SCRAM-SHA-1-PLUS COMPRESS=DEFLATE] ready\r\n"),
    (C, b"a1 LOGIN {5}\r\n"),
    (S, b"+ go\r\n"),
    (C, b"alice {6+}\r\nsecret\r\n"),
    (S, b"a1 OK [CAPABILITY IMAP4rev1 IDLE COMPRESS=DEFLATE] in\r\n"),
    (C, b"a2 FETCH 1 BODY[]\r\n"),
    (S, b"* 1 FETCH (BODY[] {12}\r\na1 OK no\r\nx\r)\r\na2 OK done\r\n"),
    (C, b"a3 IDLE\r\n"),
    (S, b"+ idling\r\n* 2 EXISTS\r\n"),
    (C, b"DONE\r\n"),
    (S, b"a3 OK idled\r\n"),
    (C, b"a4 LOGOUT\r\n"),
    (S, b"* BYE\r\na4 OK out\r\n"),
]
POP3 = [
    (S, b"+OK ready\r\n"),
    (C, b"CAPA\r\n"),
    (S, b"+OK\r\nSASL PLAIN SCRAM-SHA-1-PLUS\r\nTOP\r\n.\r\n"),
    (C, b"USER alice\r\n"),
    (S, b"+OK\r\n"),
    (C, b"PASS secret word\r\n"),
    (S, b"+OK\r\n"),
    (C, b"RETR 1\r\n"),
    (S, b"+OK\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"),
    (C, b"QUIT\r\n"),
    (S, b"+OK\r\n"),
]
SIEVE = [
    (S, b'"IMPLEMENTATION" "x"\r\n"SASL" "SCRAM-SHA-1-PLUS PLAIN"\r\nOK\r\n'),
    (C, b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="\r\n'),
    (S, b"OK\r\n"),
    (C, b'PUTSCRIPT "a" {6+}\r\nkeep;\n\r\n'),
    (S, b"OK\r\n"),
    (C, b'GETSCRIPT "a"\r\n'),
    (S, b"{6}\r\nkeep;\n\r\nOK\r\n"),
]
DIALOGUES = {"smtp": SMTP, "imap": IMAP, "pop3": POP3, "sieve": SIEVE}


def replay(protocol, turns, cut=lambda data: [data]):
    """Let a dialogue go by; return what was overheard, and what each side got."""
    heard = Overheard(protocol)
    heard.opened(None)
    got = {C: b"", S: b""}
    for who, data in turns:
        for piece in cut(data):
            if who == C:
                got[S] += heard.client(piece)
            else:
                got[C] += heard.server(piece)
                got[S] += heard.released()
    return heard, got


def said(turns, who):
    return b"".join(data for one, data in turns if one == who)


class TestRead:
    def test_smtp(self):
        """Lines, pipelined ones too, replies, and the message without its dots."""
        heard, _ = replay("smtp", SMTP)
        lines = [event.text for event in heard.events if isinstance(event, ClientLine)]
        assert ["EHLO", "AUTH", "AGFsaWNlAHNlY3JldA==", "MAIL", "RCPT", "DATA", "QUIT"] == [
            line.split(" ")[0] for line in lines
        ]
        assert [ClientMessage(("Subject: x", "", ".dot", "DATA"))] == [
            event for event in heard.events if isinstance(event, ClientMessage)
        ]
        replies = [event for event in heard.events if isinstance(event, ServerReply)]
        assert [1, 4, 1, 1, 1, 1, 1, 1, 1] == [len(reply.lines) for reply in replies]

    def test_imap(self):
        """Literals of both kinds, tagged-looking lines in those of the server, IDLE and its end."""
        heard, _ = replay("imap", IMAP)
        assert [("alice", True), ("secret", False)] == [
            (event.text, event.is_sync) for event in heard.events if isinstance(event, ClientLiteral)
        ]
        lines = [event.text for event in heard.events if isinstance(event, ClientLine)]
        assert ["a1 LOGIN {5}", " {6+}", "", "a2 FETCH 1 BODY[]", "a3 IDLE", "DONE", "a4 LOGOUT"] == lines
        replies = [event.lines for event in heard.events if isinstance(event, ServerReply)]
        assert ("* 2 EXISTS", "a3 OK idled") == replies[5]

    @pytest.mark.parametrize("protocol", DIALOGUES)
    def test_drafted(self, protocol):
        """Each makes a scenario without the password."""
        heard, _ = replay(protocol, DIALOGUES[protocol])
        conversation = heard.conversation(("mx.example.com", 25), "a test")
        assert conversation is not None
        text = draft(conversation).text
        assert ("", False, False, False) == (
            heard.lost,
            heard.has_unfinished,
            "secret" in text.replace("secrets", ""),
            "AGFs" in text,
        ), text

    @pytest.mark.parametrize("protocol", DIALOGUES)
    @given(data=st.data())
    def test_segmentation(self, protocol, data):
        """However bytes are cut, the same is read and the same is passed on."""

        def cut(raw):
            places = sorted(data.draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=6)))
            return [raw[a:b] for a, b in zip([0, *places], [*places, len(raw)], strict=True)]

        whole, cut_up = replay(protocol, DIALOGUES[protocol]), replay(protocol, DIALOGUES[protocol], cut)
        assert (whole[0].events, whole[1]) == (cut_up[0].events, cut_up[1])

    def test_message_before_its_354(self):
        """A client that does not wait for the 354 is read as the server reads it."""
        turns = [*SMTP[:3], (C, SMTP[7][1] + SMTP[9][1]), (S, SMTP[8][1] + SMTP[10][1])]
        heard, _ = replay("smtp", turns)
        assert ["ClientLine"] * 3 + ["ServerReply"] * 3 + ["ClientMessage", "ServerReply"] == [
            type(event).__name__ for event in heard.events[3:]
        ]

    def test_refused_data(self):
        """After a refused DATA the next line is a command."""
        heard, _ = replay("smtp", [*SMTP[:3], (C, b"DATA\r\nQUIT\r\n"), (S, b"503 no\r\n221 bye\r\n")])
        assert [] == [event for event in heard.events if isinstance(event, ClientMessage)]
        assert ClientLine("QUIT") in heard.events


class TestPassedOn:
    @pytest.mark.parametrize("protocol", DIALOGUES)
    def test_from_the_client(self, protocol):
        """What a client says goes on as it is."""
        _, got = replay(protocol, DIALOGUES[protocol])
        assert said(DIALOGUES[protocol], C) == got[S]

    def test_at_once(self):
        """Bytes that are no whole line are passed on, too."""
        heard = Overheard("smtp")
        heard.opened(None)
        assert b"220 mx" == heard.server(b"220 mx")
        heard.server(b" ready\r\n")
        assert b"EHL" == heard.client(b"EHL")

    @pytest.mark.parametrize(
        ("protocol", "shown", "hidden"),
        [
            (
                "smtp",
                b"250-mx.example.com\r\n250-SIZE 1000\r\n250 AUTH PLAIN \r\n",
                {"CHUNKING", "SCRAM-SHA-256-PLUS"},
            ),
            (
                "imap",
                b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n",
                {"AUTH=SCRAM-SHA-1-PLUS", "COMPRESS=DEFLATE"},
            ),
            ("pop3", b"SASL PLAIN \r\n", {"SCRAM-SHA-1-PLUS"}),
            ("sieve", b'"SASL" "PLAIN"\r\n', {"SCRAM-SHA-1-PLUS"}),
        ],
    )
    def test_hidden(self, protocol, shown, hidden):
        """What can't be passed on is not offered; all else a server says goes on as it is."""
        heard, got = replay(protocol, DIALOGUES[protocol])
        assert (True, hidden) == (shown in got[C], heard.hidden)

    def test_not_in_a_message(self):
        """What looks like a capability elsewhere is left alone."""
        body = b"+OK\r\nSASL PLAIN SCRAM-SHA-1-PLUS\r\n.\r\n"
        _, got = replay("pop3", [*POP3[:7], (C, b"RETR 1\r\n"), (S, body)])
        assert got[C].endswith(body)


class TestStartTls:
    BEFORE = (*SMTP[:1], (C, b"EHLO x\r\n"), (S, b"250-mx\r\n250 STARTTLS\r\n"), (C, b"STARTTLS\r\n"))

    def test_go_ahead_waits(self):
        """The client is told to begin only when the server's side is encrypted."""
        heard, got = replay("smtp", [*self.BEFORE, (S, b"220 go\r\n")])
        assert (True, False) == (heard.wants_handshake, b"220 go" in got[C])
        assert b"220 go\r\n" == heard.secured(FACTS)
        assert (Secured(FACTS), False) == (heard.events[-1], heard.wants_handshake)

    def test_refused(self):
        """A refusal is passed on, and what the client said behind it goes on then."""
        turns = [*self.BEFORE[:-1], (C, b"STARTTLS\r\nNOOP\r\n")]
        heard, got = replay("smtp", turns)
        assert got[S].endswith(b"STARTTLS\r\n")
        assert b"454 no\r\n" == heard.server(b"454 no\r\n")
        assert (b"NOOP\r\n", ClientLine("NOOP"), "") == (heard.released(), heard.events[-1], heard.broken)

    @pytest.mark.parametrize(
        "turns",
        [[(C, b"EHLO evil\r\n"), (S, b"220 go\r\n")], [(S, b"220 go\r\n250 injected\r\n")]],
        ids=["client", "server"],
    )
    def test_injection(self, turns):
        """Clear text behind STARTTLS breaks the connection, whoever has said it."""
        heard, got = replay("smtp", [*self.BEFORE, *turns])
        assert ("in clear text behind STARTTLS" in heard.broken, b"injected" in got[C], b"evil" in got[S]) == (
            True,
            False,
            False,
        )

    @pytest.mark.parametrize(
        ("protocol", "turns", "told"),
        [
            ("smtp", [*BEFORE, (S, b"220 go\r\n")], b"454 4.7.0 "),
            ("imap", [(S, b"* OK hi\r\n"), (C, b"t1 STARTTLS\r\n"), (S, b"t1 OK go\r\n")], b"t1 NO "),
            ("pop3", [(S, b"+OK hi\r\n"), (C, b"STLS\r\n"), (S, b"+OK go\r\n")], b"-ERR "),
            ("sieve", [(S, b"OK\r\n"), (C, b"STARTTLS\r\n"), (S, b"OK\r\n")], b'NO "'),
        ],
    )
    def test_no_handshake(self, protocol, turns, told):
        """Where the server's side can't be encrypted the client is told in place of the go-ahead."""
        heard, _ = replay(protocol, turns)
        answer = heard.unsecured("certificate not trusted")
        assert (True, True) == (answer.startswith(told), answer.endswith(b"\r\n"))


class TestGivenUp:
    @pytest.mark.parametrize(
        ("turns", "why"),
        [
            ([(C, b"x" * (MOST_KEPT + 1))], "too much"),
            ([(C, b"BDAT 5\r\nhello")], "chunks"),
            ([(C, b"NOOP\r\n"), (S, b"garbage\r\n")], "breaks the protocol"),
        ],
        ids=["line", "chunks", "garbage"],
    )
    def test_passed_on_all_the_same(self, turns, why):
        """What can't be read is passed on; the recording has what was before it."""
        turns = [*SMTP[:3], *turns, (S, b"\xff\x00 more\r\n"), (C, b"more")]
        heard, got = replay("smtp", turns)
        assert (True, said(turns, C)) == (why in heard.lost, got[S])
        assert got[C].endswith(b"\xff\x00 more\r\n")
        conversation = heard.conversation(("", 0), "")
        assert conversation is not None
        assert 3 == len(conversation.events)

    def test_long_reply(self):
        """Of a reply that is too long for a scenario its end is kept, and the buffers stay small."""
        literal = b"x" * (3 * MOST_KEPT)
        turns = [(S, b"* 1 FETCH (BODY[] {%d}\r\n" % len(literal)), (S, literal), (S, b")\r\na2 OK done\r\n")]
        heard, got = replay("imap", [*IMAP[:6], *turns, (C, b"a3 NOOP\r\n"), (S, b"a3 OK\r\n")])
        replies = [event.lines for event in heard.events if isinstance(event, ServerReply)]
        assert (("a2 OK done",), ("a3 OK",), "") == (replies[-2], replies[-1], heard.lost)
        assert said(turns, S) in got[C]

    def test_cut_short(self):
        """What had not come to its end is no part of the conversation."""
        heard, _ = replay("smtp", SMTP[:10])
        conversation = heard.conversation(("", 0), "")
        assert conversation is not None
        assert (True, ServerReply(("235 2.7.0 ok",))) == (heard.has_unfinished, conversation.events[-1])

    def test_nothing_said(self):
        """A client that looked and left makes no conversation."""
        heard, _ = replay("smtp", SMTP[:1])
        assert None is heard.conversation(("", 0), "")

    def test_who_hung_up(self):
        """A server's end is a part of it, a client's is not."""
        heard, _ = replay("smtp", SMTP)
        heard.ended("server")
        assert Ended("server") == heard.events[-1]

    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=20), st.sampled_from(list(DIALOGUES)))
    def test_anything(self, turns, protocol):
        """Whatever goes by, nothing raises, and to the server goes what the client said, in its order."""
        heard, got = replay(protocol, [(C if is_client else S, data) for is_client, data in turns])
        assert said([(C, data) for is_client, data in turns if is_client], C).startswith(got[S])
        heard.ended("server")
        heard.conversation(("", 0), "")


@pytest.mark.parametrize(
    ("protocol", "told"),
    [
        ("smtp", b"421 4.3.0 "),
        ("lmtp", b"421 "),
        ("pop3", b"-ERR "),
        ("imap", b"* BYE "),
        ("sieve", b'BYE "'),
        ("tcp", b""),
    ],
)
def test_refusals(protocol, told):
    """A client that can't be served is told so in its protocol, on one line."""
    line = refusal(protocol, 'no "connection"\r\n\xff')
    assert (True, line.count(b"\n")) == (line.startswith(told), int(bool(told)))
