"""What holds for every transcript: marked dialogues read back, hostile texts harm nothing, large ones cost their size."""

from __future__ import annotations

import contextlib
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.authoring.conversation import ClientLine, ClientMessage, Conversation, ServerReply
from runner.authoring.draft import Draft, draft
from runner.authoring.readers import FORMATS, PROTOCOLS, read
from runner.errors import InputError

TEXT = st.text(string.ascii_letters + string.digits + "<>@.:=-#$%&*?!'\"", min_size=1, max_size=20)
WORDS = st.lists(TEXT, max_size=4).map(" ".join)
VERBS = ("EHLO", "NOOP", "MAIL", "RCPT", "VRFY", "RSET", "HELP", "XAMPLE")
REPLIES = st.tuples(st.sampled_from(["250", "252", "451", "550"]), st.lists(WORDS, min_size=1, max_size=4))
MESSAGE_LINES = st.text(string.ascii_letters + string.digits + " .:<>", max_size=20).map(str.rstrip)
MESSAGES = st.lists(MESSAGE_LINES, min_size=1, max_size=5)


def reply_of(code, texts):
    heads = [f"{code}-"] * (len(texts) - 1) + [f"{code} "]
    return ServerReply(tuple(head + text for head, text in zip(heads, texts, strict=True)))


@st.composite
def conversations(draw):
    """Make the events of a conversation in SMTP."""
    events = [reply_of("220", draw(REPLIES)[1])]
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            events += [ClientLine(f"{draw(st.sampled_from(VERBS))} {draw(WORDS)}".rstrip()), reply_of(*draw(REPLIES))]
        else:
            message = ClientMessage(tuple(draw(MESSAGES)))
            events += [ClientLine("DATA"), reply_of("354", ["go on"]), message, reply_of(*draw(REPLIES))]
    return [*events, ClientLine("QUIT"), reply_of("221", ["bye"])]


def printed(events):
    """Print a dialogue as RFCs do."""
    for event in events:
        if isinstance(event, ServerReply):
            yield from (f"S: {line}" for line in event.lines)
        elif isinstance(event, ClientLine):
            yield f"C: {event.text}"
        else:
            yield from (f"C: {'.' * line.startswith('.')}{line}" for line in event.lines)
            yield "C: ."


def said(events):
    """Return events without their places."""
    return [event.text if isinstance(event, ClientLine) else (type(event).__name__, event.lines) for event in events]


@given(conversations())
def test_marked_dialogue_reads_back(events):
    """Whatever was said, printed with marks it is read as it was."""
    [conversation] = read("\n".join(printed(events)), "t.txt")
    assert said(events) == said(conversation.events)


@given(conversations())
def test_unmarked_dialogue_is_right_or_asked(events):
    """Without marks it is read as it was, or a question is asked; never read in another way."""
    text = "\n".join(line[3:] for line in printed(events))
    try:
        [conversation] = read(text, "t.txt", kind="telnet")
    except InputError:
        return
    heard = [[line.rstrip() for line in event.lines] for event in conversation.events if isinstance(event, ServerReply)]
    assert [[line.rstrip() for line in event.lines] for event in events if isinstance(event, ServerReply)] == heard


LINES = st.sampled_from(
    """220 x ESMTP|250-x|250 x|250|334 VXNlcm5hbWU6|334|354 go|221 bye|421 no|ehlo me|auth login|AUTH PLAIN AGEAYg==|data|.|
..|quit|bXl1c2Vy|lhlo x|* OK hi|a1 NOOP|a1 OK done|a1 FETCH 1 BODY[]|* 1 FETCH (BODY[] {5}|a2 APPEND x {3}|+ go|+|
+OK|-ERR no|CAPA|RETR 1|"IMPLEMENTATION" "x"|OK "hi"|{4}|PUTSCRIPT "x" {3+}|LOGOUT|STARTTLS|STLS|S: 220 x|C: QUIT|
S: 250-x|C: |S:|Server: 220 x|=== Trying x:25...|<-  220 x| -> EHLO me| ~> x|<~  250 x|*** no|<** 550 no|  > 00|
CONNECTED(00000003)|---|Verify return code: 0 (ok)|read R BLOCK|RENEGOTIATING|DONE|closed|Trying x...|$ telnet x 25|
Connection closed by foreign host.|modules:|  prober: tcp|  0.010  S: 220 x|  0.020  a  C: QUIT|*: x""".replace(
        "\n", ""
    ).split("|")
)
CHOSEN = {"kind": st.sampled_from([None, *FORMATS]), "protocol": st.sampled_from(["", *PROTOCOLS])}


def outcome(text, kind, protocol):
    """Read a text and draft what it holds; a question is fine."""
    try:
        found = read(text, "t.txt", kind=kind, protocol=protocol)
    except InputError:
        return
    for one in found:
        assert isinstance(one, (Conversation, Draft))
        assert one.text if isinstance(one, Draft) else draft(one).text


@settings(max_examples=400)
@given(lines=st.lists(LINES | st.text(max_size=8), max_size=14), **CHOSEN)
def test_mixed_up_lines_are_read_or_asked(lines, kind, protocol):
    """Lines of all kinds in any order make scenarios or questions, nothing else."""
    outcome("\n".join(lines), kind, protocol)


@given(octets=st.binary(max_size=200), **CHOSEN)
def test_any_bytes_are_read_or_asked(octets, kind, protocol):
    """So do bytes that are no text."""
    outcome(octets.decode("utf-8", "surrogateescape"), kind, protocol)


MANY = 30_000
LARGE = {
    "commands": "220 x\n" + "noop\n250 ok\n" * MANY,
    "typed ahead": "220 x\n" + "noop\n" * MANY + "250 ok\n" * MANY,
    "one reply": "220 x\n" + "ehlo x\n" + "250-x\n" * MANY + "250 x\n",
    "replies alone": "220 x\n" * MANY,
    "messages": "220 x\n" + "data\n354 go\nhi\n.\n250 ok\n" * MANY,
    "messages without an end": "220 x\n" + "data\n354 go\nhi\n" * MANY + ".\n",
    "ends": "220 x\n" + "data\n354 go\nConnection closed by foreign host.\n" * MANY + ".\n",
    "certificates": "CONNECTED(00000003)\n" * MANY + "220 x\n",
    "imap": "* OK hi\n" + "a1 NOOP\na1 OK\n" * MANY,
    "imap unanswered": "* OK hi\n" + "a1 NOOP\n" * MANY,
    "literals": "* OK hi\na1 FETCH\n" + "* 1 FETCH {3}\nabc\n" * MANY,
    "marked": "S: 220 x\n" + "C: NOOP\nS: 250 ok\n" * MANY,
    "swaks": "=== Trying x:25...\n<-  220 x\n" + " -> NOOP\n<-  250 ok\n" * MANY,
    "goes on": "S: 220 x\nC: NOOP\n" + "   x\n" * MANY + "S: 250 x\n",
    "recipients": "S: 220 x\n" + "C: RCPT\nS: 250 x\n" * MANY + "C: DATA\nS: 354 x\nC: .\n" + "S: 353 x\n" * MANY,
    "begun again": "=== Trying x:25...\n" * MANY + "<-  220 x\n" * 2 * MANY,
    "conversations": "S: 220 x\nC: QUIT\nS: 221 x\n" * 499 + "S: 220 x\n" + "C: NOOP\nS: 250 ok\n" * MANY,
    "conversations of a terminal": "220 x\nquit\n221 x\n" * 499 + "220 x\n" + "noop\n250 ok\n" * MANY,
    "empty lines": "\n" * 6 * MANY + "220 x\nquit\n221 x\n",
    "words before commands": "220 x\nehlo\n250 x\n" + "a b\n" * MANY + "noop\n" * MANY,
    "backspaces": "220 x\n" + "a\b" * 30_000 + "\nquit\n",
    "escapes": "220 x\n" + "\x1b]" * 30_000 + "\x1b[" * 30_000,
    "signs": "220 x\nquit\n221 x\n" + "@$#%> " * 10_000,
    "blanks": "220 x\nquit\n221 x\n" + " " * 60_000 + "x",
    "quotes": '"IMPLEMENTATION" "x"\nOK\n' + '"\\' * 30_000,
    "letters": "220 x\nehlo\n250 x\n" + "A" * 60_000 + "\n250 ok\n",
    "wraps": "220 x\nnoop\n" + "250 ok " + "x" * 60 + "\n" + ("y" * 60 + "\n") * MANY + "quit\n221 x\n",
    "challenges": "220 x\nauth login\n334 " + "A" * 76 + "\n" + ("A" * 76 + "\n") * MANY + "235 ok\n",
}
# What most of their lines don't tell.
KINDS = {"goes on": "marked"}


@pytest.mark.parametrize("name", LARGE)
def test_large_texts_cost_their_size(name):
    """Nothing that is large takes more than a moment: what grew with the square of it would never end here."""
    with contextlib.suppress(InputError):
        assert read(LARGE[name], "t.txt", kind=KINDS.get(name))
