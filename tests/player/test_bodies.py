"""Bodies: what `data`, `bdat` and `bytes` put on the wire, and how it gets there."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory import EOF, PEER, RESET, MemoryDriver
from playing import compile_case, run_steps, shown

from runner.errors import SourceFile, Span
from runner.language.body import SLICE, Body, Generated, Octets, Sample
from runner.language.model import Bdat, Data
from runner.language.template import Placeholder, Template, Value
from runner.player import Player
from runner.player.bodies import PIECE, message, outgoing
from runner.player.filling import Scope
from runner.results import Outcome
from runner.wire import Done, Open, Write

HELLO = b"220 mx.example ESMTP\r\n"
OK = b"250 2.0.0 ok\r\n"
GO = b"354 go\r\n"
SPAN = Span(SourceFile("test.yaml", ""), 1, 1)
UNTIL_354 = "  - expect: 220\n  - {send: DATA, expect: 354}\n"
END = b"\r\n.\r\n"


def placeholder(name):
    return Placeholder(name, None, (), SPAN)


def scope(**values):
    values = {"now": "Fri, 17 May 2024 12:00:00 +0000", "unique": "t0123456789", **values}
    return Scope({name: Value(text) for name, text in values.items()}, frozenset(), lambda name, form: None)


def head(what=""):
    parts = ("Date: ", placeholder("now"), f"\nSubject: {what} ", placeholder("unique"), "\n\n")
    return Template(parts, SPAN)


def written(part):
    """Return the octets of what is going out."""
    return part.first.data + b"".join(line.data for line in part.rest)


def wire_of(body, values=None, **keys):
    step = Data(span=SPAN, label="data", body=body, **keys)
    return written(message(step, scope(**(values or {}))))


def chunk_of(body, **keys):
    return written(outgoing(Bdat(span=SPAN, label="bdat", body=body, **keys), scope()))


def crlf(data):
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def unstuffed(wire):
    """Return a message as its receiver keeps it (RFC 5321 section 4.5.2)."""
    lines = wire.removesuffix(b".\r\n").split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


def taking(*first, reply=OK, end=END):
    """Return a server that says its first turns one by one, then reads to the end of a message and replies."""

    def server():
        heard = b""
        for turn in first:
            heard = yield turn
        tail = b"\r\n" + heard
        while not tail.endswith(end):
            tail = (tail + (yield None))[-200:]
        heard = yield reply
        while heard != b"QUIT\r\n":
            heard = yield None
        yield (b"221 bye\r\n", EOF)

    return server


def writes(played):
    return [action.data for action in played.actions if isinstance(action, Write)]


# What a message is on the wire.

DOTS = b".\r\na\xe9"
BODIES = st.one_of(
    st.tuples(st.text(".\r\na\u00e9 ", max_size=40), st.text(".a", max_size=3), st.integers(0, 40)).map(
        lambda made: (
            Body(Template((made[0][: made[2]], placeholder("x"), made[0][made[2] :]), SPAN)),
            {"x": made[1]},
            crlf(made[0][: made[2]].encode()) + made[1].encode() + crlf(made[0][made[2] :].encode()),
        )
    ),
    st.lists(st.sampled_from([bytes([one]) for one in DOTS]), max_size=40)
    .map(b"".join)
    .map(lambda data: (Octets(data=data), {}, crlf(data))),
    st.builds(
        lambda before, cut, after: (
            Octets(data=(body := b"x" * (SLICE - cut) + before + after)),
            {},
            crlf(body),
        ),
        st.sampled_from([b"\r\n.\r\n", b"\r\n..", b"\r\r\n.", b"\n.\n", b".\r"]),
        st.integers(0, 6),
        st.sampled_from([b"", b"\n", b".", b".\r\n", b"\r"]),
    ),
    st.integers(256, 3 * SLICE).map(lambda size: (Generated(head(f"{size} octets"), size), {}, None)),
    st.sampled_from(["eicar", "gtube"]).map(lambda name: (Sample(head(name), name), {}, None)),
)


@given(BODIES)
@settings(max_examples=400, deadline=None)
def test_any_message_on_the_wire(made):
    """Whatever it comes from: CRLF only, CRLF.CRLF once and at the end, un-stuffing gives the body with CRLF lines."""
    body, values, normal = made
    wire = wire_of(body, values)
    assert (b"\r\n" + wire).count(END) == 1
    assert (b"\r\n" + wire).endswith(END)
    assert wire.count(b"\r") == wire.count(b"\n") == wire.count(b"\r\n")
    if normal is not None:
        assert unstuffed(wire).removesuffix(b"\r\n") == normal.removesuffix(b"\r\n")


@given(st.binary(max_size=60).map(lambda data: bytes(DOTS[one % len(DOTS)] for one in data)), st.integers(1, 7))
@settings(max_examples=300, deadline=None)
def test_slices_make_no_difference(data, size):
    """Where a file's octets are cut changes nothing of what leaves."""

    class Sliced(Octets):
        def rest(self, before):
            return (self.data[at : at + size] for at in range(0, len(self.data), size))

    assert wire_of(Octets(data=data)) == wire_of(Sliced(data=data))


@given(st.integers(256, 5 * SLICE))
@settings(max_examples=100, deadline=None)
def test_a_generated_message_has_exactly_its_size(size):
    """It is counted as SIZE does, without doubled dots and the closing dot; no line is longer than 78 characters."""
    kept = wire_of(Generated(head("x"), size)).removesuffix(b".\r\n")
    assert size == len(kept)
    assert b"Subject: x t0123456789\r\n" in kept
    assert max(map(len, kept.split(b"\r\n"))) <= 78
    assert not any(line.startswith(b".") for line in kept.split(b"\r\n"))


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("eicar", "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"),
        ("gtube", "4418994365912e23b756ec7f14960f1a89230e44e6acb74de055db7c092f8b9c"),
    ],
)
def test_a_sample_is_what_filters_know(name, digest):
    """The text is right to the last character, and stands on a line of its own."""
    wire = wire_of(Sample(head(name), name)).removesuffix(END)
    text = wire.rpartition(b"\r\n\r\n")[2]
    assert 68 == len(text)
    assert digest == hashlib.sha256(text).hexdigest()


END_FORMS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n", b""]


@pytest.mark.parametrize("end", END_FORMS, ids=map(repr, END_FORMS))
@pytest.mark.parametrize(
    "body",
    [Body(Template(("a\nb\n",), SPAN)), Octets(data=b"a\r\nb"), Octets(data=b"a\nb\n")],
    ids=["text", "file", "lf"],
)
def test_an_end_takes_the_place_of_the_last_line_end_and_the_dot(body, end):
    """`end` is all that stands behind the last line's text."""
    text = end.decode()
    assert b"a\r\nb" + end == wire_of(body, end=Template((text,), SPAN))


def test_an_end_may_come_from_a_value():
    """A placeholder's value goes in as it is."""
    assert b"a\n.\r\n" == wire_of(
        Body(Template(("a\n",), SPAN)), {"eod": "\n.\r\n"}, end=Template((placeholder("eod"),), SPAN)
    )


@pytest.mark.parametrize("body", [Body(Template((".\n..a\n",), SPAN)), Octets(data=b".\n..a")], ids=["text", "file"])
def test_dots_are_left_alone(body):
    """Without stuffing a dot stays what it is, also alone on its line."""
    assert b".\r\n..a\r\n.\r\n" == wire_of(body, is_stuffed=False)


@pytest.mark.parametrize(
    ("body", "octets"),
    [
        pytest.param(Body(Template((".a\nb",), SPAN)), b".a\r\nb", id="text"),
        pytest.param(Octets(data=b".a\n\0\r\xff"), b".a\n\0\r\xff", id="file"),
        pytest.param(Body(Template(("",), SPAN)), b"", id="empty"),
    ],
)
def test_a_chunk(body, octets):
    """A chunk is as long as its command says; a text's lines end with CRLF, a file's octets stay, no dot is doubled."""
    assert b"BDAT %d\r\n%b" % (len(octets), octets) == chunk_of(body)
    assert b"BDAT %d LAST\r\n%b" % (len(octets), octets) == chunk_of(body, is_last=True)


@given(
    st.one_of(
        st.integers(256, 3 * SLICE).map(lambda size: Generated(head("x"), size)), st.just(Sample(head(), "gtube"))
    )
)
@settings(max_examples=50, deadline=None)
def test_a_chunk_of_what_is_made_up(body):
    """The size in the command is that of the octets, which are the message's."""
    command, _, octets = chunk_of(body, is_last=True).partition(b"\r\n")
    assert b"BDAT %d LAST" % len(octets) == command
    assert wire_of(body).removesuffix(b".\r\n") == octets


# bytes.


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (r"'a\r\n\t\0\\\x2e\xff'", b"a\r\n\t\0\\.\xff"),
        (r"'\xc3\xa9 é'", "é é".encode()),
        (r"'\\x41 $${x}'", rb"\x41 ${x}"),
        ("{hex: '0d0a 2E'}", b"\r\n."),
        ("{base64: DQou}", b"\r\n."),
    ],
    ids=["escapes", "octets", "escaped", "hex", "base64"],
)
def test_exactly_these_bytes(run, written, sent):
    """What is written is what leaves."""
    played = run(f"  - expect: 220\n  - {{bytes: {written}}}\n  - close: reset", HELLO)
    assert sent == played.sent[0]


@given(st.text(max_size=20), st.binary(max_size=20))
@settings(max_examples=100, deadline=None)
def test_values_go_in_as_they_are(value, octets):
    """CR, LF, NUL, backslashes and placeholders in a value of `bytes` are data, and any octet can be written."""
    text = "".join(f"\\x{one:02x}" for one in octets)
    steps = f"  - expect: 220\n  - {{bytes: '{text}<${{x}}>'}}\n  - close: reset"
    assert octets + b"<" + value.encode() + b">" == run_steps(steps, HELLO, variables={"x": value}).sent[0]


def test_a_file_goes_out_as_it_is(run, tmp_path):
    """Neither line ends nor placeholders of a plain file are looked at."""
    file = tmp_path / "x.bin"
    file.write_bytes(b"${x}\n\xff\r.")
    played = run(f"  - expect: 220\n  - {{bytes: {{file: {file}}}}}\n  - close: reset", HELLO)
    assert b"${x}\n\xff\r." == played.sent[0]


def test_bytes_are_read_as_the_server_reads_them(run):
    """Commands in them earn replies, lines after a 354 are the message."""
    steps = UNTIL_354 + (
        "  - bytes: 'Subject: x\\r\\n\\r\\ny\\r\\n.\\r\\nNOOP\\r\\n'\n    expect: 250\n  - expect: 250 2.1.0 *"
    )
    assert ["passed"] * 4 == shown(run(steps, HELLO, GO, OK + b"250 2.1.0 noop\r\n").result)


@pytest.mark.parametrize("pause", ["", ", pause: 10ms"], ids=["at once", "slowly"])
@pytest.mark.parametrize(("replies", "said"), [(0, b""), (1, OK), (3, OK * 3)])
def test_replies_by_the_authors_word(run, pause, replies, said):
    """`replies` is how many they earn, whatever the protocol makes of them."""
    expects = "\n  - expect: 250" * replies
    steps = f"  - expect: 220\n  - {{bytes: 'X\\r\\nY\\r\\n', replies: {replies}{pause}}}{expects}"

    def server():
        heard = yield HELLO
        while not heard.endswith(b"Y\r\n"):
            heard += yield None
        yield said
        yield (b"221 bye\r\n", EOF)

    assert Outcome.PASSED is run(steps, server).result.outcome


def test_a_false_end_that_is_taken_for_the_true_one(run):
    """A reply to a false end is what the message's step judges; smuggled commands' replies are not owed."""
    steps = UNTIL_354 + "  - bytes: 'a\\n.\\nNOOP\\r\\n'\n    expect: [silence, 5xx, close]\n    for: 3s"
    strict = run(
        steps + "\n  - {bytes: '\\r\\n.\\r\\n', expect: 250}\n  - {send: NOOP, expect: 250}", HELLO, GO, None, OK, OK
    )
    assert ["passed"] * 5 == shown(strict.result)
    lax = run(steps, HELLO, GO, OK + OK)
    assert "failed: expected silence or 5xx or close, got 250 2.0.0 ok" == shown(lax.result)[2]


def test_a_false_end_by_data(run):
    """The same with `end`."""
    steps = (
        UNTIL_354 + "  - {data: a, end: '\\n.\\n', expect: silence, for: 3s}\n  - {bytes: '\\r\\n.\\r\\n', expect: 250}"
    )
    played = run(steps, HELLO, GO, None, OK)
    assert b"DATA\r\na\n.\n\r\n.\r\nQUIT\r\n" == played.sent[0]
    assert Outcome.PASSED is played.result.outcome


def test_bytes_that_expect_the_end(run):
    """What expects that the server hangs up has met it, also just before."""
    steps = "  - expect: 220\n  - wait: 1s\n  - {bytes: 'x', expect: close}"
    assert Outcome.PASSED is run(steps, (HELLO, EOF)).result.outcome


# Time.


def test_a_pause_between_bytes(run):
    """Each byte leaves alone, and the time it takes is the author's: neither timeout nor deadline ends it."""
    steps = "  - expect: 220\n  - {bytes: 'NOOP\\r\\n', pause: 10s, timeout: 5s, expect: 250}"

    def server():
        yield HELLO
        for _ in b"NOOP\r":
            yield None
        yield OK
        yield (b"221 bye\r\n", EOF)

    played = run(steps, server, top="deadline: 20s")
    assert Outcome.PASSED is played.result.outcome
    assert [b"N", b"O", b"O", b"P", b"\r", b"\n", b"QUIT\r\n"] == writes(played)
    assert 50 <= played.result.elapsed < 51


def test_no_answer_after_a_pause(run):
    """The step's own time is not lost in the pauses, and it ends."""
    steps = "  - expect: 220\n  - {bytes: 'ab', pause: 10s, timeout: 5s, expect: 250}"
    played = run(steps, HELLO)
    reason = "no reply within 15 s, and none was owed: every line sent has had its reply"
    assert f"failed: {reason}" == shown(played.result)[1]


def test_a_rate(run):
    """A message leaves in pieces of a tenth of a second, at the rate; the reply's time comes on top."""
    steps = UNTIL_354 + "  - {data: {size: 10KB}, rate: 20B/s, expect: 250}"
    played = run(steps, taking(HELLO, GO), top="deadline: 1m")
    assert Outcome.PASSED is played.result.outcome
    assert 500 <= played.result.elapsed < 510
    assert {2} == {len(data) for data in writes(played)[1:-2]}


def test_a_refusal_ends_the_pauses(run):
    """Once a message is answered the rest leaves at once, and the reply is its reply."""
    steps = UNTIL_354 + "  - {data: {size: 10KB}, rate: 20B/s, expect: 552}\n  - {send: NOOP, expect: 250}"

    def server():
        yield HELLO
        heard = yield GO
        yield b"552 too much\r\n"
        while not heard.endswith(END + b"NOOP\r\n"):
            heard = (heard + (yield None))[-20:]
        yield OK
        yield (b"221 bye\r\n", EOF)

    played = run(steps, server)
    assert ["passed"] * 4 == shown(played.result)
    assert played.result.elapsed < 60


# Much.


def test_a_large_message_leaves_piece_by_piece(run):
    """No write has more than a piece, and each but the last is waited for."""
    played = run(UNTIL_354 + "  - {data: {size: 1MB}, expect: 250}", taking(HELLO, GO))
    assert Outcome.PASSED is played.result.outcome
    pieces = [action for action in played.actions if isinstance(action, Write) and len(action.data) > 100]
    assert max(len(piece.data) for piece in pieces) <= PIECE
    assert [True] * (len(pieces) - 1) == [piece.more for piece in pieces[:-1]]
    assert 1_000_000 == len(played.sent[0].partition(b"DATA\r\n")[2].removesuffix(b".\r\nQUIT\r\n"))


@pytest.mark.parametrize("size", [PIECE - 5, PIECE - 3, PIECE, PIECE + 1, 3 * PIECE])
def test_a_large_text_leaves_piece_by_piece(run, size):
    """A text with a large value is cut, too, and its secrets stay marked."""
    secret = "0123456789" * (size // 10) + "0" * (size % 10)
    steps = UNTIL_354 + "  - {data: '${big}', expect: 250}"
    played = run(steps, taking(HELLO, GO), secrets={"big": secret}, top="secrets: [big]")
    assert b"DATA\r\n" + secret.encode() + END + b"QUIT\r\n" == played.sent[0]
    assert max(map(len, writes(played))) <= PIECE
    assert "0123456789" not in "\n".join(map(str, played.result.transcripts[0].lines()))


@pytest.mark.parametrize("verb", ["data", "bdat"])
def test_a_small_message_is_one_write(run, verb):
    """What fits one write leaves in one."""
    steps = UNTIL_354 if verb == "data" else "  - expect: 220\n"
    played = run(
        steps + f"  - {{{verb}: {{sample: gtube}}, expect: 250}}", *([HELLO, GO] if verb == "data" else [HELLO]), OK
    )
    assert Outcome.PASSED is played.result.outcome
    assert (3 if verb == "data" else 2) == len(writes(played))


@pytest.mark.parametrize(
    "end",
    [(b"552 too much\r\n", EOF), (b"552 too much\r\n", RESET), (b"421 4.3.0 bye\r\n", EOF)],
    ids=["eof", "reset", "421"],
)
def test_a_refusal_and_the_end_while_it_is_written(run, end):
    """A server that refuses in the middle and goes is judged by its words, and nothing more is written."""

    def server():
        yield HELLO
        yield GO
        yield None
        yield end

    played = run(UNTIL_354 + "  - {data: {size: 1MB}, expect: [552, 421]}", server)
    assert Outcome.PASSED is played.result.outcome
    assert len(played.sent[0]) < 400_000


def test_the_end_while_it_is_written(run):
    """A server that goes without a word fails the step, with an `expect` or without."""

    def server():
        yield HELLO
        yield GO
        yield EOF

    played = run(UNTIL_354 + "  - {data: {size: 1MB}, expect: 250}", server)
    assert "failed: the server closed the connection where a reply was due" == shown(played.result)[2]
    played = run(UNTIL_354 + "  - data: {size: 1MB}\n  - expect: 250", server)
    assert "failed: nothing can be sent: the server has closed the connection" == shown(played.result)[2]


class Stuffed(MemoryDriver):
    """A driver whose server takes nothing more once it has `room` octets."""

    room = 200_000

    def _do_write(self, action):
        takes_it = len(self.sent.get(action.sid, b"")) < self.room
        super()._do_write(action if takes_it else replace(action, more=False))


def test_a_server_that_takes_no_more():
    """The step ends with its time, and says what it waited for."""
    case = compile_case(UNTIL_354 + "  - {data: {size: 1MB}, expect: 250, timeout: 20s}")
    played = Stuffed(taking(HELLO, GO)).play(Player(case))
    assert "failed: not all of it was written within 20 s: the server takes no more" == shown(played.result)[2]
    assert not played.sent[0].endswith(b"QUIT\r\n")


def test_a_server_that_has_answered_and_takes_no_more():
    """A message that was answered is not waited for: the reply is its reply, and the message is left open."""
    case = compile_case(UNTIL_354 + "  - {data: {size: 1MB}, expect: 552, timeout: 20s}")

    def server():
        yield HELLO
        yield GO
        yield b"552 too much\r\n"

    played = Stuffed(server).play(Player(case))
    assert Outcome.PASSED is played.result.outcome
    assert played.result.elapsed < 3
    assert not played.sent[0].endswith(b"QUIT\r\n")


def test_a_message_of_ten_megabytes_costs_no_memory():
    """It is made as it is written, and of what was sent the transcript keeps both ends."""
    player = Player(compile_case(UNTIL_354 + "  - {data: {size: 10MB}, expect: 250}"))
    tracemalloc.start()
    try:
        result, sent = discard(player)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert Outcome.PASSED is result.outcome
    assert sent > 10_000_000
    assert peak < 2_000_000
    lines = [str(line) for line in result.transcripts[0].lines()]
    assert any("bytes left out" in line for line in lines)
    assert len(lines) < 100


def discard(player):
    """Drive a player against a server that forgets what it reads; return the result and how much that was."""
    now, sent, tail = 1000.0, 0, b""
    out = player.start(now)
    while True:
        following = ()
        for action in out:
            now += 0.001
            if isinstance(action, Done):
                return action.result, sent
            if isinstance(action, Open):
                following += player.opened(0, PEER, now) + player.received(0, HELLO, now)
            elif isinstance(action, Write):
                sent += len(action.data)
                tail = (tail + action.data)[-8:]
                if action.more:
                    following += player.drained(0, now)
                elif tail.endswith((b"DATA\r\n", END)):
                    following += player.received(0, GO if tail.endswith(b"DATA\r\n") else OK, now)
                else:
                    following += player.received(0, b"221 bye\r\n", now) + player.eof(0, clean=True, now=now)
        out = following


def test_header_fields_larger_than_the_message(run):
    """Only a value from outside can make them so; then nothing is sent."""
    steps = UNTIL_354 + "  - {data: {size: 256}, expect: 250}"
    played = run(steps, HELLO, GO, variables={"unique": "x" * 300})
    assert "octets, more than the message may have" in shown(played.result)[2]
    assert b"DATA\r\n" == played.sent[0]


@given(st.lists(st.integers(1, 40), max_size=6), st.sampled_from(["", ", pause: 1ms"]))
@settings(max_examples=60, deadline=None)
def test_cuts_make_no_difference(cuts, pause):
    """However the replies are cut, and the bytes too, the verdict and the steps are the same."""
    steps = (
        f"  - expect: 220\n  - {{bytes: 'NOOP\\r\\nDATA\\r\\n'{pause}, expect: 250}}\n  - expect: 354\n"
        f"  - {{bytes: 'a\\r\\n.\\r\\nRSET\\r\\n'{pause}, expect: 250 2.0.0 *}}\n  - expect: 250 2.1.0 *"
    )

    def cut(data):
        pieces, at = [], 0
        for size in cuts:
            pieces.append(data[at : at + size])
            at += size
        return tuple(piece for piece in (*pieces, data[at:]) if piece)

    def server():
        heard = yield HELLO
        while not heard.endswith(b"DATA\r\n"):
            heard += yield None
        heard = yield cut(OK + GO)
        while not heard.endswith(b"RSET\r\n"):
            heard += yield None
        yield cut(OK + b"250 2.1.0 reset\r\n")
        yield (b"221 bye\r\n", EOF)

    assert ["passed"] * 5 == shown(run_steps(steps, server).result)


# Chunks and pipelines.


def test_a_message_in_chunks(run):
    """Each chunk is answered; the last one's reply is the message's."""
    steps = "  - expect: 220\n  - {bdat: {size: 300}, expect: 250}\n  - {bdat: '.x', last: true, expect: 250}"
    played = run(steps, HELLO, OK, OK)
    assert Outcome.PASSED is played.result.outcome
    assert played.sent[0].endswith(b"BDAT 2 LAST\r\n.xQUIT\r\n")


def test_no_answer_to_the_last_chunk(run):
    """Whether the message was delivered is unknown then, and the reply may take as long as to a dot."""
    played = run("  - expect: 220\n  - {bdat: x, last: true, expect: 250}", HELLO)
    reason = "failed: no reply to the message within 300 s; delivery unknown: the message was sent and not answered"
    assert reason == shown(played.result)[1]


def test_a_pipeline_with_a_chunk(run):
    """Lines, bytes and chunks leave in one write, and each reply is judged beside its own."""
    steps = (
        "  - expect: 220\n  - pipeline:\n      - {send: 'MAIL FROM:<>', expect: 250}\n"
        "      - {bytes: 'RCPT TO:<a@b>\\r\\n', expect: 250}\n      - {bdat: x, last: true, expect: 250 2.6.0 *}"
    )
    played = run(steps, HELLO, OK + OK + b"250 2.6.0 done\r\n")
    assert ["passed"] * 4 == shown(played.result)
    assert b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nBDAT 1 LAST\r\nx" == writes(played)[0]


def test_a_pipeline_with_a_large_chunk(run):
    """What does not fit one write leaves piece by piece, without a reply being waited for."""
    steps = (
        "  - expect: 220\n  - pipeline:\n      - {send: NOOP, expect: 250}\n"
        "      - {bdat: {size: 200KB}, last: true, expect: 250}\n      - {send: NOOP, expect: 250}"
    )
    played = run(steps, taking(HELLO, reply=OK * 3, end=b"NOOP\r\n"))
    assert ["passed"] * 4 == shown(played.result)
    assert b"NOOP\r\nBDAT 200000 LAST\r\n" == played.sent[0][:24]


# Secrets.

FAR = replace(PEER, is_loopback=False)
SECRET = {"secrets": {"password": "hunter22"}, "top": "secrets: [password]"}


@pytest.mark.parametrize(
    "step",
    [
        "{bytes: 'X ${password}\\r\\n'}",
        "{bytes: 'X ${password}\\r\\n', pause: 1ms}",
        "{bdat: 'X ${password}'}",
        "{data: 'X ${password}'}",
        "{data: {size: 300}, end: '${password}'}",
    ],
    ids=["bytes", "slowly", "bdat", "data", "end"],
)
def test_no_secret_in_clear_text(run, step):
    """None of a body leaves if a secret in it could be read on the way."""
    before, turns = (UNTIL_354, (HELLO, GO)) if step.startswith("{data") else ("  - expect: 220\n", (HELLO,))
    played = run(f"{before}  - {step}", *turns, url="smtp://mx.example.com", peer=FAR, **SECRET)
    assert "the secret 'password' was not sent: the connection is not encrypted" in played.result.reason
    assert played.sent[0] in (b"DATA\r\n", b"QUIT\r\n")


@pytest.mark.parametrize(
    "text",
    [
        "${password}",
        "${password}\\r\\n",
        "X\\r\\n${password}\\r\\n",
        "AUTH LOGIN\\r\\ndQ==\\r\\n ${password | base64}\\n",
    ],
)
def test_a_line_of_nothing_but_a_secret(run, text):
    """It leaves only as the answer to a challenge, wherever it stands in `bytes`."""
    played = run(f"  - expect: 220\n  - bytes: '{text}'", HELLO, **SECRET)
    assert "a line of nothing but a secret answers a challenge, and none waits" in played.result.reason


def test_an_answer_to_a_challenge_by_bytes(run):
    """After a challenge it may leave, and the exchange goes on."""
    steps = (
        "  - expect: 220\n  - {send: AUTH LOGIN, expect: 334}\n  - {bytes: '${password | base64}\\r\\n', expect: 235}"
    )
    played = run(steps, HELLO, b"334 UGFzc3dvcmQ6\r\n", b"235 ok\r\n", **SECRET)
    assert Outcome.PASSED is played.result.outcome
    assert "⟨password⟩" in "\n".join(map(str, played.result.transcripts[0].lines()))
