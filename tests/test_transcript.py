"""A transcript keeps bytes, and shows them redacted, escaped and short."""

from __future__ import annotations

import base64
import html
import pickle
import re
import tracemalloc
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from runner.redaction import Mark, Redactor
from runner.transcript import (
    EVENT_COST,
    FIRST_LINES,
    LAST_LINES,
    LINE_WIDTH,
    RUN_FIRST,
    RUN_LAST,
    STRIDE,
    WHOLE_FIRST,
    WHOLE_LAST,
    Line,
    RenderedTranscript,
    Transcript,
)

PASSWORD = "hunter2secret"

secrets = st.text(min_size=4, max_size=20).filter(lambda text: len(text.translate({10: "", 13: ""})) >= 4)


def spellings(secret):
    """The forms of property 5."""
    octets = secret.encode()
    tokens = [base64.b64encode(before + octets + b"x").decode() for before in (b"", b"\0", b"u\0")]
    url_safe = [token.translate(str.maketrans("+/", "-_")) for token in tokens]
    return [secret, *tokens, *url_safe, quote(secret), octets.hex(), octets.hex().upper(), html.escape(secret)]


def assert_hidden(secret, text):
    """No form is seen; of base64 what the secret alone decides (the first characters hold what is before it)."""
    _, *others = spellings(secret)
    cores = [token[4:-4] for token in others[:6] if len(token) > 11]
    leaks = [form for form in (secret, secret.encode().hex(), *cores) if form.lower() in text.lower()]
    assert leaks == []


def transcript(*events, secret=PASSWORD):
    """A transcript of (side, bytes, marks...) events, a second apart from 100 on."""
    made = Transcript("main", Redactor({"password": secret}))
    for now, (side, data, *marks) in enumerate(events, 100):
        if side == "C":
            made.sent(now, data, tuple(marks))
        elif side == "S":
            made.received(now, data)
        else:
            made.note(now, data)
    return made


def shown(*events, secret=PASSWORD):
    return [str(line) for line in transcript(*events, secret=secret).lines()]


def test_a_conversation_is_shown_line_by_line():
    """Both sides and the tool's notes come in order, each line with its side before it."""
    assert shown(
        ("*", "connected to 127.0.0.1:25"),
        ("S", b"220 mx1 ESMTP\r\n"),
        ("C", b"EHLO me\r\n"),
        ("S", b"250-mx1\r\n250 SIZE\r\n"),
        ("*", "the server closed the connection"),
    ) == [
        "*: connected to 127.0.0.1:25",
        "S: 220 mx1 ESMTP",
        "C: EHLO me",
        "S: 250-mx1",
        "S: 250 SIZE",
        "*: the server closed the connection",
    ]


def test_nothing_recorded_shows_nothing():
    """An empty transcript has no lines and has not started."""
    assert Transcript().lines() == []
    assert Transcript().started is None


def test_a_line_has_the_time_of_its_end():
    """Times count from the first event; a line came when its last chunk came."""
    made = transcript(("S", b"250-a\r\n250-b"), ("S", b"b\r\n25"), ("S", b"0 c\r\n"))
    assert [(line.at, line.text) for line in made.lines()] == [(0.0, "250-a"), (1.0, "250-bb"), (2.0, "250 c")]
    assert [line.at for line in made.lines(5.0)] == [5.0, 6.0, 7.0]
    assert made.started == 100


@settings(deadline=None)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=8))
def test_chunks_make_no_difference(data, cuts):
    """However the bytes came, the same text is shown."""
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [("S", data[start:end]) for start, end in pairwise(edges)]
    assert shown(("S", data)) == shown(*chunks)


@settings(deadline=None)
@given(secrets, st.data())
def test_no_secret_is_shown(secret, data):
    """Property 5: no form of a secret, at any place, in any chunks, over any line border."""
    form = data.draw(st.sampled_from(sorted(spellings(secret))))
    built = data.draw(st.binary(max_size=30)) + form.encode() + data.draw(st.binary(max_size=30))
    assume(not re.search(rb"[\r\n][2-5]\d\d[- ]", built))  # reads as a reply code, which is no part of a secret
    cut = data.draw(st.integers(0, len(built)))
    line_break = data.draw(st.sampled_from([b"", b"\r\n", b"\r\n250-", b"\r\n250-2.1.0 ", b"\n"]))
    sides = data.draw(st.sampled_from(["SS", "CC", "SCS"]))
    built = b"250-" + built[:cut] + line_break + built[cut:] + b"\r\n"
    chunk = data.draw(st.integers(0, len(built)))
    events = [(sides[0], built[:chunk]), (sides[-1], built[chunk:])]
    if len(sides) == 3:
        events.insert(1, ("C", b"NOOP\r\n"))
    lines = transcript(*events, secret=secret).lines()
    assert_hidden(secret, "\n".join(line.text for line in lines))
    received = [line.text.removesuffix(" (no line end)") for line in lines if line.who == sides[0]]
    bare = line_break.decode().lstrip("\r\n")
    joined = "".join(text.removeprefix(bare) if place else text for place, text in enumerate(received))
    assert_hidden(secret, joined)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("SC"), st.binary(max_size=60)), max_size=6), st.text(max_size=40))
def test_nothing_reaches_the_terminal(events, note):
    """Property 7: whatever was sent, received or noted, lines hold no control characters."""
    lines = shown(*events, ("*", note))
    assert all(
        re.fullmatch(r"[SC*]: [^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u200b-\u200f]*", line) for line in lines
    )


def test_hostile_text_is_escaped():
    """Terminal escapes, bidi marks and bytes that are no UTF-8 are shown as what they are."""
    assert shown(("S", b"250 \x1b[2J\r\xe2\x80\xae\xc3\xa4\xff\x00\r\n")) == [r"S: 250 \x1b[2J\x0d\u202eä\xff\x00"]


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"250 ok\r\n", "250 ok"), (b"250 ok\n", r"250 ok\x0a"), (b"250 ok", "250 ok (no line end)"), (b"\r\n", "")],
    ids=["CR LF", "bare LF", "none", "empty"],
)
def test_line_ends_other_than_crlf_are_shown(data, line):
    """An odd or a missing line end can be seen."""
    assert [f"S: {line}"] == shown(("S", data))


def test_a_secret_over_chunks_and_lines_is_hidden():
    """Neither a chunk border, a line border nor a command between tears a secret apart."""
    assert shown(
        ("S", b"535-no hunt"),
        ("S", b"er\r\n535 2se"),
        ("C", b"RSET\r\n"),
        ("S", b"cretx aHVudGVy"),
        ("S", b"MnNlY3JldA=="),
    ) == [
        "S: 535-no ⟨password⟩",
        "S: 535 ⟨password⟩ (no line end)",
        "C: RSET",
        "S: ⟨password⟩x ⟨password⟩ (no line end)",
    ]


def test_sent_bytes_are_marked_by_position():
    """A secret shows its name; an auto-encoded value how it begins, and its name."""
    assert shown(
        ("C", b"bXl1c2VybmFtZQ==\r\n", Mark(0, 16, "username", is_secret=False)),
        ("C", b"bWU=\r\n", Mark(0, 4, "username", is_secret=False)),
        ("C", b"MTI=\r\n", Mark(0, 4, "pin")),
        ("C", b"AUTH PLAIN AG1lADEy\r\n", Mark(11, 19, "password")),
    ) == ["C: bXl1c2Vy… ⟨username⟩", "C: bWU= ⟨username⟩", "C: ⟨pin⟩", "C: AUTH PLAIN ⟨password⟩"]


def test_a_secret_wins_over_an_encoded_value():
    """What a placeholder made shows nothing of a secret that it holds, also none that it only touches."""
    token = base64.b64encode(b"hunter2secret-and-more")
    assert shown(("C", token + b"\r\n", Mark(0, len(token), "username", is_secret=False))) == ["C: ⟨password⟩"]


def test_a_password_typed_into_a_message_is_hidden():
    """Sent bytes are searched as well: a literal password has no mark."""
    assert shown(("C", b"Subject: hunter2secret\r\n")) == ["C: Subject: ⟨password⟩"]


def test_marks_may_span_lines():
    """A secret of several lines is hidden in each of them."""
    assert shown(("C", b"a 1\r\n2 b\r\n", Mark(2, 6, "key"))) == ["C: a ⟨key⟩", "C: ⟨key⟩ b"]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"334 VXNlcm5hbWU6", "334 VXNlcm5hbWU6 ⟨Username:⟩"),
        (b"+ UGFzc3dvcmQ6", "+ UGFzc3dvcmQ6 ⟨Password:⟩"),
        (b"334 Username:", "334 Username:"),
        (b"334 ", "334 "),
        (b"334 VXNlcm5hbWU6====", "334 VXNlcm5hbWU6===="),
        (b"334 VXNlcm5hbWV=", "334 VXNlcm5hbWV="),
        (b"334 /////w==", "334 /////w=="),
        (b"334 G1sySg==", "334 G1sySg=="),
        (b"334 aHVudGVyMnNlY3JldA==", "334 ⟨password⟩"),
        (b"250 VXNlcm5hbWU6", "250 VXNlcm5hbWU6"),
    ],
    ids=["smtp", "pop3", "plain", "empty", "padded", "not canonical", "binary", "escape", "secret", "no challenge"],
)
def test_challenges_are_shown_decoded(line, text):
    """A challenge that is canonical base64 of printable text is shown decoded beside it."""
    assert [f"S: {text}"] == shown(("S", line + b"\r\n"))


def test_notes_are_redacted():
    """A note with server text in it shows no secret and no control character."""
    assert shown(("*", "certificate for hunter2secret\n")) == [r"*: certificate for ⟨password⟩\x0a"]


def test_text_that_spells_a_secret_only_when_escaped_is_hidden():
    """What escaping makes is searched, too."""
    assert shown(("S", b"250 \x1b[2J\r\n"), secret=r"\x1b[2J") == ["S: 250 ⟨password⟩"]


def test_long_replies_keep_their_ends():
    """Of a long reply the first and the last lines are shown, and how many are not."""
    reply = b"".join(b"250-%d\r\n" % number for number in range(100))
    lines = shown(("S", reply))
    left_out = 100 - FIRST_LINES - LAST_LINES
    assert len(lines) == FIRST_LINES + LAST_LINES + 1
    assert ["S: 250-19", f"*: … {left_out} lines left out …", "S: 250-95"] == lines[FIRST_LINES - 1 : FIRST_LINES + 2]


def test_long_lines_are_cut_behind_the_redaction():
    """A long line is cut, and a secret across the cut is hidden first."""
    text = b"250 " + b"x" * (LINE_WIDTH - 10) + PASSWORD.encode() + b"y" * 50 + b"\r\n"
    assert shown(("S", text)) == ["S: 250 " + "x" * (LINE_WIDTH - 10) + "⟨passw… 54 characters left out"]


@pytest.mark.parametrize(("more", "is_cut"), [(24, False), (25, True)])
def test_a_line_is_not_cut_to_say_so_at_length(more, is_cut):
    """What is no longer than the note that it is left out stays."""
    (line,) = shown(("S", b"x" * (LINE_WIDTH + more) + b"\r\n"))
    assert is_cut == ("left out" in line)


def test_a_tab_can_be_seen():
    """The lines of a folded header are as readable as others, and a tab is no blank."""
    assert ["S: Received: from a", "S: →by b"] == shown(("S", b"Received: from a\r\n\tby b\r\n"))


def test_where_no_rule_is_known_a_bare_lf_is_not_odd():
    """A line protocol may end its lines as it likes; a line without an end still is one."""
    made = Transcript(has_lf_ends=True)
    made.received(1.0, b"hello\nhalf")
    assert ["hello", "half (no line end)"] == [line.text for line in made.lines()]


@pytest.mark.parametrize("side", ["S", "C"])
def test_a_flood_is_kept_at_both_ends(side):
    """A flood costs bounded memory; its first and last lines and the number of bytes between are shown."""
    lines = [b"250-%06d %s\r\n" % (number, b"x" * 80) for number in range(20_000)]
    made = Transcript()
    for start in range(0, len(lines), 100):
        made.sent(1.0, b"".join(lines[start : start + 100])) if side == "C" else made.received(
            1.0, b"".join(lines[start : start + 100])
        )
    kept = sum(len(data) for _, _, data, _, _ in made._events)
    assert kept <= RUN_FIRST + RUN_LAST + STRIDE
    texts = [line.text for line in made.lines()]
    assert lines[0].decode().strip() == texts[0]
    assert lines[-1].decode().strip() == texts[-1]
    left_out = sum(int(text.split()[1]) for text in texts if text.endswith("bytes left out …"))
    assert sum(map(len, lines)) - kept == left_out
    assert len(texts) == FIRST_LINES + LAST_LINES + 3


def test_one_huge_message_is_kept_at_both_ends():
    """A sent body is not held: its ends are, with their marks."""
    body = b"a" * 10 + b"x" * 5_000_000 + b"b" * 10
    made = transcript(("C", body + b"\r\n", Mark(0, 10, "first"), Mark(len(body) - 10, len(body), "last")))
    assert sum(len(event[2]) for event in made._events) == RUN_FIRST + RUN_LAST
    first, gap, last = made.lines()
    assert first.text.startswith("⟨first⟩xxx")
    assert f"… {len(body) + 2 - RUN_FIRST - RUN_LAST} bytes left out …" == gap.text
    assert last.text[0] == "x"


def test_a_secret_at_a_gap_is_hidden():
    """Where bytes were left out, no part of a secret stands at the edge."""
    unseen = b"z" * 500_000
    for kept in range(1, len(PASSWORD)):
        head = b"x\r\n" * 10 + b"y" * (RUN_FIRST - 30 - kept) + PASSWORD.encode()
        tail = PASSWORD.encode() + b"y" * (RUN_LAST - kept)
        made = transcript(("S", head + unseen + tail))
        first, last = made._events[0][2], made._events[-1][2]
        assert first.endswith(PASSWORD[:kept].encode())
        assert last.startswith(PASSWORD[-kept:].encode())
        texts = [line.text for line in made.lines()]
        assert f"{PASSWORD[:kept]}…" not in "".join(texts)
        assert not any(text.startswith(PASSWORD[-kept:] + "y") for text in texts)


def test_an_endless_conversation_is_kept_at_both_ends():
    """A whole transcript is bounded, too, its bookkeeping counted."""
    made = Transcript()
    for number in range(20_000):
        made.sent(number, b"NOOP %d\r\n" % number)
        made.received(number, b"250 ok %d\r\n" % number)
    weight = sum(len(event[2]) + EVENT_COST for event in made._events)
    assert weight <= WHOLE_FIRST + WHOLE_LAST + STRIDE
    texts = [line.text for line in made.lines()]
    assert texts[:2] == ["NOOP 0", "250 ok 0"]
    assert texts[-2:] == ["NOOP 19999", "250 ok 19999"]
    assert sum("bytes left out" in text for text in texts) == 1


@pytest.mark.parametrize("drip", [b"x", b"\n"], ids=["no line end", "line ends"])
def test_a_dripping_server_costs_no_more(drip):
    """One byte at a time takes little more memory than the bytes themselves."""
    made = Transcript()
    tracemalloc.start()
    try:
        for number in range(10_000):
            made.received(float(number), drip)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * (WHOLE_FIRST + WHOLE_LAST + STRIDE)


def test_a_pickled_transcript_holds_lines_only():
    """What travels is what is shown; the secret stays."""
    made = transcript(("C", b"hunter2secret\r\n", Mark(0, 13, "password")), ("S", b"535 hunter2secret\r\n"))
    pickled = pickle.dumps(made)
    assert PASSWORD.encode() not in pickled
    copy = pickle.loads(pickled)
    assert made.lines(3.0) == copy.lines(3.0)
    assert (made.session, made.started, made.rendered()) == (copy.session, copy.started, copy.rendered())
    assert copy.rendered() == pickle.loads(pickle.dumps(copy)).rendered()


def test_rendered_is_a_value():
    """A rendered transcript holds its session's name and lines."""
    assert RenderedTranscript("main", (Line(0.0, "C", "QUIT"),)) == transcript(("C", b"QUIT\r\n")).rendered()


def test_repr_shows_no_bytes():
    """The repr of a transcript tells how much there is, not what."""
    assert repr(transcript(("C", b"hunter2secret\r\n"))) == "<Transcript main: 1 events>"


def test_a_secret_learnt_late_is_hidden_in_what_came_before():
    """What is learnt after it was recorded is hidden when shown."""
    redactor = Redactor()
    made = Transcript("main", redactor)
    made.received(1.0, b"250 0123456789abcdef\r\n")
    redactor.learn("password", "0123456789abcdef")
    assert [line.text for line in made.lines()] == ["250 ⟨password⟩"]


def test_a_gap_of_one_side_hides_nothing_of_the_other():
    """What answers a long message is shown, however long the secrets are that the gap may have cut."""
    secret = "s3cret" * 100
    lines = shown(
        ("S", b"354 go on\r\n"),
        ("C", b"a line of a message\r\n" * 10_000),
        ("S", b"552 too big\r\n"),
        ("C", b"QUIT\r\n"),
        secret=secret,
    )
    assert "S: 354 go on" == lines[0]
    assert ["S: 552 too big", "C: QUIT"] == lines[-2:]
    assert any("bytes left out" in line for line in lines)


# Literals.


def literals(*events):
    """The lines of literals in a transcript of (side, bytes) events."""
    made = Transcript("main", Redactor({"password": PASSWORD}), has_literals=True)
    for now, (side, data) in enumerate(events, 100):
        (made.sent if side == "C" else made.received)(now, data)
    return [str(line) for line in pickle.loads(pickle.dumps(made)).lines() if line.is_literal]


def test_the_lines_of_literals_are_known():
    """Octets of literals are told from the lines that they stand in, over chunks and what was sent meanwhile."""
    octets = f"x\r\nmy {PASSWORD}\r\nA1 OK no\r\nrest".encode()
    announced = b"* 1 FETCH (BODY[] {%d}\r\n" % len(octets)
    expected = ["S: x", "S: my ⟨password⟩", "S: A1 OK no"]
    for cut in range(len(octets)):
        assert expected == literals(
            ("S", announced + octets[:cut]), ("S", octets[cut:] + b" FLAGS ())\r\nA1 OK {3}\r\n")
        )
    assert ["S: x"] == literals(("S", b"{6}\r\nx\r\n"), ("C", b"A2 NOOP\r\n"), ("S", b"abc)\r\nA1 OK\r\n"))


def test_each_literal_keeps_its_ends():
    """Of several in a row each has its first and last lines; what stands between them is shown."""
    octets = b"".join(b"%d\r\n" % number for number in range(10, 70))
    data = b"".join(b"* %d FETCH (BODY[] {%d}\r\n%b)\r\n" % (at, len(octets), octets) for at in (1, 2, 3))
    made = Transcript(has_literals=True)
    made.received(1.0, data + b"A1 OK\r\n")
    ends = [*map(str, range(10, 16)), "… 52 lines left out …", "68", "69"]
    messages = [line for at in (1, 2, 3) for line in (f"* {at} FETCH (BODY[] {{240}}", *ends, ")")]
    assert [*messages, "A1 OK"] == [line.text for line in made.lines()]


def test_many_literals_fill_no_report():
    """However many there are, what is shown of one run is bounded, and its ends are there."""
    data = b"".join(b"* %d FETCH (BODY[] {30}\r\n%b)\r\n" % (at, b"ab\r\n" * 7 + b"c\n") for at in range(1000))
    made = Transcript(has_literals=True)
    made.received(1.0, data + b"A1 OK\r\n")
    texts = [line.text for line in made.lines()]
    assert len(texts) < 200
    assert ("* 0 FETCH (BODY[] {30}", "A1 OK") == (texts[0], texts[-1])


def test_a_literal_that_is_left_out_in_part():
    """What was left out of it counts: its end is where it was."""
    size = 300_000
    shown = literals(("S", b"* 1 FETCH (BODY[] {%d}\r\n" % size + b"0123456\n" * (size // 8) + b")\r\nA1 OK done\r\n"))
    assert ["S: 0123456\\x0a"] == sorted(set(shown))


def test_lines_without_literals_are_none():
    """Where a protocol has none, a line that looks like the beginning of one is a line."""
    made = Transcript()
    made.received(100, b"250 {5}\r\n250 ok\r\n")
    assert [False, False] == [line.is_literal for line in made.lines()]
