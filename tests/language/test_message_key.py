"""The key `message`: what a step asks of a message that was fetched."""

from __future__ import annotations

import pytest

from runner.matching.message_wishes import AttachmentWish, Bound, HeaderWish, MessageExpectation
from runner.matching.pattern import compile_pattern
from tests.compiling import problems_in, steps_of

HEAD = "name: x\nprotocol: pop3\n"


def pattern(text):
    return compile_pattern((text,))


def message(text):
    """Return what a step asks of a message."""
    expect = steps_of(f"  - send: RETR 1\n    expect: +OK\n    message: {text}\n", HEAD)[0].expect
    return expect.message


def told(text):
    """Return what is wrong with a step's message."""
    return [
        (problem.message, problem.advice)
        for problem in problems_in(f"{HEAD}steps:\n  - send: RETR 1\n    expect: +OK\n    message: {text}\n")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("present", HeaderWish("X", "present")),
        ("absent", HeaderWish("X", "absent")),
        ("a*", HeaderWish("X", "fits", (pattern("a*"),))),
        ("[absent]", HeaderWish("X", "fits", (pattern("absent"),))),
        ("['*a', /b/]", HeaderWish("X", "fits", (pattern("*a"), pattern("/b/")))),
        ("{lacks: a}", HeaderWish("X", "lacks", (pattern("a"),))),
        ("{lacks: [a, b]}", HeaderWish("X", "lacks", (pattern("a"), pattern("b")))),
    ],
)
def test_headers(text, expected):
    """A pattern, a list, a word or a mapping; in a list a word is a pattern."""
    assert MessageExpectation(headers=(expected,)) == message(f"{{headers: {{X: {text}}}}}")


def test_texts():
    """One pattern or several, for the body and for what must be nowhere."""
    assert MessageExpectation(body=(pattern("a"),), lacks=(pattern("b"), pattern("/c/"))) == message(
        "{body: a, lacks: [b, /c/]}"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10MB", Bound("=", 10_000_000, "10MB")),
        ("= 512", Bound("=", 512, "512")),
        ("'>= 10 KiB'", Bound(">=", 10_240, "10 KiB")),
        ("'<5'", Bound("<", 5, "5")),
    ],
)
def test_sizes(text, expected):
    """A size, or a bound."""
    assert MessageExpectation(size=expected) == message(f"{{size: {text}}}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", AttachmentWish(Bound("=", 0, "0"))),
        ("'>= 1'", AttachmentWish(Bound(">=", 1, "1"))),
        ("['*.pdf', /x/]", AttachmentWish(names=(pattern("*.pdf"), pattern("/x/")))),
        ("['2']", AttachmentWish(names=(pattern("2"),))),
        ("{lacks: ['*.exe', '*.scr']}", AttachmentWish(lacks=(pattern("*.exe"), pattern("*.scr")))),
    ],
)
def test_attachments(text, expected):
    """A number of them, their file names, or those that there must not be."""
    assert MessageExpectation(attachments=expected) == message(f"{{attachments: {text}}}")


def test_placeholders_and_groups():
    """Patterns have both; the groups of what must fit are captured."""
    steps = (
        "  - send: RETR 1\n    expect: +OK\n"
        "    message: {headers: {X: '/(?P<a>x)/'}, body: '/(?P<b>x)/', attachments: ['/(?P<c>x)/'], lacks: '*${unique}*'}\n"
        "  - send: NOOP ${a} ${b} ${c}\n    expect: +OK\n"
    )
    assert steps_of(steps, HEAD)[0].expect.message.has_slots
    assert not message("{body: x}").has_slots


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("'Subject:'", "'Subject:' is no header's name", "write Subject"),
        ("'Subject: x'", "'Subject: x' is no header's name", "write Subject"),
        ("'A B'", "'A B' is no header's name", "a name is ASCII without blanks and colons, such as Subject"),
        ("ü", "'ü' is no header's name", "a name is ASCII without blanks and colons, such as Subject"),
        ("'X-${a}'", "no placeholder can stand in a header's name", "write the name out"),
    ],
)
def test_wrong_names(name, message, advice):
    """What can't be a header's name is refused, with the name that was meant."""
    assert [(message, advice)] == told(f"{{headers: {{{name}: x}}}}")


@pytest.mark.parametrize(
    ("word", "meant"),
    [("Present", "present"), ("required", "present"), ("ABSENT", "absent"), ("missing", "absent"), ("none", "absent")],
)
def test_wrong_words(word, meant):
    """A word that means another is no pattern by accident."""
    expected = f"'{word}' says neither that X is present nor that it is absent"
    advice = f"write {meant}; where this is the header's whole value, ['{word}']"
    assert [(expected, advice)] == told(f"{{headers: {{X: {word}}}}}")
    assert [] == told(f"{{headers: {{X: ['{word}']}}}}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "an empty mapping"),
        ("{headers: {}}", "an empty mapping"),
        ("{header: {X: y}}", "unknown key 'header'"),
        ("{headers: {X: {absent: y}}}", "unknown key 'absent'"),
        ("{size: much}", "'much' is no size: 512, 64KiB, 10MB"),
        ("{size: ''}", "an empty text"),
        ("{attachments: many}", "'many' is no whole number from 0"),
        ("{attachments: []}", "an empty list"),
        ("{attachments: {has: x}}", "unknown key 'has'"),
        ("{body: /(/}", "'(' without ')'"),
        ("{body: {lacks: x}}", "a mapping where a text or a list is due"),
        ("[body]", "a list where a mapping is due"),
    ],
)
def test_what_is_refused(text, expected):
    """One slip is one message."""
    assert [expected] == [message for message, _ in told(text)]
