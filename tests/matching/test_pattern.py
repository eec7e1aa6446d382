"""Globs, the choice between glob and regex, slots, and near misses."""

import fnmatch
import pickle
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.matching.pattern import (
    Pattern,
    PatternError,
    Slot,
    compile_glob,
    compile_pattern,
    nearest_miss,
)
from runner.matching.regex import compile_regex

SLOT = Slot("${user}")
ANY_TEXT = st.text(st.characters(), max_size=12)
# Few characters, so that globs and lines meet.
TIGHT = st.text("ab*?\\[/\n", max_size=10)


def holds(pattern: Pattern, line: str) -> bool:
    return pattern.match_line(line) is not None


@pytest.mark.parametrize(
    ("glob", "line", "matches"),
    [
        pytest.param("Ok", "Ok", True, id="plain"),
        pytest.param("Ok", "OK", False, id="case counts"),
        pytest.param("Ok", "Ok.", False, id="whole"),
        pytest.param("", "", True, id="empty"),
        pytest.param("", "x", False, id="empty against text"),
        pytest.param("*", "", True, id="star takes nothing"),
        pytest.param("*", "a\x00\udcffb", True, id="star takes anything"),
        pytest.param("Hello *", "Hello mx", True, id="head"),
        pytest.param("Hello *", "Hello", False, id="head with its blank"),
        pytest.param("*ok", "not ok", True, id="tail"),
        pytest.param("a*a", "a", False, id="head and tail do not share"),
        pytest.param("a*a", "aa", True, id="head and tail touch"),
        pytest.param("*a*b*", "xxaxxbxx", True, id="middle"),
        pytest.param("*a*b*", "xxbxxaxx", False, id="middle in order"),
        pytest.param("a*bc*bc", "abcbc", True, id="middle leaves room for the tail"),
        pytest.param("a*bc*bc", "abc", False, id="middle and tail do not share"),
        pytest.param("**a**", "a", True, id="stars in a row"),
        pytest.param("a?c", "abc", True, id="one"),
        pytest.param("a?c", "ac", False, id="one is not none"),
        pytest.param("???", "abc", True, id="three of any"),
        pytest.param("???", "ab", False, id="three of two"),
        pytest.param("*a?c*", "aacabcab", True, id="one in the middle"),
        pytest.param("*a?c*", "acabcb", True, id="one in the middle, overlapping"),
        pytest.param("*?", "", False, id="at least one"),
        pytest.param("?*?", "ab", True, id="at least two"),
        pytest.param("?*?", "a", False, id="at least two of one"),
        pytest.param("*??*x", "abx", True, id="only ones between stars"),
        pytest.param("*??*x", "ax", False, id="only ones between stars, too few"),
        pytest.param(r"\*", "*", True, id="literal star"),
        pytest.param(r"\*", "x", False, id="literal star only"),
        pytest.param(r"\?", "?", True, id="literal question mark"),
        pytest.param(r"a\\b", r"a\b", True, id="literal backslash"),
        pytest.param(r"EXAMPLE\alice", r"EXAMPLE\alice", True, id="backslash before another is itself"),
        pytest.param("a\\", "a\\", True, id="backslash at the end is itself"),
        pytest.param(r"\/usr/bin", "/usr/bin", True, id="slash at the start"),
        pytest.param(r"a\/b", r"a\/b", True, id="backslash before a slash elsewhere"),
        pytest.param("[ab]", "[ab]", True, id="brackets are plain"),
        pytest.param(r"\\xff", r"\xff", True, id="an octet that is not UTF-8"),
    ],
)
def test_glob_matches_whole_line(glob: str, line: str, matches: bool) -> None:
    """A glob matches a line whole; `*`, `?` and the escapes mean what the manual says."""
    assert matches == holds(compile_pattern((glob,)), line)


@settings(deadline=None)
@given(TIGHT, TIGHT)
def test_glob_agrees_with_fnmatch(glob: str, line: str) -> None:
    """On globs without escapes and brackets the verdict is that of fnmatch."""
    glob = glob.replace("\\", "").replace("[", "")
    assert fnmatch.fnmatchcase(line, glob) == holds(compile_glob((glob,)), line)


@settings(deadline=None)
@given(ANY_TEXT | TIGHT, ANY_TEXT | TIGHT)
def test_glob_never_raises(glob: str, line: str) -> None:
    """Every text is a glob, every text can be judged, and a miss can be told."""
    pattern = compile_glob((glob,))
    found = pattern.match_line(line)
    assert found is None or found.text == line
    assert isinstance(nearest_miss(pattern, line), str)


@settings(deadline=None)
@given(ANY_TEXT | TIGHT, st.sampled_from(["", "ab", "*", "?", "a*", "*a?"]), st.sampled_from(["", "b", "*b", "?"]))
def test_value_in_glob_is_literal(value: str, before: str, after: str) -> None:
    """A filled value matches itself and nothing else, whatever characters it has."""
    escaped = re.sub(r"([*?\\])", r"\\\1", value)
    filled = compile_glob((before, SLOT, after)).fill(lambda _: value)
    # A blank first, as an escaped `/` at the very start has a rule of its own.
    written = compile_glob((f" {before}{escaped}{after}",))
    for line in (value, f"a{value}", f"ab{value}b", f"{value}b", "ab", "*", ""):
        assert holds(written, f" {line}") == holds(filled, line)


def test_value_with_star_at_its_end_is_no_star() -> None:
    """A star in a value is a star."""
    pattern = compile_glob(("<", SLOT, ">")).fill(lambda _: "*")
    assert [holds(pattern, "<*>"), holds(pattern, "<x>")] == [True, False]


def test_backslash_before_a_slot_is_itself() -> None:
    """In a glob a backslash does not reach into a value."""
    pattern = compile_glob(("EXAMPLE\\", SLOT)).fill(lambda _: "*")
    assert [holds(pattern, "EXAMPLE\\*"), holds(pattern, "EXAMPLE*")] == [True, False]


def test_value_that_looks_like_a_regex_is_a_glob() -> None:
    """What a slot holds does not decide the kind of a pattern."""
    pattern = compile_pattern((SLOT,)).fill(lambda _: "/a.c/i")
    assert [pattern.is_regex, holds(pattern, "/a.c/i"), holds(pattern, "abc")] == [False, True, False]


@pytest.mark.parametrize("compiled", [compile_glob(("a*",)), compile_regex(("a+",))], ids=["glob", "regex"])
def test_fill_without_slots_returns_itself(compiled: Pattern) -> None:
    """A pattern without slots is complete as it stands."""
    assert compiled.fill(lambda _: "x") is compiled


@pytest.mark.parametrize("source", [("a ", SLOT), ("/a ", SLOT, "/")], ids=["glob", "regex"])
def test_unfilled_pattern_refuses_to_match(source: tuple[str | Slot, ...]) -> None:
    """A pattern with open slots is never judged as if they were text."""
    pattern = compile_pattern(source)
    assert pattern.slots == (SLOT,)
    with pytest.raises(ValueError, match="not filled"):
        pattern.match_line("a")
    with pytest.raises(ValueError, match="not filled"):
        pattern.search_text("a")


@pytest.mark.parametrize("source", [("a ", SLOT, " *"), ("/a ", SLOT, "+/im")], ids=["glob", "regex"])
def test_filled_pattern_shows_only_what_was_written(source: tuple[str | Slot, ...]) -> None:
    """Neither text nor repr of a filled pattern holds the value; the source stays."""
    pattern = compile_pattern(source).fill(lambda _: "hunter2")
    written = "".join(map(str, source))
    assert written == str(pattern)
    assert pattern.slots == ()
    assert "hunter2" not in repr(pattern)
    assert written.replace("${user}", "⟨user⟩") == pattern.show(lambda _: "⟨user⟩")


def test_match_hides_what_the_server_sent() -> None:
    """A match holds what a server echoed, so its repr is silent."""
    found = compile_regex((r"(?P<echo>\w+)",)).match_line("hunter2")
    assert found is not None
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("text", "is_regex"),
    [("/a/", True), ("/a/b/", True), ("/a/ims", True), ("a/b/", False), (r"\/a/", False), ("*/a/", False)],
)
def test_kind_is_told_by_the_first_slash(text: str, is_regex: bool) -> None:
    """A pattern that begins with `/` is a regex up to its last `/`."""
    assert is_regex == compile_pattern((text,)).is_regex


def test_slash_in_a_regex_needs_no_escape() -> None:
    """The regex goes to the last `/`."""
    assert holds(compile_pattern(("/a/b/i",)), "A/B")


@pytest.mark.parametrize(
    ("source", "offset", "message", "advice"),
    [
        pytest.param(
            ("/usr/bin",), 5, "unknown flag 'b'",
            r"the flags after the last '/' are i, m and s; a glob that begins with '/' is written '\/'",
            id="a path",
        ),
        pytest.param(("/tmp",), 0, "a regex without its last '/'", r"a glob that begins with '/' is written '\/'", id="one slash"),
        pytest.param(("/",), 0, "a regex without its last '/'", r"a glob that begins with '/' is written '\/'", id="only a slash"),
        pytest.param(("//",), 1, "an empty regex", "it would match everything: leave it out, or write `*`", id="empty"),
        pytest.param(("/a/", SLOT), 3, "a placeholder after a regex's last '/'", r"a glob that begins with '/' is written '\/'", id="slot as flag"),
        pytest.param(("/a", SLOT, "(/i"), 3, "'(' without ')'", r"write '\(' for the character", id="offset counts a slot as one"),
        pytest.param(("/a/ii",), 4, "repeated flag 'i'", r"the flags after the last '/' are i, m and s; a glob that begins with '/' is written '\/'", id="a flag twice"),
    ],
)  # fmt: skip
def test_wrong_pattern_is_explained(source: tuple[str | Slot, ...], offset: int, message: str, advice: str) -> None:
    """What begins with `/` and is no regex is refused with place and advice."""
    with pytest.raises(PatternError) as caught:
        compile_pattern(source)
    assert (message, offset, advice) == (caught.value.message, caught.value.offset, caught.value.advice)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        pytest.param("b*", "a\nbc\nbd", "bc", id="glob: the first line that matches"),
        pytest.param("a*d", "a\nbc\nd", None, id="glob: never across lines"),
        pytest.param(r"/a\nb/", "xa\nbx", "a\nb", id="regex: across lines"),
        pytest.param("/^b./m", "a\nbc\nbd", "bc", id="regex: line starts with m"),
        pytest.param("/^b/", "a\nb", None, id="regex: text start without m"),
    ],
)
def test_search_in_a_whole_reply(pattern: str, text: str, found: str | None) -> None:
    """In a reply a glob must match one line whole, a regex is searched in all of it."""
    match = compile_pattern((pattern,)).search_text(text)
    assert found == (match.text if match else None)


@pytest.mark.parametrize(
    ("pattern", "line", "miss"),
    [
        pytest.param("Hello", "Hello you", "the text goes on; end with ` *`", id="goes on after a blank"),
        pytest.param("Hello", "Hello, you", "the text goes on; end with `*`", id="goes on at once"),
        pytest.param("*: queued", "Ok: queued as 1", "the text goes on; end with ` *`", id="goes on after a star"),
        pytest.param("Username:", "username:", "only the case differs, and case counts", id="case"),
        pytest.param("Ok", " Ok ", "only blanks at the text's ends differ", id="blanks"),
        pytest.param("Hello you", "Hello", "the text ends before the pattern does", id="ends early"),
        pytest.param("Hello you", "Hello me", "differs from character 7 on", id="differs"),
        pytest.param("a?cd", "abxd", "differs from character 3 on", id="differs after a question mark"),
        pytest.param("Hello", "Goodbye", "", id="nothing alike"),
        pytest.param("a*b*c", "axxc", "there is no 'b' in it", id="middle"),
        pytest.param("*b*a*", "acb", "there is no 'a' where the pattern has it", id="middle, elsewhere"),
        pytest.param("a*b?b*c", "axxc", "it lacks what the pattern has between two of its `*`", id="middle, open"),
        pytest.param("a*b", "axx", "the text ends otherwise than the pattern, after its last `*`", id="tail"),
        pytest.param("a*", "ab", "", id="a match"),
        pytest.param("/queued AS/", "queued as", "only the case differs; the flag i after the last '/' ignores it", id="regex, case"),
        pytest.param("/[^a]x/", "ax", "", id="regex, a negated set stays negated"),
        pytest.param("/x/", "y", "", id="regex, nothing alike"),
    ],
)  # fmt: skip
def test_nearest_miss(pattern: str, line: str, miss: str) -> None:
    """A miss says what would have matched, or where the two part."""
    assert miss == nearest_miss(compile_pattern((pattern,)), line)


def test_nearest_miss_quotes_neither_value_nor_text() -> None:
    """A secret in a slot is not in the advice."""
    pattern = compile_glob(("user ", SLOT)).fill(lambda _: "hunter2")
    assert nearest_miss(pattern, "user hunter3") == "differs from character 12 on"


@pytest.mark.parametrize("source", [("a ", SLOT, "?*"), (r"/(?P<x>a) ", SLOT, "+/i")], ids=["glob", "regex"])
def test_patterns_pickle(source: tuple[str | Slot, ...]) -> None:
    """Open, filled and used patterns travel to another process unchanged."""
    pattern = compile_pattern(source)
    filled = pattern.fill(lambda _: "b")
    filled.match_line("a b..")
    for each in (pattern, filled):
        copy = pickle.loads(pickle.dumps(each))
        assert (each, str(each), each.slots) == (copy, str(copy), copy.slots)
    assert filled.match_line("a b..") == pickle.loads(pickle.dumps(filled)).match_line("a b..") is not None


def test_pattern_error_pickles() -> None:
    """An error travels with place and advice."""
    copy = pickle.loads(pickle.dumps(PatternError("wrong", 3, "do right")))
    assert (copy.message, copy.offset, copy.advice, str(copy)) == ("wrong", 3, "do right", "wrong")
