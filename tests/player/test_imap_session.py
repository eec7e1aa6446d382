"""IMAP as the player speaks it: tags, untagged lines, BYE, IDLE, STARTTLS."""

from __future__ import annotations

import pytest
from mailboxes import converse, mailbox, transcript
from memory import EOF, STALL
from playing import shown

from runner.protocol import Limits
from runner.results import Outcome
from runner.wire import Close, Secure

IDLE = "  - {expect: OK}\n  - {send: IDLE, expect: +}\n"
NOOP = "  - {expect: OK}\n  - {send: NOOP, expect: OK}\n"


# Tags.


def test_each_line_has_its_own_tag(run):
    """Ready lines, filled ones, those of a pipeline and the goodbye are led by tags, whose replies are their own."""
    played = converse(
        "imap",
        """
  - {expect: OK}
  - {send: NOOP, expect: OK}
  - {send: 'LOGIN ${user} x', expect: OK}
  - pipeline:
    - {send: 'SELECT INBOX', expect: OK}
    - {send: 'SEARCH ALL', expect: NO}""",
        b"A1 OK\r\n",
        b"A2 OK\r\n",
        b"A4 NO no\r\nA3 OK\r\n",
        variables={"user": "bob"},
    )
    assert ["passed"] * 5 == shown(played.result)
    sent = b"A1 NOOP\r\nA2 LOGIN bob x\r\nA3 SELECT INBOX\r\nA4 SEARCH ALL\r\nA5 LOGOUT\r\n"
    assert sent == played.sent[0]


def test_no_tag_of_ours():
    """With `tag: none` a line goes out as it is written."""
    played = converse(
        "imap", "  - {expect: OK}\n  - {send: 'x1 NOOP', tag: none, expect: OK}", b"x1 OK\r\n", secrets={}
    )
    assert (b"x1 NOOP\r\nA1 LOGOUT\r\n", ["passed"] * 2) == (played.sent[0], shown(played.result))


def test_marks_move_with_the_tag():
    """A secret behind a tag is hidden where it stands, also one that is too short to be searched for."""
    played = converse(
        "imap",
        "  - {expect: OK}\n  - {send: 'XSECRET ${pin} end', expect: OK}",
        b"A1 OK\r\n",
        secrets={"pin": "42"},
    )
    assert b"A1 XSECRET 42 end\r\n" in played.sent[0]
    assert "C: A1 XSECRET ⟨pin⟩ end" in transcript(played)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("LOGIN bob hunter2", "C: A1 LOGIN bob ⟨password⟩"),
        ('LOGIN "bob" "hunter 2"', 'C: A1 LOGIN "bob" ⟨password⟩'),
        ("LOGIN bob ${reader_password}", "C: A1 LOGIN bob ⟨reader_password⟩"),
        ("LOGIN bob x${reader_password}", "C: A1 LOGIN bob ⟨reader_password⟩"),
    ],
    ids=["invented", "quoted", "declared", "in part"],
)
def test_a_password_is_not_shown(line, said):
    """The password of a LOGIN is hidden by its place, whether it is a declared secret or not."""
    steps = f"  - {{expect: OK}}\n  - {{send: '{line}', expect: OK}}"
    played = converse("imap", steps, b"A1 OK\r\n", secrets={"reader_password": "tr0ub4dor"})
    assert said in transcript(played)


# Untagged lines.


def test_a_mail_arrives():
    """`expect: untagged` waits for its lines in any order, takes captures, and what is needed no more stays."""
    played = converse(
        "imap",
        IDLE
        + """
  - {expect: untagged, untagged: ['/(?P<n>\\d+) EXISTS/', '/(?P<m>\\d+) RECENT/'], within: 1s}
  - {send: DONE, expect: OK, untagged: 7 EXPUNGE, lacks: /EXISTS/}
  - {send: 'FETCH ${n}:${m} FLAGS', expect: OK}""",
        (b"+ idling\r\n", b"* 1 RECENT\r\n* 4 EXI", b"STS\r\n* 7 EXPUNGE\r\n"),
        b"A1 OK\r\n",
        b"A2 OK\r\n",
    )
    assert ["passed"] * 5 == shown(played.result)
    assert b"A1 IDLE\r\nDONE\r\nA2 FETCH 4:1 FLAGS\r\nA3 LOGOUT\r\n" == played.sent[0]


def test_lines_that_a_whole_reply_holds_are_met_as_well():
    """Whether a reply has come behind the lines makes no difference: they are taken out of it."""
    played = converse(
        "imap",
        "  - {expect: OK}\n  - {send: NOOP}\n  - {expect: untagged, untagged: '* EXISTS'}\n"
        "  - {expect: OK, untagged: 2 FETCH *, lacks: [/EXISTS/, /RECENT/], lines: 3}",
        b"* 1 RECENT\r\n* 4 EXISTS\r\n* 2 FETCH (BODY[] {3}\r\nabc)\r\nA1 OK done\r\n",
    )
    assert ["passed", "passed", "passed", "passed"] == shown(played.result)


WAITING = "  - {expect: untagged, untagged: ['*EXISTS', '/RECENT/'], timeout: 1s}"


@pytest.mark.parametrize(
    ("said", "reason", "parts"),
    [
        ((b"+ idling\r\n",), "failed: no untagged lines *EXISTS and /RECENT/ within 1 s", ["untagged", "untagged"]),
        (
            (b"+ idling\r\n* 1 RECENT\r\n* 4 EXI",),
            "failed: no untagged line *EXISTS within 1 s; what came last: '* 4 EXI (incomplete)'",
            ["untagged"],
        ),
        (
            (b"+ idling\r\n* 1 RECENT\r\nA1 OK over\r\n",),
            "failed: expected an untagged line *EXISTS, got OK over",
            ["untagged"],
        ),
        (
            (b"+ idling\r\n* 1 RECENT\r\n", EOF),
            "failed: the server closed the connection where an untagged line *EXISTS was due",
            ["untagged"],
        ),
        (
            (b"+ idling\r\n* BYE over\r\n", EOF),
            "failed: expected untagged lines *EXISTS and /RECENT/, got BYE over",
            None,
        ),
        ((b"+ idling\r\nrubbish\r\n",), None, ["reply"]),
    ],
    ids=["silence", "some lines", "reply", "close", "bye", "malformed"],
)
def test_lines_that_do_not_come(said, reason, parts):
    """A step that misses a line says which, and shows those that came."""
    result = converse("imap", IDLE + WAITING, said).result
    step = result.steps[2]
    assert Outcome.FAILED is step.outcome
    if reason is not None:
        assert reason == f"failed: {step.reason}"
    if parts is not None:
        assert parts == [one.part for one in step.differences]
    shown_text = "\n".join(one.actual for one in step.differences)
    assert all(b"RECENT" not in piece or "* 1 RECENT" in shown_text for piece in said if isinstance(piece, bytes))


def test_within_counts_from_the_step():
    """A line that was waited for is late by the step's own time, not by that since the last command."""
    steps = IDLE + "  - {wait: 20s}\n  - {expect: untagged, untagged: '*', within: 2s}\n" + "  - {close: fin}"
    played = converse("imap", steps, (b"+ idling\r\n", STALL, b"* 1 EXISTS\r\n"))
    assert "passed" == shown(played.result)[3]


def test_a_late_line():
    """A line that comes after `within` is told with how long it took, and the conversation goes on."""
    steps = IDLE + "  - {expect: untagged, untagged: '* EXISTS', within: 2s}\n  - {send: DONE, expect: OK}"
    said = (b"+ idling\r\n", b"* 1 RECENT\r\n", b"* 2 RECENT\r\n", b"* 4 EXISTS\r\n")
    result = converse("imap", steps, said, b"A1 OK\r\n", elapses=1.0).result
    assert ["failed: expected within 2 s, got after 3.000 s", "passed"] == shown(result)[2:]


def test_untagged_lines_are_no_surplus():
    """What a server sends unasked fails no step that sends, and nothing at the end, also when it is cut anywhere."""
    data = b"A1 OK\r\n* 4 EXISTS\r\n"
    for at in range(len(b"A1 OK\r\n"), len(data)):
        played = converse("imap", NOOP + "  - {send: NOOP, expect: OK}", data[:at], data[at:] + b"A2 OK\r\n")
        assert (at, ["passed"] * 3) == (at, shown(played.result))
        played = converse("imap", NOOP, data[:at], (data[at:] + b"* BYE\r\nA2 OK\r\n", EOF))
        assert (at, Outcome.PASSED) == (at, played.result.outcome)


def test_silence_is_no_byte_at_all():
    """An untagged line breaks a silence, one that came before it does not."""
    steps = NOOP + "  - {expect: silence, for: 2s}"
    result = converse("imap", steps, (b"A1 OK\r\n", b"* 4 EXISTS\r\n")).result
    assert "failed: expected silence, got * 4 EXISTS" == shown(result)[2]
    assert Outcome.PASSED is converse("imap", steps, b"A1 OK\r\n* 4 EXISTS\r\n").result.outcome


def test_a_reason_tells_the_line_with_the_code():
    """Of a reply with untagged lines the reason shows the tagged one; the difference has them all."""
    said = b"* 3 EXISTS\r\n* 1 RECENT\r\nA1 NO [LIMIT] too many\r\n"
    step = converse("imap", "  - {expect: OK}\n  - {send: NOOP, expect: OK}", said).result.steps[1]
    assert "expected OK, got NO [LIMIT] too many" == step.reason
    assert "* 3 EXISTS\n* 1 RECENT\nNO [LIMIT] too many" == step.differences[0].actual
    steps = "  - {expect: OK}\n  - {send: NOOP, expect: 'NO [ALERT]'}"
    assert converse("imap", steps, said).result.steps[1].reason.endswith("got NO [LIMIT] too many")


def test_a_reply_that_is_not_whole_is_shown_with_its_lines():
    """Where the tagged line does not come, the untagged ones that did are shown."""
    steps = "  - {expect: OK}\n  - {send: NOOP, expect: OK, timeout: 1s}"
    step = converse("imap", steps, b"* 3 EXISTS\r\n* 4 EX").result.steps[1]
    assert "no whole reply to NOOP within 1 s, only 18 bytes, the last line: '* 4 EX'" == step.reason
    assert "* 3 EXISTS\n* 4 EX (incomplete, 18 bytes)" == step.differences[0].actual


def test_many_slow_lines():
    """Each line is looked at once, however many there are and however they come."""
    lines = tuple(b"* %d EXISTS\r\n" % number for number in range(2000))
    steps = IDLE + "  - {expect: untagged, untagged: '1999 EXISTS'}\n  - {send: DONE, expect: OK}"
    assert ["passed"] * 4 == shown(converse("imap", steps, (b"+\r\n", *lines), b"A1 OK\r\n").result)


def test_too_many_lines():
    """Untagged lines without end are bounded, and told as what they are."""
    steps = IDLE + WAITING
    said = (b"+\r\n", b"* x\r\n" * 50)
    result = converse("imap", steps, said, limits=Limits(lines=20)).result
    assert "20 untagged lines" in result.reason


CONVERSATION = b"+ idling\r\n* 1 RECENT\r\n* 4 EXISTS\r\n* 5 FETCH (X {5}\r\nA1 OK)\r\n"


@pytest.mark.parametrize("at", range(1, len(CONVERSATION)))
def test_cuts_make_no_difference(at):
    """However the bytes are cut, the same lines are met and the same are left."""
    steps = IDLE + (
        "  - {expect: untagged, untagged: '* EXISTS'}\n"
        "  - {send: DONE, expect: OK, untagged: '5 FETCH*', lacks: [/EXISTS/, /RECENT/]}"
    )
    said = (CONVERSATION[:at], CONVERSATION[at:])
    assert ["passed"] * 4 == shown(converse("imap", steps, said, b"A1 OK\r\n").result)


# BYE, and the end.


def test_bye_while_nothing_is_owed():
    """`expect: BYE` alone reads a BYE that nobody asked for."""
    result = converse("imap", NOOP + "  - {expect: BYE}", (b"A1 OK\r\n* BYE idle too long\r\n", EOF)).result
    assert ["passed"] * 3 == shown(result)


def test_bye_is_the_reason_of_what_follows():
    """A step that can't go on tells what the server had said."""
    said = (b"A1 OK\r\n* BYE shutting down\r\n", EOF)
    result = converse("imap", NOOP + "  - {expect: untagged, untagged: '*'}", said).result
    assert result.steps[2].reason.endswith("got BYE shutting down")
    result = converse("imap", NOOP + "  - {expect: BYE}\n  - {send: NOOP, expect: OK}", said).result
    assert result.steps[3].reason.endswith("where a reply was due; it had said: BYE shutting down")


def test_a_command_that_is_not_completed():
    """A command without its reply fails the case at its end, which has a moment to come."""
    result = converse("imap", "  - {expect: OK}\n  - {send: NOOP}", b"A1 OK\r\n").result
    assert "after the last step: no step expected the reply to NOOP" == result.reason


def test_idle_without_done():
    """An IDLE that nobody ended fails the case, and its end takes no longer than others."""
    played = converse("imap", IDLE, (b"+ idling\r\n", b"* 1 EXISTS\r\n"))
    assert "after the last step: IDLE is still open; end it with send: DONE" == played.result.reason
    assert () == played.result.warnings
    assert played.now < 1001


def test_idle_that_no_step_looks_after():
    """Its `+` is an answer: only a server that sends none is said not to have answered."""
    reason = "after the last step: no step expected the reply to IDLE"
    for answer, warnings in ((b"+ idling\r\n", ()), (None, ("at the end the server did not answer IDLE within 2 s",))):
        for pause in ("", "\n  - {wait: 1s}"):
            result = converse("imap", f"  - {{expect: OK}}\n  - {{send: IDLE}}{pause}", answer).result
            assert (reason, warnings) == (result.reason, result.warnings)


def test_no_goodbye_amid_idle():
    """A server that waits for DONE would not know what LOGOUT is."""
    result = converse("imap", IDLE + "  - close: quit\n", b"+ idling\r\n").result
    assert result.steps[-1].reason.endswith("the goodbye was not sent: the server would read it as part of IDLE")


# STARTTLS.

STARTTLS = "  - {expect: OK}\n  - starttls:\n  - {send: NOOP, expect: OK}"


def test_starttls():
    """The command has a tag; untagged lines before the go-ahead are a part of its reply, and forgotten."""
    played = converse("imap", STARTTLS, b"* 3 EXISTS\r\nA1 OK\r\n", b"A2 OK\r\n")
    assert ["passed"] * 3 == shown(played.result)
    assert b"A1 STARTTLS\r\nA2 NOOP\r\nA3 LOGOUT\r\n" == played.sent[0]


@pytest.mark.parametrize("step", ["starttls:", "{send: STARTTLS, expect: OK}\n  - tls:"], ids=["starttls", "by hand"])
@pytest.mark.parametrize("said", [b"* 5 EXISTS\r\n", b"* 5 EXI", b"A2 OK\r\n", b"+ \r\n"], ids=str)
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "together"])
def test_injection(said, apart, step):
    """Whatever comes in clear text after the go-ahead is injection, a whole untagged line as well."""
    turns = (b"A1 OK\r\n", said) if apart else (b"A1 OK\r\n" + said,)
    played = converse("imap", f"  - {{expect: OK}}\n  - {step}\n  - {{send: NOOP, expect: OK}}", turns, b"A2 OK\r\n")
    assert Outcome.FAILED is played.result.outcome
    told = ("response injection", "unexpected data before 'tls'")
    assert any(one in played.result.reason for one in told[: 1 if step == "starttls:" else 2])
    assert b"NOOP" not in played.sent[0]
    assert any(isinstance(action, Close) for action in played.actions)


def test_preauth_is_not_ok():
    """A greeting that says PREAUTH is a wrong code where OK was due; no credential leaves."""
    played = converse("imap", STARTTLS, mailbox(b"* PREAUTH hi\r\n"))
    assert "failed: expected OK, got PREAUTH hi" == shown(played.result)[0]
    assert b"STARTTLS" not in played.sent.get(0, b"")


# What may be the reason.


def test_idle_whose_go_ahead_no_step_reads():
    """The step that meets it says where it wants to be expected."""
    steps = "  - {expect: OK}\n  - {send: IDLE}\n  - {expect: untagged, untagged: '* EXISTS'}"
    result = converse("imap", steps, b"+ idling\r\n").result
    expected = "failed: expected an untagged line * EXISTS, got + idling; add expect: + to the step that sends IDLE"
    assert expected == shown(result)[2]


def test_a_command_amid_idle():
    """The server takes it for the end of IDLE or for nothing; what is missing is said."""
    steps = IDLE + "  - {send: NOOP, expect: OK}"
    result = converse("imap", steps, b"+ idling\r\n", b"A1 BAD expected DONE\r\n").result
    expected = "failed: expected OK, got BAD expected DONE; IDLE was still open: send: DONE before this line"
    assert expected == shown(result)[2]


def test_a_refused_done_is_no_slip():
    """It was the line that was due."""
    result = converse("imap", IDLE + "  - {send: done, expect: OK}", b"+ idling\r\n", b"A1 NO no\r\n").result
    assert "failed: expected OK, got NO no" == shown(result)[2]


@pytest.mark.parametrize(
    ("line", "password", "is_told"),
    [
        ("LOGIN bob ${password}", "correct horse", True),
        ("LOGIN bob ${password}", 'cor"rect', True),
        ("LOGIN bob ${password}", "", True),
        ("LOGIN bob ${password}", "correct-horse]", False),
        ("LOGIN bob ${password | quoted}", "correct horse", False),
        ('LOGIN bob "${password}"', "correct horse", False),
        ('LOGIN bob "${password}"', 'cor"rect', True),
        ("XLOGON bob ${password}", "correct horse", False),
    ],
)
def test_a_value_that_wants_quotes(line, password, is_told):
    """A refused LOGIN tells which value may be why, and not what it is."""
    steps = f"  - expect: OK\n  - send: '{line}'\n    expect: OK"
    result = converse("imap", steps, b"A1 BAD what\r\n", variables={"password": password}).result
    hint = "; the value of 'password' holds characters that want ${password | quoted}"
    assert f"failed: expected OK, got BAD what{hint if is_told else ''}" == shown(result)[1]


def test_no_handshake_after_preauth():
    """Who is known already got there in clear text; what the server says to STARTTLS does not matter (R31)."""
    steps = "  - {expect: PREAUTH}\n  - starttls:"
    played = converse("imap", steps, b"* PREAUTH hi\r\n", b"A1 OK go\r\n", greets=False)
    assert "the connection is authenticated already (PREAUTH)" in shown(played.result)[1]
    assert Outcome.FAILED is played.result.outcome
    assert not any(isinstance(action, Secure) for action in played.actions)
    refused = converse("imap", f"{steps}\n    expect: BAD", b"* PREAUTH hi\r\n", b"A1 BAD no\r\n", greets=False)
    assert Outcome.PASSED is refused.result.outcome


def test_no_star_is_advised_for_untagged_data():
    """`SEARCH` alone asks that nothing is found; with a star it would ask nothing."""
    steps = "  - {expect: OK}\n  - {send: SEARCH ALL, expect: OK, untagged: SEARCH}"
    result = converse("imap", steps, b"* FLAGS (x)\r\n* SEARCH 8\r\nA1 OK\r\n").result
    assert "line 2: the line goes on: SEARCH 8" == result.steps[1].differences[0].hint


def test_the_line_that_shares_most_words_is_the_nearest():
    """The number is what differs, and not the kind of line."""
    steps = "  - {expect: OK}\n  - {send: SELECT INBOX, expect: OK, untagged: 8 EXISTS}"
    result = converse("imap", steps, b"* 8 RECENT x\r\n* FLAGS (x)\r\n* 81 EXISTS\r\nA1 OK\r\n").result
    assert "line 1: differs from character 3 on" == result.steps[1].differences[0].hint
    result = converse("imap", steps, b"* FLAGS (x)\r\n* 9 EXISTS\r\nA1 OK\r\n").result
    assert "line 2: it comes nearest: 9 EXISTS" == result.steps[1].differences[0].hint
