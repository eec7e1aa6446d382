"""Judging replies: what fits, what differs and in which words, what is captured."""

import base64
import re

import pytest

from runner.matching.expectation import (
    Alternative,
    Block,
    BlockLine,
    CapabilityWish,
    Capture,
    Expectation,
    ExpectationError,
    Given,
    Short,
    Word,
)
from runner.matching.judging import Judgement, best_fit, judge
from runner.matching.mismatch import Mismatch
from runner.matching.pattern import Slot, compile_glob, compile_pattern
from runner.protocol import Limits, Reply
from runner.protocol.smtp import Smtp

GRAMMAR = re.compile(r"[0-9]{3}(?: +[0-9.]+)?")
LONG = "x" * 5000
TOO_LONG_LINE = "a regex sees at most 4 KiB of a line, and this line is longer"
TOO_LONG_REPLY = "a regex sees at most 64 KiB of a reply, and this reply is longer"


def reply(text: str) -> Reply:
    """Return the reply that a server writes so."""
    machine = Smtp(Limits())
    machine.receive(text.replace("\n", "\r\n").encode() + b"\r\n")
    made = machine.next()
    assert isinstance(made, Reply)
    return made


def challenge(line: str | bytes) -> Reply:
    """Return a challenge within AUTH."""
    raw = line if isinstance(line, bytes) else line.encode()
    return Reply("334", [raw], is_challenge=True)


def pattern(text: str):
    return compile_pattern((text,))


def short(code: str, status: str = "", text: str | None = None) -> Short:
    return Short(code, status, None if text is None else pattern(text))


def block(*lines: tuple[str, str | None]) -> Block:
    return Block(tuple(BlockLine(code, None if text is None else compile_glob((text,))) for code, text in lines))


def expecting(*alternatives: Alternative, **others) -> Expectation:
    return Expectation(alternatives or (Word.ANY,), **others)


def parts(judgement: Judgement) -> list[str]:
    """Return which parts differ."""
    return [one.part for one in judgement.mismatches]


# Codes, statuses, texts.


@pytest.mark.parametrize(
    ("alternative", "text", "part"),
    [
        pytest.param(short("250"), "250 Ok", "", id="code"),
        pytest.param(short("250"), "251 Ok", "code", id="another code"),
        pytest.param(short("2xx"), "251 Ok", "", id="any of a class"),
        pytest.param(short("250", "2.1.0"), "250 2.1.0 Ok", "", id="status"),
        pytest.param(short("550", "5.x"), "550 5.7.1", "", id="status in part"),
        pytest.param(short("550", "5.1.1"), "550 5.7.1 no", "status", id="another status"),
        pytest.param(short("550", "5.1.1"), "550 no", "status", id="no status"),
        pytest.param(short("550", "5.1.1"), "250 5.1.1 no", "code", id="the code comes first"),
        pytest.param(short("250", "", "Ok"), "250 Ok", "", id="text"),
        pytest.param(short("250", "", "Ok"), "250 Ok.", "text", id="a glob is whole"),
        pytest.param(short("250", "", "Ok*"), "250 Ok.", "", id="a glob with its end open"),
        pytest.param(short("250", "", "Ok"), "250 2.1.0 Ok", "", id="text behind a status"),
        pytest.param(short("250", "", "2.1.0 Ok"), "250 2.1.0 Ok", "", id="text with the status"),
        pytest.param(short("250", "", "/^2\\.1\\.0/"), "250 2.1.0 Ok", "", id="a regex with the status"),
        pytest.param(short("250", "", "/^Ok$/"), "250 2.1.0 Ok", "", id="a regex behind the status"),
        pytest.param(short("250", "2.1.0", "Ok"), "250 2.1.0 Ok", "", id="status and text"),
        pytest.param(short("250", "2.1.0", "2.1.0 Ok"), "250 2.1.0 Ok", "text", id="a status asked for is not text"),
        pytest.param(short("250", "2.1.0", "*"), "250 2.1.0", "", id="any text is also none"),
        pytest.param(short("250", "", "STARTTLS"), "250-mx\n250-STARTTLS\n250 DSN", "", id="one line of several"),
        pytest.param(short("250", "", "STARTTLS"), "250-mx\n250 DSN", "text", id="no line of several"),
        pytest.param(short("250", "", "b"), "250-2.1.0 a\n250 2.1.0 b", "", id="each line behind its status"),
        pytest.param(short("250", "", "mx*DSN"), "250-mx\n250 DSN", "text", id="a glob sees one line"),
        pytest.param(short("250", "", "/mx.DSN/s"), "250-mx\n250 DSN", "text", id="a regex sees one line as TEXT"),
        pytest.param(short("250", "", ""), "250", "", id="no text"),
        pytest.param(Word.ANY, "550 no", "", id="any"),
        pytest.param(Word.CLOSE, "550 no", "code", id="another word"),
        pytest.param(block(("250", "mx *"), ("", None)), "250-mx hi\n250 DSN", "", id="block"),
        pytest.param(block(("250", "mx"), ("250", "DSN")), "250-mx\n250 DSN", "", id="hyphen or blank"),
        pytest.param(block(("", "mx"), ("", "DSN")), "250-mx\n250 DSN", "", id="a block without codes"),
        pytest.param(block(("", "mx"), ("", "DSN")), "550-mx\n550 DSN", "", id="which fits any code"),
        pytest.param(block(("250", "mx"), ("", "DSN")), "550-mx\n550 DSN", "code", id="a block of another code"),
        pytest.param(block(("250", "mx"), ("250", "DSN")), "250-mx\n250-DSN\n250 SIZE", "lines", id="a line too many"),
        pytest.param(block(("250", "2.1.0 Ok"), ("", None)), "250 2.1.0 Ok", "", id="a block sees the status"),
        pytest.param(block(("250", "Ok"), ("", None)), "250 2.1.0 Ok", "lines", id="and does not leave it out"),
    ],
)
def test_one_alternative(alternative, text, part):
    """Code first, then status, then text or lines; only another code puts the two sides out of step."""
    judgement = judge(expecting(alternative), reply(text))
    assert parts(judgement) == ([part] if part else [])
    assert judgement.is_wrong_code == (part == "code")


@pytest.mark.parametrize(
    ("expectation", "text", "mismatch"),
    [
        pytest.param(
            expecting(short("250"), Word.CLOSE),
            "550-5.7.1 no\n550 5.7.1 never",
            Mismatch("code", "250 or close", "550-5.7.1 no\n550 5.7.1 never"),
            id="code",
        ),
        pytest.param(
            expecting(short("550", "5.1.1", "No such *")),
            "550 5.7.1 No such user",
            Mismatch("status", "550 5.1.1 No such *", "550 5.7.1 No such user"),
            id="status",
        ),
        pytest.param(
            expecting(short("250", "", "Ok")),
            "250 2.0.0 Ok: queued",
            Mismatch("text", "250 Ok", "250 2.0.0 Ok: queued", "the text goes on; end with `*`"),
            id="text",
        ),
        pytest.param(
            expecting(short("250", "", "starttls")),
            "250-mx\n250 STARTTLS",
            Mismatch("text", "250 starttls", "250-mx\n250 STARTTLS", "line 2: only the case differs, and case counts"),
            id="text of several lines",
        ),
        pytest.param(
            expecting(short("250", "", "/ok/")),
            "250 OK",
            Mismatch("text", "250 /ok/", "250 OK", "only the case differs; the flag i after the last '/' ignores it"),
            id="regex",
        ),
        pytest.param(
            expecting(block(("250", "mx"), ("", None), ("250", "DSN"))),
            "250-mx\n250 SIZE",
            Mismatch("lines", "250 mx\n...\n250 DSN", "250-mx\n250 SIZE", "no line fits '250 DSN'"),
            id="block",
        ),
        pytest.param(expecting(lines=1), "250-a\n250 b", Mismatch("lines", "1 line", "2 lines"), id="line count"),
        pytest.param(
            expecting(has=(pattern("8bitmime"),)),
            "250-mx\n250 8BITMIME",
            Mismatch(
                "has", "a line with 8bitmime", "250-mx\n250 8BITMIME", "line 2: only the case differs, and case counts"
            ),
            id="has",
        ),
        pytest.param(
            expecting(lacks=(pattern("*Postfix*"),)),
            "220 mx ESMTP Postfix",
            Mismatch("lacks", "no line with *Postfix*", "mx ESMTP Postfix"),
            id="lacks",
        ),
        pytest.param(
            expecting(lacks=(pattern("/y*/"),)),
            "250 Ok",
            Mismatch("lacks", "no line with /y*/", "250 Ok"),
            id="lacks nothing",
        ),
        pytest.param(
            expecting(captures=(Capture("id", pattern(r"/queued as (\w+)/")),)),
            "250 Ok",
            Mismatch("capture", r"/queued as (\w+)/ to capture 'id'", "250 Ok"),
            id="capture",
        ),
        pytest.param(
            expecting(captures=(Capture("why", "status"),)),
            "250 Ok",
            Mismatch("capture", "an enhanced status code to capture 'why'", "250 Ok"),
            id="status to capture",
        ),
    ],
)
def test_what_is_said_of_a_mismatch(expectation, text, mismatch):
    """Expected above actual in one notation, the whole reply, and the nearest miss."""
    assert judge(expectation, reply(text)).mismatches == (mismatch,)


# Several alternatives.


@pytest.mark.parametrize(
    ("alternatives", "text", "expected"),
    [
        pytest.param([short("250"), short("550")], "550 no", None, id="the second fits"),
        pytest.param([short("550", "5.1.1"), short("550", "", "no")], "550 no", None, id="a later one fits"),
        pytest.param([Word.CLOSE, Word.ANY], "550 no", None, id="any fits"),
        pytest.param(
            [short("250"), short("550", "5.1.1")], "550 5.7.1 no", ("status", "550 5.1.1"), id="the one with the code"
        ),
        pytest.param(
            [short("550", "5.1.1"), short("550", "5.7.1", "yes")],
            "550 5.7.1 no",
            ("text", "550 5.7.1 yes"),
            id="the one with the status",
        ),
        pytest.param(
            [short("550", "5.1.1"), short("550", "5.1.2"), short("554")],
            "550 5.7.1 no",
            ("status", "550 5.1.1 or 550 5.1.2"),
            id="both with the code",
        ),
        pytest.param(
            [short("250"), block(("251", "a"), ("", None)), Word.SILENCE],
            "550 no",
            ("code", "250 or 251 a\n... or silence"),
            id="none",
        ),
    ],
)
def test_alternatives(alternatives, text, expected):
    """One that fits is enough; else what comes closest is shown, and all only where no code fits."""
    fit = best_fit(tuple(alternatives), reply(text))
    assert [(one.part, one.expected) for one in fit.mismatches] == ([expected] if expected else [])
    assert fit.is_wrong_code == (expected is not None and expected[0] == "code")


def test_the_hint_of_several_that_miss():
    """The first that has one gives it."""
    alternatives = (short("250", "", "Yes"), short("250", "", "ok"))
    (mismatch,) = best_fit(alternatives, reply("250 Ok")).mismatches
    assert (mismatch.expected, mismatch.hint) == ("250 Yes or 250 ok", "only the case differs, and case counts")


def test_after_a_wrong_code_nothing_else_is_asked():
    """What was asked besides was asked of another reply; only the latency is a fact."""
    wanted = expecting(
        short("250"),
        has=(pattern("x"),),
        lines=7,
        capabilities=(CapabilityWish("DSN"),),
        captures=(Capture("code", "code"),),
        within=1.0,
    )
    judgement = judge(wanted, reply("550 no"), {}, latency=2.0)
    assert (parts(judgement), judgement.is_wrong_code, judgement.captures) == (["code", "within"], True, {})


def test_all_that_differs_is_told_at_once():
    """Each demand is judged by itself."""
    wanted = expecting(
        short("250", "", "no"), has=(pattern("a"), pattern("Ok"), pattern("b")), lacks=(pattern("Ok"),), lines=2
    )
    assert parts(judge(wanted, reply("250 Ok"))) == ["text", "lines", "has", "has", "lacks"]


# Placeholders.


def test_placeholders_are_filled_everywhere():
    """In texts, blocks, has, lacks and captures; a value is literal."""
    slot = Slot("${x}")
    globbed = compile_glob((slot, "*"))
    wanted = expecting(
        Given(Slot("${code}"), GRAMMAR, globbed),
        Block((BlockLine("", globbed),)),
        Word.CLOSE,
        has=(globbed,),
        lacks=(compile_pattern(("/", slot, "b/")),),
        captures=(Capture("c", compile_pattern(("/(", slot, "c)/"))), Capture("code", "code")),
    )
    assert wanted.has_slots
    filled = wanted.fill(lambda one: "250" if str(one) == "${code}" else "a.")
    assert not filled.has_slots
    assert judge(filled, reply("250 a.c")).captures == {"c": "a.c", "code": "250"}
    assert parts(judge(filled, reply("250 axc axb"))) == ["text", "has", "capture"]
    assert parts(judge(filled, reply("250 a.b"))) == ["lacks", "capture"]


def test_what_has_no_placeholder_is_filled_with_itself():
    """No work is done for it."""
    wanted = expecting(short("250", "", "a"), has=(pattern("/b/"),))
    assert not wanted.has_slots
    assert wanted.fill({}.__getitem__) is wanted


def test_a_value_that_is_no_code_is_an_error():
    """It is told, not matched."""
    with pytest.raises(ExpectationError, match="the value of \\$\\{code\\} is 'close'"):
        expecting(Given(Slot("${code}"), GRAMMAR)).fill(lambda _: "close")


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        pytest.param(expecting(short("250")), "250", id="a code alone"),
        pytest.param(expecting(short("250"), is_warning=True), "250", id="as a warning"),
        pytest.param(expecting(short("25x")), None, id="any digit"),
        pytest.param(expecting(short("250", "2.1.0")), None, id="status"),
        pytest.param(expecting(short("250", "", "*")), None, id="text"),
        pytest.param(expecting(short("250"), short("251")), None, id="alternatives"),
        pytest.param(expecting(Word.ANY), None, id="word"),
        pytest.param(expecting(short("250"), has=(pattern("a"),)), None, id="has"),
        pytest.param(expecting(short("250"), lacks=(pattern("a"),)), None, id="lacks"),
        pytest.param(expecting(short("250"), lines=0), None, id="lines"),
        pytest.param(expecting(short("250"), within=0.0), None, id="within"),
        pytest.param(expecting(short("250"), capabilities=(CapabilityWish("A"),)), None, id="capabilities"),
        pytest.param(expecting(short("250"), captures=(Capture("a", "code"),)), None, id="capture"),
    ],
)
def test_when_one_comparison_is_enough(wanted, code):
    """Only where nothing but one code is asked."""
    assert wanted.only_code == code


# has and lacks.


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("DSN", True, id="a glob on one line"),
        pytest.param("D", False, id="a glob is whole"),
        pytest.param("mx*DSN", False, id="a glob sees one line"),
        pytest.param("a", True, id="a glob without the status"),
        pytest.param("2.1.0 a", True, id="a glob with the status"),
        pytest.param("/^2\\.1\\.0 a$/m", True, id="a regex sees the status"),
        pytest.param("/^a$/m", False, id="a regex sees it always"),
        pytest.param("/a\\nDSN/", True, id="a regex sees all lines, joined by LF"),
        pytest.param("/250/", False, id="codes are not text"),
    ],
)
def test_has_and_lacks(text, found):
    """They are each other's opposite."""
    answer = reply("250-2.1.0 mx\n250-2.1.0 a\n250 DSN")
    assert parts(judge(expecting(has=(pattern(text),)), answer)) == ([] if found else ["has"])
    assert parts(judge(expecting(lacks=(pattern(text),)), answer)) == (["lacks"] if found else [])


@pytest.mark.parametrize(
    ("wanted", "part", "hint"),
    [
        pytest.param(expecting(short("250", "", "/x/")), "text", TOO_LONG_LINE, id="text"),
        pytest.param(expecting(has=(pattern("/x/"),)), "has", TOO_LONG_REPLY, id="has"),
        pytest.param(expecting(lacks=(pattern("/y/"),)), "lacks", TOO_LONG_REPLY, id="lacks"),
        pytest.param(expecting(captures=(Capture("a", pattern("/x/")),)), "capture", TOO_LONG_REPLY, id="capture"),
    ],
)
def test_what_is_too_long_for_a_regex_never_passes(wanted, part, hint):
    """Also where the pattern must not be found."""
    answer = reply("\n".join(["250-" + LONG] * 14 + ["250 x"]))
    (mismatch,) = judge(wanted, answer).mismatches
    assert (mismatch.part, mismatch.hint) == (part, hint)


def test_an_alternative_that_fits_makes_up_for_one_that_is_too_long():
    """Only the regex could not be tried."""
    assert judge(expecting(short("250", "", "/y/"), short("250", "", "x*")), reply("250 " + LONG)).mismatches == ()


# Captures.


@pytest.mark.parametrize(
    ("what", "value"),
    [
        pytest.param("code", "250", id="code"),
        pytest.param("status", "2.1.5", id="status"),
        pytest.param("text", "a b\n\nc", id="text without status"),
        pytest.param(pattern("/([a-z]) ([a-z])/"), "a", id="group 1"),
        pytest.param(pattern("/[a-z] [a-z]/"), "a b", id="the whole match"),
        pytest.param(pattern(r"/b\n(.*)\n/"), "2.1.5", id="over lines, statuses included"),
        pytest.param(pattern(r"/(z)?c/"), "c", id="a group that took no part"),
        pytest.param(pattern(r"/()c/"), "", id="an empty group"),
    ],
)
def test_captures(what, value):
    """A variable takes the code, the status, the text, or what a regex finds."""
    judgement = judge(expecting(captures=(Capture("it", what),)), reply("250-2.1.5 a b\n250-2.1.5\n250 2.1.5 c"))
    assert (judgement.captures, judgement.mismatches) == ({"it": value}, ())


def test_named_groups_become_variables():
    """Those of TEXT and of has; a group that took no part gives none; what fails gives none."""
    wanted = expecting(
        short("250", "", r"/as (?P<id>\w+)(?P<more>!)?/"),
        has=(pattern(r"/(?P<word>Ok)/"),),
        lacks=(pattern(r"/(?P<bad>as)/"),),
    )
    judgement = judge(wanted, reply("250 Ok as 4F3A"))
    assert (judgement.captures, parts(judgement)) == ({"id": "4F3A", "word": "Ok"}, ["lacks"])
    assert judge(expecting(short("250", "", "/(?P<id>x)/")), reply("250 Ok")).captures == {}


def test_captures_of_one_judgement_are_not_those_of_another():
    """No state is shared."""
    first = judge(expecting(captures=(Capture("a", "code"),)), reply("250 Ok"))
    assert (first.captures, judge(expecting(), reply("250 Ok")).captures) == ({"a": "250"}, {})


# Latency.


@pytest.mark.parametrize(
    ("latency", "actual"),
    [(1.9, None), (2.0, None), (2.0004, "after 2.001 s"), (2.5, "after 2.500 s"), (31, "after 31.000 s")],
)
def test_within(latency, actual):
    """Later than asked differs, and never looks as if it were in time."""
    found = judge(expecting(short("250"), within=2.0), reply("250 Ok"), latency=latency).mismatches
    assert found == (() if actual is None else (Mismatch("within", "within 2 s", actual),))


# Capabilities.


def test_capabilities_are_judged():
    """What is missing is told with what is offered; what has other parameters with those."""
    wishes = (
        CapabilityWish("DSN"),
        CapabilityWish("SIZE", ">=", ("10MB",), 10_000_000),
        CapabilityWish("STARTTLS", "absent"),
        CapabilityWish("8BITMIME"),
    )
    shown = {"SIZE": ("1000",), "STARTTLS": (), "8BITMIME": ()}
    assert judge(expecting(short("250"), capabilities=wishes), reply("250 mx"), shown).mismatches == (
        Mismatch("capabilities", "DSN offered", "DSN not offered", "offered: SIZE, STARTTLS, 8BITMIME"),
        Mismatch("capabilities", "SIZE >= 10MB", "SIZE 1000"),
        Mismatch("capabilities", "STARTTLS not offered", "STARTTLS"),
    )


def test_a_server_that_offers_nothing():
    """Is told to."""
    (mismatch,) = judge(expecting(capabilities=(CapabilityWish("DSN"),)), reply("250 mx"), {}).mismatches
    assert mismatch == Mismatch("capabilities", "DSN offered", "DSN not offered", "offered: nothing")


@pytest.mark.parametrize(("asks", "told"), [("required", "DSN offered"), ("absent", "DSN not offered")])
def test_capabilities_that_were_never_read_fit_nothing(asks, told):
    """Not knowing is no proof of absence."""
    (mismatch,) = judge(expecting(capabilities=(CapabilityWish("DSN", asks),)), reply("250 mx"), None).mismatches
    assert mismatch == Mismatch("capabilities", told, "none were read")


# Challenges.

USERNAME = "VXNlcm5hbWU6"
LATIN = base64.b64encode("Grüße".encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "line", "fits"),
    [
        pytest.param("Username:", USERNAME, True, id="decoded"),
        pytest.param(USERNAME, USERNAME, True, id="raw, written out"),
        pytest.param("User*", USERNAME, True, id="a glob, decoded"),
        pytest.param("VXNl*", USERNAME, False, id="a glob sees the decoded text only"),
        pytest.param("/^U.*:$/", USERNAME, True, id="a regex, decoded"),
        pytest.param(f"/{USERNAME}/", USERNAME, False, id="a regex sees the decoded text only"),
        pytest.param("Password:", USERNAME, False, id="another"),
        pytest.param("Grüße", base64.b64encode("Grüße".encode()), True, id="UTF-8"),
        pytest.param("Grüße", LATIN, False, id="not UTF-8: not decoded"),
        pytest.param(LATIN.decode(), LATIN, True, id="not UTF-8: raw"),
        pytest.param(LATIN.decode()[:3] + "*", LATIN, True, id="not UTF-8: a glob on the raw form"),
        pytest.param("a", "YR==", False, id="not canonical: not decoded"),
        pytest.param("YR==", "YR==", True, id="not canonical: raw"),
        pytest.param("Username:", "Username:", True, id="no base64: raw"),
        pytest.param("", "", True, id="empty"),
        pytest.param("*", "", True, id="a star and an empty one"),
    ],
)
def test_challenges(text, line, fits):
    """Canonical base64 of UTF-8 text is judged decoded, and raw where it is written out; all else raw."""
    answer = challenge(line)
    assert parts(judge(expecting(short("334", "", text)), answer)) == ([] if fits else ["text"])
    assert parts(judge(expecting(has=(pattern(text),)), answer)) == ([] if fits else ["has"])
    assert parts(judge(expecting(lacks=(pattern(text),)), answer)) == (["lacks"] if fits else [])


def test_a_raw_challenge_in_a_value():
    """A placeholder's value is literal, and so written out."""
    wanted = expecting(Short("334", text=compile_glob((Slot("${raw}"),)))).fill(lambda _: USERNAME)
    assert judge(wanted, challenge(USERNAME)).mismatches == ()


def test_a_challenge_that_differs_is_shown_decoded_too():
    """As it came, and what it says."""
    (mismatch,) = judge(expecting(short("334", "", "Password:")), challenge(USERNAME)).mismatches
    assert mismatch == Mismatch("text", "334 Password:", f"334 {USERNAME}", "the challenge decodes to 'Username:'")


def test_captures_from_a_challenge_are_decoded():
    """Text and regex both take what the challenge says."""
    wanted = expecting(
        short("334"), captures=(Capture("all", "text"), Capture("at", pattern("/@(.*)>/")), Capture("code", "code"))
    )
    answer = challenge(base64.b64encode(b"<17@mx.example>"))
    assert judge(wanted, answer).captures == {"all": "<17@mx.example>", "at": "mx.example", "code": "334"}
    raw = judge(expecting(captures=(Capture("all", "text"),)), challenge(LATIN))
    assert raw.captures == {"all": LATIN.decode()}


def test_base64_in_another_reply_is_text():
    """Only a challenge is decoded."""
    assert parts(judge(expecting(short("250", "", "Username:")), reply(f"250 {USERNAME}"))) == ["text"]


# Words.


def test_words_that_are_wanted():
    """The player asks whether what came in place of a reply is among the alternatives."""
    wanted = expecting(short("221"), Word.CLOSE)
    assert (wanted.wants(Word.CLOSE), wanted.wants(Word.SILENCE), str(wanted)) == (True, False, "221 or close")
