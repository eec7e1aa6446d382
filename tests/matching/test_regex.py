"""What a regex may say, what it means, and that it stays within bounds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.matching import regex as regex_module
from runner.matching.pattern import PatternError, Slot, TooLong
from runner.matching.regex import LINE_LIMIT, TEXT_LIMIT, compile_regex

SLOT = Slot("${user}")
UNSHARED = "which RE2 and Python do not share"
NOT_RE2 = "which RE2 does not know"
LOOK_ADVICE = "say what must be there under `has`, what must not under `lacks`"
BACK_ADVICE = "capture the part and compare it in a later step"
FLAG_ADVICE = "write the flags after the last '/': /…/i"
NAME_ADVICE = "a name is made of letters, digits and '_', and a '>' ends it"
CHAR_ADVICE = r"write the character itself, or \xHH"
END_ADVICE = "write `$`, which without the flag m is the end of the text"
DASH_ADVICE = r"in a set a '-' of its own stands first or last, or is written '\-'"

REFUSED = [
    ("a(?=b)", 1, f"lookaround, {NOT_RE2}", LOOK_ADVICE),
    ("(?!b)", 0, f"lookaround, {NOT_RE2}", LOOK_ADVICE),
    ("(?<=b)", 0, f"lookaround, {NOT_RE2}", LOOK_ADVICE),
    ("(?<!b)", 0, f"lookaround, {NOT_RE2}", LOOK_ADVICE),
    (r"(a)\1", 3, f"a backreference, {NOT_RE2}", BACK_ADVICE),
    ("(?P<x>a)(?P=x)", 8, f"a backreference, {NOT_RE2}", BACK_ADVICE),
    (r"\k<x>", 0, rf"the escape '\k', {UNSHARED}", BACK_ADVICE),
    ("(a)?(?(1)b|c)", 4, f"a conditional group, {NOT_RE2}", "write the two cases as alternatives: (?:…|…)"),
    ("(?>a)", 0, f"an atomic group, {NOT_RE2}", "write (?:…)"),
    ("(?P>x)", 0, f"recursion, {NOT_RE2}", "write the part out"),
    ("(?#why)", 0, f"a comment, {NOT_RE2}", "use `because` to say why"),
    ("(?i)a", 0, "an inline flag", FLAG_ADVICE),
    ("(?x)a", 0, "an inline flag", FLAG_ADVICE),
    ("(?-i:a)", 0, "an inline flag", FLAG_ADVICE),
    ("(?s:.)", 0, "an inline flag", FLAG_ADVICE),
    ("(?<x>a)", 0, "a named group in a form that Python does not know", "write (?P<name>…)"),
    ("(?'x'a)", 0, "a named group in a form that neither engine knows", "write (?P<name>…)"),
    ("(?|a)", 0, "an unknown kind of group", "write (…), (?:…) or (?P<name>…)"),
    ("(?R)", 0, "an unknown kind of group", "write (…), (?:…) or (?P<name>…)"),
    ("(?", 0, "an unknown kind of group", "write (…), (?:…) or (?P<name>…)"),
    ("(?P<1x>a)", 0, "a group without a proper name", NAME_ADVICE),
    ("(?P<ä>a)", 0, "a group without a proper name", NAME_ADVICE),
    ("(?P<x", 0, "a group without a proper name", NAME_ADVICE),
    ("(?P<x>a)(?P<x>b)", 8, "the group name 'x' stands twice", "give each group its own name"),
    ("(a", 0, "'(' without ')'", r"write '\(' for the character"),
    ("a)", 1, "')' without '('", r"write '\)' for the character"),
    ("[a", 0, "'[' without ']'", r"write '\[' for the character"),
    ("[]", 0, "'[' without ']'", r"write '\[' for the character"),
    ("[a-", 0, "'[' without ']'", r"write '\[' for the character"),
    ("a\\", 1, "a backslash at the end", r"write '\\' for the character"),
    (r"a\Z", 1, rf"the escape '\Z', {UNSHARED}", END_ADVICE),
    (r"a\z", 1, rf"the escape '\z', {UNSHARED}", END_ADVICE),
    (r"\Ga", 0, rf"the escape '\G', {UNSHARED}", "write `^`"),
    (r"\p{L}", 0, rf"the escape '\p', {UNSHARED}", "write the characters as a set"),
    (r"\PL", 0, rf"the escape '\P', {UNSHARED}", "write the characters as a set"),
    (r"\Qa.b\E", 0, rf"the escape '\Q', {UNSHARED}", "put a backslash before each special character"),
    (r"\C", 0, rf"the escape '\C', {UNSHARED}", "write `.`"),
    (r"\R", 0, rf"the escape '\R', {UNSHARED}", r"write \r?\n"),
    (r"\h", 0, rf"the escape '\h', {UNSHARED}", r"write [ \t]"),
    (r"\u00e9", 0, rf"the escape '\u', {UNSHARED}", CHAR_ADVICE),
    (r"\x{e9}", 0, rf"the escape '\x', {UNSHARED}", CHAR_ADVICE),
    (r"\N{DIGIT ONE}", 0, rf"the escape '\N', {UNSHARED}", CHAR_ADVICE),
    (r"\y", 0, rf"the escape '\y', {UNSHARED}", CHAR_ADVICE),
    (r"\0", 0, "an octal escape", r"write \xHH"),
    (r"\é", 0, "a backslash before this character", "write the character without it"),
    ("[[:alpha:]]", 1, f"a POSIX class, {UNSHARED}", r"write \w, \d, \s or the range itself"),
    ("[[=a=]]", 1, f"a POSIX class, {UNSHARED}", r"write \w, \d, \s or the range itself"),
    (r"[\b]", 1, rf"the escape '\b', {UNSHARED}", CHAR_ADVICE),
    (r"[\A]", 1, rf"the escape '\A', {UNSHARED}", CHAR_ADVICE),
    (r"[\w-.]", 1, "a range with a class at its end", DASH_ADVICE),
    (r"[a-\d]", 1, "a range with a class at its end", DASH_ADVICE),
    ("[z-a]", 1, "a range whose ends are reversed", DASH_ADVICE),
    ("[a-c-e]", 4, "a '-' in the middle of a set", DASH_ADVICE),
    ("*a", 0, "nothing to repeat before '*'", r"write '\*' for the character"),
    ("a|+b", 2, "nothing to repeat before '+'", r"write '\+' for the character"),
    ("(?:?)", 3, "nothing to repeat before '?'", r"write '\?' for the character"),
    ("{12}", 0, "nothing to repeat before '{'", r"write '\{' for the character"),
    ("^*", 1, "nothing to repeat: a place has no length", "remove the repeat"),
    (r"\b+", 2, "nothing to repeat: a place has no length", "remove the repeat"),
    ("a**", 2, "a repeat of a repeat", "put the inner one into (?:…)"),
    ("a+{2}", 2, "a repeat of a repeat", "put the inner one into (?:…)"),
    ("a???", 3, "a repeat of a repeat", "put the inner one into (?:…)"),
    ("a*+", 2, "a possessive repeat", "write it without the second '+'"),
    ("a{2}+", 4, "a possessive repeat", "write it without the second '+'"),
    ("(?:a*)*", 0, "a repeat of what can be empty", "make it match one character at least"),
    ("x(|a)+", 1, "a repeat of what can be empty", "make it match one character at least"),
    ("(?:a?){3}", 0, "a repeat of what can be empty", "make it match one character at least"),
    ("a{,3}", 1, "a repeat without its least count", "write {0,3}"),
    ("a{3,1}", 1, "the counts of '{3,1}' are reversed", "write {1,3}"),
    ("a{1001}", 1, "a repeat of more than 1,000", "repeats in repeats are multiplied"),
    ("a{0,1001}", 1, "a repeat of more than 1,000", "repeats in repeats are multiplied"),
    ("a{99999999999999999999}", 1, "a repeat of more than 1,000", "use `*` or `+`"),
    ("(?:a{40}){40}", 9, "a repeat of more than 1,000", "repeats in repeats are multiplied"),
    ("(" * 51 + ")" * 51, 50, "more than 50 groups in each other", "write it flatter"),
]

SLOT_REFUSED = [
    pytest.param(("[a", SLOT, "]"), 2, "a placeholder inside '[…]'", "write the alternatives as (?:…|…)", id="set"),
    pytest.param(("[a-", SLOT, "]"), 3, "a placeholder inside '[…]'", "write the alternatives as (?:…|…)", id="range"),
    pytest.param(("a{", SLOT, "}"), 2, "a placeholder inside '{…}'", r"write '\{' for the character '{'", id="count"),
    pytest.param(("a{1,", SLOT, "}"), 4, "a placeholder inside '{…}'", r"write '\{' for the character '{'", id="second count"),
    pytest.param(("{", SLOT, "}"), 1, "a placeholder inside '{…}'", r"write '\{' for the character '{'", id="braces at the start"),
    pytest.param(("(?P<", SLOT, ">a)"), 4, "a placeholder in a group's name", "write the name out", id="name"),
    pytest.param(("(?P<x", SLOT, ">a)"), 5, "a placeholder in a group's name", "write the name out", id="part of a name"),
    pytest.param(("(?", SLOT, "a)"), 2, "a placeholder in a group's header", r"write '\?' for the character", id="header"),
    pytest.param(("a\\", SLOT), 2, "a placeholder after a backslash", r"write '\\' for the character '\'", id="backslash"),
    pytest.param(("[\\", SLOT, "]"), 2, "a placeholder after a backslash", r"write '\\' for the character '\'", id="backslash in a set"),
]  # fmt: skip


def found(regex: str, text: str, flags: str = "") -> str | None:
    match = compile_regex((regex,), flags).match_line(text)
    return match.text if match else None


def is_read_or_refused(regex: str, line: str) -> bool:
    """Return whether a refusal has a place in the text; what is read is searched too."""
    try:
        compile_regex((regex,)).match_line(line)
    except PatternError as error:
        return 0 <= error.offset <= len(regex)
    return True


@pytest.mark.parametrize(("regex", "offset", "message", "advice"), REFUSED, ids=[case[0][:20] for case in REFUSED])
def test_refused_construct_is_explained(regex: str, offset: int, message: str, advice: str) -> None:
    """What RE2 and `re` don't share is refused where it stands, with what to write instead."""
    with pytest.raises(PatternError) as caught:
        compile_regex((regex,), "")
    assert (message, offset, advice) == (caught.value.message, caught.value.offset, caught.value.advice)


@pytest.mark.parametrize(("source", "offset", "message", "advice"), SLOT_REFUSED)
def test_slot_is_refused_where_it_is_no_unit(
    source: tuple[str | Slot, ...], offset: int, message: str, advice: str
) -> None:
    """A placeholder may only stand where a literal may."""
    with pytest.raises(PatternError) as caught:
        compile_regex(source, "")
    assert (message, offset, advice) == (caught.value.message, caught.value.offset, caught.value.advice)


@pytest.mark.parametrize(
    ("regex", "flags", "text", "expected"),
    [
        pytest.param("b+", "", "abbc", "bb", id="searched"),
        pytest.param("a(b)c", "", "abc", "b", id="group 1"),
        pytest.param("a(b)?c", "", "ac", "ac", id="group 1 took no part"),
        pytest.param("a()c", "", "ac", "", id="group 1 is empty"),
        pytest.param("a(?:b)c", "", "abc", "abc", id="no group"),
        pytest.param("a|ab", "", "ab", "a", id="the first alternative"),
        pytest.param("a+?", "", "aa", "a", id="lazy"),
        pytest.param("a{2,3}", "", "aaaa", "aaa", id="counted"),
        pytest.param("a{2,}", "", "aaaa", "aaaa", id="open count"),
        pytest.param("a{0}b", "", "ab", "b", id="count of none"),
        pytest.param("a.b", "", "a\nb", None, id="dot takes no LF"),
        pytest.param("a.b", "s", "a\nb", "a\nb", id="dot takes LF with s"),
        pytest.param("a$", "", "a\n", None, id="dollar is the very end"),
        pytest.param("a$", "m", "a\n", "a", id="dollar is a line's end with m"),
        pytest.param("^b", "", "a\nb", None, id="caret is the start"),
        pytest.param("^b", "m", "a\nb", "b", id="caret is a line's start with m"),
        pytest.param(r"\Ab", "m", "a\nb", None, id="the text's start whatever the flags"),
        pytest.param("É", "i", "é", None, id="i is ASCII"),
        pytest.param("straße K", "i", "STRAßE k", "STRAßE k", id="i folds letters"),
        pytest.param("k", "i", "\u212a", None, id="i takes no Kelvin sign"),
        pytest.param("[^k]", "i", "K", None, id="i in a negated set"),
        pytest.param("[W-c]", "i", "C", "C", id="i in a range"),
        pytest.param(r"\w", "", "é", None, id="w is ASCII"),
        pytest.param(r"\d", "", "٣", None, id="d is ASCII"),
        pytest.param(r"\s", "", "\u00a0", None, id="s is ASCII"),
        pytest.param(r"\s", "", "\x0b", "\x0b", id="s takes the vertical tab"),
        pytest.param(r"\W\D\S", "", "ééé", "ééé", id="their complements"),
        pytest.param(r"\bé", "", "aé", "é", id="b is ASCII"),
        pytest.param(r"\B", "", "", "", id="no word edge in the empty text"),
        pytest.param(r"\x41\t\.\/\_", "", "A\t./_", "A\t./_", id="escapes"),
        pytest.param("[]a-]+", "", "a-]", "a-]", id="bracket first and dash last in a set"),
        pytest.param(r"[\w.-]+", "", "a.b-c", "a.b-c", id="class and dash in a set"),
        pytest.param(r"[^\s\S]", "", "a", None, id="a set of nothing"),
        pytest.param("[[a]+", "", "[a", "[a", id="bracket in a set"),
        pytest.param("[+--]+", "", "+,-", "+,-", id="dash as the end of a range"),
        pytest.param(r"{\d+}{}", "", "{12}{}", "{12}{}", id="braces that are no count"),
        pytest.param("a{1,2", "", "a{1,2", "a{1,2", id="a brace without its end"),
        pytest.param("||a", "", "a", "", id="empty alternative"),
        pytest.param(r"\\xff", "", r"\xff", r"\xff", id="an octet that is not UTF-8"),
        pytest.param("a.b", "", "a\x00b\u202e", "a\x00b", id="NUL and bidi"),
        pytest.param("a.b", "", "a\udcffb", "a\udcffb", id="lone surrogate"),
    ],
)  # fmt: skip
def test_meaning(regex: str, flags: str, text: str, expected: str | None) -> None:
    """What a regex of the shared subset means."""
    assert expected == found(regex, text, flags)


def test_named_groups_become_variables() -> None:
    """Named groups that took part are given by name; one that didn't is absent."""
    regex = compile_regex((r"(?P<id>\w+) (?P<size>\d+)?(?P<rest>x)?",))
    match = regex.match_line("4F3A 12")
    assert regex.groups == ("id", "size", "rest")
    assert match is not None
    assert (match.text, match.named) == ("4F3A", {"id": "4F3A", "size": "12"})


@settings(deadline=None)
@given(st.text(st.characters(), max_size=20), st.sampled_from(["", "i"]))
def test_value_in_regex_is_literal(value: str, flags: str) -> None:
    """A filled value matches itself, and a repeat after it repeats it whole."""
    regex = compile_regex(("^<(", SLOT, "+)>$"), flags).fill(lambda _: value)
    match = regex.match_line(f"<{value}{value}>")
    assert match is not None
    assert value + value == match.text
    assert regex.match_line(f"<{value}x>") is None or value.lower() in {"", "x"}


@settings(deadline=None)
@given(st.text(st.characters(), max_size=20))
def test_value_with_special_characters_matches_nothing_else(text: str) -> None:
    """No character of a value has a meaning of its own."""
    regex = compile_regex(("^", SLOT, "$")).fill(lambda _: r".*\w(?:a|b)[^c]{2}$")
    assert (text == r".*\w(?:a|b)[^c]{2}$") == (regex.match_line(text) is not None)


@pytest.mark.parametrize(("regex", "size"), [("a", LINE_LIMIT), ("(a|b|ab)+c", LINE_LIMIT)], ids=["quick", "not quick"])
def test_line_beyond_the_limit_is_not_tried(regex: str, size: int) -> None:
    """A regex sees 4 KiB of a line, in octets; beyond that it raises, it doesn't pass or miss."""
    compiled = compile_regex((regex,))
    compiled.match_line("a" * size)
    for line in ("a" * (size + 1), "é" * (size // 2) + "a"):
        with pytest.raises(TooLong) as caught:
            compiled.match_line(line)
        assert caught.value.reason == "a regex sees at most 4 KiB of a line, and this line is longer"


def test_reply_beyond_the_limit_is_not_tried() -> None:
    """A regex sees 64 KiB of a reply, whatever its lines."""
    compiled = compile_regex(("b",))
    assert compiled.search_text("a" * TEXT_LIMIT) is None
    with pytest.raises(TooLong) as caught:
        compiled.search_text("b" * (TEXT_LIMIT + 1))
    assert caught.value.reason == "a regex sees at most 64 KiB of a reply, and this reply is longer"


def test_size_of_a_regex_is_bounded_without_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A regex that no engine here is sure to end in time is refused when it is read, naming the extra."""
    monkeypatch.setattr(regex_module, "re2_module", lambda: None)
    with pytest.raises(PatternError) as caught:
        compile_regex(("(?:a|ab|b){1,1000}c",))
    assert caught.value.message == "a regex too large to be tried in bounded time"
    assert caught.value.advice == "make its repeats smaller, or install the extra 're2'"


def test_size_of_a_regex_is_bounded_with_re2_too() -> None:
    """What is too large for RE2 as well is refused when it is read."""
    with pytest.raises(PatternError) as caught:
        compile_regex(("(?:" + "[^a]b|[^b]" * 400 + "){1000}c",))
    assert caught.value.message == "a regex too large to be tried in bounded time"
    assert caught.value.advice == "make its repeats smaller"


def test_large_but_quick_regex_needs_no_re2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Size alone is no reason to refuse."""
    monkeypatch.setattr(regex_module, "re2_module", lambda: None)
    match = compile_regex(("[a-z]{1000}",)).match_line("a" * 1000)
    assert match is not None
    assert match.text == "a" * 1000


@settings(deadline=None)
@given(st.text(st.characters(), max_size=30))
def test_any_text_is_a_regex_or_a_pattern_error(text: str) -> None:
    """Reading raises nothing but PatternError, with a place inside the text."""
    assert is_read_or_refused(text, text)


@settings(deadline=None)
@given(st.text("ab(|)[]^-*+?{1,2}\\.$wdPx:<>", max_size=14), st.text("ab1 -\n", max_size=8))
def test_any_regex_like_text_is_judged_or_refused(text: str, line: str) -> None:
    """What looks like a regex and passes the reader can be searched."""
    assert is_read_or_refused(text, line)
