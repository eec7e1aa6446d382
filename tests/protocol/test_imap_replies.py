"""What an IMAP server says: replies with their untagged data, as RFC 9051 and RFC 3501 show them."""

import pytest

from runner.protocol import PROTOCOLS, Reply
from runner.protocol.imap import Imap
from runner.protocol.reply import LineReply
from tests.protocol.feeding import bytewise, cut, read
from tests.protocol.imap_dialogue import asked, greeted, play, say, told

# RFC 9051 section 8, a sample connection.
SAMPLE = r"""
S: * OK [CAPABILITY STARTTLS AUTH=SCRAM-SHA-256 IMAP4rev2] IMAP4rev2 Service Ready
C: login mrc secret
S: A1 OK LOGIN completed
C: select inbox
S: * 18 EXISTS
S: * FLAGS (\Answered \Flagged \Deleted \Seen \Draft)
S: * OK [UIDVALIDITY 3857529045] UIDs valid
S: * LIST () "/" INBOX ("OLDNAME" ("inbox"))
S: A2 OK [READ-WRITE] SELECT completed
C: fetch 12 full
S: * 12 FETCH (FLAGS (\Seen) INTERNALDATE "14-Jul-1993 02:44:25 -0700" RFC822.SIZE 4286 ENVELOPE ("Wed, 14 Jul 1993 02:23:25 -0700" "IMAP4rev2 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.example")) NIL NIL NIL NIL NIL NIL "<B27397-0100000@cac.example>") BODY ("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 3028 92))
S: A3 OK FETCH completed
C: fetch 12 body[header]
S: * 12 FETCH (BODY[HEADER] {38}
S: Date: Wed, 14 Jul 1993
S: Subject: x
S:
S: )
S: A4 OK FETCH completed
C: store 12 +flags \deleted
S: * 12 FETCH (FLAGS (\Seen \Deleted))
S: A5 OK +FLAGS completed
C: logout
S: * BYE IMAP4rev2 server terminating connection
S: A6 OK LOGOUT completed
"""

ENVELOPE = SAMPLE.split("S: ")[8].rstrip().partition("\n")[0]

DIALOGUES = [
    pytest.param(
        SAMPLE,
        [
            "greeting: OK [CAPABILITY STARTTLS AUTH=SCRAM-SHA-256 IMAP4rev2] IMAP4rev2 Service Ready",
            "LOGIN: OK LOGIN completed",
            'SELECT: * 18 EXISTS\n* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\n* OK [UIDVALIDITY 3857529045] UIDs valid\n* LIST () "/" INBOX ("OLDNAME" ("inbox"))\nOK [READ-WRITE] SELECT completed',
            f"FETCH: {ENVELOPE}\nOK FETCH completed",
            "FETCH: * 12 FETCH (BODY[HEADER] {38})\nOK FETCH completed",
            "STORE: * 12 FETCH (FLAGS (\\Seen \\Deleted))\nOK +FLAGS completed",
            "LOGOUT: * BYE IMAP4rev2 server terminating connection\nOK LOGOUT completed",
        ],
        id="RFC 9051 section 8",
    ),
    pytest.param(
        """
        S: * OK [CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI] Capabilities
        C: AUTHENTICATE GSSAPI
        S: +
        C: YIIB+wYJKoZIhvcSAQICAQBuggHqMIIB5qADAgEFoQMCAQ6iBw
        S: + YGgGCSqGSIb3EgECAgIAb1kwV6ADAgEFoQMCAQ+iSzBJoAMC
        C:
        S: + YDMGCSqGSIb3EgECAgIBAAD/////6jcyG4GE3KkTzBeBiVHe
        C: YDMGCSqGSIb3EgECAgIBAAD/////3LQBHXTpFfZgrejpLlLImP
        S: A1 OK GSSAPI authentication successful
        """,
        [
            "greeting: OK [CAPABILITY IMAP4rev2 STARTTLS AUTH=GSSAPI] Capabilities",
            "AUTHENTICATE (challenge): +",
            "AUTHENTICATE (challenge): + YGgGCSqGSIb3EgECAgIAb1kwV6ADAgEFoQMCAQ+iSzBJoAMC",
            "AUTHENTICATE (challenge): + YDMGCSqGSIb3EgECAgIBAAD/////6jcyG4GE3KkTzBeBiVHe",
            "AUTHENTICATE: OK GSSAPI authentication successful",
        ],
        id="RFC 9051 section 6.2.2",
    ),
    pytest.param(
        """
        S: * OK ready
        C: IDLE
        S: * 2 EXPUNGE
        S: * 3 EXISTS
        S: + idling
        S: * 4 EXISTS
        C: DONE
        S: A1 OK IDLE terminated
        C: FETCH 3 ALL
        S: * 3 FETCH (FLAGS ())
        S: A2 OK FETCH completed
        """,
        [
            "greeting: OK ready",
            "IDLE: * 2 EXPUNGE\n* 3 EXISTS\n+ idling",
            "IDLE: * 4 EXISTS\nOK IDLE terminated",
            "FETCH: * 3 FETCH (FLAGS ())\nOK FETCH completed",
        ],
        id="RFC 9051 section 6.3.13",
    ),
    pytest.param(
        """
        S: * OK ready
        C: LOGIN {11}
        S: + Ready for additional command text
        C: FRED FOOBAR {7}
        S: + Ready for additional command text
        C: fat man
        S: A1 OK LOGIN completed
        """,
        [
            "greeting: OK ready",
            "LOGIN: + Ready for additional command text",
            "LOGIN: + Ready for additional command text",
            "LOGIN: OK LOGIN completed",
        ],
        id="RFC 9051 section 7.6",
    ),
    pytest.param(
        """
        S: * OK ready
        C: SEARCH CHARSET KOI8-R TEXT {6}
        S: A1 NO [BADCHARSET (US-ASCII "UTF-8")] charset not supported
        C: UID SEARCH ALL
        S: * ESEARCH (TAG "A2") UID ALL 1:4
        S: A2 OK [CLOSED] done
        C: APPEND saved {310}
        S: + Ready for literal data
        """,
        [
            "greeting: OK ready",
            'SEARCH: NO [BADCHARSET (US-ASCII "UTF-8")] charset not supported',
            'UID SEARCH: * ESEARCH (TAG "A2") UID ALL 1:4\nOK [CLOSED] done',
            "APPEND: + Ready for literal data",
        ],
        id="literals, refused and asked for",
    ),
    pytest.param(
        """
        S: * BYE Autologout; idle for too long
        """,
        ["greeting: BYE Autologout; idle for too long"],
        id="RFC 9051 section 7.1.5",
    ),
    pytest.param(
        """
        S: * PREAUTH IMAP4rev2 server logged in as Smith
        C: NAMESPACE
        S: * NAMESPACE (("" "/")) (("~" "/")) NIL
        S: A1 OK NAMESPACE command completed
        C: STATUS blurdybloop (UIDNEXT MESSAGES)
        S: * STATUS blurdybloop (MESSAGES 231 UIDNEXT 44292)
        S: a1 ok no
        """,
        [
            "greeting: PREAUTH IMAP4rev2 server logged in as Smith",
            'NAMESPACE: * NAMESPACE (("" "/")) (("~" "/")) NIL\nOK NAMESPACE command completed',
            "malformed: a tag that no command waits for, the next is A2 (RFC 9051 section 2.2.2)",
        ],
        id="RFC 9051 section 7.1.4, and a tag in the other case",
    ),
    pytest.param(
        """
        S: * OK ready
        C: NOOP
        S: * 22 EXPUNGE
        S: * BAD Disk crash, attempting salvage
        S: * NO Disk is 98% full, please delete unnecessary data
        S: A1 OK NOOP completed
        C: FOOBAR
        S: A2 BAD Unknown command
        """,
        [
            "greeting: OK ready",
            "NOOP: * 22 EXPUNGE\n* BAD Disk crash, attempting salvage\n* NO Disk is 98% full, please delete unnecessary data\nOK NOOP completed",
            "a client line: BAD Unknown command",
        ],
        id="RFC 9051 sections 7.1.2 and 7.1.3",
    ),
]


def test_it_is_registered():
    """A scenario's `protocol` finds it."""
    assert PROTOCOLS["imap"] is Imap


@pytest.mark.parametrize(("dialogue", "events"), DIALOGUES)
def test_a_dialogue(dialogue, events):
    """Each reply has its command, its code and the untagged data before it."""
    assert [told(one) for one in play(dialogue)] == events


@pytest.mark.parametrize(("dialogue", "events"), DIALOGUES)
def test_a_dialogue_in_pieces(dialogue, events):
    """Wherever the network cuts, the events are the same."""
    assert play(dialogue, bytewise) == play(dialogue)
    longest = max(map(len, dialogue.split("C: "))) + 40
    for place in range(1, longest):
        assert play(dialogue, lambda data, at=place: cut(data, at) if at < len(data) else [data]) == play(dialogue)


def test_a_literal_is_beside_its_line():
    """The line has the mark; opened, the octets stand behind it."""
    made = greeted()
    (reply,) = asked(
        made, b"FETCH 1 ALL", b"* 1 FETCH (A {3}\r\na\r\n B {0}\r\n C ~{4+}\r\nA1 O)\r\n* 2 EXISTS\r\nA1 OK done\r\n"
    )
    assert reply.lines == [b"* 1 FETCH (A {3} B {0} C ~{4+})", b"* 2 EXISTS", b"done"]
    assert [(one.size, one.data, one.at) for one in reply.literals] == [(3, b"a\r\n", 0), (0, b"", 0), (4, b"A1 O", 0)]
    assert reply.searched == ["* 1 FETCH (A {3}", "a", " B {0}", " C ~{4+}", "A1 O)", "* 2 EXISTS", "OK done"]
    assert reply.untagged == ["1 FETCH (A {3}\na\n B {0}\n C ~{4+}\nA1 O)", "2 EXISTS"]
    assert str(reply) == "* 1 FETCH (A {3} B {0} C ~{4+})\n* 2 EXISTS\nOK done"


def test_what_looks_tagged_in_a_literal_is_data():
    """Only what stands outside literals ends a reply."""
    (reply,) = asked(greeted(), b"FETCH 1 BODY[]", b"* 1 FETCH (BODY[] {14}\r\nA1 OK\r\n* BYE\r\n)\r\nA1 NO no\r\n")
    assert (reply.code, reply.literals[0].data) == ("NO", b"A1 OK\r\n* BYE\r\n")


@pytest.mark.parametrize(
    "line",
    [b"A1 NO no such thing {5}", b"* OK see {99999999999999999999}", b"* NO [ALERT] {x}", b"* ok {5}"],
    ids=["tagged", "a size", "no size", "lower case"],
)
def test_text_for_people_has_no_literal(line):
    """What looks like a mark at the end of a status response announces nothing (RFC 9051 section 9, text)."""
    end = b"" if line.startswith(b"A1") else b"A1 OK\r\n"
    (reply,) = asked(greeted(), b"NOOP", line + b"\r\n" + end)
    assert isinstance(reply, Reply)
    assert reply.literals == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param(b"[ALERT] careful", "[ALERT]", id="an atom"),
        pytest.param(b"[APPENDUID 38505 3955] done", "[APPENDUID 38505 3955]", id="with numbers"),
        pytest.param(b"[PERMANENTFLAGS (\\Deleted \\*)] x", "[PERMANENTFLAGS (\\Deleted \\*)]", id="with a list"),
        pytest.param(b'[BADCHARSET ("a]\\"]" x)] x', '[BADCHARSET ("a]\\"]" x)]', id="a bracket in a quoted string"),
        pytest.param(b'[X "a] x', '[X "a]', id="an odd quote"),
        pytest.param(b"[alert]", "[alert]", id="as written, and nothing behind it"),
        pytest.param(b"[ALERT careful", "", id="not closed"),
        pytest.param(b"[] x", "", id="empty"),
        pytest.param(b"[ ALERT] x", "", id="a blank in front"),
        pytest.param(b"x [ALERT]", "", id="elsewhere"),
        pytest.param(b"[X \xff] x", "[X \\xff]", id="not UTF-8"),
        pytest.param(b"", "", id="no text"),
    ],
)
def test_a_response_code(text, code):
    """It is what stands in brackets at the text's beginning; without it the rest is said."""
    (reply,) = asked(greeted(), b"NOOP", b"* OK [UIDNEXT 1] x\r\nA1 OK " + text + b"\r\n")
    assert reply.enhanced == code
    assert reply.bare(reply.texts[-1]) == reply.texts[-1][len(code) :].lstrip(" ")


def test_codes_in_any_case_are_told_in_upper_case():
    """Case does not count (RFC 9051 section 9), but in tags."""
    (reply,) = asked(greeted(greeting=b"* ok hi\r\n"), b"NOOP", b"A1 Ok done\r\n")
    assert (reply.code, reply.line(0)) == ("OK", b"OK done")


def test_a_status_alone():
    """A line without text is accepted, as from many servers."""
    (reply,) = asked(greeted(greeting=b"* OK\r\n"), b"NOOP", b"A1 OK\r\n")
    assert (reply.code, reply.lines) == ("OK", [b""])


# Order.


def test_completions_out_of_order():
    """They are given out in the order of the commands, each with the untagged data that came before it."""
    made = greeted()
    say(made, b"NOOP", b"CHECK", b"EXPUNGE")
    assert read(made, b"* 1 EXISTS\r\nA3 OK c\r\n* 2 EXISTS\r\nA2 NO b\r\n") == []
    assert [str(one) for one in made.owed] == ["NOOP", "CHECK", "EXPUNGE"]
    events = read(made, b"* 3 EXISTS\r\nA1 OK a\r\n")
    assert [told(one) for one in events] == [
        "NOOP: * 3 EXISTS\nOK a",
        "CHECK: * 2 EXISTS\nNO b",
        "EXPUNGE: * 1 EXISTS\nOK c",
    ]
    assert made.owed == []


def test_a_go_ahead_before_its_turn():
    """It waits for the replies before it, and what it allows is followed at once."""
    made = greeted()
    say(made, b"NOOP", b"IDLE", b"DONE", b"CHECK")
    assert read(made, b"+ idling\r\nA2 OK done\r\n") == []
    events = read(made, b"A1 OK a\r\nA3 OK c\r\n")
    assert [told(one) for one in events] == ["NOOP: OK a", "IDLE: + idling", "IDLE: OK done", "CHECK: OK c"]


def test_a_completion_that_comes_twice():
    """The second has no command, whether the first was given out or is held."""
    for answer in (b"A1 OK\r\nA1 OK\r\n", b"A2 OK\r\nA2 OK\r\n"):
        made = greeted()
        say(made, b"NOOP", b"NOOP")
        assert "a tag that no command waits for" in read(made, answer)[-1].reason


# Leaving.


def test_a_bye_answers_what_is_owed_first():
    """A server that goes away says so at any moment; it is a reply with all that came before it."""
    made = greeted()
    say(made, b"SELECT x", b"NOOP")
    events = read(made, b"* 1 EXISTS\r\n* BYE [UNAVAILABLE] overloaded\r\n")
    assert [told(one) for one in events] == ["SELECT: * 1 EXISTS\nBYE [UNAVAILABLE] overloaded"]
    assert events[0].enhanced == "[UNAVAILABLE]"
    assert [str(one) for one in made.owed] == ["NOOP"]
    assert not made.may_say_goodbye


@pytest.mark.parametrize(
    ("lines", "before"),
    [
        pytest.param([], b"", id="nothing owed"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"", id="AUTHENTICATE"),
        pytest.param([b"AUTHENTICATE PLAIN"], b"+ \r\n", id="a challenge"),
        pytest.param([b"IDLE"], b"+ idling\r\n", id="IDLE"),
        pytest.param([b"APPEND x {5}"], b"", id="a literal not asked for"),
        pytest.param([b"APPEND x {5}"], b"+ \r\n", id="a literal asked for"),
    ],
)
def test_a_bye_at_any_moment(lines, before):
    """It is one reply, and nothing is open behind it."""
    made = greeted()
    say(made, *lines)
    read(made, before)
    (reply,) = read(made, b"* BYE gone\r\n")
    assert (reply.code, reply.owed is not None) == ("BYE", bool(lines))
    assert (made.owed, made.in_auth, made.challenge) == ([], False, None)
    assert not made.may_say_goodbye


def test_the_goodbye():
    """Its BYE is a line of its reply; then only the end is due."""
    made = greeted()
    assert made.may_say_goodbye
    made.sent(made.lead(made.goodbye) + made.goodbye)
    assert not made.may_say_goodbye
    (reply,) = read(made, b"* BYE see you\r\nA1 OK done\r\n")
    assert (reply.code, reply.untagged, made.said_goodbye) == ("OK", ["BYE see you"], True)
    assert not made.may_say_goodbye


# Untagged data between replies.


def test_untagged_data_that_nobody_asked_for():
    """It is kept for the next reply, and is nothing that a report has to show as a piece of one."""
    made = greeted()
    assert read(made, b"* 3 EXISTS\r\n* 1 FETCH (X {1}\r\nx)\r\n* 1 REC") == []
    assert made.untagged() == ["3 EXISTS", "1 FETCH (X {1}\nx)"]
    assert made.untagged(1) == ["1 FETCH (X {1}\nx)"]
    assert (made.pending, made.is_amid_reply, made.has_half_line, made.line_count) == (b"* 1 REC", True, True, 0)
    read(made, b"ENT\r\n")
    assert (made.pending, made.is_amid_reply, made.has_half_line) == (b"", False, False)
    (reply,) = asked(made, b"NOOP", b"A1 OK\r\n")
    assert reply.untagged == ["3 EXISTS", "1 FETCH (X {1}\nx)", "1 RECENT"]
    assert made.untagged() == []


def test_untagged_data_that_a_step_has_read():
    """It is no part of the next reply; literals of what stays keep their lines."""
    made = greeted()
    read(made, b"* 1 EXISTS\r\n* 1 FETCH (X {1}\r\na)\r\n* 2 FETCH (X {1}\r\nb)\r\n")
    made.drop_untagged(2)
    assert made.untagged() == ["2 FETCH (X {1}\nb)"]
    (reply,) = asked(made, b"NOOP", b"A1 OK\r\n")
    assert reply.untagged == ["2 FETCH (X {1}\nb)"]
    assert isinstance(reply, LineReply)
    assert [(one.data, one.at) for one in reply.literals] == [(b"b", 0)]


def test_a_literal_under_way_is_shown_by_its_mark():
    """The octets that have come are not shown."""
    made = greeted()
    read(made, b"* 1 FETCH (BODY[] {342}\r\nSubject: x")
    assert (made.pending, made.is_amid_reply) == (b"* 1 FETCH (BODY[] {342}", True)


# Capabilities.


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        pytest.param(b"* CAPABILITY IMAP4rev1 IDLE\r\nA1 OK done\r\n", ["IMAP4REV1", "IDLE"], id="data"),
        pytest.param(b"* capability idle\r\nA1 OK done\r\n", ["IDLE"], id="in lower case"),
        pytest.param(b"A1 OK [CAPABILITY IDLE] done\r\n", ["IDLE"], id="a code of a tagged OK"),
        pytest.param(b"A1 NO [CAPABILITY IDLE] done\r\n", ["IDLE"], id="a code of a tagged NO"),
        pytest.param(b"* OK [capability idle] done\r\nA1 OK\r\n", ["IDLE"], id="a code of an untagged OK"),
        pytest.param(b"* CAPABILITY A\r\nA1 OK [CAPABILITY B] x\r\n", ["B"], id="the last list counts"),
        pytest.param(b"* CAPABILITY\r\nA1 OK\r\n", [], id="an empty list"),
        pytest.param(b"* CAPABILITY  =X Y=  Z=1=2 Z=3\r\nA1 OK\r\n", ["=X", "Y=", "Z", "Z=1=2", "Z=3"], id="odd ones"),
        pytest.param(b"* CAPABILITYX Y\r\nA1 OK [CAPABILITYX] x\r\n", None, id="other words"),
        pytest.param(b"A1 OK CAPABILITY IDLE\r\n", None, id="text"),
    ],
)
def test_capabilities_wherever_they_come(answer, names):
    """As data and as a response code; names in upper case."""
    made = greeted()
    assert made.capabilities is None
    asked(made, b"X", answer)
    assert (names if made.capabilities is None else list(made.capabilities)) == names


def test_capabilities_with_values():
    """`NAME=VALUE` is a name, and a parameter of NAME."""
    made = greeted(greeting=b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN AUTH=LOGIN QUOTA=RES-STORAGE] hi\r\n")
    assert made.capabilities == {
        "IMAP4REV1": (),
        "AUTH": ("PLAIN", "LOGIN"),
        "AUTH=PLAIN": (),
        "AUTH=LOGIN": (),
        "QUOTA": ("RES-STORAGE",),
        "QUOTA=RES-STORAGE": (),
    }


@pytest.mark.parametrize(
    ("words", "takes"),
    [(b"IMAP4rev1 SASL-IR", True), (b"IMAP4rev2", True), (b"IMAP4rev1 LOGINDISABLED", False)],
    ids=["SASL-IR", "rev2", "neither"],
)
def test_who_takes_an_initial_response(words, takes):
    """It stands in the AUTHENTICATE line where the server says so (RFC 4959)."""
    assert not greeted().takes_initial(10)
    assert greeted(greeting=b"* OK [CAPABILITY " + words + b"] hi\r\n").takes_initial(10) is takes


# TLS.


def test_a_handshake_forgets_what_was_learnt():
    """Capabilities and data in clear text are gone; tags go on."""
    made = greeted(greeting=b"* OK [CAPABILITY IMAP4rev1] hi\r\n")
    read(made, b"* 1 EXISTS\r\n")
    (reply,) = asked(made, b"STARTTLS", b"A1 OK go\r\n")
    assert (reply.code, reply.untagged) == (made.starttls_code, ["1 EXISTS"])
    assert not made.may_say_goodbye
    made.secured()
    assert (made.capabilities, made.untagged(), made.owed) == (None, [], [])
    assert made.may_say_goodbye
    assert made.lead(b"NOOP") == b"A2 "


@pytest.mark.parametrize("injected", [b"* CAPABILITY X\r\n", b"A2 OK\r\n", b"* OK\r\n", b"x"])
def test_clear_text_behind_the_go_ahead(injected):
    """It is not read: it waits where the handshake finds it, and it teaches nothing (RFC 9051 section 11.1)."""
    made = greeted()
    events = asked(made, b"STARTTLS", b"A1 OK go\r\n" + injected)
    assert [told(one) for one in events] == ["STARTTLS: OK go"]
    assert (made.pending, made.is_amid_reply, made.capabilities) == (injected, True, None)
    made.secured()
    assert made.pending == b""


def test_a_refused_starttls_changes_nothing():
    """What follows is read as ever."""
    made = greeted()
    events = asked(made, b"STARTTLS", b"A1 NO later\r\n* 1 EXISTS\r\n")
    assert [told(one) for one in events] == ["STARTTLS: NO later"]
    assert (made.untagged(), made.may_say_goodbye) == (["1 EXISTS"], True)


def test_a_client_that_goes_on_in_clear_text():
    """Who sends a command after the go-ahead reads what the server says to it."""
    made = greeted()
    asked(made, b"STARTTLS", b"A1 OK go\r\n")
    (reply,) = asked(made, b"NOOP", b"* 1 EXISTS\r\nA2 BAD what\r\n")
    assert told(reply) == "NOOP: * 1 EXISTS\nBAD what"


def test_commands_together_with_starttls_are_answered():
    """A server that reads on in clear text is heard, so that it can be told."""
    made = greeted()
    say(made, b"STARTTLS", b"NOOP")
    assert [told(one) for one in read(made, b"A1 OK go\r\nA2 OK done\r\n")] == ["STARTTLS: OK go", "NOOP: OK done"]


@pytest.mark.parametrize(("greeting", "is_so"), [(b"* PREAUTH hi\r\n", True), (b"* OK hi\r\n", False)])
def test_preauth_is_noted(greeting, is_so):
    """There is no STARTTLS after it."""
    assert greeted(greeting=greeting).is_preauthenticated is is_so
